"""Hurts epipam for a while and prints what became of it; see `bin/torture`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

# Before libraries are imported: forks of a process that has threads would hang.
os.environ.update(OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="", PYTHONWARNINGS="ignore")

from torture.children import Lost, import_libraries
from torture.commands import Inputs
from torture.damage import fuzz, names, rot
from torture.stops import files, full, kill, read_only, stop, two
from torture.threads import threads

Harm = Callable[[Inputs, Path, Random], str]
KINDS: dict[str, Harm] = {
    "kill": kill,
    "stop": stop,
    "full": full,
    "files": files,
    "read-only": read_only,
    "rot": rot,
    "fuzz": fuzz,
    "names": names,
    "two": two,
    "threads": threads,
}


def main() -> int:
    """Try each kind of harm in turn until time is up; 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="bin/torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long; at least once each")
    parser.add_argument("--only", choices=sorted(KINDS), action="append", help="may be repeated")
    parser.add_argument("--seed", type=int, default=None, help="of what is drawn")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the table as JSON as well")
    options = parser.parse_args()
    seed = int(time.time()) if options.seed is None else options.seed
    kinds = options.only or list(KINDS)
    tried: Counter[str] = Counter()
    lost: dict[str, list[str]] = {kind: [] for kind in kinds}
    # Ended, it removes what it has made.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    import_libraries()
    began = time.monotonic()
    # Not a TemporaryDirectory: each fork would remove it at its end.
    place = Path(tempfile.mkdtemp(prefix="epipam-torture-"))
    try:
        place.chmod(0o755)
        os.environ.update(XDG_CACHE_HOME=f"{place}/cache", MPLCONFIGDIR=f"{place}/matplotlib")
        (place / "inputs").mkdir()
        inputs = Inputs(place / "inputs")
        while not all(tried[kind] for kind in kinds) or _minutes(began) < options.minutes:
            kind = kinds[tried.total() % len(kinds)]
            said = _try(kind, inputs, place, Random(f"{seed} {kind} {tried[kind]}"))
            tried[kind] += 1
            if said:
                lost[kind].append(said)
                where = f"{kind} {tried[kind]} of seed {seed}"
                print(f"lost: {where}: {said}", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print(_table(tried, lost))
    print(f"{_minutes(began):.1f} minutes, seed {seed}")
    if options.json:
        rows = {kind: {"tried": tried[kind], "lost": lost[kind]} for kind in kinds}
        found = {"minutes": _minutes(began), "seed": seed, "harms": rows}
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return int(any(lost.values()))


def _try(kind: str, inputs: Inputs, place: Path, draw: Random) -> str:
    """Do one kind of harm once; return what was lost, or nothing."""
    folder = place / "try"
    folder.mkdir()
    try:
        KINDS[kind](inputs, folder, draw)
    except Lost as error:
        return str(error) or "without a word"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ""


def _table(tried: Counter[str], lost: dict[str, list[str]]) -> str:
    lines = ["| harm | tried | survived | lost |", "|---|---:|---:|---:|"]
    for kind, ones in lost.items():
        row = (kind, tried[kind], tried[kind] - len(ones), len(ones))
        lines.append("| " + " | ".join(map(str, row)) + " |")
    return "\n".join(lines)


def _minutes(began: float) -> float:
    return (time.monotonic() - began) / 60


if __name__ == "__main__":
    sys.exit(main())

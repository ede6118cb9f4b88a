"""What a benchmark prints: one JSON object with its environment and its metrics."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

_PACKAGES = ("epipam", "numpy", "pandas", "zarr", "numcodecs", "torch", "lightning")
_CPU_INFO = Path("/proc/cpuinfo")


class Metric(NamedTuple):
    """One number that a benchmark found."""

    name: str
    value: float
    unit: str


def asked_to_be_quick(description: str | None) -> bool:
    """Read the command line; return whether it asks for a small run that only shows it works."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="Small inputs: seconds, no meaning.")
    return parser.parse_args().quick


def announce(what: str) -> None:
    """Say on standard error what is being done."""
    print(what, file=sys.stderr, flush=True)


def print_result(bench: str, environment: dict[str, object], metrics: Iterable[Metric]) -> None:
    """Print a benchmark's object, numbers to five significant digits."""
    found = [{**metric._asdict(), "value": float(f"{metric.value:.5g}")} for metric in metrics]
    print(json.dumps({"bench": bench, "environment": environment, "metrics": found}))


def environment(*, quick: bool) -> dict[str, object]:
    """Return what the numbers depend on: machine, versions, commit, and how busy it was."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "quick": quick,
        "commit": _commit(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
    }


def _commit() -> str | None:
    """Return the commit of this checkout, marked where files differ from it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _cpu_model() -> str:
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

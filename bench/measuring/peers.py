"""Other people's loaders, each in an environment of its own, over the same windows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType

import numpy as np

from epipam.store import Store
from epipam.store.schema import WINDOW_COLUMNS

PEERS = Path(__file__).parents[1] / "peers"


class PeerError(Exception):
    """A peer cannot be installed, or does not run here."""


class Windows:
    """Window pairs of a store as two BED files, row by row.

    Parameters
    ----------
    store
        Where they are.
    folder
        Where the files go.
    n_pairs
        At most so many.
    """

    def __init__(self, store: Store, folder: Path, n_pairs: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.bases = (store.enhancer_length, store.promoter_length)
        self.files = (folder / "enhancer.bed", folder / "promoter.bed")
        self.n_pairs = 0
        lines: tuple[list[str], list[str]] = ([], [])
        for contig in store.contigs:
            stop = min(store.n_rows(contig), n_pairs // len(store.contigs))
            window = store.read(contig, 0, stop).window
            self.n_pairs += len(window)
            for column, length, into in zip(
                ("enhancer_start", "promoter_start"), self.bases, lines, strict=True
            ):
                starts: np.ndarray = window[:, WINDOW_COLUMNS.index(column)]
                into += [f"{contig}\t{start}\t{start + length}\n" for start in starts.tolist()]
        for file, text in zip(self.files, lines, strict=True):
            file.write_text("".join(text))


class Peer:
    """A peer's process, which makes one pass over its windows when it is told to.

    Parameters
    ----------
    name
        Names its script and its requirements in `bench/peers`.
    genome, windows
        What it reads.
    batch_size
        Rows of a batch.
    options
        Further arguments.

    Raises
    ------
    PeerError
        Where it cannot be installed or does not run.
    """

    def __init__(
        self, name: str, genome: Path, windows: Windows, batch_size: int, *options: str
    ) -> None:
        self.windows = windows
        script = PEERS / f"{name}_peer.py"
        self._process = subprocess.Popen(
            [installed(name), script, genome, *windows.files, str(batch_size), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
        )
        try:
            self.read_all()
        except BaseException:
            self.stop()
            raise

    def read_all(self) -> None:
        """Make one pass."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # what it said then is more telling
            process.stdin.write("\n")
            process.stdin.flush()
        said = process.stdout.readline()
        if not said:
            assert process.stderr is not None
            raise PeerError(f"does not run: {_last_line(process.stderr.read())}")
        bases = tuple(json.loads(said)["bases"])
        if bases != self.windows.bases:
            raise PeerError(f"reads windows of {bases} bases, not {self.windows.bases}")

    def stop(self) -> None:
        """End the process."""
        process = self._process
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def requirements(name: str) -> list[str]:
    """Return what a peer's environment is made of."""
    return (PEERS / f"{name}.txt").read_text().split()


def installed(name: str) -> Path:
    """Return the Python of a peer's environment, made at first use and kept in the user's cache.

    Raises
    ------
    PeerError
        Where it cannot be made.
    """
    listed = PEERS / f"{name}.txt"
    digest = sha256(listed.read_bytes() + sys.version.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "epipam-bench" / f"{name}-{digest}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    commands: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", "--clear", folder],
        [python, "-m", "pip", "install", "--quiet", "-r", listed],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerError(f"cannot be installed: {_last_line(done.stderr)}")
    (folder / "complete").touch()
    return python


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it says nothing"

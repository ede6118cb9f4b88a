"""Sorting more rows than fit in memory, and the tabix index of sorted rows."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pysam

_RUN_BYTES = 64_000_000
_ROW_OVERHEAD = 200
_MOST_RUNS = 64
# A .tbi index ends at 512 Mb; longer contigs (wheat, lungfish) take a .csi.
TBI_END = 2**29
INDEX_SUFFIXES = (".tbi", ".csi")

Key = Callable[[bytes], tuple[bytes | int, ...]]


@dataclass(frozen=True)
class Columns:
    """Where rows of a format have what they are sorted and indexed by; columns from 0.

    Attributes
    ----------
    key
        Columns by which rows are sorted: contigs as bytes, as `LC_ALL=C sort` does, positions as
        numbers.
    contigs
        Those of them that hold contigs.
    index
        Contig, start and end for tabix.
    """

    key: tuple[int, ...]
    contigs: tuple[int, ...] = (0,)
    index: tuple[int, int, int] = (0, 1, 2)

    def of(self, row: bytes) -> tuple[bytes | int, ...]:
        """Return what a row is sorted by."""
        fields = row.rstrip(b"\n").split(b"\t", max(self.key) + 1)
        return tuple([fields[i] if i in self.contigs else int(fields[i]) for i in self.key])


class SortedRows:
    """Rows that are sorted on disk; equal ones keep their order.

    Parameters
    ----------
    folder
        Holds runs of sorted rows, as much as all rows take as text.
    key
        What a row, with its line end, is sorted by.
    run_bytes
        About what the rows in memory may take.
    """

    def __init__(self, folder: Path, key: Key, run_bytes: int = _RUN_BYTES) -> None:
        self._folder = folder
        self._key = key
        self._run_bytes = run_bytes
        self._rows: list[bytes] = []
        self._bytes = self._n_runs = 0
        self._runs: list[Path] = []

    def add(self, rows: Iterable[bytes]) -> None:
        """Take rows in."""
        for row in rows:
            self._rows.append(row)
            self._bytes += len(row) + _ROW_OVERHEAD
            if self._bytes >= self._run_bytes:
                self._spill()

    def merged(self) -> Iterator[bytes]:
        """Yield all rows, sorted."""
        self._rows.sort(key=self._key)
        with ExitStack() as stack:
            runs = [stack.enter_context(run.open("rb")) for run in self._runs]
            yield from heapq.merge(*runs, self._rows, key=self._key)

    def _spill(self) -> None:
        """Write what is in memory as a run; merge the runs before a process has too many open."""
        if len(self._runs) == _MOST_RUNS:
            rows, self._rows = self._rows, []
            merged = self._write(self.merged())
            for run in self._runs:
                run.unlink()
            self._runs, self._rows = [merged], rows
        self._rows.sort(key=self._key)
        self._runs.append(self._write(self._rows))
        self._rows, self._bytes = [], 0

    def _write(self, rows: Iterable[bytes]) -> Path:
        path = self._folder / f"run_{self._n_runs}"
        self._n_runs += 1
        with path.open("wb") as handle:
            handle.writelines(rows)
        return path


def index_suffix(end: int) -> str:
    """Return the suffix of the index for positions up to `end`."""
    return INDEX_SUFFIXES[end > TBI_END]


def write_index(path: Path, index: Path, columns: Columns, *, csi: bool, headers: int) -> None:
    """Index sorted bgzip rows as tabix does.

    Parameters
    ----------
    path, index
        What to index, and the file to write.
    columns
        Where it has contig, start and end; 0-based and half-open.
    csi
        Write `.csi` instead of `.tbi`.
    headers
        How many first lines are no rows, beside those that begin with `#`.
    """
    contig, start, end = columns.index
    pysam.tabix_index(
        str(path),
        force=True,
        seq_col=contig,
        start_col=start,
        end_col=end,
        zerobased=True,
        line_skip=headers,
        index=str(index),
        csi=csi,
    )

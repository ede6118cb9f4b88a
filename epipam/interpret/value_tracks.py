"""Tracks that hold one value per base: bedGraph, plain or bgzip, and bigWig.

bedGraph: https://genome.ucsc.edu/goldenPath/help/bedgraph.html, sorted as `LC_ALL=C sort -k1,1
-k2,2n` does, without a track line, so that tabix and bedGraphToBigWig take it.
bigWig: https://genome.ucsc.edu/goldenPath/help/bigWig.html, written by pyBigWig.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pysam

from epipam.errors import EpipamError
from epipam.runtime.files import whole_file

_BEDGRAPH = (".bedgraph", ".bedGraph", ".bg")
_BIGWIG = (".bw", ".bigwig", ".bigWig")
ENDINGS = (*_BEDGRAPH, *(f"{ending}.gz" for ending in _BEDGRAPH), *_BIGWIG)

_ROWS_AT_ONCE = 100_000

# Contig, then int64 (n,) start and end, 0-based half-open, and float32 (n,) value.
WriteValues = Callable[[str, np.ndarray, np.ndarray, np.ndarray], None]


@contextmanager
def open_track(
    path: Path, ending: str, contigs: Sequence[tuple[str, int]]
) -> Iterator[WriteValues]:
    """Yield `write(contig, start, end, value)`; the file appears when the block ends well.

    Parameters
    ----------
    ending
        One of `ENDINGS`.
    contigs
        Names and lengths, bp, in the order in which they will be written.

    Raises
    ------
    EpipamError
        Where it cannot be written.
    """
    with whole_file(path) as partial:
        if ending in _BIGWIG:
            yield from _bigwig(partial, path, contigs)
        else:
            yield from _bedgraph(partial, ending.endswith(".gz"))


def _bedgraph(partial: Path, compressed: bool) -> Iterator[WriteValues]:
    handle: Any = pysam.BGZFile(str(partial), "w", None) if compressed else partial.open("wb")

    def write(contig: str, start: np.ndarray, end: np.ndarray, value: np.ndarray) -> None:
        rows = zip(start.tolist(), end.tolist(), value.tolist(), strict=True)
        handle.write("".join(f"{contig}\t{s}\t{e}\t{v:.6g}\n" for s, e, v in rows).encode())

    try:
        yield write
    finally:
        handle.close()


def _bigwig(partial: Path, path: Path, contigs: Sequence[tuple[str, int]]) -> Iterator[WriteValues]:
    import pyBigWig  # of the extra `interpret`, for this format only

    handle = pyBigWig.open(str(partial), "w")
    handle.addHeader(list(contigs))

    def write(contig: str, start: np.ndarray, end: np.ndarray, value: np.ndarray) -> None:
        for first in range(0, len(start), _ROWS_AT_ONCE):
            rows = slice(first, first + _ROWS_AT_ONCE)
            names = [contig] * len(start[rows])
            ends, values = end[rows].tolist(), value[rows].tolist()
            handle.addEntries(names, start[rows].tolist(), ends=ends, values=values)

    try:
        yield write
    except RuntimeError as error:
        raise EpipamError(f"{path}: cannot be written: {error}") from error
    finally:
        handle.close()

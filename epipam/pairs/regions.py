"""Regions of a genome as columns: what the readers of region files make."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Region(NamedTuple):
    """One region: 0-based, half-open; `strand` is `+`, `-` or, where it has none, `.`.

    `signal` is a peak's enrichment, 0 where a file has none.
    """

    contig: str
    start: int
    end: int
    name: str
    strand: str
    signal: float = 0.0


class BadRow(ValueError):
    """A row that is no region; its text is `column: what is wrong`.

    Attributes
    ----------
    reason
        What is wrong, in the words that all rows of this fault share.
    """

    def __init__(self, column: str, detail: str, reason: str) -> None:
        super().__init__(f"{column}: {detail}")
        self.reason = reason


@dataclass(frozen=True)
class Regions:
    """Regions in the order of their file.

    Attributes
    ----------
    path
        The file they came from.
    contigs
        Names of the contigs, in order of first appearance.
    contig
        int32 (n_regions,): which of `contigs` each region lies on.
    start, end
        int64 (n_regions,): 0-based, half-open.
    names, strands
        Text of each.
    signal
        float64 (n_regions,): enrichment of peaks, 0 where the file has none.
    kind
        What the file is: `BED6`, `narrowPeak`, `GTF`, ...
    signal_name
        Where `signal` comes from, as `signalValue (column 7)`; empty where the file has none.
    notes
        What a reader of the result should know of how the file was read.
    """

    path: Path
    contigs: list[str]
    contig: np.ndarray
    start: np.ndarray
    end: np.ndarray
    names: list[str]
    strands: list[str]
    signal: np.ndarray
    kind: str = "BED"
    signal_name: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


def gather(path: Path, regions: Iterable[Region]) -> Regions:
    """Return regions as columns; they are held as numbers while they come, not as objects."""
    codes: dict[str, int] = {}
    contig, start, end, signal = array("i"), array("q"), array("q"), array("d")
    names: list[str] = []
    strands: list[str] = []
    for region in regions:
        contig.append(codes.setdefault(region.contig, len(codes)))
        start.append(region.start)
        end.append(region.end)
        names.append(region.name)
        strands.append(sys.intern(region.strand))
        signal.append(region.signal)
    return Regions(
        path,
        list(codes),
        np.array(contig, dtype=np.int32),
        np.array(start, dtype=np.int64),
        np.array(end, dtype=np.int64),
        names,
        strands,
        np.array(signal, dtype=np.float64),
    )

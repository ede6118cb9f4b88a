"""The attention of many pairs, put together by window, and by base of the genome.

A window that many pairs share is kept once, so that memory grows with the regions of a list and
not with its pairs. Windows of different regions may overlap; they are put together as they are
written, a cluster of overlapping windows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from epipam.interpret.attention_tiles import Tiles

COMBINATIONS = ("max", "mean")

# Windows that are put together at one time, but for larger clusters.
_WINDOWS_AT_ONCE = 1_000
_FIRST_ROWS = 256


class Segments(NamedTuple):
    """Stretches of a contig with a value each, sorted, none overlapping another.

    Attributes
    ----------
    start, end
        int64 (n,), 0-based half-open.
    value
        float32 (n,).
    """

    start: np.ndarray
    end: np.ndarray
    value: np.ndarray


class _Intervals(NamedTuple):
    """Stretches that may overlap, with the values, or sums of values, of so many pairs."""

    start: np.ndarray
    end: np.ndarray
    value: np.ndarray
    pairs: np.ndarray


class AttentionSums:
    """The attention over one anchor's windows.

    Parameters
    ----------
    tiles
        Of the anchor's windows.
    combine
        `max` or `mean`, over the pairs that share a base.
    """

    def __init__(self, tiles: Tiles, combine: str) -> None:
        self.tiles = tiles
        self.combine = combine
        self._row: dict[tuple[str, int], int] = {}
        self._values = np.zeros((_FIRST_ROWS, tiles.positions), dtype=np.float64)
        self._pairs = np.zeros(_FIRST_ROWS, dtype=np.int64)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self._row)

    def add(self, contigs: Sequence[str], starts: np.ndarray, scores: np.ndarray) -> None:
        """Take the attention of some pairs in.

        Parameters
        ----------
        contigs, starts
            Where the window of each pair begins: names, and int64 (n,), 0-based.
        scores
            float (n, positions).
        """
        keys = zip(contigs, starts.tolist(), strict=True)
        row = np.array([self._row.setdefault(key, len(self._row)) for key in keys])
        if len(self._row) > len(self._pairs):
            more = max(len(self._row), 2 * len(self._pairs)) - len(self._pairs)
            self._values = np.pad(self._values, ((0, more), (0, 0)))
            self._pairs = np.pad(self._pairs, (0, more))
        put = np.maximum if self.combine == "max" else np.add  # attention is never negative
        put.at(self._values, row, scores)
        np.add.at(self._pairs, row, 1)

    def windows(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return, by contig, where its windows begin and their rows: int64 (n,) each."""
        found: dict[str, list[tuple[int, int]]] = {}
        for (contig, start), row in self._row.items():
            found.setdefault(contig, []).append((start, row))
        arrays = {contig: np.array(places, dtype=np.int64) for contig, places in found.items()}
        return {contig: (places[:, 0], places[:, 1]) for contig, places in arrays.items()}

    def intervals(self, start: np.ndarray, row: np.ndarray) -> _Intervals:
        """Return the tiles of some windows."""
        positions, first, stride, _ = self.tiles
        begins = start[:, None] + first + stride * np.arange(positions)
        return _Intervals(
            begins.ravel(),
            begins.ravel() + stride,
            self._values[row].ravel(),
            np.repeat(self._pairs[row], positions),
        )


def segments(
    sums: Sequence[AttentionSums], contig_lengths: Mapping[str, int]
) -> Iterator[tuple[str, Segments]]:
    """Yield the attention by base: contigs in the order of their names, some windows at a time.

    Parameters
    ----------
    sums
        Of one anchor or both, combined in the same way.
    contig_lengths
        In bp; what lies beyond a contig's end, and before its first base, is left out.
    """
    windows = [each.windows() for each in sums]
    nothing = (np.empty(0, dtype=np.int64),) * 2
    for contig in sorted(set().union(*windows), key=str.encode):
        found = [of_anchor.get(contig, nothing) for of_anchor in windows]
        for together in _clusters(sums, found):
            piece = _put_together(together, sums[0].combine, contig_lengths[contig])
            if len(piece.start):
                yield contig, piece


def _clusters(
    sums: Sequence[AttentionSums], windows: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Iterator[_Intervals]:
    """Yield the tiles of a contig's windows, cut between windows that do not overlap."""
    start = np.concatenate([starts for starts, _ in windows])
    row = np.concatenate([rows for _, rows in windows])
    which = np.repeat(np.arange(len(sums)), [len(starts) for starts, _ in windows])
    order = np.argsort(start, kind="stable")
    start, row, which = start[order], row[order], which[order]
    reach = np.array([each.tiles.first + each.tiles.positions * each.tiles.stride for each in sums])
    end = np.maximum.accumulate(start + reach[which])
    cuts = np.flatnonzero(start[1:] >= end[:-1]) + 1
    low = 0
    for high in [*cuts.tolist(), len(start)]:
        if high - low >= _WINDOWS_AT_ONCE or high == len(start):
            parts = []
            for number, each in enumerate(sums):
                mine = np.flatnonzero(which[low:high] == number) + low
                parts.append(each.intervals(start[mine], row[mine]))
            yield _Intervals(*map(np.concatenate, zip(*parts, strict=True)))
            low = high


def _put_together(intervals: _Intervals, combine: str, length: int) -> Segments:
    """Cut overlapping intervals at every edge, combine what lies on each other, join equals."""
    start, end = np.clip(intervals.start, 0, length), np.clip(intervals.end, 0, length)
    inside = start < end
    start, end = start[inside], end[inside]
    edges = np.unique(np.concatenate([start, end]))
    low, high = np.searchsorted(edges, start), np.searchsorted(edges, end)
    pieces = high - low
    interval = np.repeat(np.arange(len(start)), pieces)
    piece = np.arange(len(interval)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + low[interval]
    value = np.zeros(len(edges), dtype=np.float64)
    pairs = np.zeros(len(edges), dtype=np.int64)
    put = np.maximum if combine == "max" else np.add
    put.at(value, piece, intervals.value[inside][interval])
    np.add.at(pairs, piece, intervals.pairs[inside][interval])
    # Behind the last edge of a cluster there is nothing.
    covered = np.flatnonzero(pairs)
    value = (value if combine == "max" else value / np.maximum(pairs, 1)).astype(np.float32)
    begin, stop, value = edges[covered], edges[covered + 1], value[covered]
    new = np.ones(len(begin), dtype=bool)
    new[1:] = (begin[1:] != stop[:-1]) | (value[1:] != value[:-1])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(begin)) - 1 if len(first) else first
    return Segments(begin[first], stop[last], value[first])

"""Fixed-length windows and the augmentation plan: arithmetic on coordinates only.

Coordinates are 0-based and half-open. A window may stick out of its contig; what sticks out
is N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

ENHANCER_LENGTH = 3_000
PROMOTER_LENGTH = 2_000
MAX_SHIFT = 100

USABLE = 0
REASONS = {
    1: "contig not in the genome",
    2: "different contigs",
    3: "start after end",
    4: "coordinates outside the contig",
    5: "enhancer window all N",
    6: "promoter window all N",
    7: "pair with both labels",
}
NOT_IN_GENOME, DIFFERENT_CONTIGS, START_AFTER_END, OUTSIDE_CONTIG = list(REASONS)[:4]
ENHANCER_ALL_N, PROMOTER_ALL_N, BOTH_LABELS = list(REASONS)[4:]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def resize(start: np.ndarray, end: np.ndarray, length: int) -> np.ndarray:
    """Return the start of the window of `length` bp about each region's centre.

    `start + ceil((L - length) / 2)` where the region of L bp is longer than the window,
    `start - ceil((length - L) / 2)` where it is shorter.

    Parameters
    ----------
    start, end
        int64 (n,), 0-based half-open; an empty region means its point.
    length
        Window length in bp.

    Returns
    -------
    int64 (n,); negative where the window sticks out on the left.
    """
    start = np.asarray(start, dtype=np.int64)
    excess = np.asarray(end, dtype=np.int64) - start - length
    half = (np.abs(excess) + 1) // 2
    return start + np.sign(excess) * half


def unusable_reason(
    frame: pd.DataFrame, contig_lengths: dict[str, int], *, allow_trans: bool = False
) -> np.ndarray:
    """Say which pairs cannot be windowed, from their coordinates alone.

    Parameters
    ----------
    frame
        Canonical pair table; names that differ are different contigs.
    contig_lengths
        Length in bp by chromosome name as `frame` spells it.
    allow_trans
        Whether the two anchors may lie on different chromosomes.

    Returns
    -------
    int8 (n_pairs,): 0 where a pair is usable, else a key of `REASONS`; the first that applies.
    """
    reason = np.zeros(len(frame), dtype=np.int8)

    def mark(rows: np.ndarray, code: int) -> None:
        reason[(reason == USABLE) & rows] = code

    length = {
        anchor: _lengths(frame[f"{anchor}_chrom"], contig_lengths)
        for anchor in ("enhancer", "promoter")
    }
    mark((length["enhancer"] < 0) | (length["promoter"] < 0), NOT_IN_GENOME)
    if not allow_trans:
        enhancer_chrom = frame["enhancer_chrom"].to_numpy()
        mark(enhancer_chrom != frame["promoter_chrom"].to_numpy(), DIFFERENT_CONTIGS)
    coordinates = {
        anchor: (frame[f"{anchor}_start"].to_numpy(), frame[f"{anchor}_end"].to_numpy())
        for anchor in length
    }
    for start, end in coordinates.values():
        mark(start > end, START_AFTER_END)
    for anchor, (start, end) in coordinates.items():
        mark((start < 0) | (end > length[anchor]), OUTSIDE_CONTIG)
    return reason


def _lengths(chromosome: pd.Series, contig_lengths: dict[str, int]) -> np.ndarray:
    """Return the length of each row's contig, int64 (n,)."""
    # A contig that is not there has length -1: every check then has a number to use.
    codes, names = chromosome.factorize()
    lengths = [contig_lengths.get(name, -1) for name in names]
    return np.array([*lengths, -1], dtype=np.int64)[codes]  # of no name at all, the code is -1


@dataclass(frozen=True)
class WindowPlan:
    """The windows of some pairs, one row per window pair.

    Attributes
    ----------
    pair
        int64 (n_rows,): index of the pair.
    copy
        int16 (n_rows,): 0 for the unshifted window, 1.. for the shifted copies.
    enhancer_shift, promoter_shift
        int32 (n_rows,), bp.
    """

    pair: np.ndarray
    copy: np.ndarray
    enhancer_shift: np.ndarray
    promoter_shift: np.ndarray

    def __len__(self) -> int:
        return len(self.pair)

    def __getitem__(self, rows: slice | np.ndarray) -> WindowPlan:
        return WindowPlan(
            self.pair[rows], self.copy[rows], self.enhancer_shift[rows], self.promoter_shift[rows]
        )


def plan_windows(
    pair: np.ndarray, label: np.ndarray, *, augment: int, max_shift: int, seed: int
) -> WindowPlan:
    """Plan the unshifted window of every pair and `augment` shifted copies of each positive.

    Shifts are uniform on [-max_shift, max_shift], the two anchors independently, and depend on
    (seed, pair, copy) only: not on the other pairs, nor on their order.

    Parameters
    ----------
    pair
        int64 (n_pairs,): number of each pair.
    label
        int8 (n_pairs,).

    Returns
    -------
    WindowPlan
        Unshifted rows first, then the copies.
    """
    positive = pair[label == 1]
    pairs = np.concatenate([pair, np.repeat(positive, augment)])
    copy = np.zeros(len(pairs), dtype=np.int16)
    copy[len(pair) :] = np.tile(np.arange(1, augment + 1, dtype=np.int16), len(positive))
    enhancer_shift, promoter_shift = (
        np.where(copy > 0, _uniform_shift(seed, stream, pairs, copy, max_shift), 0).astype(np.int32)
        for stream in (1, 2)
    )
    return WindowPlan(pairs, copy, enhancer_shift, promoter_shift)


def keyed_draw(*keys: int | np.ndarray) -> np.ndarray:
    """Return uint64 random numbers that depend on their keys only.

    A number keyed by (seed, epoch, row) is the same in whichever process it is drawn.

    Parameters
    ----------
    keys
        Integers or integer arrays that broadcast against each other.

    Notes
    -----
    Chained SplitMix64 finalisers (Steele, Lea and Flood, OOPSLA 2014).
    """
    state = np.zeros(1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for key in keys:
            state = _mix(state + np.asarray(key).astype(np.uint64) + _GOLDEN)
    return state


def keyed_integers(low: int, high: int, *keys: int | np.ndarray) -> np.ndarray:
    """Return int64 numbers, uniform on [low, high], that depend on their keys only."""
    width = np.uint64(high - low + 1)
    return (keyed_draw(*keys) % width).astype(np.int64) + low


def _uniform_shift(
    seed: int, stream: int, pair: np.ndarray, copy: np.ndarray, max_shift: int
) -> np.ndarray:
    return keyed_integers(-max_shift, max_shift, seed, stream, pair, copy)


def _mix(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))

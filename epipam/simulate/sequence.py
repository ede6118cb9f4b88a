"""Background sequence of a contig: isochores, CpG depletion, soft masking and N gaps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

ISOCHORE_LENGTH = 100_000
GC_LOWEST, GC_HIGHEST, GC_MEAN = 0.35, 0.55, 0.41
GC_CONCENTRATION = 5.0
CPG_LOSS = 0.8
"""Share of the CpG that decay to TpG or CpA; leaves an observed/expected ratio near 0.25."""

MASKED_MEDIAN, MASKED_SIGMA = 220, 1.0
MASKED_SHORTEST, MASKED_LONGEST = 20, 6_000
UNMASKED_MEAN = 437
"""Mean length between masked stretches, which masks about 45% of the bases."""

TELOMERE_LENGTH = 10_000
GAP_SHORTEST, GAP_LONGEST = 100, 50_000
BASES_PER_GAP = 5_000_000
CENTROMERE_LENGTH = 3_000_000
CENTROMERE_MIN_CONTIG = 20_000_000

_A, _C, _G, _T, _N = b"ACGTN"
_LOWER_CASE = 32
_GAPS, _MASK, _BASES = range(3)


def contig_random(seed: int, contig: str, *stream: int) -> np.random.Generator:
    """Return the generator that belongs to a contig's name and a numbered stream."""
    key = int.from_bytes(hashlib.sha256(contig.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.SFC64([seed, key, *stream]))


def place_gaps(seed: int, contig: str, length: int, protected: np.ndarray) -> np.ndarray:
    """Choose the N gaps of a contig: telomeres, interior gaps and, if long, a centromere.

    Parameters
    ----------
    seed, contig, length
        What the draw depends on; `length` in bp.
    protected
        Intervals (k, 2), int64, 0-based half-open, that no gap may touch.

    Returns
    -------
    numpy.ndarray
        Intervals (g, 2), int64, sorted and disjoint.
    """
    random = contig_random(seed, contig, _GAPS)
    taken = merge_intervals(protected)
    telomere = min(TELOMERE_LENGTH, length // 100)
    left_end = min(telomere, int(taken[0, 0])) if len(taken) else telomere
    right_start = max(length - telomere, int(taken[-1, 1])) if len(taken) else length - telomere
    gaps = [(0, left_end), (right_start, length)]
    if length > CENTROMERE_MIN_CONTIG:
        free = complement(np.vstack([taken, gaps]), length)
        widest_start, widest_end = map(int, free[np.argmax(free[:, 1] - free[:, 0])])
        size = min(CENTROMERE_LENGTH, (widest_end - widest_start) // 2)
        start = widest_start + int(0.4 * (widest_end - widest_start - size))
        gaps.append((start, start + size))
    longest = min(GAP_LONGEST, length // 200)
    wanted = len(gaps) + 1 + length // BASES_PER_GAP
    for _ in range(20 * wanted if longest else 0):
        size = int(np.exp(random.uniform(np.log(min(GAP_SHORTEST, longest)), np.log(longest))))
        start = int(random.integers(0, length - size))
        occupied = merge_intervals(np.vstack([taken, gaps]))
        # A base of distance keeps a gap one run of N in the FASTA.
        if not overlaps(occupied, start - 1, start + size + 1):
            gaps.append((start, start + size))
        if len(gaps) == wanted:
            break
    return merge_intervals(np.array(gaps, np.int64))


def merge_intervals(intervals: np.ndarray) -> np.ndarray:
    """Return the union of intervals (k, 2) as sorted, disjoint, non-empty intervals."""
    intervals = np.asarray(intervals, np.int64).reshape(-1, 2)
    intervals = intervals[intervals[:, 1] > intervals[:, 0]]
    intervals = intervals[np.argsort(intervals[:, 0], kind="stable")]
    if not len(intervals):
        return intervals
    reach = np.maximum.accumulate(intervals[:, 1])
    first = np.r_[True, intervals[1:, 0] > reach[:-1]]
    last = np.r_[first[1:], True]
    return np.column_stack([intervals[first, 0], reach[last]])


def complement(intervals: np.ndarray, length: int) -> np.ndarray:
    """Return what of [0, length) no interval covers."""
    merged = merge_intervals(intervals)
    starts = np.r_[0, merged[:, 1]]
    ends = np.r_[merged[:, 0], length]
    return np.column_stack([starts, ends])[ends > starts]


def overlaps(merged: np.ndarray, start: int, end: int) -> bool:
    """Tell whether [start, end) meets one of the sorted, disjoint intervals."""
    i = int(np.searchsorted(merged[:, 1], start, side="right"))
    return i < len(merged) and int(merged[i, 0]) < end


@dataclass(frozen=True)
class ContigSequence:
    """A contig of which any stretch can be drawn on its own, always with the same letters.

    Parameters
    ----------
    seed, name, length
        What the background depends on; `length` in bp.
    gaps
        N intervals (g, 2), int64, 0-based half-open, sorted and disjoint.
    planted_positions
        Positions (n,), int64, ascending, whose letter is given.
    planted_letters
        Those letters (n,), uint8 ASCII.
    """

    seed: int
    name: str
    length: int
    gaps: np.ndarray
    planted_positions: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    planted_letters: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint8))

    def fetch(self, start: int, end: int) -> np.ndarray:
        """Return the letters of [start, end) as ASCII, uint8 (end - start,)."""
        letters = np.empty(end - start, np.uint8)
        for isochore in range(start // ISOCHORE_LENGTH, -(-end // ISOCHORE_LENGTH)):
            first = isochore * ISOCHORE_LENGTH
            low, high = max(start, first), min(end, first + ISOCHORE_LENGTH)
            bases = self._isochore(isochore)
            letters[low - start : high - start] = bases[low - first : high - first]
        self._mask(letters, start, end)
        for gap_start, gap_end in _clipped(self.gaps, start, end):
            letters[gap_start:gap_end] = _N
        low, high = np.searchsorted(self.planted_positions, [start, end])
        letters[self.planted_positions[low:high] - start] = self.planted_letters[low:high]
        return letters

    def _isochore(self, number: int) -> np.ndarray:
        """Draw one isochore, always whole, so that its letters depend on its number alone."""
        random = contig_random(self.seed, self.name, _BASES, number)
        share = (GC_MEAN - GC_LOWEST) / (GC_HIGHEST - GC_LOWEST)
        gc = GC_LOWEST + (GC_HIGHEST - GC_LOWEST) * random.beta(
            GC_CONCENTRATION * share, GC_CONCENTRATION * (1 - share)
        )
        # Every lost CpG costs one G or C: gc = x - CPG_LOSS * (x / 2)^2, solved for x.
        before_loss = 2 * (1 - np.sqrt(1 - CPG_LOSS * gc)) / CPG_LOSS
        of_256 = round(before_loss * 128)
        table = bytes([_C] * of_256 + [_G] * of_256 + [_A, _T] * (128 - of_256))
        bases = np.frombuffer(bytearray(random.bytes(ISOCHORE_LENGTH).translate(table)), np.uint8)
        cpg = np.flatnonzero((bases[:-1] == _C) & (bases[1:] == _G))
        fate = random.random(len(cpg), dtype=np.float32)
        bases[cpg[fate < CPG_LOSS / 2]] = _T
        bases[cpg[(fate >= CPG_LOSS / 2) & (fate < CPG_LOSS)] + 1] = _A
        return bases

    @cached_property
    def _masked(self) -> np.ndarray:
        """Soft-masked intervals (m, 2) of the whole contig."""
        random = contig_random(self.seed, self.name, _MASK)
        mean = UNMASKED_MEAN + MASKED_MEDIAN * np.exp(MASKED_SIGMA**2 / 2)
        cycles = int(1.2 * self.length / mean) + 200
        unmasked = 1 + random.exponential(UNMASKED_MEAN, cycles).astype(np.int64)
        masked = random.lognormal(np.log(MASKED_MEDIAN), MASKED_SIGMA, cycles).astype(np.int64)
        masked = np.clip(masked, MASKED_SHORTEST, MASKED_LONGEST)
        ends = np.cumsum(unmasked + masked)
        return np.column_stack([ends - masked, ends])

    def _mask(self, letters: np.ndarray, start: int, end: int) -> None:
        """Lower the case of the masked stretches, in place."""
        step = np.zeros(len(letters) + 1, np.int8)
        stretches = _clipped(self._masked, start, end)
        step[stretches[:, 0]] = _LOWER_CASE
        step[stretches[:, 1]] -= _LOWER_CASE
        letters |= np.cumsum(step[:-1], dtype=np.int8).view(np.uint8)


def _clipped(intervals: np.ndarray, start: int, end: int) -> np.ndarray:
    """Return the parts of sorted, disjoint intervals in [start, end), relative to `start`."""
    first = np.searchsorted(intervals[:, 1], start, side="right")
    last = np.searchsorted(intervals[:, 0], end, side="left")
    return np.clip(intervals[first:last], start, end) - start

"""Scores of pairs whose windows are changed, each distinct window and pair worked on once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from epipam.genome.encoding import encode_packed
from epipam.genome.fasta import Genome
from epipam.interpret.edits import Edit, edited_window
from epipam.scoring.engine import Engine, PairWindows

# Letters are read so many at a time; so many blocks of them are kept.
_BLOCK = 1 << 16
_BLOCKS = 64
# Reference scores that are kept: a few megabytes.
_REFERENCES = 50_000
# So many changed promoters stay in an engine's memory while all their enhancers pass.
_PROMOTERS = 128


class WindowOf(NamedTuple):
    """A window of the genome, 0-based start, and what is changed in it, if anything."""

    contig: str
    start: int
    edit: Edit | None = None


class PairOf(NamedTuple):
    """Two windows to score."""

    enhancer: WindowOf
    promoter: WindowOf

    @property
    def changed(self) -> bool:
        """Whether anything is changed."""
        return self.enhancer.edit is not None or self.promoter.edit is not None

    @property
    def reference(self) -> PairOf:
        """The same windows, unchanged."""
        return PairOf(self.enhancer._replace(edit=None), self.promoter._replace(edit=None))


class ChangeScorer:
    """Scores reference and changed windows of one genome.

    Parameters
    ----------
    engine
        What turns windows into logits.
    genome
        Where windows are read.
    """

    def __init__(self, engine: Engine, genome: Genome) -> None:
        self._engine = engine
        self._genome = genome
        self._references: dict[PairOf, float] = {}
        self._block = lru_cache(maxsize=_BLOCKS)(self._read_block)

    def fetch(self, contig: str, start: int, end: int) -> str:
        """Return the bases of [start, end), N where they stick out of the contig."""
        blocks = range(start // _BLOCK, (end - 1) // _BLOCK + 1)
        bases = "".join(self._block(contig, block) for block in blocks)
        first = blocks.start * _BLOCK
        return bases[start - first : end - first]

    def logits(self, pairs: Sequence[PairOf]) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits of the unchanged pairs, and of the pairs; each float64 (n_pairs,)."""
        references = [pair.reference for pair in pairs]
        if len(self._references) > _REFERENCES:
            self._references.clear()
        unknown = [pair for pair in dict.fromkeys(references) if pair not in self._references]
        self._references.update(self._scored(unknown))
        changed: dict[PairOf, float] = {}
        for group in _groups([pair for pair in dict.fromkeys(pairs) if pair.changed]):
            changed.update(self._scored(group))
        known = self._references
        return (
            np.array([known[pair] for pair in references], dtype=np.float64),
            np.array([changed[p] if p.changed else known[p] for p in pairs], dtype=np.float64),
        )

    def _scored(self, pairs: list[PairOf]) -> Iterator[tuple[PairOf, float]]:
        if pairs:
            enhancer, enhancer_row = self._windows(
                [pair.enhancer for pair in pairs], self._engine.enhancer_length
            )
            promoter, promoter_row = self._windows(
                [pair.promoter for pair in pairs], self._engine.promoter_length
            )
            windows = PairWindows(enhancer, promoter, enhancer_row, promoter_row)
            yield from zip(pairs, self._engine.logits(windows).tolist(), strict=True)

    def _windows(self, windows: list[WindowOf], length: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the packed distinct windows, and which of them each is."""
        row: dict[WindowOf, int] = {}
        rows = [row.setdefault(window, len(row)) for window in windows]
        packed = encode_packed([self._bases(window, length) for window in row], length)
        return packed, np.array(rows, dtype=np.int64)

    def _bases(self, window: WindowOf, length: int) -> str:
        fetch = partial(self.fetch, window.contig)
        if window.edit is None:
            return fetch(window.start, window.start + length)
        return edited_window(fetch, window.edit, window.start, length)

    def _read_block(self, contig: str, block: int) -> str:
        return self._genome.fetch(contig, block * _BLOCK, (block + 1) * _BLOCK)


def _groups(pairs: list[PairOf]) -> Iterator[list[PairOf]]:
    """Yield the pairs with their own promoters, then the others by some changed promoters each."""
    yield [pair for pair in pairs if pair.promoter.edit is None]
    of_promoter: dict[WindowOf, list[PairOf]] = {}
    for pair in pairs:
        if pair.promoter.edit is not None:
            of_promoter.setdefault(pair.promoter, []).append(pair)
    # Changes of one promoter together: they are paired with the same enhancers.
    promoters = sorted(of_promoter, key=lambda window: (window.contig, window.start))
    for first in range(0, len(promoters), _PROMOTERS):
        some = promoters[first : first + _PROMOTERS]
        yield [pair for promoter in some for pair in of_promoter[promoter]]

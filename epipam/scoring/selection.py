"""Which scored pairs are written: those above a score, or the best of each promoter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from epipam.pairs.names import pair_names
from epipam.pairs.table import PairTable

_MOST_WAITING = 100_000


class ScoredPairs(NamedTuple):
    """A piece of a pair table and its scores.

    Attributes
    ----------
    table
        The pairs.
    probability, logit
        float64 (n_pairs,); NaN for a pair without a score.
    """

    table: PairTable
    probability: np.ndarray
    logit: np.ndarray


class Selection:
    """Choose scored pairs while they come, piece by piece.

    With `top`, nothing is known to be among the best until the end: pairs wait, at most twice
    those that would be chosen so far and 100,000 more. Pairs without a score are left out where
    anything is asked for.

    Parameters
    ----------
    min_score
        Only pairs of at least this probability.
    top
        Only so many pairs of each promoter (chromosome, start, end and name), the best: by
        probability, then by logit; of equals the first.
    """

    def __init__(
        self, min_score: float | None = None, top: int | None = None, waiting: int = _MOST_WAITING
    ) -> None:
        self.min_score = min_score
        self.top = top
        self._most_waiting = self._room = waiting
        self._waiting: list[ScoredPairs] = []
        self._promoters: dict[tuple[str, int, int, str], int] = {}
        self._promoter: list[np.ndarray] = []

    def add(self, pairs: ScoredPairs) -> Iterator[ScoredPairs]:
        """Take a piece; yield what of it is chosen already."""
        if self.min_score is None and self.top is None:
            yield pairs
            return
        least = -np.inf if self.min_score is None else self.min_score
        # NaN compares as False.
        chosen = np.flatnonzero(pairs.probability >= least)
        if len(chosen) < len(pairs.table):
            pairs = take(pairs, chosen)
        if self.top is None:
            if len(chosen):
                yield pairs
            return
        self._waiting.append(pairs)
        self._promoter.append(self._promoters_of(pairs.table))
        if sum(len(codes) for codes in self._promoter) > self._room:
            self._prune(self.top)

    def rest(self) -> Iterator[ScoredPairs]:
        """Yield what waited and is chosen, in the order in which it came."""
        if self.top is not None:
            self._prune(self.top)
        yield from (pairs for pairs in self._waiting if len(pairs.table))
        self._waiting, self._promoter = [], []

    def _promoters_of(self, table: PairTable) -> np.ndarray:
        frame = table.frame
        columns = [frame[f"promoter_{column}"].tolist() for column in ("chrom", "start", "end")]
        keys = zip(*columns, pair_names(table).promoter, strict=True)
        codes = [self._promoters.setdefault(key, len(self._promoters)) for key in keys]
        return np.array(codes, dtype=np.int64)

    def _prune(self, top: int) -> None:
        """Leave only the `top` best of each promoter waiting."""
        if not self._waiting:
            return
        promoter = np.concatenate(self._promoter)
        probability = np.concatenate([pairs.probability for pairs in self._waiting])
        logit = np.concatenate([pairs.logit for pairs in self._waiting])
        # Calibrated probabilities can be equal where logits are not. Stable: then the first.
        order = np.lexsort((-logit, -probability, promoter))
        ordered = promoter[order]
        rank = np.arange(len(order)) - np.searchsorted(ordered, ordered, side="left")
        kept = np.zeros(len(order), dtype=bool)
        kept[order[rank < top]] = True
        waiting, codes, first = [], [], 0
        for pairs, of_piece in zip(self._waiting, self._promoter, strict=True):
            rows = np.flatnonzero(kept[first : first + len(of_piece)])
            first += len(of_piece)
            if len(rows):
                waiting.append(take(pairs, rows))
                codes.append(of_piece[rows])
        self._waiting, self._promoter = waiting, codes
        self._room = 2 * int(kept.sum()) + self._most_waiting


def take(pairs: ScoredPairs, rows: np.ndarray) -> ScoredPairs:
    """Return some rows of a piece, in the order given."""
    return ScoredPairs(pairs.table.take(rows), pairs.probability[rows], pairs.logit[rows])

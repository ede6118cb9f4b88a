"""The best enhancers of each gene, found while pairs are scored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam

from epipam.pairs.names import pair_names
from epipam.pairs.table import distance
from epipam.runtime.files import whole_file
from epipam.scoring.selection import ScoredPairs, take

SUMMARY_ENDINGS = (".tsv", ".tsv.gz")
COLUMNS = (
    "gene", "rank", "enhancer_chrom", "enhancer_start", "enhancer_end", "enhancer_name",
    "promoter_chrom", "promoter_start", "promoter_end", "probability", "logit", "distance", "pairs",
)  # fmt: skip
_ANCHORS = tuple(f"{a}_{c}" for a in ("enhancer", "promoter") for c in ("chrom", "start", "end"))
_BLANKS = str.maketrans("\t\r\n", "   ")


class _Best(NamedTuple):
    """A pair that is among the best of its gene; greater is better, of equals the earlier."""

    logit: float
    age: int
    row: tuple[str, ...]


class GeneSummary:
    """Keep the best enhancers of each gene; memory is that of `top` pairs for each gene.

    A gene is a promoter's name; a promoter without one is a gene of its own. An enhancer that is
    paired with several promoters of a gene counts once, with the best of them.

    Parameters
    ----------
    top
        How many enhancers of each gene are kept.
    min_score
        Only pairs of at least this probability.
    """

    def __init__(self, top: int, min_score: float | None = None) -> None:
        self.top = top
        self.min_score = -np.inf if min_score is None else min_score
        self._codes: dict[str, int] = {}
        self._best: list[dict[tuple[str, ...], _Best]] = []
        self._least = np.empty(0)
        self._pairs = np.empty(0, dtype=np.int64)
        self._age = 0

    def add(self, pairs: ScoredPairs) -> None:
        """Take scored pairs in; those without a score do not count."""
        pairs = take(pairs, np.flatnonzero(pairs.probability >= self.min_score))
        if not len(pairs.table):
            return
        frame = pairs.table.frame
        places = list(zip(*(frame[column].tolist() for column in _ANCHORS), strict=True))
        names = pair_names(pairs.table)
        genes = [
            name or "{}:{}-{}".format(*place[3:])
            for name, place in zip(names.promoter, places, strict=True)
        ]
        code = np.array([self._codes.setdefault(gene, len(self._codes)) for gene in genes])
        self._grow()
        self._pairs += np.bincount(code, minlength=len(self._pairs))
        # Most pairs are worse than what their gene has already.
        candidates = np.flatnonzero(pairs.logit > self._least[code])
        distances = distance(frame)
        for i in candidates.tolist():
            apart = "" if np.isnan(distances[i]) else f"{distances[i]:.1f}".removesuffix(".0")
            scores = (f"{pairs.probability[i]:.8g}", f"{pairs.logit[i]:.8g}")
            row = (
                *map(str, places[i][:3]), names.enhancer[i], *map(str, places[i][3:]),
                *scores, apart,
            )  # fmt: skip
            self._take(int(code[i]), _Best(float(pairs.logit[i]), -self._age - i, row))
        self._age += len(pairs.table)

    def rows(self) -> Iterator[list[str]]:
        """Yield the best of each gene, best first; genes in the order of their first pairs."""
        for gene, code in self._codes.items():
            best = sorted(self._best[code].values(), reverse=True)
            for rank, pair in enumerate(best, start=1):
                yield [gene, str(rank), *pair.row, str(self._pairs[code])]

    def write(self, path: Path, *, overwrite: bool = True) -> None:
        """Write the summary as a table with named columns; `.gz` is bgzip."""
        text = "".join(
            "\t".join(field.translate(_BLANKS) for field in row) + "\n"
            for row in (list(COLUMNS), *self.rows())
        ).encode("utf-8", "surrogateescape")
        with whole_file(path, overwrite=overwrite) as partial:
            compressed = path.suffix == ".gz"
            handle = pysam.BGZFile(str(partial), "w", None) if compressed else partial.open("wb")
            try:
                handle.write(text)
            finally:
                handle.close()

    def _grow(self) -> None:
        more = len(self._codes) - len(self._best)
        self._best += [{} for _ in range(more)]
        self._least = np.append(self._least, np.full(more, -np.inf))
        self._pairs = np.append(self._pairs, np.zeros(more, dtype=np.int64))

    def _take(self, code: int, pair: _Best) -> None:
        best, enhancer = self._best[code], pair.row[:3]
        if enhancer not in best or best[enhancer] < pair:
            best[enhancer] = pair
        if len(best) > self.top:
            del best[min(best, key=best.__getitem__)]
        if len(best) == self.top:
            self._least[code] = min(best.values()).logit

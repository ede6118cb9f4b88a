"""Scores of parts put together in the order of the pairs that were scored.

Rows are taken from the pair table, as scoring does; the parts give their scores. So what is
written is what one undivided run would have written, in whatever format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from epipam.errors import PairTableError, RequestError
from epipam.genome.contigs import canonical_name
from epipam.pairs.table import PairTable, iter_pairs
from epipam.runtime.text_files import keep_pipes
from epipam.scoring.merging.scored_part import ANCHORS, ScoredPart
from epipam.scoring.origin import read_origin
from epipam.scoring.settings import ALL_PAIRS, CHUNK_ROWS, OutputOptions
from epipam.scoring.writers import FurtherColumns, check_output, open_writer

# What is written from logits, which a BEDPE does not hold.
_WITH_LOGITS = (".tsv", ".tsv.gz", ".parquet", ".igv.bedpe", ".igv.bedpe.gz")


@dataclass(frozen=True)
class MergedScores:
    """What `merge_scores` did.

    Attributes
    ----------
    path
        The scores.
    rows, written
        Rows of the pair table, and of them those that `path` holds.
    missing
        Rows that no part holds, by chromosome; they are without a score.
    """

    path: Path
    rows: int
    written: int
    missing: dict[str, int]


def merge_scores(
    parts: Sequence[Path],
    pairs_path: Path,
    out: Path,
    *,
    label_column: str | None = None,
    bad_pairs: str = "fail",
    output: OutputOptions = ALL_PAIRS,
    overwrite: bool = False,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> MergedScores:
    """Write the scores of some parts as one run of `epipam.scoring.score.score_file` would have.

    Parameters
    ----------
    parts
        Scores of every pair on some contigs each, in the order of the pair table: what
        `score_file(..., contigs=...)` writes as Parquet, TSV or BEDPE.
    pairs_path, label_column
        The pair table that was scored, and how.
    out, output
        As `score_file` takes them; not `.inter.bb`, which needs the genome.
    bad_pairs
        `fail` stops where no part holds a pair; `skip` writes it without a score.
    on_rows
        Called with the number of rows of each piece when it is written.

    Raises
    ------
    RequestError
        For parts that are not of these pairs, or not all there, and where `out` exists.
    """
    ending = check_output(out, overwrite=overwrite, options=output)
    if ending == ".inter.bb":
        raise RequestError(f"{out}: write .interact instead; UCSC's bedToBigBed converts that")
    readers = [ScoredPart(part) for part in parts]
    if ending in _WITH_LOGITS or output.genes is not None:
        _require_logits(readers, out if ending in _WITH_LOGITS else output.genes)
    scores = _Scores(readers, pairs_path, bad_pairs)
    n_rows = 0

    def tables() -> Iterator[PairTable]:
        return iter_pairs(
            pairs_path, label_column, chunk_rows=CHUNK_ROWS, keep_fields=True, malformed=bad_pairs
        )

    columns = None
    if ending == ".parquet":
        columns = FurtherColumns(ending)
        for table in tables():
            columns.learn_types(table)
    writer = open_writer(
        out,
        overwrite=overwrite,
        options=output,
        origin=read_origin(parts[0]) if parts else None,
        columns=columns,
    )
    with keep_pipes(), writer as write:
        for table in tables():
            write(table, *scores.of(table))
            n_rows += len(table)
            on_rows(len(table))
        scores.require_end()
    return MergedScores(out, n_rows, write.written, dict(scores.missing))


def _require_logits(parts: list[ScoredPart], out: Path | None) -> None:
    for part in parts:
        if not part.has_logits:
            raise RequestError(
                f"{part.path}: a BEDPE holds no logits, which {out} needs: "
                f"have the parts written as .parquet"
            )


class _Scores:
    """Finds the score of each pair in the part that holds its contig.

    Every part has its rows in the order of the table, so its next row is that of the next pair
    on its contigs.
    """

    def __init__(self, parts: list[ScoredPart], pairs_path: Path, bad_pairs: str) -> None:
        self.missing: Counter[str] = Counter()
        self._parts = parts
        self._pairs_path = pairs_path
        self._bad_pairs = bad_pairs
        self._holder: dict[str, int] = {}  # chromosome: number of its part, -1 for none

    def of(self, table: PairTable) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities and logits of a piece, float64 (n_pairs,)."""
        probability, logit = np.full(len(table), np.nan), np.full(len(table), np.nan)
        for rows in self._runs(table):
            names = _contig_keys(table.frame["enhancer_chrom"].iloc[rows])
            holder = names.map(self._holder).to_numpy(dtype=np.int64)
            for number in np.unique(holder).tolist():
                own = np.flatnonzero(holder == number) + rows.start
                if number < 0:
                    self.missing.update(table.frame["enhancer_chrom"].iloc[own])
                else:
                    probability[own], logit[own] = self._take(self._parts[number], table, own)
        return probability, logit

    def require_end(self) -> None:
        """Raise a RequestError where a part has rows left."""
        for part in self._parts:
            if (contig := part.head()) is not None:
                raise RequestError(
                    f"{part.path}: its row {part.taken + 1:,}, on {contig}, is no pair of "
                    f"{self._pairs_path}, or another part holds it as well"
                )

    def _runs(self, table: PairTable) -> Iterator[slice]:
        """Yield runs of rows such that it is known, when one is due, which part holds each of it.

        A new chromosome's part is the one whose next row lies there: all before it are taken.
        """
        start = 0
        codes, names = pd.factorize(table.frame["enhancer_chrom"])
        for code, name in enumerate(names):
            key = canonical_name(name)
            if key not in self._holder:
                first = int(np.argmax(codes == code))
                yield slice(start, first)
                start = first
                self._holder[key] = self._find(name, int(table.line[first]))
        yield slice(start, len(table))

    def _find(self, name: str, line: int) -> int:
        heads = [part.head() for part in self._parts]
        key = canonical_name(name)
        found = [i for i, head in enumerate(heads) if head and canonical_name(head) == key]
        if len(found) > 1:
            both = " and ".join(str(self._parts[i].path) for i in found[:2])
            raise RequestError(f"{both}: both hold {name}; give each contig once")
        if not found and self._bad_pairs == "fail":
            raise RequestError(
                f"{self._pairs_path}:{line}: no part holds the pairs on {name}: add the part that "
                f"does, or --bad-pairs skip writes them without a score"
            )
        return found[0] if found else -1

    def _take(
        self, part: ScoredPart, table: PairTable, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        taken = part.taken
        scores = part.take(len(rows))
        wanted = table.frame[list(ANCHORS)].iloc[rows]
        n_rows = len(scores.probability)
        equal = np.ones(n_rows, dtype=bool)
        for column in ANCHORS:
            own, others = scores.anchors[column], wanted[column].iloc[:n_rows]
            if column.endswith("chrom"):
                own, others = _contig_keys(own), _contig_keys(others)
            equal &= own.to_numpy() == others.to_numpy()
        if n_rows < len(rows) or not equal.all():
            at = int(np.argmin(equal)) if not equal.all() else n_rows
            raise PairTableError(
                f"{part.path}: its row {taken + at + 1:,} is not the pair of "
                f"{self._pairs_path}:{table.line[rows[at]]}; a part must hold every pair on its "
                f"contigs in that order: score it without --top, --min-score and --sort"
            )
        return scores.probability, scores.logit


def _contig_keys(names: pd.Series) -> pd.Series:
    """Return one key for all spellings of each contig."""
    return names.map({name: canonical_name(name) for name in names.unique()})

"""Reading the scores of a part: whose they are, and what they are, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from epipam.errors import PairTableError, RequestError
from epipam.pairs.table import PairTable, iter_pairs
from epipam.scoring.formats import BEDPE_SCORE
from epipam.scoring.settings import CHUNK_ROWS

ENDINGS = (".parquet", ".tsv", ".tsv.gz", ".bedpe", ".bedpe.gz")
ANCHORS = tuple(
    f"{anchor}_{column}"
    for anchor in ("enhancer", "promoter")
    for column in ("chrom", "start", "end")
)
_SCORES = ("probability", "logit")


class Scores(NamedTuple):
    """Some rows of a part.

    Attributes
    ----------
    anchors
        The columns `ANCHORS`.
    probability, logit
        float64 (n_rows,); NaN for a pair without a score.
    """

    anchors: pd.DataFrame
    probability: np.ndarray
    logit: np.ndarray


class ScoredPart:
    """The rows of a scored table, in its order; memory is that of a piece.

    Parameters
    ----------
    path
        `.parquet`, which keeps all digits, or `.tsv` or `.bedpe`, which keep eight; `.gz` too.

    Attributes
    ----------
    has_logits
        Whether it holds logits: a BEDPE has none.
    taken
        How many rows have been taken.
    """

    def __init__(self, path: Path) -> None:
        if not path.name.endswith(ENDINGS):
            raise RequestError(f"{path}: scores end in {', '.join(ENDINGS)}")
        self.path = path
        self.has_logits = not path.name.endswith((".bedpe", ".bedpe.gz"))
        self.taken = 0
        pieces = self._parquet() if path.suffix == ".parquet" else self._text()
        self._pieces = iter(pieces)
        self._piece = Scores(pd.DataFrame(columns=list(ANCHORS)), np.empty(0), np.empty(0))
        self._at = 0

    def head(self) -> str | None:
        """Return the chromosome of the next row's enhancer, None at the end."""
        while self._at == len(self._piece.probability):
            piece = next(self._pieces, None)
            if piece is None:
                return None
            self._piece, self._at = piece, 0
        return str(self._piece.anchors["enhancer_chrom"].iat[self._at])

    def take(self, n_rows: int) -> Scores:
        """Return the next rows: so many, or fewer at the end."""
        pieces = []
        while n_rows and self.head() is not None:
            end = min(self._at + n_rows, len(self._piece.probability))
            rows = slice(self._at, end)
            piece = self._piece
            pieces.append(
                Scores(piece.anchors.iloc[rows], piece.probability[rows], piece.logit[rows])
            )
            n_rows -= end - self._at
            self.taken += end - self._at
            self._at = end
        if len(pieces) == 1:
            return pieces[0]
        empty = Scores(self._piece.anchors.iloc[:0], np.empty(0), np.empty(0))
        anchors, probability, logit = zip(*(pieces or [empty]), strict=True)
        return Scores(
            pd.concat(anchors, ignore_index=True),
            np.concatenate(probability),
            np.concatenate(logit),
        )

    def _text(self) -> Iterator[Scores]:
        for table in iter_pairs(self.path, chunk_rows=CHUNK_ROWS, keep_fields=True):
            probability, logit = (self._column(table, name) for name in _SCORES)
            yield Scores(table.frame[list(ANCHORS)], probability, logit)

    def _column(self, table: PairTable, name: str) -> np.ndarray:
        if not self.has_logits:
            if name == "logit":
                return np.full(len(table), np.nan)
            column = BEDPE_SCORE
        elif name in (table.layout.names or ()):
            column = (table.layout.names or ()).index(name)
        else:
            raise PairTableError(f"{self.path}: no column {name}: it is not from epipam score")
        return np.array([self._number(table, i, column, name) for i in range(len(table))])

    def _number(self, table: PairTable, row: int, column: int, name: str) -> float:
        fields = table.fields[row]
        text = fields[column] if column < len(fields) else ""
        try:
            return np.nan if text in ("", ".") else float(text)
        except ValueError:
            raise PairTableError(
                f"{self.path}:{table.line[row]}: {name}: {text!r} is not a number"
            ) from None

    def _parquet(self) -> Iterator[Scores]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self.path.is_file():
            raise RequestError(f"{self.path}: no such file")
        try:
            with pq.ParquetFile(self.path, page_checksum_verification=True) as opened:
                columns = [*ANCHORS, *_SCORES]
                if missing := set(columns) - set(opened.schema_arrow.names):
                    raise PairTableError(
                        f"{self.path}: no column {', '.join(sorted(missing))}: "
                        f"it is not from epipam score"
                    )
                for batch in opened.iter_batches(CHUNK_ROWS, columns=columns):
                    frame = batch.to_pandas()
                    scores = (frame[name].to_numpy(dtype=np.float64) for name in _SCORES)
                    yield Scores(frame[list(ANCHORS)], *scores)
        except (pa.ArrowInvalid, OSError) as error:
            raise PairTableError(f"{self.path}: is no Parquet file, or damaged: {error}") from None

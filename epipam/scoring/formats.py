"""The tables that hold every scored pair: BEDPE, TSV, CSV, Parquet, with all columns of the input.

Bytes that are no UTF-8 are kept in text; Parquet, which must be UTF-8, holds them read as Latin-1.
What is missing is `.` in BEDPE, empty in TSV and CSV, null in Parquet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from epipam.errors import PairTableError
from epipam.pairs.formats import BEDPE
from epipam.pairs.names import pair_names
from epipam.pairs.table import COLUMNS, SEPARATOR, Layout, PairTable
from epipam.scoring.selection import ScoredPairs

if TYPE_CHECKING:
    import pyarrow as pa

BEDPE_HEADER = (
    "chrom1", "start1", "end1", "chrom2", "start2", "end2", "name", "score", "strand1", "strand2",
)  # fmt: skip
BEDPE_NAME, BEDPE_SCORE = 6, 7

_TABLE_NAMES = frozenset({*COLUMNS, "probability", "logit"})
_BEDPE_NAMES = frozenset({*COLUMNS, *BEDPE_HEADER})
_BEDPE_ANCHORS = (
    "enhancer_chrom", "enhancer_start", "enhancer_end",
    "promoter_chrom", "promoter_start", "promoter_end",
)  # fmt: skip
_MISSING = frozenset({"", ".", "NA", "NaN", "nan"})
_INTEGERS = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBERS = re.compile(r"[-+]?((0|[1-9][0-9]{0,14})(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_BEDPE_KEPT: tuple[str, ...] = ("enhancer_name", "promoter_name", "label")
_LATIN_1 = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}  # of `surrogateescape`

Lines = Iterator[Iterable[str]]


class FurtherColumns:
    """The input's columns that are not canonical, as the first rows of a file have them.

    Parameters
    ----------
    ending
        That of the score file, one of `score_writers.ENDINGS`. BEDPE that stays BEDPE keeps its
        fields as they are: there, rows may differ in their number.

    Attributes
    ----------
    columns
        (name in the score file, position in the input) of each; none in browser tracks.
    types
        `int`, `float` or `str` of each column of all tables seen by `learn_types`; text without.
    """

    def __init__(self, ending: str) -> None:
        self.columns: list[tuple[str, int]] = []
        self._bedpe = ending.startswith(".bedpe")
        self.types: dict[str, type] = {}
        self._kept = self._bedpe or ending.startswith((".tsv", ".csv", ".parquet"))
        self._width: int | None = None

    def fit(self, table: PairTable) -> None:
        """Take the columns from the first table with rows; check that those of others fit.

        Raises
        ------
        PairTableError
            For the first row with a value beyond those columns.
        """
        as_they_are = self._bedpe and table.layout.kind == BEDPE
        if not table.fields or as_they_are or not self._kept:
            return
        widest = max(map(len, table.fields))
        if self._width is None:
            self._width = max(widest, len(table.layout.names or ()))
            reserved = _BEDPE_NAMES if self._bedpe else _TABLE_NAMES
            self.columns = _further_columns(table.layout, self._width, reserved)
        elif widest > self._width:
            for line, fields in zip(table.line, table.fields, strict=True):
                if any(fields[self._width :]):
                    raise PairTableError(
                        f"{table.path}:{line}: row: {len(fields)} columns, "
                        f"but the rows before it have {self._width}"
                    )

    def learn_types(self, table: PairTable) -> None:
        """Fit a table as `fit` does, and note which columns hold numbers alone so far."""
        self.fit(table)
        for name, values in self.values(table):
            known = self.types.get(name, int)
            given = set(values) - _MISSING
            if known is str or not given:
                continue
            for value in given:
                if known is int and not _INTEGERS.fullmatch(value):
                    known = float
                if known is float and not _NUMBERS.fullmatch(value):
                    known = str
                    break
            self.types[name] = known

    def values(self, table: PairTable) -> Iterator[tuple[str, list[str]]]:
        """Yield (name, value of each row); a row that ends before a column has an empty one."""
        for name, i in self.columns:
            yield name, [fields[i] if i < len(fields) else "" for fields in table.fields]


def _further_columns(layout: Layout, width: int, reserved: frozenset[str]) -> list[tuple[str, int]]:
    """Return (name, position), each name once and none of the reserved."""
    given = layout.names or ()
    known = set(layout.positions.values())
    wanted = []
    for i in range(width):
        if i not in known:
            name = (given[i] if i < len(given) else "") or f"column_{i + 1}"
            wanted.append((f"input_{name}" if name in reserved else name, i))
    taken = reserved | {name for name, _ in wanted}
    columns: dict[str, int] = {}
    for name, i in wanted:
        unique, number = name, 2
        while unique in columns or (unique != name and unique in taken):
            unique, number = f"{name}_{number}", number + 1
        columns[unique] = i
    return list(columns.items())


def bedpe_header(table: PairTable, columns: FurtherColumns) -> list[list[str]]:
    """Return the names of the columns, where a BEDPE has any or there are some to name."""
    if table.layout.kind == BEDPE:
        if not table.layout.names:
            return []
        first, *others = _with_score(list(table.layout.names), "name", "score")
        return [[f"#{first}", *others]]
    extra = [*_bedpe_kept(table.layout), *(name for name, _ in columns.columns)]
    return [[f"#{BEDPE_HEADER[0]}", *BEDPE_HEADER[1:], *extra]]


def bedpe_rows(pairs: ScoredPairs, columns: FurtherColumns) -> Lines:
    """Yield BEDPE: the fields of a BEDPE as they were, with the probability in column 8."""
    table = pairs.table
    scores = _numbers(pairs.probability)
    if table.layout.kind == BEDPE:
        for fields, score in zip(table.fields, scores, strict=True):
            yield _with_score(list(fields), ".", score)
        return
    extra = [(c, _strings(table.frame[c])) for c in _bedpe_kept(table.layout)]
    extra += columns.values(table)
    anchors = zip(*(_strings(table.frame[c]) for c in _BEDPE_ANCHORS), strict=True)
    names = pair_names(table)
    both = zip(names.enhancer, names.promoter, strict=True)
    for i, (anchor, given) in enumerate(zip(anchors, both, strict=True)):
        # With one name alone, which of the two it is must be told.
        name = SEPARATOR.join(given) if any(given) else "."
        yield [*anchor, name, scores[i], ".", ".", *(values[i] or "." for _, values in extra)]


def tsv_header(table: PairTable, columns: FurtherColumns) -> list[list[str]]:
    """Return the names of the columns."""
    further = [name for name, _ in columns.columns]
    return [[*_canonical_columns(table.layout), "probability", "logit", *further]]


def tsv_rows(pairs: ScoredPairs, columns: FurtherColumns) -> Lines:
    """Yield the canonical columns, both scores, and the further columns; empty where missing."""
    table = pairs.table
    texts = [_strings(values) for _, values in _canonical_values(table)]
    texts += [_numbers(pairs.probability, ""), _numbers(pairs.logit, "")]
    further = [values for _, values in columns.values(table)]
    texts += [["" if value == "." else value for value in values] for values in further]
    yield from zip(*texts, strict=True)


def arrow_table(pairs: ScoredPairs, columns: FurtherColumns) -> pa.Table:
    """Return the columns of the TSV, numbers as numbers, and null where something is missing."""
    import pyarrow as pa

    table = pairs.table
    arrays: dict[str, pa.Array] = {}
    for name, values in _canonical_values(table):
        if isinstance(values, list) or values.dtype == object:
            arrays[name] = pa.array([value or None for value in _valid(values)], pa.string())
        else:
            arrays[name] = pa.array(values.to_numpy())
    arrays["probability"] = pa.array(pairs.probability, pa.float64(), from_pandas=True)
    arrays["logit"] = pa.array(pairs.logit, pa.float64(), from_pandas=True)
    further = list(columns.values(table))
    names = [*arrays, *_valid(name for name, _ in further)]
    typed = [_typed(values, columns.types.get(name, str)) for name, values in further]
    return pa.Table.from_arrays([*arrays.values(), *typed], names=names)


def _typed(values: list[str], kind: type) -> pa.Array:
    import pyarrow as pa

    if kind is str:
        texts = [None if value in ("", ".") else value for value in _valid(values)]
        return pa.array(texts, pa.string())
    numbers = [None if value in _MISSING else kind(value) for value in values]
    return pa.array(numbers, pa.int64() if kind is int else pa.float64())


def _canonical_values(table: PairTable) -> Iterator[tuple[str, pd.Series | list[str]]]:
    names = pair_names(table)
    for column in _canonical_columns(table.layout):
        if column.endswith("_name"):
            yield column, getattr(names, column.removesuffix("_name"))
        else:
            yield column, table.frame[column]


def _valid(texts: Iterable[str]) -> list[str]:
    """Return texts in which bytes that were no UTF-8 are read as Latin-1."""
    return [text if text.isascii() else text.translate(_LATIN_1) for text in texts]


def _canonical_columns(layout: Layout) -> list[str]:
    return [c for c in COLUMNS if c != "label" or "label" in layout.positions]


def _bedpe_kept(layout: Layout) -> list[str]:
    return [c for c in _BEDPE_KEPT if c in layout.positions]


def _with_score(fields: list[str], name: str, score: str) -> list[str]:
    """Return BEDPE fields with a score in column 8; a missing name before it is `name`."""
    if len(fields) <= BEDPE_NAME:
        fields.append(name)
    if len(fields) <= BEDPE_SCORE:
        fields.append(score)
    else:
        fields[BEDPE_SCORE] = score
    return fields


def _strings(values: Iterable[object]) -> list[str]:
    return [str(value) for value in values]


def _numbers(values: np.ndarray, missing: str = ".") -> list[str]:
    """Format scores; by default a pair without one has `.`, as BEDPE writes what is unknown."""
    return [missing if np.isnan(value) else f"{value:.8g}" for value in values]

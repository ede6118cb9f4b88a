"""Score files: BEDPE, TSV and Parquet, streamed, under their final name only when whole.

Text that is no UTF-8 keeps its bytes in BEDPE and TSV; Parquet, which must be UTF-8, holds such
bytes read as Latin-1. A tab or line end within a field (quoted CSV can have one) becomes a blank
in BEDPE and TSV.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pysam

from epipam.errors import PairTableError, RequestError
from epipam.files import whole_file
from epipam.pairs import COLUMNS, Layout, PairTable

BEDPE_HEADER = (
    "chrom1", "start1", "end1", "chrom2", "start2", "end2", "name", "score", "strand1", "strand2",
)  # fmt: skip
BEDPE_NAME, BEDPE_SCORE = 6, 7
ENDINGS = (".bedpe", ".bedpe.gz", ".tsv", ".tsv.gz", ".parquet")

_TABLE_NAMES = frozenset({*COLUMNS, "probability", "logit"})
_BEDPE_NAMES = frozenset({*COLUMNS, *BEDPE_HEADER})
_BEDPE_ANCHORS = (
    "enhancer_chrom", "enhancer_start", "enhancer_end",
    "promoter_chrom", "promoter_start", "promoter_end",
)  # fmt: skip
_BEDPE_KEPT: tuple[str, ...] = ("enhancer_name", "promoter_name", "label")
_BLANKS = str.maketrans("\t\r\n", "   ")
_LATIN_1 = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}  # of `surrogateescape`

Write = Callable[[PairTable, np.ndarray, np.ndarray], None]
Lines = Iterator[Iterable[str]]


def check_output(out: Path, *, overwrite: bool) -> str:
    """Return the file's ending, one of `ENDINGS`.

    Raises
    ------
    RequestError
        For any other ending, a path that no file can have, and where the file exists and must
        not be replaced.
    """
    if out.is_dir():
        raise RequestError(f"{out}: is a folder; name a file for the scores")
    ending = next((e for e in sorted(ENDINGS, key=len, reverse=True) if out.name.endswith(e)), None)
    if ending is None:
        raise RequestError(f"{out}: the ending must be one of {', '.join(ENDINGS)}")
    nearest = next((parent for parent in out.parents if parent.exists()), None)
    if nearest is not None and not nearest.is_dir():
        raise RequestError(f"{out}: cannot be written: {nearest} is a file, not a folder")
    if out.exists() and not overwrite:
        raise RequestError(f"{out}: exists already; choose another name or pass --overwrite")
    return ending


@contextmanager
def open_writer(out: Path, *, overwrite: bool) -> Iterator[Write]:
    """Yield `write(table, probability, logit)` for the format that the file's ending names.

    The file appears under its name when the block ends without an error.

    Raises
    ------
    RequestError
        As `check_output` does.
    PairTableError
        From `write`, as `FurtherColumns.fit` does.
    EpipamError
        Where writing fails.
    """
    ending = check_output(out, overwrite=overwrite)
    columns = FurtherColumns(ending)
    with whole_file(out) as partial:
        if ending == ".parquet":
            with _parquet(partial, columns) as write:
                yield write
        else:
            with _text(partial, ending, columns) as write:
                yield write


class FurtherColumns:
    """The input's columns that are not canonical, as the first rows of a file have them.

    Parameters
    ----------
    ending
        That of the score file, one of `ENDINGS`. BEDPE that stays BEDPE keeps its fields as they
        are: there, rows may differ in their number.

    Attributes
    ----------
    columns
        (name in the score file, position in the input) of each.
    """

    def __init__(self, ending: str) -> None:
        self.columns: list[tuple[str, int]] = []
        self._bedpe = ending.startswith(".bedpe")
        self._width: int | None = None

    def fit(self, table: PairTable) -> None:
        """Take the columns from the first table with rows; check that those of others fit.

        Raises
        ------
        PairTableError
            For the first row with a value beyond those columns.
        """
        if not table.fields or (self._bedpe and table.layout.kind == "bedpe"):
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


@contextmanager
def _text(partial: Path, ending: str, columns: FurtherColumns) -> Iterator[Write]:
    lines = _bedpe_lines if ending.startswith(".bedpe") else _tsv_lines
    compressed = ending.endswith(".gz")
    handle = pysam.BGZFile(str(partial), "w", None) if compressed else partial.open("wb")
    first = True

    def write(table: PairTable, probability: np.ndarray, logit: np.ndarray) -> None:
        nonlocal first
        if len(table) == 0:
            return
        columns.fit(table)
        text = "".join(
            "\t".join(field.translate(_BLANKS) for field in fields) + "\n"
            for fields in lines(table, columns, probability, logit, header=first)
        )
        handle.write(text.encode("utf-8", "surrogateescape"))
        first = False

    try:
        yield write
    finally:
        handle.close()


@contextmanager
def _parquet(partial: Path, columns: FurtherColumns) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None

    def write(table: PairTable, probability: np.ndarray, logit: np.ndarray) -> None:
        nonlocal writer
        if len(table) == 0:
            return
        columns.fit(table)
        arrays: dict[str, pa.Array] = {}
        for name in _canonical_columns(table.layout):
            values = table.frame[name]
            arrays[name] = (
                pa.array(_valid(values), pa.string())
                if values.dtype == object
                else pa.array(values.to_numpy())
            )
        arrays["probability"] = pa.array(probability, pa.float64(), from_pandas=True)
        arrays["logit"] = pa.array(logit, pa.float64(), from_pandas=True)
        further = list(columns.values(table))
        names = [*arrays, *_valid(name for name, _ in further)]
        texts = [pa.array(_valid(values), pa.string()) for _, values in further]
        arrow = pa.Table.from_arrays([*arrays.values(), *texts], names=names)
        if writer is None:
            writer = pq.ParquetWriter(partial, arrow.schema)
        writer.write_table(arrow)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def _valid(texts: Iterable[str]) -> list[str]:
    """Return texts in which bytes that were no UTF-8 are read as Latin-1."""
    return [text if text.isascii() else text.translate(_LATIN_1) for text in texts]


def _canonical_columns(layout: Layout) -> list[str]:
    return [c for c in COLUMNS if c != "label" or "label" in layout.positions]


def _bedpe_lines(
    table: PairTable,
    columns: FurtherColumns,
    probability: np.ndarray,
    logit: np.ndarray,
    *,
    header: bool,
) -> Lines:
    """Yield BEDPE: the fields of a BEDPE as they were, with the probability in column 8."""
    scores = _numbers(probability)
    layout = table.layout
    if layout.kind == "bedpe":
        if header and layout.names:
            first, *others = _with_score(list(layout.names), "name", "score")
            yield [f"#{first}", *others]
        for fields, score in zip(table.fields, scores, strict=True):
            yield _with_score(list(fields), ".", score)
        return
    kept = [c for c in _BEDPE_KEPT if c in layout.positions]
    extra = [(c, _strings(table.frame[c])) for c in kept]
    extra += columns.values(table)
    if header:
        yield [f"#{BEDPE_HEADER[0]}", *BEDPE_HEADER[1:], *(name for name, _ in extra)]
    anchors = zip(*(_strings(table.frame[c]) for c in _BEDPE_ANCHORS), strict=True)
    names = zip(table.frame["enhancer_name"], table.frame["promoter_name"], strict=True)
    for i, (anchor, both) in enumerate(zip(anchors, names, strict=True)):
        name = "::".join(filter(None, both)) or "."
        yield [*anchor, name, scores[i], ".", ".", *(values[i] or "." for _, values in extra)]


def _with_score(fields: list[str], name: str, score: str) -> list[str]:
    """Return BEDPE fields with a score in column 8; a missing name before it is `name`."""
    if len(fields) <= BEDPE_NAME:
        fields.append(name)
    if len(fields) <= BEDPE_SCORE:
        fields.append(score)
    else:
        fields[BEDPE_SCORE] = score
    return fields


def _tsv_lines(
    table: PairTable,
    columns: FurtherColumns,
    probability: np.ndarray,
    logit: np.ndarray,
    *,
    header: bool,
) -> Lines:
    texts = [(c, _strings(table.frame[c])) for c in _canonical_columns(table.layout)]
    texts += [("probability", _numbers(probability)), ("logit", _numbers(logit))]
    texts += columns.values(table)
    if header:
        yield [name for name, _ in texts]
    yield from zip(*(values for _, values in texts), strict=True)


def _strings(values: pd.Series) -> list[str]:
    return [str(value) for value in values]


def _numbers(values: np.ndarray) -> list[str]:
    """Format scores; a pair without one has `.`, as BEDPE writes what is unknown."""
    return ["." if np.isnan(value) else f"{value:.8g}" for value in values]

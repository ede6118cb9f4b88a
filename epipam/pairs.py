"""Pair tables: three formats in, one canonical table out.

Coordinates are 0-based and half-open. `label` is 1 (positive), 0 (negative) or -1 (unknown).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, cast

import numpy as np
import pandas as pd

from epipam.errors import PairTableError

COLUMNS = (
    "enhancer_chrom",
    "enhancer_start",
    "enhancer_end",
    "enhancer_name",
    "promoter_chrom",
    "promoter_start",
    "promoter_end",
    "promoter_name",
    "label",
)
OPTIONAL_COLUMNS = frozenset({"enhancer_name", "promoter_name", "label"})
COORDINATE_COLUMNS = ("enhancer_start", "enhancer_end", "promoter_start", "promoter_end")

CHIAPET_COLUMNS = (
    "chr_r1",
    "start_r1",
    "end_r1",
    "name_r1",
    "chr_r2",
    "start_r2",
    "end_r2",
    "name_r2",
    "label",
)
BEDPE_POSITIONS = {
    "enhancer_chrom": 0,
    "enhancer_start": 1,
    "enhancer_end": 2,
    "promoter_chrom": 3,
    "promoter_start": 4,
    "promoter_end": 5,
}

LABELS = {"1": 1, "0": 0, "-1": -1, "1.0": 1, "0.0": 0, "-1.0": -1, "": -1, ".": -1, "NA": -1}
UNKNOWN_CHROMS = frozenset({"", "."})
_INTEGER = re.compile(r"-?[0-9]{1,15}")
_INTEGERS = re.compile(r"(?:-?[0-9]{1,15},)*-?[0-9]{1,15}")
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Layout:
    """Where a file keeps the canonical columns.

    Attributes
    ----------
    kind
        `table` (canonical column names), `bedpe` or `chiapet`.
    delimiter
        Tab, comma, or a blank (any run of blanks).
    positions
        Index of the field of each canonical column the file has.
    names
        Names of all fields, where the file has a header.
    """

    kind: str
    delimiter: str
    positions: dict[str, int]
    names: tuple[str, ...] | None


@dataclass(frozen=True)
class PairTable:
    """Pairs in input order.

    Attributes
    ----------
    path
        The file they came from.
    frame
        The nine canonical columns: str, int64 coordinates (0-based, half-open), int8 label.
    line
        int64 (n_pairs,): 1-based line of each pair in the file.
    layout
        How the file is laid out.
    fields
        The raw fields of each row, where they were asked for, else empty.
    malformed
        `file:line: column: what is wrong` of the rows that could not be read.
    """

    path: Path
    frame: pd.DataFrame
    line: np.ndarray
    layout: Layout
    fields: list[list[str]] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.frame)


def read_pairs(
    path: str | Path, label_column: str | None = None, malformed: str = "fail"
) -> PairTable:
    """Read a whole pair table in any of the three formats, plain or compressed.

    Parameters
    ----------
    path
        TSV or CSV with the canonical column names, BEDPE, or the CSV of published ChIA-PET
        lists; plain, gzip or bgzip; LF or CRLF.
    label_column
        Name or 1-based number of the column that holds the label, for BEDPE.
    malformed
        `fail` raises on rows that cannot be read, `skip` collects them in `malformed`.

    Raises
    ------
    PairTableError
        For an empty file, an unknown layout, and unreadable rows unless they are skipped.
    """
    chunks = list(iter_pairs(path, label_column, malformed="skip"))
    table = PairTable(
        path=Path(path),
        frame=pd.concat([chunk.frame for chunk in chunks], ignore_index=True),
        line=np.concatenate([chunk.line for chunk in chunks]),
        layout=chunks[0].layout,
        malformed=[text for chunk in chunks for text in chunk.malformed],
    )
    if malformed == "fail":
        raise_malformed(table.path, table.malformed)
    return table


def iter_pairs(
    path: str | Path,
    label_column: str | None = None,
    *,
    chunk_rows: int = 50_000,
    keep_fields: bool = False,
    malformed: str = "fail",
) -> Iterator[PairTable]:
    """Yield a pair table piece by piece, in input order; memory is that of one piece.

    Parameters are those of `read_pairs`, and:

    Parameters
    ----------
    chunk_rows
        Rows per piece.
    keep_fields
        Whether each piece also holds the raw fields of its rows.
    """
    path = Path(path)
    n_rows = 0
    with _open_text(path) as handle:
        try:
            rows, layout = _split_header(path, handle, label_column)
            while chunk := list(islice(rows, chunk_rows)):
                n_rows += len(chunk)
                table = _parse(path, layout, chunk, keep_fields)
                if malformed == "fail":
                    raise_malformed(path, table.malformed)
                yield table
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise PairTableError(f"{path}: damaged gzip file after row {n_rows}: {error}") from None
    if n_rows == 0:
        raise PairTableError(f"{path}: no pairs: the file has no rows below its header")


def raise_malformed(path: Path, malformed: Sequence[str]) -> None:
    """Raise a PairTableError that lists the first 20 unreadable rows, if there are any."""
    if malformed:
        raise PairTableError(f"{path}: {len(malformed)} rows cannot be read", malformed)


def digest(path: str | Path) -> str:
    """Return the SHA-256 of the file's bytes, as `sha256sum` prints it."""
    sha256 = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            sha256.update(block)
    return sha256.hexdigest()


def distance(frame: pd.DataFrame) -> np.ndarray:
    """Return the distance in bp between the anchors' midpoints, float64 (n_pairs,).

    Pairs whose anchors lie on different chromosomes have no distance: NaN.
    """
    enhancer = (frame["enhancer_start"].to_numpy() + frame["enhancer_end"].to_numpy()) / 2
    promoter = (frame["promoter_start"].to_numpy() + frame["promoter_end"].to_numpy()) / 2
    cis = frame["enhancer_chrom"].to_numpy() == frame["promoter_chrom"].to_numpy()
    return np.where(cis, np.abs(enhancer - promoter), np.nan)


def _open_text(path: Path) -> IO[str]:
    """Open plain or gzip text, told apart by content: some gzip files bear no `.gz`."""
    if path.is_dir():
        raise PairTableError(f"{path}: is a folder, not a pair table")
    if not path.exists():
        raise PairTableError(f"{path}: no such file")
    with path.open("rb") as handle:
        compressed = handle.read(2) == _GZIP_MAGIC
    opener = gzip.open if compressed else open
    return cast("IO[str]", opener(path, "rt", encoding="utf-8-sig", errors="replace"))


Row = tuple[int, list[str]]


def _split_header(
    path: Path, handle: IO[str], label_column: str | None
) -> tuple[Iterator[Row], Layout]:
    """Read up to the first data row; return all data rows and the file's layout."""
    numbered = enumerate(handle, start=1)
    comment: str | None = None
    for number, text in numbered:
        if text.startswith("#"):
            comment = text.lstrip("#").rstrip("\r\n")
        elif text.strip() and not text.startswith(("track ", "browser ")):
            break
    else:
        if comment is None:
            raise PairTableError(f"{path}: the file is empty")
        raise PairTableError(f"{path}: no pairs: the file has no rows below its header")

    delimiter = "\t" if "\t" in text else "," if "," in text else " "
    first = _split(text, delimiter)
    if _is_header(first):
        layout = _layout(path, number, first, delimiter, label_column, n_fields=len(first))
        rows = _data_rows(numbered, delimiter)
    else:
        names = _split(comment, delimiter) if comment is not None else []
        header = names if len(names) >= len(BEDPE_POSITIONS) else None
        layout = _layout(path, number, header, delimiter, label_column, n_fields=len(first))
        rows = _chain_first((number, first), _data_rows(numbered, delimiter))
    return rows, layout


def _chain_first(first: Row, rest: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rest


def _data_rows(numbered: Iterator[tuple[int, str]], delimiter: str) -> Iterator[Row]:
    for number, text in numbered:
        if text.strip() and not text.startswith("#"):
            yield number, _split(text, delimiter)


def _split(text: str, delimiter: str) -> list[str]:
    if delimiter == ",":
        fields = next(csv.reader([text.rstrip("\r\n")]))
    elif delimiter == "\t":
        fields = text.rstrip("\r\n ").split("\t")
    else:
        fields = text.split()
    return [value.strip() for value in fields]


def _is_header(first: list[str]) -> bool:
    """Whether a first row is a header: it names columns, or has words for coordinates."""
    if set(first) & (set(COLUMNS) | set(CHIAPET_COLUMNS)):
        return True
    coordinates = [first[i] for i in (1, 2, 4, 5) if i < len(first)]
    return bool(coordinates) and all(re.match("[A-Za-z_]", value) for value in coordinates)


def _layout(
    path: Path,
    number: int,
    names: list[str] | None,
    delimiter: str,
    label_column: str | None,
    n_fields: int,
) -> Layout:
    if names is not None and (known := set(names)) & (set(COLUMNS) | set(CHIAPET_COLUMNS)):
        kind, wanted = "table", COLUMNS
        if known & set(CHIAPET_COLUMNS[:-1]):
            kind, wanted = "chiapet", CHIAPET_COLUMNS
        if known & set(wanted[:-1]):
            return _named_layout(path, number, names, delimiter, label_column, kind, wanted)
    if n_fields < len(BEDPE_POSITIONS):
        raise PairTableError(
            f"{path}:{number}: not a pair table: {n_fields} columns, but BEDPE has at least six, "
            f"and a table names its columns: {' '.join(COLUMNS)}"
        )
    positions = dict(BEDPE_POSITIONS)
    if label_column is not None:
        positions["label"] = _label_position(path, label_column, names, n_fields)
    return Layout("bedpe", delimiter, positions, tuple(names) if names else None)


def _named_layout(
    path: Path,
    number: int,
    names: list[str],
    delimiter: str,
    label_column: str | None,
    kind: str,
    wanted: Sequence[str],
) -> Layout:
    positions = {
        column: names.index(name)
        for column, name in zip(COLUMNS, wanted, strict=True)
        if name in names
    }
    if label_column is not None:
        positions["label"] = _label_position(path, label_column, names, len(names))
    missing = [
        name
        for column, name in zip(COLUMNS, wanted, strict=True)
        if column not in positions and column not in OPTIONAL_COLUMNS
    ]
    if missing:
        raise PairTableError(f"{path}:{number}: missing columns: {', '.join(missing)}")
    return Layout(kind, delimiter, positions, tuple(names))


def _label_position(path: Path, label_column: str, names: list[str] | None, n_fields: int) -> int:
    if names is not None and label_column in names:
        return names.index(label_column)
    if label_column.isdigit() and 1 <= int(label_column) <= n_fields:
        return int(label_column) - 1
    known = f"its columns are {', '.join(names)}" if names else f"it has {n_fields} columns"
    raise PairTableError(f"{path}: no column {label_column!r} for the label: {known}")


def _parse(path: Path, layout: Layout, rows: list[Row], keep_fields: bool) -> PairTable:
    """Turn raw rows into a canonical table; unreadable rows go into `malformed`."""
    needed = max(i for c, i in layout.positions.items() if c not in OPTIONAL_COLUMNS) + 1
    malformed: list[str] = []
    good = [row for row in rows if len(row[1]) >= needed]
    if len(good) < len(rows):
        malformed += [
            f"{path}:{number}: row: {len(fields)} columns where at least {needed} are needed"
            for number, fields in rows
            if len(fields) < needed
        ]
    columns = {column: _column(layout, column, good) for column in COLUMNS}
    problems = _problems(path, layout, [number for number, _ in good], columns)
    if problems:
        malformed += problems.values()
        keep = [i for i in range(len(good)) if i not in problems]
        good = [good[i] for i in keep]
        columns = {column: [values[i] for i in keep] for column, values in columns.items()}
    frame = pd.DataFrame(
        {
            column: _integers(values)
            if column in COORDINATE_COLUMNS
            else np.array([LABELS[value] for value in values], dtype=np.int8)
            if column == "label"
            else pd.Series(values, dtype=object)
            for column, values in columns.items()
        }
    )
    line = np.array([number for number, _ in good], dtype=np.int64)
    fields = [fields for _, fields in good] if keep_fields else []
    return PairTable(path, frame, line, layout, fields, malformed)


def _column(layout: Layout, column: str, rows: list[Row]) -> list[str]:
    position = layout.positions.get(column)
    if position is None:
        return [""] * len(rows)
    return [fields[position] if position < len(fields) else "" for _, fields in rows]


def _integers(values: list[str]) -> np.ndarray:
    return np.array(values, dtype=np.int64) if values else np.empty(0, dtype=np.int64)


def _problems(
    path: Path, layout: Layout, numbers: list[int], columns: dict[str, list[str]]
) -> dict[int, str]:
    """Return the first problem of each unreadable row, by its index."""
    problems: dict[int, str] = {}

    def report(i: int, column: str, what: str) -> None:
        name = layout.names[layout.positions[column]] if layout.names else column
        problems.setdefault(i, f"{path}:{numbers[i]}: {name}: {what}")

    for column in ("enhancer_chrom", "promoter_chrom"):
        values = columns[column]
        if not UNKNOWN_CHROMS.isdisjoint(values):
            for i, value in enumerate(values):
                if value in UNKNOWN_CHROMS:
                    report(i, column, "no chromosome: the anchor is unknown")
    for column in COORDINATE_COLUMNS:
        values = columns[column]
        if values and not _INTEGERS.fullmatch(",".join(values)):
            for i, value in enumerate(values):
                if not _INTEGER.fullmatch(value):
                    report(i, column, f"{value!r} is not a whole number")
    if not LABELS.keys() >= set(columns["label"]):
        for i, value in enumerate(columns["label"]):
            if value not in LABELS:
                report(i, "label", f"{value!r} is not a label: 1, 0, or -1 for unknown")
    return problems

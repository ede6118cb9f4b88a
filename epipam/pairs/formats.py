"""How pair files are laid out: three formats, told apart by their first lines.

A pair file is a table with the canonical column names, a BEDPE, or the CSV of published ChIA-PET
lists. This module opens one, finds its layout and splits its lines into fields; what the fields
mean is `epipam.pairs.table`' business.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO, cast

from epipam.errors import PairTableError
from epipam.runtime.compressed import is_gzip

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

_ASCII_BLANKS = " \t\v\f\x1c\x1d\x1e\x1f"
_LINES_AT_ONCE = 500
_NAMED = frozenset(COLUMNS) | frozenset(CHIAPET_COLUMNS)

Line = tuple[int, str]
Row = tuple[int, list[str]]


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
        Names of the fields, where the file has a header; rows may have more fields than it.
    """

    kind: str
    delimiter: str
    positions: dict[str, int]
    names: tuple[str, ...] | None

    def name(self, column: str) -> str:
        """Return what the file itself calls a canonical column."""
        position = self.positions.get(column)
        if self.names is None or position is None or position >= len(self.names):
            return column
        return self.names[position]


def open_text(path: Path, *, keep_bytes: bool = False) -> IO[str]:
    """Open plain or gzip text, told apart by content: some gzip files bear no `.gz`.

    Bytes that are no UTF-8 are read as U+FFFD, or with `keep_bytes` so that encoding with
    `surrogateescape` gives them back; text with such bytes cannot be encoded otherwise.
    """
    if path.is_dir():
        raise PairTableError(f"{path}: is a folder, not a pair table")
    if not path.exists():
        raise PairTableError(f"{path}: no such file")
    if not path.is_file():
        raise PairTableError(
            f"{path}: is no regular file; pairs are read more than once, so write them to one first"
        )
    opener = gzip.open if is_gzip(path) else open
    errors = "surrogateescape" if keep_bytes else "replace"
    return cast("IO[str]", opener(path, "rt", encoding="utf-8-sig", errors=errors))


def read_layout(
    path: Path, handle: IO[str], label_column: str | None
) -> tuple[Iterator[Line], Layout]:
    """Read up to the first data row; return all lines from it on and the file's layout.

    Returns
    -------
    lines
        (number, text) of each line from the first data row on, the number 1-based.
    layout
        Which field is which column.

    Raises
    ------
    PairTableError
        For a file without rows or of no known layout; from `lines`, for damaged gzip.
    """
    lines = _numbered_lines(path, handle)
    comments: list[str] = []
    for line in lines:
        text = line[1]
        if text.startswith("#"):
            comments.append(text.lstrip("#"))
        elif text.strip() and not text.startswith(("track ", "browser ")):
            break
    else:
        if not comments:
            raise PairTableError(f"{path}: the file is empty")
        raise PairTableError(f"{path}: no pairs: the file has no rows below its header")

    number, text = line
    delimiter = "\t" if "\t" in text else "," if "," in text else " "
    first = _split(text, delimiter)
    if _is_header(first):
        layout = _layout(path, number, first, delimiter, label_column, n_fields=len(first))
        return lines, layout
    header = _commented_header(comments, delimiter, len(first))
    layout = _layout(path, number, header, delimiter, label_column, n_fields=len(first))
    return chain([line], lines), layout


def _numbered_lines(path: Path, handle: IO[str]) -> Iterator[Line]:
    number = 0
    try:
        for number, text in enumerate(handle, start=1):
            yield number, text
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise PairTableError(f"{path}: damaged gzip file after line {number}: {error}") from None


def data_rows(lines: Iterator[Line], delimiter: str) -> Iterator[Row]:
    """Yield (line, fields) of each row; comments and blank lines are left out."""
    while batch := list(islice(lines, _LINES_AT_ONCE)):
        blanks = may_hold_blanks("".join([text for _, text in batch]), delimiter)
        for number, text in batch:
            if text.strip() and not text.startswith("#"):
                yield number, _split(text, delimiter, blanks=blanks)


def may_hold_blanks(text: str, delimiter: str) -> bool:
    """Whether fields may be surrounded by blanks: whatever `str.strip` takes away but line ends."""
    blanks = _ASCII_BLANKS.replace(delimiter, "")
    return not text.isascii() or any(blank in text for blank in blanks)


def _split(text: str, delimiter: str, *, blanks: bool = True) -> list[str]:
    if delimiter == ",":
        fields = _split_csv(text.rstrip("\r\n"))
    elif delimiter == "\t":
        fields = text.rstrip("\r\n ").split("\t")
    else:
        fields = text.split()
    return [value.strip() for value in fields] if blanks else fields


def _split_csv(text: str) -> list[str]:
    try:
        return next(csv.reader([text]))
    except csv.Error:  # a field beyond the module's limit of 128 KiB, or before 3.11 a NUL
        return text.split(",")


def _is_header(first: list[str]) -> bool:
    """Whether a first row is a header: it names columns, or has words for coordinates."""
    if not _NAMED.isdisjoint(first):
        return True
    coordinates = [first[i] for i in (1, 2, 4, 5) if i < len(first)]
    # A row of missing values (NA NA) repeats its word; a header names start and end.
    distinct = len(coordinates) < 2 or coordinates[0] != coordinates[1]
    return distinct and all(re.match("[A-Za-z_]", value) for value in coordinates)


def _commented_header(comments: list[str], delimiter: str, n_fields: int) -> list[str] | None:
    """Return the names in the last comment that can be a header: others are prose."""
    for comment in reversed(comments):
        names = _split(comment, delimiter)
        enough = len(names) == n_fields if delimiter == " " else len(names) >= len(BEDPE_POSITIONS)
        if enough:
            return names
    return None


def _layout(
    path: Path,
    number: int,
    names: list[str] | None,
    delimiter: str,
    label_column: str | None,
    n_fields: int,
) -> Layout:
    if names is not None and (known := _NAMED & set(names)):
        kind, wanted = "table", COLUMNS
        if known & set(CHIAPET_COLUMNS[:-1]):
            kind, wanted = "chiapet", CHIAPET_COLUMNS
        # Names alone make no table: a scored BEDPE carries those of the pairs it was made from.
        required = {
            name
            for column, name in zip(COLUMNS, wanted, strict=True)
            if column not in OPTIONAL_COLUMNS
        }
        if known & required:
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

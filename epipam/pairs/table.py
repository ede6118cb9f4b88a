"""Pair tables: any format in, one canonical table out.

Coordinates are 0-based and half-open. `label` is 1 (positive), 0 (negative) or -1 (unknown).
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from epipam.errors import PairTableError
from epipam.pairs.formats import (
    BEDPE,
    COLUMNS,
    COORDINATE_COLUMNS,
    OPTIONAL_COLUMNS,
    Columns,
    Layout,
    Row,
    open_pairs,
)
from epipam.pairs.formats.text_rows import READING, no_rows
from epipam.runtime.notes import note
from epipam.runtime.text_files import open_bytes

__all__ = [
    "COLUMNS",
    "Layout",
    "PairTable",
    "digest",
    "distance",
    "iter_pairs",
    "raise_malformed",
    "read_pairs",
]

SEPARATOR = "::"  # between the enhancer's and the promoter's name, in column 7 of a BEDPE
LABELS = {
    **dict.fromkeys(("1", "1.0", "TRUE", "True", "true"), 1),
    **dict.fromkeys(("0", "0.0", "FALSE", "False", "false"), 0),
    **dict.fromkeys(("-1", "-1.0", "", ".", "NA", "NaN", "nan", "None", "null"), -1),
}
UNKNOWN_CHROMS = frozenset({"", "."})
UNKNOWN_NAMES = frozenset({"", ".", "NA"})

_INTEGER = re.compile(r"-?[0-9]{1,15}")
_WHOLE_FLOAT = re.compile(r"(-?[0-9]{1,15})\.0+")
_SCIENTIFIC = re.compile(r"-?[0-9]+(\.[0-9]+)?[eE][-+]?[0-9]+")
_THOUSANDS = re.compile(r"-?[0-9]{1,3}([,' ][0-9]{3})+")
_MISSING = frozenset({"NA", "NaN", "nan", "N/A", "<NA>", "None", "null", "NULL"})
# One match over a whole column is quicker than one per value; no field holds a line end.
_INTEGERS = re.compile(r"(?:-?[0-9]{1,15}\n)*-?[0-9]{1,15}")

# Text is many times the size of the table made of it: hold little.
_WHOLE_TABLE_CHUNK = 10_000


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
    missing
        How many rows were left out because one of their anchors is missing (NA).
    """

    path: Path
    frame: pd.DataFrame
    line: np.ndarray
    layout: Layout
    fields: list[list[str]] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    missing: int = 0

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: np.ndarray) -> PairTable:
        """Return some pairs, in the order given, without the rows that cannot be read."""
        return replace(
            self,
            frame=self.frame.iloc[rows].reset_index(drop=True),
            line=self.line[rows],
            fields=[self.fields[i] for i in rows.tolist()] if self.fields else [],
            malformed=[],
            missing=0,
        )


def read_pairs(
    path: str | Path,
    label_column: str | None = None,
    malformed: str = "fail",
    columns: Columns | None = None,
) -> PairTable:
    """Read a whole pair table in any format that `epipam formats` lists.

    Parameters
    ----------
    path
        Plain, gzip, bgzip, bzip2, xz, or a zip archive with one file; LF or CRLF; a pipe, or `-`
        for standard input.
    label_column
        Name or 1-based number of the column that holds the label, where the format has none.
    malformed
        `fail` raises on rows that cannot be read, `skip` collects them in `malformed`.
    columns
        Name or 1-based number of the column that holds a canonical column, by its name, for a
        table of no known format, or one that is to be read otherwise.

    Raises
    ------
    PairTableError
        For an empty file, an unknown format, and unreadable rows unless they are skipped.
    """
    chunks = list(
        iter_pairs(
            path,
            label_column,
            chunk_rows=_WHOLE_TABLE_CHUNK,
            malformed=malformed,
            columns=columns,
        )
    )
    return PairTable(
        path=Path(path),
        frame=pd.concat([chunk.frame for chunk in chunks], ignore_index=True),
        line=np.concatenate([chunk.line for chunk in chunks]),
        layout=chunks[0].layout,
        malformed=[text for chunk in chunks for text in chunk.malformed],
        missing=sum(chunk.missing for chunk in chunks),
    )


def iter_pairs(
    path: str | Path,
    label_column: str | None = None,
    *,
    chunk_rows: int = 50_000,
    keep_fields: bool = False,
    malformed: str = "fail",
    columns: Columns | None = None,
) -> Iterator[PairTable]:
    """Yield a pair table piece by piece, in input order; memory is that of one piece.

    What the file was read as is told by `epipam.runtime.notes.note`, and at the end how many rows
    have no anchor.

    Parameters are those of `read_pairs`, and:

    Parameters
    ----------
    chunk_rows
        Rows per piece, at most.
    keep_fields
        Whether each piece also holds the raw fields of its rows.
    """
    path = Path(path)
    n_rows = n_missing = 0
    unreadable: list[str] = []
    with open_pairs(path, label_column, columns, keep_bytes=keep_fields) as (layout, rows):
        note(f"{path}: read as {layout.description}")
        while chunk := list(islice(rows, chunk_rows)):
            table = _parse(path, layout, chunk, keep_fields)
            n_rows += len(table) + len(table.malformed)
            n_missing += table.missing
            if malformed == "fail":
                unreadable += table.malformed
            if not unreadable:  # else the rest is read only to count what is wrong with it
                yield table
    raise_malformed(path, unreadable)
    if n_missing:
        anchors = "1 row whose" if n_missing == 1 else f"{n_missing:,} rows whose"
        note(f"{path}: left out {anchors} enhancer or promoter is missing (NA)")
    if n_rows == 0:
        if n_missing:
            raise PairTableError(f"{path}: no pairs: an anchor of every row is missing (NA)")
        raise no_rows(path)


def raise_malformed(path: Path, malformed: Sequence[str]) -> None:
    """Raise a PairTableError that lists the first 20 unreadable rows, if there are any."""
    if malformed:
        rows = "1 row" if len(malformed) == 1 else f"{len(malformed)} rows"
        raise PairTableError(f"{path}: {rows} cannot be read:", malformed)


def digest(path: str | Path) -> str:
    """Return the SHA-256 of the file's bytes, as `sha256sum` prints it."""
    sha256 = hashlib.sha256()
    with open_bytes(Path(path), READING) as handle:
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


def _parse(path: Path, layout: Layout, rows: list[Row], keep_fields: bool) -> PairTable:
    """Turn raw rows into a canonical table; unreadable rows go into `malformed`, by line."""
    columns = _columns(layout, rows)
    # A BEDPE that lacks an anchor says so by its chromosome.
    missing = _missing(columns) if layout.kind != BEDPE else set()
    if missing:
        rows, columns = _without(missing, rows, columns)
    for column in COORDINATE_COLUMNS:
        columns[column] = _plain_integers(columns[column])
    for column in ("enhancer_chrom", "promoter_chrom"):  # few names, on very many rows
        columns[column] = [sys.intern(value) for value in columns[column]]
    problems = _problems(layout, rows, columns)
    malformed = [f"{path}:{rows[i][0]}: {problems[i]}" for i in sorted(problems)]
    if problems:
        rows, columns = _without(problems, rows, columns)
    if layout.pair_name is not None:
        columns |= _split_names(layout.pair_name, rows, layout.positions)
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
    line = np.array([number for number, _ in rows], dtype=np.int64)
    fields = [fields for _, fields in rows] if keep_fields else []
    return PairTable(path, frame, line, layout, fields, malformed, len(missing))


def _without(
    left_out: Collection[int], rows: list[Row], columns: dict[str, list[str]]
) -> tuple[list[Row], dict[str, list[str]]]:
    """Return rows and columns without some rows, by their index."""
    keep = [i for i in range(len(rows)) if i not in left_out]
    kept = {column: [values[i] for i in keep] for column, values in columns.items()}
    return [rows[i] for i in keep], kept


def _missing(columns: dict[str, list[str]]) -> set[int]:
    """Return the rows of which an anchor has neither start nor end, but NA, as R writes it."""
    missing: set[int] = set()
    for anchor in ("enhancer", "promoter"):
        starts, ends = columns[f"{anchor}_start"], columns[f"{anchor}_end"]
        if not _MISSING.isdisjoint(starts):
            both = enumerate(zip(starts, ends, strict=True))
            missing.update(i for i, (s, e) in both if s in _MISSING and e in _MISSING)
    return missing


def _split_names(position: int, rows: list[Row], known: Collection[str]) -> dict[str, list[str]]:
    """Return the names of both anchors where the field at `position` is ENHANCER::PROMOTER.

    The last `::` counts, for motif names may hold one and gene names do not.
    """
    texts = [fields[position] if position < len(fields) else "" for _, fields in rows]
    if not any(SEPARATOR in text for text in texts):
        return {}
    enhancers, separators, promoters = zip(
        *(text.rpartition(SEPARATOR) for text in texts), strict=True
    )
    if "" in separators:
        promoters = tuple(p if by else "" for p, by in zip(promoters, separators, strict=True))
    return {
        column: ["" if name in UNKNOWN_NAMES else name for name in names]
        if not UNKNOWN_NAMES.isdisjoint(names)
        else list(names)
        for column, names in (("enhancer_name", enhancers), ("promoter_name", promoters))
        if column not in known
    }


def _plain_integers(values: list[str]) -> list[str]:
    """Return coordinates in which whole numbers such as 1200000.0 are written as 1200000."""
    if "." not in "".join(values):
        return values
    plain = ((value, _WHOLE_FLOAT.fullmatch(value)) for value in values)
    return [match[1] if match else value for value, match in plain]


def _columns(layout: Layout, rows: list[Row]) -> dict[str, list[str]]:
    """Return the values of each canonical column; empty where a row has no such field."""
    widths = {len(fields) for _, fields in rows}
    if len(widths) == 1:  # as good as always
        fields = list(zip(*(fields for _, fields in rows), strict=True))
        at = {column: p for column, p in layout.positions.items() if p < len(fields)}
        return {c: list(fields[at[c]]) if c in at else [""] * len(rows) for c in COLUMNS}
    return {column: _ragged_column(layout, column, rows) for column in COLUMNS}


def _ragged_column(layout: Layout, column: str, rows: list[Row]) -> list[str]:
    position = layout.positions.get(column)
    if position is None:
        return [""] * len(rows)
    return [fields[position] if position < len(fields) else "" for _, fields in rows]


def _integers(values: list[str]) -> np.ndarray:
    return np.array(values, dtype=np.int64) if values else np.empty(0, dtype=np.int64)


def _problems(layout: Layout, rows: list[Row], columns: dict[str, list[str]]) -> dict[int, str]:
    """Return `column: what is wrong` for each unreadable row, by its index; the first problem."""
    needed = max(i for c, i in layout.positions.items() if c not in OPTIONAL_COLUMNS) + 1
    problems = {
        i: f"row: {len(fields)} columns where at least {needed} are needed"
        for i, (_, fields) in enumerate(rows)
        if len(fields) < needed
    }

    def report(i: int, column: str, what: str) -> None:
        problems.setdefault(i, f"{layout.name(column)}: {what}")

    for column in ("enhancer_chrom", "promoter_chrom"):
        values = columns[column]
        if not UNKNOWN_CHROMS.isdisjoint(values):
            for i, value in enumerate(values):
                if value in UNKNOWN_CHROMS:
                    report(i, column, "no chromosome: the anchor is unknown")
    for column in COORDINATE_COLUMNS:
        values = columns[column]
        if not _INTEGERS.fullmatch("\n".join(values)):
            for i, value in enumerate(values):
                if not _INTEGER.fullmatch(value):
                    report(i, column, _what_is_wrong(value))
    if not LABELS.keys() >= set(columns["label"]):
        for i, value in enumerate(columns["label"]):
            if value not in LABELS:
                report(i, "label", f"{value!r} is not a label: 1, 0, or -1 for unknown")
    return problems


def _what_is_wrong(value: str) -> str:
    """Say what is wrong with a coordinate, and what to do where that is known."""
    if _SCIENTIFIC.fullmatch(value):
        return (
            f"{value!r} is in scientific notation, which may have lost digits: write whole "
            f"numbers (in R, options(scipen = 999))"
        )
    if _THOUSANDS.fullmatch(value):
        return f"{value!r} is not a whole number: write it without separators of thousands"
    return f"{value!r} is not a whole number"

"""Pair tables: three formats in, one canonical table out.

Coordinates are 0-based and half-open. `label` is 1 (positive), 0 (negative) or -1 (unknown).
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from epipam.errors import PairTableError
from epipam.pairs.columns import COORDINATE_COLUMNS, LABELS, UNKNOWN_CHROMS, plain_pairs
from epipam.pairs.formats import (
    COLUMNS,
    OPTIONAL_COLUMNS,
    Layout,
    Line,
    Row,
    data_rows,
    open_text,
    read_layout,
)

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

_INTEGER = re.compile(r"-?[0-9]{1,15}")
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
    """

    path: Path
    frame: pd.DataFrame
    line: np.ndarray
    layout: Layout
    fields: list[list[str]] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)

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
        )


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
    chunks = list(
        iter_pairs(path, label_column, chunk_rows=_WHOLE_TABLE_CHUNK, malformed=malformed)
    )
    return PairTable(
        path=Path(path),
        frame=pd.concat([chunk.frame for chunk in chunks], ignore_index=True),
        line=np.concatenate([chunk.line for chunk in chunks]),
        layout=chunks[0].layout,
        malformed=[text for chunk in chunks for text in chunk.malformed],
    )


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
        Rows per piece, at most.
    keep_fields
        Whether each piece also holds the raw fields of its rows.
    """
    path = Path(path)
    n_rows = 0
    unreadable: list[str] = []
    with open_text(path, keep_bytes=keep_fields) as handle:
        lines, layout = read_layout(path, handle, label_column)
        for table in _pieces(path, layout, lines, chunk_rows, keep_fields):
            n_rows += len(table) + len(table.malformed)
            if malformed == "fail":
                unreadable += table.malformed
            if not unreadable:  # else the rest is read only to count what is wrong with it
                yield table
    raise_malformed(path, unreadable)
    if n_rows == 0:
        raise PairTableError(f"{path}: no pairs: the file has no rows below its header")


def raise_malformed(path: Path, malformed: Sequence[str]) -> None:
    """Raise a PairTableError that lists the first 20 unreadable rows, if there are any."""
    if malformed:
        rows = "1 row" if len(malformed) == 1 else f"{len(malformed)} rows"
        raise PairTableError(f"{path}: {rows} cannot be read:", malformed)


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


def _pieces(
    path: Path, layout: Layout, lines: Iterator[Line], chunk_rows: int, keep_fields: bool
) -> Iterator[PairTable]:
    """Yield the rows of some lines, at least one a piece, those that cannot be read too."""
    if keep_fields:
        rows = data_rows(lines, layout.delimiter)
        while chunk := list(islice(rows, chunk_rows)):
            yield _parse(path, layout, chunk, keep_fields)
        return
    while batch := list(islice(lines, chunk_rows)):
        frame = plain_pairs(batch, layout)
        if frame is not None:
            first = batch[0][0]
            line = np.arange(first, first + len(batch), dtype=np.int64)
            yield PairTable(path, frame, line, layout)
        elif chunk := list(data_rows(iter(batch), layout.delimiter)):
            yield _parse(path, layout, chunk, keep_fields)


def _parse(path: Path, layout: Layout, rows: list[Row], keep_fields: bool) -> PairTable:
    """Turn raw rows into a canonical table; unreadable rows go into `malformed`, by line."""
    columns = _columns(layout, rows)
    for column in ("enhancer_chrom", "promoter_chrom"):  # few names, on very many rows
        columns[column] = [sys.intern(value) for value in columns[column]]
    problems = _problems(layout, rows, columns)
    malformed = [f"{path}:{rows[i][0]}: {problems[i]}" for i in sorted(problems)]
    if problems:
        keep = [i for i in range(len(rows)) if i not in problems]
        rows = [rows[i] for i in keep]
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
    line = np.array([number for number, _ in rows], dtype=np.int64)
    fields = [fields for _, fields in rows] if keep_fields else []
    return PairTable(path, frame, line, layout, fields, malformed)


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
                    report(i, column, f"{value!r} is not a whole number")
    if not LABELS.keys() >= set(columns["label"]):
        for i, value in enumerate(columns["label"]):
            if value not in LABELS:
                report(i, "label", f"{value!r} is not a label: 1, 0, or -1 for unknown")
    return problems

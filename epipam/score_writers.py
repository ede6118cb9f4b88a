"""Score files: BEDPE, TSV and Parquet, streamed, under their final name only when whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pysam

from epipam.errors import RequestError
from epipam.pairs import COLUMNS, Layout, PairTable

BEDPE_HEADER = (
    "chrom1", "start1", "end1", "chrom2", "start2", "end2", "name", "score", "strand1", "strand2",
)  # fmt: skip
BEDPE_NAME, BEDPE_SCORE = 6, 7
ENDINGS = (".bedpe", ".bedpe.gz", ".tsv", ".tsv.gz", ".parquet")

Write = Callable[[PairTable, np.ndarray, np.ndarray], None]


def check_output(out: Path, *, overwrite: bool) -> str:
    """Return the file's ending, one of `ENDINGS`.

    Raises
    ------
    RequestError
        For any other ending, and where the file exists and must not be replaced.
    """
    ending = next((e for e in sorted(ENDINGS, key=len, reverse=True) if out.name.endswith(e)), None)
    if ending is None:
        raise RequestError(f"{out}: the ending must be one of {', '.join(ENDINGS)}")
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
    """
    ending = check_output(out, overwrite=overwrite)
    partial = out.with_name(f".{out.name}.partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        if ending == ".parquet":
            with _parquet(partial) as write:
                yield write
        else:
            lines = _bedpe_lines if ending.startswith(".bedpe") else _tsv_lines
            with _text(partial, ending.endswith(".gz"), lines) as write:
                yield write
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


def score_table_columns(
    table: PairTable, probability: np.ndarray, logit: np.ndarray
) -> pd.DataFrame:
    """Return the canonical columns, `probability`, `logit`, and the further columns as text."""
    columns = [c for c in COLUMNS if c != "label" or "label" in table.layout.positions]
    frame = table.frame[columns].assign(probability=probability, logit=logit)
    for name, values in _further_columns(table):
        frame[name if name not in frame else f"input_{name}"] = values
    return frame


@contextmanager
def _text(partial: Path, compressed: bool, lines: Callable[..., Iterator[str]]) -> Iterator[Write]:
    handle = pysam.BGZFile(str(partial), "w", None) if compressed else partial.open("wb")
    first = True

    def write(table: PairTable, probability: np.ndarray, logit: np.ndarray) -> None:
        nonlocal first
        text = "".join(f"{line}\n" for line in lines(table, probability, logit, header=first))
        handle.write(text.encode("utf-8"))
        first = False

    try:
        yield write
    finally:
        handle.close()


@contextmanager
def _parquet(partial: Path) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None

    def write(table: PairTable, probability: np.ndarray, logit: np.ndarray) -> None:
        nonlocal writer
        frame = score_table_columns(table, probability, logit)
        arrow = pa.Table.from_pandas(frame, preserve_index=False)
        if writer is None:
            text = {c for c in frame.columns if frame[c].dtype == object}
            fields = [pa.field(f.name, pa.string()) if f.name in text else f for f in arrow.schema]
            writer = pq.ParquetWriter(partial, pa.schema(fields))
        writer.write_table(arrow.cast(writer.schema))

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def _bedpe_lines(
    table: PairTable, probability: np.ndarray, logit: np.ndarray, *, header: bool
) -> Iterator[str]:
    """Yield BEDPE: the fields of a BEDPE as they were, with the probability in column 8."""
    scores = _numbers(probability)
    if table.layout.kind == "bedpe":
        if header and table.layout.names:
            yield "#" + "\t".join(_with_score(list(table.layout.names), "name", "score"))
        for fields, score in zip(table.fields, scores, strict=True):
            yield "\t".join(_with_score(list(fields), ".", score))
        return
    further = _further_columns(table)
    names = [("enhancer_name", ""), ("promoter_name", ""), ("label", "")]
    kept = [(c, list(map(str, table.frame[c]))) for c, _ in names if c in table.layout.positions]
    columns = [*kept, *further]
    if header:
        yield "#" + "\t".join([*BEDPE_HEADER, *(name for name, _ in columns)])
    frame = table.frame
    for i in range(len(table)):
        row = frame.iloc[i]
        name = "::".join(n for n in (row.enhancer_name, row.promoter_name) if n) or "."
        anchors = [str(row[c]) for c in _BEDPE_ANCHORS]
        extra = (values[i] or "." for _, values in columns)
        yield "\t".join([*anchors, name, scores[i], ".", ".", *extra])


_BEDPE_ANCHORS = (
    "enhancer_chrom", "enhancer_start", "enhancer_end",
    "promoter_chrom", "promoter_start", "promoter_end",
)  # fmt: skip


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
    table: PairTable, probability: np.ndarray, logit: np.ndarray, *, header: bool
) -> Iterator[str]:
    frame = score_table_columns(table, probability, logit)
    frame["probability"] = _numbers(probability)
    frame["logit"] = _numbers(logit)
    text = frame.to_csv(sep="\t", index=False, header=header, lineterminator="\n", quoting=3)
    yield from text.splitlines()


def _numbers(values: np.ndarray) -> list[str]:
    """Format scores; a pair without one has `.`, as BEDPE writes what is unknown."""
    return ["." if np.isnan(value) else f"{value:.8g}" for value in values]


def _further_columns(table: PairTable) -> list[tuple[str, list[str]]]:
    """Return (name, values as text) of the input's columns that are not canonical."""
    layout: Layout = table.layout
    n_fields = max((len(fields) for fields in table.fields), default=0)
    known = set(layout.positions.values())
    names = layout.names or ()
    columns = []
    for position in range(n_fields):
        if position not in known:
            named = position < len(names)
            name = names[position] if named else f"column_{position + 1}"
            values = [f[position] if position < len(f) else "" for f in table.fields]
            columns.append((name, values))
    return columns

"""Pair tables that are no text: Parquet, and UCSC's bigInteract. Their values become text.

So they are read as any other table is: what is recognised and checked has one place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from epipam.errors import PairTableError
from epipam.pairs.formats.by_shape import INTERACT_NAMES
from epipam.pairs.formats.layout import Head, Layout
from epipam.pairs.formats.text_rows import READING, Row, laid_out, no_rows
from epipam.runtime.text_files import is_pipe, open_bytes

_HEAD_ROWS = 20
_BATCH_ROWS = 10_000
# Records are taken from a bigBed by pieces of this length, bp.
_SPAN = 20_000_000


class BinaryTable:
    """A pair table whose rows are made of typed values: its beginning, and its rows.

    A row's line is its number, from 1.
    """

    def __init__(self, path: Path, names: tuple[str, ...], rows: Iterator[list[str]]) -> None:
        peeked = list(islice(rows, _HEAD_ROWS))
        if not peeked:
            raise no_rows(path)
        self._rows: Iterator[Row] = enumerate(chain(peeked, rows), start=1)
        self.head = Head(path, 1, (), names, tuple(peeked), "")

    def rows(self, layout: Layout) -> Iterator[Row]:
        """Yield (number, fields) of each row, the fields as `layout` has them."""
        return laid_out(self._rows, layout)


@contextmanager
def open_parquet(path: Path) -> Iterator[BinaryTable]:
    """Open a Parquet file as a pair table; checksums of its pages are verified where it has them.

    Raises
    ------
    PairTableError
        For a damaged file, from the rows too.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_bytes(path, READING) as handle:
        try:
            opened = pq.ParquetFile(handle, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise _damaged_parquet(path, error) from None
        with opened:
            names = tuple(opened.schema_arrow.names)
            yield BinaryTable(path, names, _parquet_rows(path, opened))


def _parquet_rows(path: Path, opened: Any) -> Iterator[list[str]]:
    import pyarrow as pa

    try:
        for batch in opened.iter_batches(_BATCH_ROWS):
            columns = [_texts(column) for column in batch.columns]
            yield from map(list, zip(*columns, strict=True))
    except (pa.ArrowException, OSError) as error:
        raise _damaged_parquet(path, error) from None


def _texts(column: Any) -> list[str]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return ["" if value is None else value for value in column.cast(pa.string()).to_pylist()]
    except pa.ArrowException:  # lists, structures
        return ["" if value is None else str(value) for value in column.to_pylist()]


def _damaged_parquet(path: Path, error: Exception) -> PairTableError:
    said = str(error).strip().splitlines() or ["nothing"]
    return PairTableError(f"{path}: is no Parquet file, or a damaged one: {said[0]}")


@contextmanager
def open_big_interact(path: Path) -> Iterator[BinaryTable]:
    """Open UCSC's bigInteract as a pair table, in the order of its records.

    Raises
    ------
    PairTableError
        For a bigBed that holds something else, and for a pipe.
    """
    import pyBigWig

    if is_pipe(path):
        raise PairTableError(f"{path}: bigInteract cannot be read from a pipe: save it to a file")
    try:
        opened = pyBigWig.open(str(path))
    except RuntimeError:
        raise PairTableError(f"{path}: is a damaged bigBed file") from None
    try:
        definition = opened.SQL()
        text = definition.decode("utf-8", "replace") if isinstance(definition, bytes) else ""
        if not opened.isBigBed() or "sourceChrom" not in text or "targetChrom" not in text:
            raise PairTableError(
                f"{path}: is a bigBed file, but not of pairs: bigInteract has sourceChrom, "
                f"targetChrom, ...; bigBedToBed FILE OUT shows what is there"
            )
        yield BinaryTable(path, INTERACT_NAMES, _big_interact_rows(opened))
    finally:
        opened.close()


def _big_interact_rows(opened: Any) -> Iterator[list[str]]:
    for contig, length in opened.chroms().items():
        for first in range(0, length, _SPAN):
            # None where there is no record; one that began before was in an earlier piece.
            for start, end, rest in opened.entries(contig, first, min(first + _SPAN, length)) or ():
                if start >= first:
                    yield [contig, str(start), str(end), *rest.split("\t")]

"""Tables of named columns, written a piece at a time: TSV, bgzip where asked for, and Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pysam

from epipam.runtime.files import whole_file

ENDINGS = (".tsv", ".tsv.gz", ".parquet")

Values = Sequence[Any]
Write = Callable[[Mapping[str, Values]], None]

_BLANKS = str.maketrans("\t\r\n", "   ")
_UNKNOWN = ""


@contextmanager
def open_table(
    out: Path, ending: str, columns: Mapping[str, type], *, overwrite: bool = True
) -> Iterator[Write]:
    """Yield `write(piece)`; the file appears under its name when the block ends well.

    Parameters
    ----------
    ending
        One of `ENDINGS`.
    columns
        `str`, `int` or `float` by name, in order. A piece has a value or None for each row of
        each; None is empty in text, null in Parquet.
    overwrite
        Whether a file of that name may be replaced.
    """
    with whole_file(out, overwrite=overwrite) as partial:
        if ending == ".parquet":
            yield from _parquet(partial, columns)
        else:
            yield from _text(partial, ending == ".tsv.gz", columns)


def _text(path: Path, compressed: bool, columns: Mapping[str, type]) -> Iterator[Write]:
    handle: Any = pysam.BGZFile(str(path), "w", None) if compressed else path.open("wb")
    formats: dict[type, Callable[[Any], str]] = {str: _name, int: _integer, float: _number}

    def write(piece: Mapping[str, Values]) -> None:
        texts = [map(formats[kind], piece[name]) for name, kind in columns.items()]
        rows = "".join("\t".join(row) + "\n" for row in zip(*texts, strict=True))
        handle.write(rows.encode("utf-8", "surrogateescape"))

    try:
        handle.write(("\t".join(columns) + "\n").encode())
        yield write
    finally:
        handle.close()


def _parquet(path: Path, columns: Mapping[str, type]) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with pq.ParquetWriter(path, schema, write_page_checksum=True) as writer:

        def write(piece: Mapping[str, Values]) -> None:
            arrays = [
                pa.array([_valid(v) for v in piece[name]] if kind is str else piece[name], kind_)
                for (name, kind), kind_ in zip(columns.items(), schema.types, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

        yield write


def _name(value: str | None) -> str:
    return value.translate(_BLANKS) if value else _UNKNOWN


def _integer(value: int | None) -> str:
    return _UNKNOWN if value is None else str(value)


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.8g}"


def _valid(value: str | None) -> str | None:
    r"""Return text that is UTF-8, with bytes that were none as \xNN; None for empty text."""
    if value is None or value.isascii():
        return value or None
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

"""Opening a pair table, whatever it is: text, Parquet, bigInteract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from epipam.pairs.formats.binary_rows import open_big_interact, open_parquet
from epipam.pairs.formats.layout import Layout
from epipam.pairs.formats.registry import Columns, find_layout
from epipam.pairs.formats.text_rows import READING, Row, TextTable
from epipam.runtime.file_kinds import BIGBED, PARQUET, binary_kind
from epipam.runtime.text_files import keep_pipes, open_lines, read_head


@contextmanager
def open_pairs(
    path: Path,
    label_column: str | None = None,
    columns: Columns | None = None,
    *,
    keep_bytes: bool = False,
) -> Iterator[tuple[Layout, Iterator[Row]]]:
    """Open a pair table; yield its layout and an iterator of (line, fields) of its rows.

    Parameters
    ----------
    label_column, columns
        As `epipam.pairs.formats.registry.find_layout` takes them.
    keep_bytes
        Read bytes that are no UTF-8 so that encoding with `surrogateescape` gives them back.

    Raises
    ------
    PairTableError
        For a file that is missing, damaged, no table, or of no known format; from the iterator for
        one that is damaged further down.
    """
    with keep_pipes():
        kind = binary_kind(read_head(path, READING))
        if kind == PARQUET:
            opened = open_parquet(path)
        elif kind == BIGBED:
            opened = open_big_interact(path)
        else:
            with open_lines(path, READING._replace(keep_bytes=keep_bytes)) as lines:
                text = TextTable(path, lines)
                layout = find_layout(text.head, label_column, columns)
                yield layout, text.rows(layout)
            return
        with opened as table:
            layout = find_layout(table.head, label_column, columns)
            yield layout, table.rows(layout)

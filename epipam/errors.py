"""The errors a user can meet; the command line prints each as one line."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_REPORTED_ROWS = 20
_MOST_OF_A_ROW = 1_000

# What moves a terminal's cursor, or turns the direction of its text; line ends and tabs do not.
_CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")


class EpipamError(Exception):
    """Work that failed. The command line exits with `exit_code`.

    Its text quotes files: a control character of theirs is shown as `\\x1b`, and not obeyed.
    """

    exit_code = 1

    def __str__(self) -> str:
        return _CONTROL.sub(lambda m: m[0].encode("unicode_escape").decode(), super().__str__())


class EpipamWarning(UserWarning):
    """What a user should know of work that goes on. The command line prints it as a note."""


class RequestError(EpipamError):
    """A request that cannot be met as asked: a wrong option, file or combination of them."""

    exit_code = 2


class GenomeError(RequestError):
    """A FASTA that is missing, not indexable, or lacks what is asked of it."""


class TableError(RequestError):
    """An input table with rows or columns that cannot be used.

    Parameters
    ----------
    summary
        One line that names the file, what is wrong with it and the way out.
    rows
        One `file:line: column: what is wrong` per rejected row; the first 20 are kept.
    n_rows
        How many rows were rejected in all, where `rows` is already cut.
    """

    def __init__(self, summary: str, rows: Sequence[str] = (), n_rows: int | None = None) -> None:
        self.summary = summary
        self.rows = [_cut(row) for row in rows[:MAX_REPORTED_ROWS]]
        self.n_rows = len(rows) if n_rows is None else n_rows
        lines = [summary, *self.rows]
        if self.n_rows > len(self.rows) > 0:
            lines.append(f"... and {self.n_rows - len(self.rows)} more")
        super().__init__("\n".join(lines))


def _cut(row: str) -> str:
    """Return what is said of a row, which may quote a value of any length, without its middle."""
    half = _MOST_OF_A_ROW // 2
    return row if len(row) <= _MOST_OF_A_ROW else f"{row[:half]} ... {row[-half:]}"


class PairTableError(TableError):
    """A pair table that cannot be used."""


class RegionError(TableError):
    """A file of regions or genes that cannot be used."""


class MotifError(RequestError):
    """A file of motifs that cannot be read."""


class StoreError(RequestError):
    """A folder that is no epipam store, or one that this version cannot read."""


class ModelError(RequestError):
    """A model folder that is missing, damaged or of another shape than the data."""

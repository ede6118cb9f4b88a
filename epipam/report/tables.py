"""Tables of a page, and how their numbers are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ABSENT = "–"


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes
    ----------
    text
        What is shown.
    value
        The number behind it, unrounded; None for a text.
    note
        What stands behind the text in small print, an interval say.
    """

    text: str
    value: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes
    ----------
    name
        Its identifier on the page.
    caption
        What it shows.
    columns
        Headers, the first that of the row names.
    rows
        As many cells each as there are columns.
    sortable
        Whether a reader may want another order.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sortable: bool = False

    def is_numeric(self, column: int) -> bool:
        """Whether a column holds numbers alone, which then stand flush right."""
        cells = [row[column] for row in self.rows]
        return any(cell.value is not None for cell in cells) and all(
            not cell.note and (cell.value is not None or cell.text == ABSENT) for cell in cells
        )


def text(value: object) -> Cell:
    """Show a text, or that there is none."""
    return Cell(ABSENT if value is None or value == "" else str(value))


def count(value: int | None) -> Cell:
    """Show a whole number with its thousands set off."""
    return Cell(ABSENT) if value is None else Cell(f"{value:,}", value)


def score(
    value: float | None,
    interval: Sequence[float] | None = None,
    sd: float | None = None,
) -> Cell:
    """Show a number to three places, with its interval or its standard deviation."""
    if value is None:
        return Cell(ABSENT)
    note = ""
    if interval is not None:
        note = f"{interval[0]:.3f} to {interval[1]:.3f}"
    elif sd is not None:
        note = f"sd {sd:.3f}"
    return Cell(f"{value:.3f}", value, note)


def share(value: float | None) -> Cell:
    """Show a share from 0 to 1 in percent."""
    return Cell(ABSENT) if value is None else Cell(f"{value:.0%}", value)


def base_pairs(value: float | None) -> Cell:
    """Show a length or a distance in bp."""
    return Cell(ABSENT) if value is None else Cell(f"{value:,.0f}", value)

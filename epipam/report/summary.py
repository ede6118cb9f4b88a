"""The numbers that a page opens with."""

from __future__ import annotations

from dataclasses import dataclass

from epipam.report.tables import Cell


@dataclass(frozen=True)
class Tile:
    """A number that the page opens with.

    Attributes
    ----------
    label
        What it is.
    cell
        The number, with its interval.
    beside
        What to compare it with.
    """

    label: str
    cell: Cell
    beside: str = ""

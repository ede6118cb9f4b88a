"""What a format of pair tables is, what it is recognised by, and where it keeps what.

The canonical columns are those of the project's own tables; coordinates are 0-based, half-open.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

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
REQUIRED_COLUMNS = tuple(column for column in COLUMNS if column not in OPTIONAL_COLUMNS)
COORDINATE_COLUMNS = ("enhancer_start", "enhancer_end", "promoter_start", "promoter_end")

BEDPE = "bedpe"
# Columns of a BEDPE after the six of its anchors; column 7 may be ENHANCER::PROMOTER.
BEDPE_NAME = 6
BEDPE_POSITIONS = {column: place for place, column in enumerate(REQUIRED_COLUMNS)}

Fields = list[str]
Rewrite = Callable[[Fields], Fields]
# Of a record that may come a second time, seen from its other anchor: a key of itself and the key
# of that other record. None for one that cannot.
Mirror = Callable[[Fields], tuple[Hashable, Hashable] | None]


@dataclass(frozen=True)
class Head:
    """What a format is recognised by: everything before the first rows, and those.

    Attributes
    ----------
    path
        The file, for messages.
    number
        Line of the header, or of the first row where there is none.
    comments
        Lines before the first row that begin with `#`, without it; and `track` lines.
    names
        Names of the columns, None without a header.
    rows
        The first rows, some twenty.
    delimiter
        Tab, comma, semicolon, or a blank (any run of blanks).
    """

    path: Path
    number: int
    comments: tuple[str, ...]
    names: tuple[str, ...] | None
    rows: tuple[Fields, ...]
    delimiter: str = "\t"

    @property
    def width(self) -> int:
        """How many columns there are: fields of the first row, or names where there are none."""
        return len(self.rows[0]) if self.rows else len(self.names or ())

    @property
    def lower_names(self) -> tuple[str, ...]:
        """The names in lower case; none without a header."""
        return tuple(name.lower() for name in self.names or ())


class Found(NamedTuple):
    """Where a format keeps its columns in one file.

    Attributes
    ----------
    positions
        Index of the field of each canonical column there is, after `rewrite`.
    names
        Names of the fields after `rewrite`; None where nothing names them.
    roles
        Which anchor was taken for the enhancer, in a few words.
    rewrite
        Makes of the fields of a row those that `positions` are of; None where they are.
    mirror
        Tells the second record of a pair; None where each has one.
    pair_name
        Index of the field that may be ENHANCER::PROMOTER.
    """

    positions: dict[str, int]
    names: tuple[str, ...] | None
    roles: str
    rewrite: Rewrite | None = None
    mirror: Mirror | None = None
    pair_name: int | None = None


@dataclass(frozen=True)
class PairFormat:
    """A format that pair tables have.

    Attributes
    ----------
    key
        A word for it: `Layout.kind` of the tables that have it.
    name
        What a message calls it.
    about
        Who writes it, in one line.
    recognised_by
        What tells it from others, in one line.
    roles
        Which anchor is the enhancer, in one line.
    labels
        Where labels are from, in a few words; empty where it has none.
    find
        Returns where a file keeps its columns, None where it is of another format.
    """

    key: str
    name: str
    about: str
    recognised_by: str
    roles: str
    find: Callable[[Head], Found | None]
    labels: str = ""

    def to_json(self) -> dict[str, str]:
        """Return what `epipam formats` says of it."""
        return {
            "format": self.key,
            "name": self.name,
            "about": self.about,
            "recognised_by": self.recognised_by,
            "roles": self.roles,
            "labels": self.labels,
        }


@dataclass(frozen=True)
class Layout:
    """Where a file keeps the canonical columns.

    Attributes
    ----------
    kind
        The `PairFormat.key` of its format.
    delimiter
        Tab, comma, semicolon, or a blank (any run of blanks); empty where rows are no text.
    positions
        Index of the field of each canonical column the file has.
    names
        Names of the fields, where the file has a header; rows may have more fields than it.
    description
        What the file was read as, for messages: its format, and which anchor is the enhancer.
    rewrite, mirror, pair_name
        As `Found` has them.
    quoted
        Whether fields of text may stand in double quotes.
    """

    kind: str
    delimiter: str
    positions: dict[str, int]
    names: tuple[str, ...] | None
    description: str = ""
    rewrite: Rewrite | None = field(default=None, compare=False, repr=False)
    mirror: Mirror | None = field(default=None, compare=False, repr=False)
    pair_name: int | None = None
    quoted: bool = False

    def name(self, column: str) -> str:
        """Return what the file itself calls a canonical column."""
        position = self.positions.get(column)
        if self.names is None or position is None or position >= len(self.names):
            return column
        return self.names[position]

"""All formats of pair tables, and how one is chosen for a file.

To add a format: write a function that finds its columns in `by_header` or `by_shape`, and give it
a `PairFormat` there.
"""

from __future__ import annotations

from collections.abc import Mapping

from epipam.errors import PairTableError
from epipam.pairs.formats.by_header import (
    BEDPE_COLUMNS_FORMAT,
    BEDPE_FORMAT,
    HEADER_FORMATS,
    holds_regions,
    incomplete_roles,
)
from epipam.pairs.formats.by_shape import IGV_FORMAT, INTERACT_FORMAT, SHAPE_FORMATS
from epipam.pairs.formats.layout import (
    COLUMNS,
    REQUIRED_COLUMNS,
    Found,
    Head,
    Layout,
    PairFormat,
    Rewrite,
)
from epipam.pairs.formats.roles import AmbiguousHeader, missing_columns, one_base

FORMATS: tuple[PairFormat, ...] = (
    IGV_FORMAT,
    INTERACT_FORMAT,
    *HEADER_FORMATS,
    *SHAPE_FORMATS,
    BEDPE_COLUMNS_FORMAT,
    BEDPE_FORMAT,
)
BY_OPTION = "columns"
# The comment that heads what epipam writes begins so.
OWN_COMMENT = "epipam "

Columns = Mapping[str, str]


def find_layout(
    head: Head, label_column: str | None = None, columns: Columns | None = None
) -> Layout:
    """Return where a file keeps its pairs.

    Parameters
    ----------
    head
        Its beginning.
    label_column
        Name or number, from 1, of the column that holds the label.
    columns
        Name or number, from 1, of the column that holds a canonical column, by its name. Where all
        coordinates are named, the file may have any format.

    Raises
    ------
    PairTableError
        For a file of no known format, and for columns that it does not have.
    """
    columns = dict(columns or {})
    label_column = columns.pop("label", label_column)
    try:
        chosen, found = _recognise(head, columns)
    except AmbiguousHeader as error:
        raise PairTableError(f"{head.path}:{head.number}: {error}") from None
    if columns:
        found = _with_columns(head, found, columns)
    if missing := missing_columns(found.positions):
        raise PairTableError(f"{head.path}:{head.number}: missing columns: {', '.join(missing)}")
    positions = dict(found.positions)
    if label_column is not None:
        positions["label"] = _position(head, found, label_column, "the label")
    elif chosen.key == BEDPE_FORMAT.key and _is_own(head) and "label" in head.lower_names:
        positions["label"] = head.lower_names.index("label")
    roles = "columns as --columns names them" if columns else found.roles
    name = chosen.name if chosen is not _BY_OPTION else "a table"
    return Layout(
        kind=BY_OPTION if columns else chosen.key,
        delimiter=head.delimiter,
        positions=positions,
        names=found.names,
        description=f"{name} ({roles})",
        rewrite=found.rewrite,
        mirror=found.mirror,
        pair_name=found.pair_name if not columns else None,
    )


def _recognise(head: Head, columns: Columns) -> tuple[PairFormat, Found]:
    if set(REQUIRED_COLUMNS) - {"enhancer_end", "promoter_end"} <= set(columns):
        shaped = ((shape, shape.find(head)) for shape in SHAPE_FORMATS)
        # Fields that hold several values are taken apart before they are named.
        found = next((f for _, f in shaped if f is not None and f.rewrite is not None), None)
        return _BY_OPTION, found or Found({}, head.names, "")
    for candidate in FORMATS:
        if candidate is BEDPE_COLUMNS_FORMAT and not columns and (lacks := incomplete_roles(head)):
            raise PairTableError(f"{head.path}:{head.number}: missing columns: {', '.join(lacks)}")
        found = candidate.find(head)
        if found is not None and (columns or not missing_columns(found.positions)):
            return candidate, found
    if columns:
        return _BY_OPTION, Found({}, head.names, "")
    raise PairTableError(_unknown(head))


def _unknown(head: Head) -> str:
    at = f"{head.path}:{head.number}: not a pair table: "
    row = head.rows[0] if head.rows else []
    if len(row) >= 2 and row[0].startswith("EH3") and row[1].startswith("ENSG"):
        return (
            f"{at}a BENGI list names cCREs and genes without their coordinates: join it with "
            f"BENGI's files of cCREs and TSSs first"
        )
    if holds_regions(head):
        return f"{at}one region a row; epipam candidates makes pairs of two files of regions"
    return (
        f"{at}{head.width} columns, but BEDPE has at least six, and a table names its columns: "
        f"{' '.join(COLUMNS)}; epipam formats lists what is read, and --columns maps any other"
    )


def _with_columns(head: Head, found: Found, columns: Columns) -> Found:
    """Return what was found with the columns that the user names.

    An anchor of which a start is named and no end is the base there.
    """
    positions = dict(found.positions)
    rewrite, names = found.rewrite, found.names
    for column, given in columns.items():
        positions[column] = _position(head, found, given, column)
    for anchor in ("enhancer", "promoter"):
        start, end = f"{anchor}_start", f"{anchor}_end"
        if start in columns and end not in columns:
            width = len(names) if names else head.width
            rewrite = _both(rewrite, one_base(positions[start], width))
            positions[end] = width
            names = (*(names or (f"column_{i + 1}" for i in range(width))), end)
    return found._replace(positions=positions, rewrite=rewrite, names=names)


def _both(first: Rewrite | None, second: Rewrite) -> Rewrite:
    return second if first is None else lambda fields: second(first(fields))


def _position(head: Head, found: Found, given: str, what: str) -> int:
    """Return the place of a column that the user gives by name, in any case, or by number."""
    names = found.names
    if names is not None:
        if given in names:
            return names.index(given)
        lower = [name.lower() for name in names]
        if lower.count(given.lower()) == 1:
            return lower.index(given.lower())
    width = max(len(names or ()), head.width)
    if given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= width:
        return int(given) - 1
    known = f"its columns are {', '.join(names)}" if names else f"it has {head.width} columns"
    raise PairTableError(f"{head.path}: no column {given!r} for {what}: {known}")


def _is_own(head: Head) -> bool:
    return any(comment.strip().startswith(OWN_COMMENT) for comment in head.comments)


_BY_OPTION = PairFormat(
    BY_OPTION,
    "any other table",
    "anybody",
    "--columns enhancer_chrom=NAME,enhancer_start=NAME,...",
    "as --columns says",
    lambda head: None,
    "--columns label=NAME",
)

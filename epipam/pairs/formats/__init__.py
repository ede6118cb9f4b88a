"""The formats that pair tables have, told apart by their headers and first rows.

A file goes in; out come its rows of fields, and a layout that says which field is which canonical
column. What the fields mean is `epipam.pairs.table`'s business.
"""

from epipam.pairs.formats.by_header import CHIAPET_COLUMNS
from epipam.pairs.formats.layout import (
    BEDPE,
    BEDPE_NAME,
    BEDPE_POSITIONS,
    COLUMNS,
    COORDINATE_COLUMNS,
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    Layout,
    PairFormat,
)
from epipam.pairs.formats.opening import open_pairs
from epipam.pairs.formats.registry import FORMATS, Columns
from epipam.pairs.formats.text_rows import Row

__all__ = [
    "BEDPE",
    "BEDPE_NAME",
    "BEDPE_POSITIONS",
    "CHIAPET_COLUMNS",
    "COLUMNS",
    "COORDINATE_COLUMNS",
    "FORMATS",
    "OPTIONAL_COLUMNS",
    "REQUIRED_COLUMNS",
    "Columns",
    "Layout",
    "PairFormat",
    "Row",
    "open_pairs",
]

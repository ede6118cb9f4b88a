"""Pairs from lines that are all plain, a column at a time: as good as every line of every table.

What is not plain in any way is left to `epipam.pairs.table`, which reads line by line and says what
is wrong with which.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from itertools import repeat

import numpy as np
import pandas as pd

from epipam.pairs.formats import COLUMNS, Layout, Line, may_hold_blanks

COORDINATE_COLUMNS = ("enhancer_start", "enhancer_end", "promoter_start", "promoter_end")
LABELS = {"1": 1, "0": 0, "-1": -1, "1.0": 1, "0.0": 0, "-1.0": -1, "": -1, ".": -1, "NA": -1}
UNKNOWN_CHROMS = frozenset({"", "."})

_CHROM_COLUMNS = ("enhancer_chrom", "promoter_chrom")
# pandas takes these for numbers as well; below the largest, fewer zeros make no 16 digits.
_ODD_NUMBERS = ("+", "0000000", "-0000000")
_LARGEST = 10**9


def plain_pairs(lines: Sequence[Line], layout: Layout) -> pd.DataFrame | None:
    """Return the canonical table of some lines; None where any of them needs a closer look.

    Parameters
    ----------
    lines
        (number, text) of lines of data, at least one.
    layout
        How the file is laid out.

    Returns
    -------
    Columns and values as `epipam.pairs.table.PairTable` has them.
    """
    texts = [text for _, text in lines]
    text = "".join(texts)
    n_fields = 1 + lines[0][1].count(layout.delimiter)
    if max(layout.positions.values()) >= n_fields or not _is_plain(text, layout.delimiter):
        return None
    if set(map(str.count, texts, repeat(layout.delimiter))) != {n_fields - 1}:
        return None
    # Coordinates are not forced to be whole numbers, which would make one of 5.0, but found to be.
    objects = {
        position: object
        for column, position in layout.positions.items()
        if column not in COORDINATE_COLUMNS
    }
    try:
        read = pd.read_csv(
            io.StringIO(text),
            sep=layout.delimiter,
            header=None,
            names=range(n_fields),
            index_col=False,
            usecols=list(layout.positions.values()),
            dtype=objects,
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            skip_blank_lines=False,
            low_memory=False,
        )
    except (ValueError, OverflowError):
        return None
    values = {column: read[position].to_numpy() for column, position in layout.positions.items()}
    return _canonical(values, len(lines))


def _is_plain(text: str, delimiter: str) -> bool:
    """Whether lines hold no comment, no blanks, no quotes, and no number spelled oddly."""
    if delimiter == " " or may_hold_blanks(text, delimiter) or "\0" in text:
        return False
    if delimiter == "," and '"' in text:
        return False
    # One letter is found many times as fast as two.
    if "#" in text and "\n#" in f"\n{text}":
        return False
    if "+" in text or "0000000" in text:
        starts = [before + number for before in ("\n", delimiter) for number in _ODD_NUMBERS]
        return not any(start in f"\n{text}" for start in starts)
    return True


def _canonical(values: dict[str, np.ndarray], n_rows: int) -> pd.DataFrame | None:
    """Return the table of columns as they were read; None where a value is none of its column."""
    for column in COORDINATE_COLUMNS:
        if values[column].dtype != np.int64:
            return None
        if values[column].max() >= _LARGEST or values[column].min() <= -_LARGEST:
            return None
    for column in _CHROM_COLUMNS:
        codes, names = pd.factorize(values[column])
        if not UNKNOWN_CHROMS.isdisjoint(names):
            return None
        values[column] = np.array([sys.intern(name) for name in names], dtype=object)[codes]
    codes, spellings = pd.factorize(values.get("label", np.full(n_rows, "", dtype=object)))
    if not LABELS.keys() >= set(spellings):
        return None
    values["label"] = np.array([LABELS[spelling] for spelling in spellings], dtype=np.int8)[codes]
    no_names = np.full(n_rows, "", dtype=object)
    return pd.DataFrame(
        {
            column: found if found.dtype != object else pd.Series(found, dtype=object)
            for column in COLUMNS
            for found in [values.get(column, no_names)]
        }
    )

"""Lines of a pair table as rows of fields: delimiters, headers, quotes, and R's row names."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from epipam.errors import PairTableError
from epipam.pairs.formats.layout import BEDPE_POSITIONS, Fields, Head, Layout, Mirror
from epipam.runtime.notes import note
from epipam.runtime.text_files import MOST_LINE, Line, Reading

READING = Reading("a pair table", PairTableError)

Row = tuple[int, Fields]

_ASCII_BLANKS = " \t\v\f\x1c\x1d\x1e\x1f"
_LINES_AT_ONCE = 500
_HEAD_ROWS = 20
_TRACKS = ("track ", "browser ")
_WHOLE = re.compile(r"-?[0-9]{1,15}")
_WORD = re.compile(r"[A-Za-z_]")
# Fields that hold places are no names of columns: chr1,10,20 or chr1:10-20.
_PLACE = re.compile(r"[^,:\s]+[,:][0-9]+[-,][0-9]+")
_REGION = re.compile(r"[^\s,]+\s+-?[0-9]+\s+-?[0-9]+\s")

csv.field_size_limit(max(csv.field_size_limit(), MOST_LINE))


class TextTable:
    """A pair table of text: its beginning, and its rows.

    Parameters
    ----------
    path
        For messages.
    lines
        Its lines.

    Attributes
    ----------
    head
        What its format is recognised by.

    Raises
    ------
    PairTableError
        Where there are no rows.
    """

    def __init__(self, path: Path, lines: Iterator[Line]) -> None:
        self._path = path
        comments: list[str] = []
        first: Line | None = None
        for number, text in lines:
            if text.startswith("#"):
                comments.append(text.lstrip("#"))
            elif text.startswith(_TRACKS):
                comments.append(text)
            elif text.strip():
                first = (number, text)
                break
        if first is None:
            if not comments:
                raise PairTableError(f"{path}: the file is empty")
            raise no_rows(path)
        self._delimiter = _delimiter(first[1])
        self._quoted = first[1].startswith('"') and self._delimiter != ","
        self._header: str | None = None
        names, lines = self._names(first, lines)
        peeked = list(islice(lines, _HEAD_ROWS))
        rows = [fields for _, fields in split_rows(iter(peeked), self._delimiter, self._quoted)]
        if names is None and rows:
            names = self._commented_names(comments, len(rows[0]))
        if not self._quoted and self._delimiter != "," and peeked:
            self._quoted = _is_quoted(peeked, self._delimiter)
            if self._quoted:
                rows = [f for _, f in split_rows(iter(peeked), self._delimiter, self._quoted)]
        self._row_names = names is not None and _have_row_names(names, rows)
        if self._row_names:
            rows = [fields[1:] for fields in rows]
        self._lines = chain(peeked, lines)
        self.head = Head(
            path,
            first[0],
            tuple(comments),
            None if names is None else tuple(names),
            tuple(rows),
            self._delimiter,
        )

    def rows(self, layout: Layout) -> Iterator[Row]:
        """Yield (line, fields) of each row, the fields as `layout` has them."""
        rows = split_rows(self._lines, self._delimiter, self._quoted, self._header)
        if self._row_names:
            rows = ((number, fields[1:]) for number, fields in rows)
        return laid_out(rows, layout)

    def _names(self, first: Line, lines: Iterator[Line]) -> tuple[list[str] | None, Iterator[Line]]:
        """Return the header where the first line is one, and the lines from the first row on."""
        fields = _split(first[1], self._delimiter, quoted=self._quoted)
        if is_header(fields):
            self._header = first[1]  # it comes again where tables were put end to end
            return fields, lines
        if numbers_columns(fields):
            self._header = first[1]
            note(f"{self._path}:{first[0]}: numbers the columns from {fields[0]} on: no pair")
            return None, lines
        return None, chain([first], lines)

    def _commented_names(self, comments: list[str], n_fields: int) -> list[str] | None:
        """Return the names in the last comment that can be a header: others are prose."""
        for comment in reversed(comments):
            names = _split(comment, self._delimiter, quoted=False)
            enough = len(names) >= len(BEDPE_POSITIONS)
            if len(names) == n_fields if self._delimiter == " " else enough:
                return names if not comment.startswith(_TRACKS) else None
        return None


def no_rows(path: Path) -> PairTableError:
    """Return the error of a table without any row."""
    return PairTableError(f"{path}: no pairs: the file has no rows below its header")


def laid_out(rows: Iterable[Row], layout: Layout) -> Iterator[Row]:
    """Yield rows with the fields that a layout's positions are of, each pair once."""
    if layout.rewrite is not None:
        rewrite = layout.rewrite
        rows = ((number, rewrite(fields)) for number, fields in rows)
    if layout.mirror is not None:
        return _without_mirrors(rows, layout.mirror)
    return iter(rows)


def split_rows(
    lines: Iterator[Line], delimiter: str, quoted: bool, header: str | None = None
) -> Iterator[Row]:
    """Yield (line, fields) of each row; comments, blank lines and repeated headers are left out."""
    while batch := list(islice(lines, _LINES_AT_ONCE)):
        text = "".join([text for _, text in batch])
        blanks = may_hold_blanks(text, delimiter)
        quotes = quoted or (delimiter in ",;" and '"' in text)
        no_rows_among = "#" in text or (header is not None and header in text)
        if delimiter != " " and not (blanks or quotes or no_rows_among or text.endswith(" ")):
            yield from [(number, line.split(delimiter)) for number, line in batch if line]
            continue
        for number, line in batch:
            if line and not line.isspace() and not line.startswith("#") and line != header:
                yield number, _split(line, delimiter, quoted=quotes, blanks=blanks)


def may_hold_blanks(text: str, delimiter: str) -> bool:
    """Whether fields may be surrounded by blanks: whatever `str.strip` takes away but line ends."""
    blanks = _ASCII_BLANKS.replace(delimiter, "")
    return not text.isascii() or any(blank in text for blank in blanks)


def is_header(first: Fields) -> bool:
    """Whether a first row names columns: it has words where rows have coordinates."""
    if any(_PLACE.match(value) for value in first[:2]):
        return False
    if not any(_WHOLE.fullmatch(value) for value in first):
        lower = {value.lower() for value in first}
        if lower & {"enhancer_chrom", "enhancer_start", "promoter_chrom", "promoter_start"}:
            return True
        if lower & {"chr_r1", "start_r1", "chr_r2", "start_r2"}:
            return True
    coordinates = [first[i] for i in (1, 2, 4, 5) if i < len(first)]
    # A row of missing values (NA NA) repeats its word; a header names start and end.
    distinct = len(coordinates) < 2 or coordinates[0] != coordinates[1]
    return distinct and all(_WORD.match(value) for value in coordinates)


def numbers_columns(first: Fields) -> bool:
    """Whether a first row is 1, 2, 3, ... or 0, 1, 2, ...: a table whose columns had no names."""
    enough = len(first) >= len(BEDPE_POSITIONS)
    return enough and any(first == [str(at + i) for i in range(len(first))] for at in (0, 1))


def _delimiter(text: str) -> str:
    if "\t" in text:
        return "\t"
    blanks = text.split()
    if _REGION.match(text) or (len(blanks) >= 2 and all(map(_PLACE.fullmatch, blanks[:2]))):
        return " "
    if text.count(";") >= len(BEDPE_POSITIONS) - 1 and text.count(";") > text.count(","):
        return ";"
    return "," if "," in text else " "


def _split(text: str, delimiter: str, *, quoted: bool, blanks: bool = True) -> Fields:
    if quoted or (delimiter == "," and '"' in text):
        fields = _split_quoted(text, delimiter)
    elif delimiter == " ":
        return text.split()
    else:
        fields = (text.rstrip(" ") if delimiter == "\t" else text).split(delimiter)
    return [value.strip() for value in fields] if blanks else fields


def _split_quoted(text: str, delimiter: str) -> Fields:
    try:
        found = next(csv.reader([text], delimiter=delimiter, skipinitialspace=delimiter == " "))
    except (csv.Error, StopIteration):  # a NUL, before Python 3.11
        return text.split(delimiter)
    return [value for value in found if value] if delimiter == " " else found


def _is_quoted(lines: list[Line], delimiter: str) -> bool:
    """Whether each row quotes its first text, a chromosome, as R's write.table does."""
    for _, text in lines:
        if not text.strip() or text.startswith("#"):
            continue
        fields = text.split(None if delimiter == " " else delimiter)
        quotes = [len(f) > 1 and f[0] == f[-1] == '"' for f in fields[:2]]
        if not any(quotes):
            return False
    return True


def _have_row_names(names: list[str], rows: list[Fields]) -> bool:
    """Whether rows begin with one field more than the header has names: R's row names.

    A header may also be short. So the columns must fit the better without the first field.
    """
    if not rows or {len(fields) for fields in rows if fields} != {len(names) + 1}:
        return False
    if len({fields[0] for fields in rows}) < len(rows):
        return False
    lower = [name.lower() for name in names]
    starts = [i for i, name in enumerate(lower) if "start" in name or name in ("x1", "y1", "s1")]
    ends = [i for i, name in enumerate(lower) if name.endswith("end") or "end" in name[-4:]]
    places = [*starts, *ends] or [1, 2, 4, 5]
    chroms = [i for i, name in enumerate(lower) if re.search(r"chr(om)?|seqname", name)]
    chroms = [i for i in chroms if i not in places]

    def fit(shift: int) -> tuple[bool, bool]:
        fields = rows[0]
        whole = all(_WHOLE.fullmatch(fields[i + shift]) for i in places if i < len(names))
        contigs = {fields[i + shift] for i in chroms}
        return whole, len(contigs) <= 1

    return fit(1) > fit(0)


def _without_mirrors(rows: Iterable[Row], mirror: Mirror) -> Iterator[Row]:
    """Yield rows without those that are another record of a pair that was there already."""
    waiting: Counter[Hashable] = Counter()
    for number, fields in rows:
        keys = mirror(fields)
        if keys is None:
            yield number, fields
            continue
        own, other = keys
        if waiting[other] > 0:
            waiting[other] -= 1
            if not waiting[other]:
                del waiting[other]
            continue
        waiting[own] += 1
        yield number, fields

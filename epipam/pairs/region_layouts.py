"""How region files are laid out: by the names in their header, else by the shape of their rows.

The formats: BED of 3 to 12 columns, bedGraph, ENCODE's narrowPeak, broadPeak and gappedPeak
(https://genome.ucsc.edu/FAQ/FAQformat.html), the peaks of two replicates that IDR writes (17 or 20
columns, https://github.com/nboley/idr), the tables of MACS2 (`.xls`) and of R's GRanges.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from epipam.pairs.regions import BadRow, Region

INTEGER = re.compile(r"-?[0-9]{1,15}")
UNKNOWN = frozenset({"", ".", "NA"})
STRANDS = frozenset({"+", "-"})

# What headers call the columns, in lower case and without `_`, `.` and blanks; the first counts.
CONTIG_NAMES = ("chrom", "chr", "chromosome", "seqnames", "seqname", "seqid", "contig")
START_NAMES = ("start", "chromstart", "chrstart", "startposition", "begin")
END_NAMES = ("end", "chromend", "chrend", "endposition", "stop")
NAME_NAMES = ("name", "peakname", "genename", "symbol", "gene", "peakid", "id", "geneid")
SIGNAL_NAMES = (
    "signalvalue", "signal", "foldenrichment", "normalizedtagcount", "score", "intensity",
)  # fmt: skip
WIDTH_NAMES = ("width", "length")

_SCIENTIFIC = re.compile(r"-?[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+")
_COLOUR = re.compile(r"[0-9]{1,3},[0-9]{1,3},[0-9]{1,3}")
_LIST = re.compile(r"[0-9]+(,[0-9]+)*,?")
_BED_COLUMNS = 3


@dataclass(frozen=True)
class RegionLayout:
    """Where a file keeps what a region is made of; columns count from 0.

    Attributes
    ----------
    kind
        What the file is, for people.
    contig, start, end
        Their columns.
    name, strand, signal
        Their columns; None where the file has none.
    one_based
        Whether the first base of a contig is number 1 and `end` is the last base.
    signal_name
        What the signal is called.
    signal_needed
        Whether each row of the format has a number there.
    names
        Of the columns, where there is a header.
    """

    kind: str
    contig: int = 0
    start: int = 1
    end: int = 2
    name: int | None = 3
    strand: int | None = 5
    signal: int | None = None
    one_based: bool = False
    signal_name: str = ""
    signal_needed: bool = False
    names: tuple[str, ...] = ()

    def column(self, position: int, otherwise: str) -> str:
        """Return what the file itself calls a column."""
        return self.names[position] if position < len(self.names) else otherwise


def split_fields(text: str, delimiter: str) -> list[str]:
    """Return the fields of a line, without blanks around them, and double quotes as R writes."""
    fields = text.split() if delimiter == " " else text.split(delimiter)
    if '"' not in text:
        return [value.strip() for value in fields]
    return [_unquoted(value.strip()) for value in fields]


def delimiter_of(text: str) -> str:
    """Return what stands between the fields of a line: a tab, a comma, or a run of blanks."""
    if "\t" in text:
        return "\t"
    return "," if len(text.split()) < _BED_COLUMNS and text.count(",") >= 2 else " "


def is_header(fields: Sequence[str]) -> bool:
    """Whether a line names contig, start and end, or start and end in columns two and three."""
    names = [_plain(name) for name in fields]
    both = _find(names, START_NAMES) is not None and _find(names, END_NAMES) is not None
    second_and_third = [name in known for name, known in zip(names[1:3], _SIDES, strict=False)]
    return both and (_find(names, CONTIG_NAMES) is not None or second_and_third == [True, True])


def find_layout(header: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> RegionLayout:
    """Return the layout of a file.

    Parameters
    ----------
    header
        A line that `is_header` accepts; None where there is none.
    rows
        The first rows, at least one.
    """
    if header is None:
        return _by_shape(rows)
    names = [_plain(name) for name in header]
    # R writes no name above the column of its row names.
    shift = int(all(len(row) == len(names) + 1 for row in rows))
    names = [""] * shift + names
    contig = _find(names, CONTIG_NAMES)
    start = next(i for i, name in enumerate(names) if name in START_NAMES)
    end = next(i for i, name in enumerate(names) if name in END_NAMES)
    as_bed = (contig or 0, start, end) == (0, 1, 2)
    shape = _by_shape(rows) if as_bed else RegionLayout("table", name=None)
    signal = _find(names, SIGNAL_NAMES)
    kind, one_based = _named_kind(names, rows, start, end)
    own = ("",) * shift + tuple(name.lstrip("#").strip() for name in header)
    if signal is None and shape.signal is not None:
        signal, signal_name = shape.signal, shape.signal_name
    else:
        signal_name = "" if signal is None else f"{own[signal]} (column {signal + 1})"
    return RegionLayout(
        kind or shape.kind,
        contig or 0,
        start,
        end,
        _find(names, NAME_NAMES),
        _find(names, ("strand",)),
        signal,
        one_based,
        signal_name,
        False,
        own,
    )


def parse_region(fields: Sequence[str], layout: RegionLayout) -> Region:
    """Return the region of one row; a region without a name is called by its place.

    Raises
    ------
    BadRow
    """
    needed = max(layout.contig, layout.start, layout.end) + 1
    if len(fields) < needed:
        what = "BED has at least 3" if needed == _BED_COLUMNS else f"at least {needed} are needed"
        raise BadRow("row", f"{len(fields)} columns where {what}", "too few columns")
    contig = fields[layout.contig]
    if contig in UNKNOWN:
        raise BadRow(layout.column(layout.contig, "chrom"), "no chromosome", "no chromosome")
    first_name = layout.column(layout.start, "chromStart")
    start = _whole_number(fields[layout.start], first_name) - layout.one_based
    end = _whole_number(fields[layout.end], layout.column(layout.end, "chromEnd"))
    if start < 0:
        detail = f"{start + layout.one_based} lies before the contig's start"
        raise BadRow(first_name, detail, "start before the contig's start")
    if start > end:
        detail = f"start {start + layout.one_based} lies after end {end}"
        raise BadRow(first_name, detail, "start after end")
    name = _field(fields, layout.name)
    strand = _field(fields, layout.strand)
    return Region(
        contig,
        start,
        end,
        f"{contig}:{start}-{end}" if name in UNKNOWN else name,
        strand if strand in STRANDS else ".",
        _signal(fields, layout),
    )


def is_blocks(fields: Sequence[str]) -> bool:
    """Whether a row is BED12, or begins as it does: thick part, colour, and lists of blocks."""
    return (
        len(fields) >= 12
        and _is_thick(fields)
        and bool(INTEGER.fullmatch(fields[9]))
        and all(_LIST.fullmatch(value) for value in fields[10:12])
        and all(value.rstrip(",").count(",") + 1 == int(fields[9]) for value in fields[10:12])
    )


_SIDES = (START_NAMES, END_NAMES)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _plain(name: str) -> str:
    # HOMER writes its command behind the first name: PeakID (cmd=...).
    name = name.strip().strip('"').lstrip("#").partition("(cmd=")[0].strip().lower()
    return name.replace("_", "").replace(" ", "").replace(".", "")


def _find(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _named_kind(
    names: list[str], rows: Sequence[Sequence[str]], start: int, end: int
) -> tuple[str, bool]:
    """Return what a header's words say that a file is, and whether its numbers begin with 1."""
    macs = "abssummit" in names or {"pileup", "foldenrichment"} <= set(names)
    kind = (
        "MACS2 table" if macs
        else "table of GRanges" if "seqnames" in names
        else "HOMER peaks" if "peakid" in names
        else ""
    )  # fmt: skip
    width = _find(names, WIDTH_NAMES)
    if width is not None:
        numbers = [
            [int(row[i]) for i in (start, end, width)]
            for row in rows
            if len(row) > max(start, end, width)
            and all(INTEGER.fullmatch(row[i]) for i in (start, end, width))
        ]
        beyond = {last - first - wide for first, last, wide in numbers}
        if beyond == {-1} or beyond == {0}:
            return kind or ("table" if beyond == {-1} else ""), beyond == {-1}
    return kind, bool(kind)


def _by_shape(rows: Sequence[Sequence[str]]) -> RegionLayout:
    """Return the layout of a file without a header: the first that all first rows agree with."""
    whole = [row for row in rows if len(row) >= _BED_COLUMNS] or [[""] * _BED_COLUMNS]
    columns = min(map(len, whole))

    def all_are(test: object) -> bool:
        return all(test(row) for row in whole)  # type: ignore[operator]

    score = 4 if columns >= 5 and all_are(lambda row: is_number(row[4])) else None
    score_name = "score (column 5)" if score else ""
    if all_are(is_blocks):
        if columns >= 15 and all_are(lambda row: all(map(is_number, row[12:15]))):
            return _peaks("gappedPeak", 12)
        return RegionLayout("BED12", signal=score, signal_name=score_name)
    if columns >= 8 and all_are(_is_thick):
        return RegionLayout(f"BED{min(columns, 9)}", signal=score, signal_name=score_name)
    if columns >= 9 and all_are(_is_peak):
        idr = columns in (17, 20)
        # The two replicates of IDR follow the columns of a peak: so do they with fewer.
        kind = "IDR peaks" if idr else "broadPeak" if columns == 9 else "narrowPeak"
        return _peaks(kind, 6)
    if columns == 4 and all_are(lambda row: is_number(row[3]) and "." in row[3]):
        return RegionLayout("bedGraph", name=None, signal=3, signal_name="value (column 4)")
    return RegionLayout(f"BED{min(columns, 6)}", signal=score, signal_name=score_name)


def _peaks(kind: str, signal: int) -> RegionLayout:
    name = f"signalValue (column {signal + 1})"
    return RegionLayout(kind, signal=signal, signal_name=name, signal_needed=True)


def _is_peak(row: Sequence[str]) -> bool:
    if len(row) < 9 or row[5] not in ("+", "-", "", ".", "*"):
        return False
    return all(is_number(value) for value in row[7:9])


def _is_thick(row: Sequence[str]) -> bool:
    """Whether columns 7 and 8 lie within the region, as BED's thick part, and 9 is a colour."""
    if len(row) < 8 or not all(INTEGER.fullmatch(row[i]) for i in (1, 2, 6, 7)):
        return False
    start, end, thick_start, thick_end = (int(row[i]) for i in (1, 2, 6, 7))
    colour = len(row) < 9 or row[8] in ("", ".", "0") or bool(_COLOUR.fullmatch(row[8]))
    colour = colour or (len(row) >= 12 and row[8].isdigit())
    inside = start <= thick_start <= thick_end <= end
    # Some writers put 0 0 where nothing is thick, with a colour that says that it is BED.
    nothing = thick_start == thick_end == 0 and len(row) >= 9 and "," in row[8]
    return colour and (inside or nothing)


def is_number(value: str) -> bool:
    """Whether a field is a finite number."""
    try:
        return math.isfinite(float(value)) and "_" not in value
    except ValueError:
        return False


def _whole_number(value: str, column: str) -> int:
    if INTEGER.fullmatch(value):
        return int(value)
    detail = f"{value!r} is not a whole number"
    if _SCIENTIFIC.fullmatch(value):
        detail += " but scientific notation; R writes numbers out after options(scipen = 999)"
    elif INTEGER.fullmatch(value.replace(",", "")):
        detail += "; write it without commas"
    raise BadRow(column, detail, "not a whole number")


def _field(fields: Sequence[str], position: int | None) -> str:
    return "" if position is None or position >= len(fields) else fields[position]


def _signal(fields: Sequence[str], layout: RegionLayout) -> float:
    """Return a row's signal; 0 where its format has none."""
    value = _field(fields, layout.signal)
    if is_number(value):
        return float(value)
    if layout.signal_needed:
        detail = f"{value!r} is not a finite number" if value else "is missing"
        raise BadRow("signalValue", detail, "no finite signal")
    return 0.0

"""Reading region files: BED, narrowPeak, broadPeak, and the genes of a GTF or GFF3 as promoters.

What a file holds is told by its first row, not by its name. BED and ENCODE's peak formats, which
begin as BED does: https://genome.ucsc.edu/FAQ/FAQformat.html.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import IO

from epipam.errors import MAX_REPORTED_ROWS, RegionError
from epipam.pairs.genes import GeneFeatures, GeneReader
from epipam.pairs.regions import Region, Regions, gather
from epipam.runtime.compressed import is_gzip

_INTEGER = re.compile(r"-?[0-9]{1,15}")
_NOT_DATA = ("#", "track ", "track\t", "browser ", "browser\t")
_FASTA_FOLLOWS = "##FASTA"
_UNKNOWN = frozenset({"", "."})
_BED_COLUMNS = 3
_BED_NAME, _BED_STRAND = 3, 5
_PEAK_SIGNAL, _PEAK_COLUMNS = 6, (9, 10)  # broadPeak and narrowPeak

Line = tuple[int, str]
Parse = Callable[[str], Region | None]


def read_regions(path: str | Path, genes: GeneFeatures | None = None) -> Regions:
    """Read regions: plain, gzip or bgzip; LF or CRLF; from a file or a pipe.

    Parameters
    ----------
    path
        BED of three or more columns, narrowPeak or broadPeak, whole regions as they are. Comments,
        blank lines, `track` and `browser` lines, and a header in the first row are left out.
    genes
        Reads GTF and GFF3, too, and makes promoters of its genes; None refuses them.

    Raises
    ------
    RegionError
        For a file that is missing, empty or damaged, and for rows that are no regions, as
        `file:line: column: what is wrong`, the first 20 of them.
    """
    path = Path(path)
    with _open_text(path) as handle:
        lines = _data_lines(path, handle)
        first = next(lines, None)
        if first is not None and _is_header(first[1]):
            first = next(lines, None)
        if first is None:
            raise RegionError(f"{path}: no regions: the file has no rows")
        lines = chain([first], lines)
        if not _is_annotation(first[1]):
            return gather(path, _parsed(path, lines, parse_bed))
        if genes is None:
            raise RegionError(
                f"{path}:{first[0]}: a gene annotation (GTF or GFF3), but enhancers are read from "
                "BED, narrowPeak or broadPeak: give the enhancers first, the promoters second"
            )
        reader = GeneReader(path, genes)
        regions = gather(path, _parsed(path, lines, reader.promoter))
        reader.require_some()
        return regions


def parse_bed(text: str) -> Region:
    """Return the region of one line of BED; a region without a name is called by its place.

    Raises
    ------
    ValueError
        `column: what is wrong`.
    """
    fields = _fields(text)
    if len(fields) < _BED_COLUMNS:
        raise ValueError(f"row: {len(fields)} columns where BED has at least {_BED_COLUMNS}")
    contig = fields[0]
    if contig in _UNKNOWN:
        raise ValueError("chrom: no chromosome")
    for column, value in zip(("chromStart", "chromEnd"), fields[1:3], strict=True):
        if not _INTEGER.fullmatch(value):
            raise ValueError(f"{column}: {value!r} is not a whole number")
    start, end = int(fields[1]), int(fields[2])
    if start < 0:
        raise ValueError(f"chromStart: {start} lies before the contig's start")
    if start > end:
        raise ValueError(f"chromStart: start {start} lies after end {end}")
    name = fields[_BED_NAME] if len(fields) > _BED_NAME else ""
    strand = fields[_BED_STRAND] if len(fields) > _BED_STRAND else "."
    return Region(
        contig,
        start,
        end,
        f"{contig}:{start}-{end}" if name in _UNKNOWN else name,
        strand if strand in ("+", "-") else ".",
        _signal(fields),
    )


@contextmanager
def _open_text(path: Path) -> Iterator[IO[str]]:
    """Open plain or gzip text, told apart by content, without seeking: pipes cannot."""
    if path.is_dir():
        raise RegionError(f"{path}: is a folder, not a file of regions")
    if not path.exists():
        raise RegionError(f"{path}: no such file")
    with path.open("rb") as handle:
        compressed = is_gzip(handle)
        content = gzip.GzipFile(fileobj=handle) if compressed else handle
        with TextIOWrapper(content, encoding="utf-8-sig", errors="replace") as text:
            yield text


def _data_lines(path: Path, handle: IO[str]) -> Iterator[Line]:
    """Yield (number, text) of the lines that hold data, without line ends."""
    number = 0
    try:
        for number, text in enumerate(handle, start=1):
            if text.startswith(_FASTA_FOLLOWS):
                return
            if text.strip() and not text.startswith(_NOT_DATA):
                yield number, text.rstrip("\r\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RegionError(f"{path}: damaged gzip file after line {number}: {error}") from None


def _parsed(path: Path, lines: Iterator[Line], parse: Parse) -> Iterator[Region]:
    """Yield what `parse` makes of each line; raise for the unreadable ones when all are read."""
    unreadable: list[str] = []
    n_unreadable = 0
    for number, text in lines:
        try:
            region = parse(text)
        except ValueError as error:
            n_unreadable += 1
            if len(unreadable) < MAX_REPORTED_ROWS:
                unreadable.append(f"{path}:{number}: {error}")
            continue
        if region is not None:
            yield region
    if n_unreadable:
        rows = "1 row" if n_unreadable == 1 else f"{n_unreadable:,} rows"
        raise RegionError(f"{path}: {rows} cannot be read:", unreadable, n_unreadable)


def _fields(text: str) -> list[str]:
    fields = text.split("\t") if "\t" in text else text.split()
    return [value.strip() for value in fields]


def _signal(fields: list[str]) -> float:
    """Return a peak's signalValue; 0 for rows that are no peaks."""
    if len(fields) not in _PEAK_COLUMNS:
        return 0.0
    try:
        return float(fields[_PEAK_SIGNAL])
    except ValueError:
        raise ValueError(f"signalValue: {fields[_PEAK_SIGNAL]!r} is not a number") from None


def _is_header(text: str) -> bool:
    """Whether a first row names columns: `chrom start end`, `chr chromStart chromEnd`."""
    return [value.lower().removeprefix("chrom").strip("_") for value in _fields(text)[1:3]] == [
        "start",
        "end",
    ]


def _is_annotation(text: str) -> bool:
    """Whether a first row is GTF or GFF3: coordinates in columns 4 and 5, none in 2 and 3."""
    fields = text.split("\t")
    numbers = [bool(_INTEGER.fullmatch(value.strip())) for value in fields[1:5]]
    return numbers == [False, False, True, True]

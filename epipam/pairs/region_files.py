"""Reading region files: BED, peaks, tables with a header, and genes of an annotation as promoters.

What a file holds is told by its header and its first rows, not by its name.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import IO, TypeVar

import numpy as np

from epipam.errors import MAX_REPORTED_ROWS, RegionError
from epipam.pairs.annotations import (
    AnnotationReader,
    is_annotation,
    is_gene_prediction,
    parse_gene_prediction,
)
from epipam.pairs.genes import Gene, GeneFeatures, promoters_of
from epipam.pairs.region_layouts import (
    STRANDS,
    RegionLayout,
    delimiter_of,
    find_layout,
    is_header,
    parse_region,
    split_fields,
)
from epipam.pairs.regions import BadRow, Region, Regions, gather

_GZIP_MAGIC = b"\x1f\x8b"
_NOT_DATA = ("track ", "track\t", "browser ", "browser\t")
_FASTA_FOLLOWS = "##FASTA"
_ROWS_LOOKED_AT = 20
# Promoters that are longer are most likely whole genes.
_LONG_PROMOTER = 5_000

Line = tuple[int, str]
Parsed = TypeVar("Parsed")


@dataclass
class _Lines:
    """The rows of a file, and what stands above them.

    `comments` are the lines that begin with `#` before the first row.
    """

    path: Path
    rows: Iterator[Line]
    first: list[str]
    comments: list[str] = field(default_factory=list)


def read_regions(path: str | Path, genes: GeneFeatures | None = None) -> Regions:
    """Read regions: plain, gzip or bgzip; LF or CRLF; from a file or a pipe.

    Parameters
    ----------
    path
        BED of three or more columns, narrowPeak, broadPeak, gappedPeak, peaks of IDR, MACS2's
        tables, or a table whose header names chrom, start and end; whole regions as they are.
        Comments, blank lines, `track` and `browser` lines are left out.
    genes
        Reads GTF, GFF3 and genePred, too, and makes promoters of their genes; None refuses them.

    Raises
    ------
    RegionError
        For a file that is missing, empty or damaged, and for rows that are no regions, as
        `file:line: column: what is wrong`, the first 20 of them.
    """
    path = Path(path)
    with _open_text(path) as handle:
        lines = _beginning(path, handle)
        first = lines.first[0]
        annotated = is_annotation(first)
        delimiter = delimiter_of(first)
        predicted = not annotated and is_gene_prediction(split_fields(first, delimiter))
        if not (annotated or predicted):
            return _read_table(lines, delimiter, genes)
        if genes is None:
            kind = "GTF or GFF3" if annotated else "genePred"
            raise RegionError(
                f"{path}:{next(lines.rows)[0]}: a gene annotation ({kind}), but regions are read "
                "from BED, narrowPeak or broadPeak: an annotation can be given for promoters only"
            )
        if annotated:
            return _read_annotation(lines, genes)
        return _read_gene_predictions(lines, delimiter, genes)


def parse_bed(text: str) -> Region:
    """Return the region of one line of BED; a region without a name is called by its place.

    Raises
    ------
    ValueError
        `column: what is wrong`.
    """
    fields = split_fields(text, "\t" if "\t" in text else " ")
    return parse_region(fields, find_layout(None, [fields]))


def _read_table(lines: _Lines, delimiter: str, genes: GeneFeatures | None) -> Regions:
    """Read regions in rows, as they are or as the genes that they are."""
    path = lines.path
    rows = [split_fields(text, delimiter) for text in lines.first]
    header = None
    if is_header(rows[0]):
        header = rows.pop(0)
        next(lines.rows)
        if not rows:
            raise RegionError(f"{path}: no regions: the file has no rows")
    else:
        commented = (split_fields(text, delimiter) for text in reversed(lines.comments))
        header = next((names for names in commented if is_header(names)), None)
    layout = find_layout(header, rows)
    parsed = _parsed(path, lines.rows, lambda text: _parse(text, delimiter, layout))
    regions = replace(
        gather(path, parsed), kind=layout.kind, signal_name=layout.signal_name,
        notes=_layout_notes(path, layout),
    )  # fmt: skip
    if genes is None:
        return regions
    if genes.tss or (genes.tss is None and layout.kind == "BED12"):
        return _promoters_of_regions(regions, genes)
    return replace(regions, notes=(*regions.notes, *_long_promoters(regions)))


def _parse(text: str, delimiter: str, layout: RegionLayout) -> Region:
    return parse_region(split_fields(text, delimiter), layout)


def _layout_notes(path: Path, layout: RegionLayout) -> tuple[str, ...]:
    """Say how a file was read that is not what its first columns look like."""
    if layout.one_based:
        return (f"{path}: read as {layout.kind}, whose first base is number 1",)
    return ()


def _promoters_of_regions(regions: Regions, features: GeneFeatures) -> Regions:
    """Return the promoters of regions that are genes or transcripts."""
    columns = (regions.contig.tolist(), regions.start.tolist(), regions.end.tolist())
    rows = zip(*columns, regions.names, regions.strands, strict=True)
    genes = [
        Gene(regions.contigs[code], start, max(end, start + 1), strand, name)
        for code, start, end, name, strand in rows
    ]
    note = (
        f"{regions.path}: read as genes or transcripts ({regions.kind}): their promoters lie "
        "about their transcription start sites; --no-tss takes the regions as they are"
    )
    return _promoters(regions.path, genes, features, regions.kind, (*regions.notes, note))


def _long_promoters(regions: Regions) -> list[str]:
    lengths = (regions.end - regions.start)[np.isin(regions.strands, list(STRANDS))]
    if 2 * len(lengths) <= len(regions) or np.median(lengths) <= _LONG_PROMOTER:
        return []
    return [
        f"{regions.path}: the promoters are long (median {np.median(lengths):,.0f} bp) and have a "
        "strand, so they may be whole genes; they were taken as they are, and --tss takes the "
        "promoters about their transcription start sites instead"
    ]


def _read_annotation(lines: _Lines, genes: GeneFeatures) -> Regions:
    reader = AnnotationReader(lines.path, genes)
    for _ in _parsed(lines.path, lines.rows, reader.add):
        pass
    found, notes = reader.promoters()
    return replace(gather(lines.path, found.regions), kind="annotation", notes=tuple(notes))


def _read_gene_predictions(lines: _Lines, delimiter: str, features: GeneFeatures) -> Regions:
    if features.gene_types:
        raise RegionError(
            f"{lines.path}: genePred says no gene types: leave --gene-type out, or give a GTF"
        )
    genes = _parsed(
        lines.path, lines.rows, lambda text: parse_gene_prediction(split_fields(text, delimiter))
    )
    return _promoters(lines.path, genes, features, "genePred", ())


def _promoters(
    path: Path, genes: Iterable[Gene], features: GeneFeatures, kind: str, notes: tuple[str, ...]
) -> Regions:
    found = promoters_of(genes, features)
    if not found.regions:
        raise RegionError(f"{path}: no promoters: all {found.unknown_strand:,} genes lack a strand")
    said = (*notes, *found.notes(path))
    return replace(gather(path, found.regions), kind=kind, notes=said)


@contextmanager
def _open_text(path: Path) -> Iterator[IO[str]]:
    """Open plain or gzip text, told apart by content, without seeking: pipes cannot."""
    if path.is_dir():
        raise RegionError(f"{path}: is a folder, not a file of regions")
    if not path.exists():
        raise RegionError(f"{path}: no such file")
    with path.open("rb") as handle:
        compressed = handle.peek(2)[:2] == _GZIP_MAGIC
        content = gzip.GzipFile(fileobj=handle) if compressed else handle
        with TextIOWrapper(content, encoding="utf-8-sig", errors="replace") as text:
            yield text


def _beginning(path: Path, handle: IO[str]) -> _Lines:
    """Return the rows of a file; the first of them are looked at, and come again."""
    comments: list[str] = []
    rows = _data_lines(path, handle, comments)
    first = list(islice(rows, _ROWS_LOOKED_AT))
    if not first:
        raise RegionError(f"{path}: no regions: the file has no rows")
    return _Lines(path, chain(first, rows), [text for _, text in first], comments)


def _data_lines(path: Path, handle: IO[str], comments: list[str]) -> Iterator[Line]:
    """Yield (number, text) of the lines that hold data, without line ends."""
    number = 0
    try:
        for number, text in enumerate(handle, start=1):
            if text.startswith(_FASTA_FOLLOWS):
                return
            if text.startswith("#"):
                if len(comments) < _ROWS_LOOKED_AT:
                    comments.append(text.rstrip("\r\n"))
            elif text.strip() and not text.startswith(_NOT_DATA):
                yield number, text.rstrip("\r\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RegionError(f"{path}: damaged gzip file after line {number}: {error}") from None


def _parsed(path: Path, lines: Iterator[Line], parse: Callable[[str], Parsed]) -> Iterator[Parsed]:
    """Yield what `parse` makes of each line; raise for the unreadable ones when all are read."""
    unreadable: list[str] = []
    reasons: Counter[str] = Counter()
    for number, text in lines:
        try:
            found = parse(text)
        except BadRow as error:
            reasons[error.reason] += 1
            if len(unreadable) < MAX_REPORTED_ROWS:
                unreadable.append(f"{path}:{number}: {error}")
            continue
        yield found
    if reasons:
        n = reasons.total()
        rows = "1 row" if n == 1 else f"{n:,} rows"
        counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
        raise RegionError(f"{path}: {rows} cannot be read ({counts}):", unreadable, n)

"""Reading region files: BED, peaks, tables with a header, and genes of an annotation as promoters.

What a file holds is told by its header and its first rows, not by its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from epipam.errors import MAX_REPORTED_ROWS, RegionError
from epipam.pairs.annotations import (
    AnnotationReader,
    is_annotation,
    is_gene_prediction,
    parse_gene_prediction,
)
from epipam.pairs.genes import Gene, GeneFeatures, listed, promoters_of
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
from epipam.pairs.spellings import Spellings
from epipam.runtime.file_kinds import ANNOTATION
from epipam.runtime.text_files import Reading, open_lines

# Annotations are told from other text here, where it is known whether they are asked for.
_READING = Reading("a file of regions", RegionError, reads=frozenset({ANNOTATION.key}))
_NOT_DATA = ("track ", "track\t", "browser ", "browser\t")
_FASTA_FOLLOWS = "##FASTA"
_ROWS_LOOKED_AT = 20
# Promoters that are longer are most likely whole genes.
_LONG_PROMOTER = 5_000

Line = tuple[int, str]


class _Placer:
    """Finds the contig of each row, and what is wrong with it where its length is known."""

    def __init__(self, spellings: Spellings) -> None:
        self.spellings = spellings
        self._left_out: Counter[str] = Counter()

    def contig(self, name: str, end: int, column: str) -> str | None:
        """Return the one name of a contig; None where the genome has none, which is counted.

        Raises
        ------
        BadRow
            Where `end`, which the file has in `column`, lies behind the contig's own end.
        """
        contig = self.spellings.of(name)
        length = self.spellings.length(contig)
        if self.spellings.lengths is not None and length is None:
            self._left_out[name] += 1
            return None
        if length is not None and end > length:
            detail = f"{end} lies outside {contig} (0 to {length})"
            raise BadRow(column, detail, "outside the contig")
        return contig

    def region(self, region: Region) -> Region | None:
        """Return a region on its contig."""
        contig = self.contig(region.contig, region.end, "chromEnd")
        if contig is None or contig == region.contig:
            return None if contig is None else region
        own = f":{region.start}-{region.end}"
        named = contig + own if region.name == region.contig + own else region.name
        return region._replace(contig=contig, name=named)

    def notes(self, path: Path) -> tuple[str, ...]:
        """Say which contigs were left out."""
        if not self._left_out or self.spellings.lengths is None:
            return ()
        return (
            f"{path}: {self._left_out.total():,} rows left out, on contigs that "
            f"{self.spellings.lengths.path} has not: {listed(self._left_out)}",
        )


@dataclass
class _Lines:
    """The rows of a file, and what stands above them.

    `comments` are the lines that begin with `#` before the first row.
    """

    path: Path
    rows: Iterator[Line]
    first: list[str]
    comments: list[str] = field(default_factory=list)


def read_regions(
    path: str | Path, genes: GeneFeatures | None = None, spellings: Spellings | None = None
) -> Regions:
    """Read regions: plain or compressed; LF or CRLF; from a file, a pipe or standard input, `-`.

    Parameters
    ----------
    path
        BED of three or more columns, narrowPeak, broadPeak, gappedPeak, peaks of IDR, MACS2's
        tables, or a table whose header names chrom, start and end; whole regions as they are.
        Comments, blank lines, `track` and `browser` lines are left out.
    genes
        Reads GTF, GFF3 and genePred, too, and makes promoters of their genes; None refuses them.
    spellings
        Gives each contig its one name, and where they are known its length. Regions must lie
        inside their contigs; those on contigs that the genome has not are left out.

    Raises
    ------
    RegionError
        For a file that is missing, empty or damaged, and for rows that are no regions, as
        `file:line: column: what is wrong`, the first 20 of them.
    """
    path = Path(path)
    placer = _Placer(spellings or Spellings())
    with open_lines(path, _READING) as handle:
        lines = _beginning(path, handle)
        first = lines.first[0]
        delimiter = delimiter_of(first)
        # Without a column `bin`, genePred looks like GTF but for its lists of exons.
        predicted = is_gene_prediction(split_fields(first, delimiter))
        annotated = not predicted and is_annotation(first)
        if not (annotated or predicted):
            found = _read_table(lines, delimiter, genes, placer)
        elif genes is None:
            kind = "GTF or GFF3" if annotated else "genePred"
            raise RegionError(
                f"{path}:{next(lines.rows)[0]}: a gene annotation ({kind}), but enhancers and "
                "peaks are read from BED, narrowPeak or broadPeak; epipam candidates takes the "
                "enhancers first, the promoters second"
            )
        elif annotated:
            found = _read_annotation(lines, genes, placer)
        else:
            found = _read_gene_predictions(lines, delimiter, genes, placer)
    return replace(found, notes=(*found.notes, *placer.notes(path)))


def parse_bed(text: str) -> Region:
    """Return the region of one line of BED; a region without a name is called by its place.

    Raises
    ------
    ValueError
        `column: what is wrong`.
    """
    fields = split_fields(text, "\t" if "\t" in text else " ")
    return parse_region(fields, find_layout(None, [fields]))


def _read_table(
    lines: _Lines, delimiter: str, genes: GeneFeatures | None, placer: _Placer
) -> Regions:
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

    def parse(text: str) -> Region | None:
        return placer.region(parse_region(split_fields(text, delimiter), layout))

    parsed: Iterator[Region] = _parsed(path, lines.rows, parse)
    regions = replace(
        gather(path, parsed), kind=layout.kind, signal_name=layout.signal_name,
        notes=_layout_notes(path, layout),
    )  # fmt: skip
    if genes is None:
        return regions
    if genes.tss or (genes.tss is None and layout.kind == "BED12"):
        return _promoters_of_regions(regions, genes, placer)
    return replace(regions, notes=(*regions.notes, *_long_promoters(regions)))


def _layout_notes(path: Path, layout: RegionLayout) -> tuple[str, ...]:
    """Say how a file was read that is not what its first columns look like."""
    if layout.one_based:
        return (f"{path}: read as {layout.kind}, whose first base is number 1",)
    return ()


def _promoters_of_regions(regions: Regions, features: GeneFeatures, placer: _Placer) -> Regions:
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
    notes = (*regions.notes, note)
    return _promoters(regions.path, genes, features, placer, regions.kind, notes)


def _long_promoters(regions: Regions) -> list[str]:
    lengths = (regions.end - regions.start)[np.isin(regions.strands, list(STRANDS))]
    if 2 * len(lengths) <= len(regions) or np.median(lengths) <= _LONG_PROMOTER:
        return []
    return [
        f"{regions.path}: the promoters are long (median {np.median(lengths):,.0f} bp) and have a "
        "strand, so they may be whole genes; they were taken as they are, and --tss takes the "
        "promoters about their transcription start sites instead"
    ]


def _read_annotation(lines: _Lines, genes: GeneFeatures, placer: _Placer) -> Regions:
    reader = AnnotationReader(lines.path, genes, placer.contig)
    for _ in _parsed(lines.path, lines.rows, reader.add):
        pass
    found, notes = reader.promoters(placer.spellings.length)
    return replace(gather(lines.path, found.regions), kind="annotation", notes=tuple(notes))


def _read_gene_predictions(
    lines: _Lines, delimiter: str, features: GeneFeatures, placer: _Placer
) -> Regions:
    if features.gene_types:
        raise RegionError(
            f"{lines.path}: genePred says no gene types: leave --gene-type out, or give a GTF"
        )

    def parse(text: str) -> Gene | None:
        gene = parse_gene_prediction(split_fields(text, delimiter))
        contig = placer.contig(gene.contig, gene.end, "txEnd")
        return None if contig is None else gene._replace(contig=contig)

    genes: Iterator[Gene] = _parsed(lines.path, lines.rows, parse)
    return _promoters(lines.path, genes, features, placer, "genePred", ())


def _promoters(
    path: Path,
    genes: Iterable[Gene],
    features: GeneFeatures,
    placer: _Placer,
    kind: str,
    notes: tuple[str, ...],
) -> Regions:
    found = promoters_of(genes, features, placer.spellings.length)
    if not found.regions:
        why = f": all {found.unknown_strand:,} genes lack a strand" if found.unknown_strand else ""
        raise RegionError(f"{path}: no promoters{why}")
    said = (*notes, *found.notes(path))
    return replace(gather(path, found.regions), kind=kind, notes=said)


def _beginning(path: Path, handle: Iterator[Line]) -> _Lines:
    """Return the rows of a file; the first of them are looked at, and come again."""
    comments: list[str] = []
    rows = _data_lines(path, handle, comments)
    first = list(islice(rows, _ROWS_LOOKED_AT))
    if not first:
        raise RegionError(f"{path}: no regions: the file has no rows")
    return _Lines(path, chain(first, rows), [text for _, text in first], comments)


def _data_lines(path: Path, handle: Iterator[Line], comments: list[str]) -> Iterator[Line]:
    """Yield (number, text) of the lines that hold data."""
    for number, text in handle:
        if text.startswith(_FASTA_FOLLOWS):
            return
        if text.startswith("#"):
            if len(comments) < _ROWS_LOOKED_AT:
                comments.append(text.rstrip("\r"))
        elif text.strip() and not text.startswith(_NOT_DATA):
            yield number, text.rstrip("\r")


def _parsed(path: Path, lines: Iterator[Line], parse: Callable[[str], Any]) -> Iterator[Any]:
    """Yield what `parse` makes of each line, but no None; raise at the end for unreadable lines."""
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
        if found is not None:
            yield found
    if reasons:
        n = reasons.total()
        rows = "1 row" if n == 1 else f"{n:,} rows"
        counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
        raise RegionError(f"{path}: {rows} cannot be read ({counts}):", unreadable, n)

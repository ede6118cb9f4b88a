"""Genes from an annotation: GTF, GFF3, and UCSC's genePred tables (refGene, refFlat, knownGene).

GTF and GFF3 have nine tab-separated columns and 1-based, closed coordinates. They differ in the
ninth: `gene_name "TP53";` in GTF (https://www.ensembl.org/info/website/upload/gff.html),
`Name=TP53;` in GFF3
(https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md). genePred is 0-based
and half-open (https://genome.ucsc.edu/FAQ/FAQformat.html#format9).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from epipam.errors import RegionError
from epipam.pairs.genes import Gene, GeneFeatures, Promoters, listed, promoters_of
from epipam.pairs.region_layouts import INTEGER, STRANDS
from epipam.pairs.regions import BadRow

# The first of them that a gene has names its promoter.
NAME_ATTRIBUTES = ("gene_name", "Name", "gene", "gene_id", "ID")
ID_ATTRIBUTES = ("gene_id", "ID")
TYPE_ATTRIBUTES = ("gene_type", "gene_biotype", "biotype")

# Parts of transcripts, which are many and have no part of their own in a name.
_PARTS = frozenset(
    {"exon", "CDS", "start_codon", "stop_codon", "UTR", "five_prime_UTR", "three_prime_UTR"}
)
_COLUMNS = 9
_TYPE, _START, _END, _STRAND, _ATTRIBUTES = 2, 3, 4, 6, 8
_COORDINATE = re.compile(r"[0-9]{1,15}")
_GFF3_ATTRIBUTES = re.compile(r"\s*[^\s=;\"]+=")
_GTF_ATTRIBUTE = re.compile(
    r"\s*([^\s;\"]+)\s+(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;\"][^;\"]*?))\s*(?:;|$)"
)
_BLOCKS = re.compile(r"[0-9]+(,[0-9]+)*,?")


class _Parent(NamedTuple):
    """What a feature of GFF3 hands down to its parts."""

    name: str
    identifier: str
    gene_type: str
    parent: str


class AnnotationReader:
    """The promoters of a GTF or GFF3, which `add` reads line by line.

    Parameters
    ----------
    path
        The annotation, for messages.
    genes
        Which promoters.
    contig
        Called with a contig's name, a gene's end and its column: returns the name to use, None
        where the gene is to be left out, or raises a BadRow.
    """

    def __init__(
        self, path: Path, genes: GeneFeatures, contig: Callable[[str, int, str], str | None]
    ) -> None:
        self.path = path
        self.genes = genes
        self._contig = contig
        self._features: Counter[str] = Counter()
        self._gene_types: Counter[str] = Counter()
        self._found: list[tuple[Gene, str, str]] = []  # with the gene's type and its parent
        self._parents: dict[str, _Parent] = {}

    def add(self, text: str) -> None:
        """Read one line.

        Raises
        ------
        BadRow
        """
        fields = text.split("\t")
        if len(fields) < _COLUMNS:
            detail = f"{len(fields)} columns where GTF and GFF3 have {_COLUMNS}"
            raise BadRow("row", detail, "too few columns")
        feature = fields[_TYPE]
        self._features[feature] += 1
        wanted = feature in self.genes.features
        if not wanted and feature in _PARTS:
            return
        attributes = parse_attributes(fields[_ATTRIBUTES])
        parent = attributes.get("Parent", "").split(",")[0]
        name = _first(attributes, NAME_ATTRIBUTES)
        identifier = _first(attributes, ID_ATTRIBUTES)
        gene_type = _first(attributes, TYPE_ATTRIBUTES)
        if attributes.get("ID"):
            own = _Parent(name, identifier, gene_type, parent)
            self._parents.setdefault(attributes["ID"], own)
        if not wanted:
            return
        start, end = _interval(fields)
        if not fields[0].strip():
            raise BadRow("seqid", "no chromosome", "no chromosome")
        contig = self._contig(fields[0].strip(), end, "end")
        if contig is None:
            return
        if attributes.get("gene_name"):  # a transcript that says itself whose it is
            parent = ""
        whole = not parent and not attributes.get("transcript_id")
        gene = Gene(contig, start, end, fields[_STRAND].strip(), name, identifier, whole)
        self._found.append((gene, gene_type, parent))

    def promoters(self, length: Callable[[str], int | None]) -> tuple[Promoters, list[str]]:
        """Return the promoters of all lines, and what should be said of them.

        Parameters
        ----------
        length
            Of a contig in bp, or None where it is not known.

        Raises
        ------
        RegionError
            Where there is none; it says what the file holds instead.
        """
        genes = []
        for gene, gene_type, parent in self._found:
            gene, gene_type = self._named_by_parent(gene, gene_type, parent)
            if self.genes.gene_types:
                self._gene_types[gene_type or "none given"] += 1
                if gene_type not in self.genes.gene_types:
                    continue
            genes.append(gene)
        found = promoters_of(genes, self.genes, length)
        if not found.regions:
            raise RegionError(self._nothing(found))
        return found, [*self._absences(), *found.notes(self.path)]

    def _named_by_parent(self, gene: Gene, gene_type: str, parent: str) -> tuple[Gene, str]:
        """Give a transcript the name of its gene, and where it has none of its own the type."""
        seen: set[str] = set()
        while parent in self._parents and parent not in seen:
            seen.add(parent)
            above = self._parents[parent]
            gene = gene._replace(
                name=above.name or gene.name, identifier=above.identifier or gene.identifier
            )
            gene_type = gene_type or above.gene_type
            parent = above.parent
        return gene, gene_type

    def _nothing(self, found: Promoters) -> str:
        features = self.genes.features
        asked = " or ".join(repr(feature) for feature in features)
        if not any(self._features[feature] for feature in features):
            return (
                f"{self.path}: no {asked} features (column 3), but {listed(self._features)}; "
                "--feature names the one to use, and may be repeated"
            )
        if found.unknown_strand:
            return f"{self.path}: no promoters: all {found.unknown_strand:,} genes lack a strand"
        if not self._found:
            return f"{self.path}: no gene on a contig of the genome"
        return (
            f"{self.path}: no {asked} of type {' or '.join(self.genes.gene_types)}, but "
            f"{listed(self._gene_types)}; --gene-type names the ones to use"
        )

    def _absences(self) -> list[str]:
        """Say which of the features and types asked for are not there, and what is left out."""
        said = []
        for feature in self.genes.features:
            if not self._features[feature]:
                said.append(
                    f"{self.path}: no {feature!r} features (column 3), but {listed(self._features)}"
                )
        for gene_type in self.genes.gene_types:
            if not self._gene_types[gene_type]:
                said.append(
                    f"{self.path}: nothing of type {gene_type}, but {listed(self._gene_types)}"
                )
        others = Counter(
            {
                feature: n
                for feature, n in self._features.items()
                if feature.endswith("gene") and feature not in self.genes.features
            }
        )
        if others and any(feature.endswith("gene") for feature in self.genes.features):
            said.append(
                f"{self.path}: left out {listed(others)} features (column 3); "
                "--feature may be repeated"
            )
        return said


def is_annotation(text: str) -> bool:
    """Whether a row is GTF or GFF3: coordinates in columns 4 and 5, none in 2 and 3."""
    fields = text.split("\t")
    numbers = [bool(INTEGER.fullmatch(value.strip())) for value in fields[1:5]]
    return numbers == [False, False, True, True]


def parse_attributes(text: str) -> dict[str, str]:
    """Return the attributes of column nine of GTF or GFF3; of one given twice, the first."""
    attributes: dict[str, str] = {}
    if _GFF3_ATTRIBUTES.match(text):
        for item in text.strip().split(";"):
            key, equals, value = item.partition("=")
            if equals:
                attributes.setdefault(key.strip(), unquote(value.strip()))
    else:
        for key, quoted, bare in _GTF_ATTRIBUTE.findall(text):
            attributes.setdefault(key, quoted or bare)
    return attributes


def is_gene_prediction(fields: Sequence[str]) -> bool:
    """Whether a row is genePred: strand, four coordinates, and lists of exons."""
    return _strand_column(fields) is not None


def parse_gene_prediction(fields: Sequence[str]) -> Gene:
    """Return the transcript of one row of genePred, with or without a `bin` before it.

    It is called by its gene where the table names one: `name2` of refGene, `geneName` of refFlat.

    Raises
    ------
    BadRow
    """
    strand = _strand_column(fields)
    if strand is None:
        raise BadRow("row", "no strand, coordinates and exons as in genePred", "no genePred row")
    start, end = int(fields[strand + 1]), int(fields[strand + 2])
    if start > end:
        raise BadRow("txStart", f"start {start} lies after end {end}", "start after end")
    contig, name = fields[strand - 1], fields[strand - 2]
    if not contig:
        raise BadRow("chrom", "no chromosome", "no chromosome")
    if len(fields) >= strand + 13 and INTEGER.fullmatch(fields[strand + 8]):
        name = fields[strand + 9] or name
    elif strand == 3 and not INTEGER.fullmatch(fields[0]):  # refFlat, where others have `bin`
        name = fields[0] or name
    return Gene(contig, start, end, fields[strand], name)


def _strand_column(fields: Sequence[str]) -> int | None:
    for strand in (2, 3):
        exons = fields[strand + 6 : strand + 8]
        if (
            len(exons) == 2
            and fields[strand] in STRANDS
            and all(_COORDINATE.fullmatch(value) for value in fields[strand + 1 : strand + 6])
            and all(_BLOCKS.fullmatch(value) for value in exons)
        ):
            return strand
    return None


def _interval(fields: Sequence[str]) -> tuple[int, int]:
    """Return start and end of a line of GTF or GFF3, 0-based and half-open."""
    for column, value in (("start", fields[_START]), ("end", fields[_END])):
        if not _COORDINATE.fullmatch(value) or int(value) < 1:
            detail = f"{value!r} is not a whole number from 1 on"
            raise BadRow(column, detail, "not a whole number from 1 on")
    start, end = int(fields[_START]), int(fields[_END])
    if start > end:
        raise BadRow("start", f"start {start} lies after end {end}", "start after end")
    return start - 1, end


def _first(attributes: dict[str, str], keys: tuple[str, ...]) -> str:
    return next((attributes[key] for key in keys if attributes.get(key)), "")

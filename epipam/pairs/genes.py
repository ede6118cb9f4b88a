"""Promoters from a gene annotation: the line formats GTF and GFF3.

Both have nine tab-separated columns and 1-based, closed coordinates. They differ in the ninth:
`gene_name "TP53";` in GTF (https://www.ensembl.org/info/website/upload/gff.html), `Name=TP53;` in
GFF3 (https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from epipam.errors import RegionError
from epipam.pairs.regions import Region

UPSTREAM, DOWNSTREAM = 1_500, 500
# The first of them that a gene has names its promoter.
NAME_ATTRIBUTES = ("gene_name", "Name", "gene_id", "ID")
TYPE_ATTRIBUTES = ("gene_type", "gene_biotype", "biotype")

_COLUMNS = 9
_TYPE, _START, _END, _STRAND, _ATTRIBUTES = 2, 3, 4, 6, 8
_COORDINATE = re.compile(r"[0-9]{1,15}")
_GFF3_ATTRIBUTES = re.compile(r"\s*[^\s=;\"]+=")
_GTF_ATTRIBUTE = re.compile(r"\s*([^\s;\"]+)\s+(?:\"([^\"]*)\"|([^\s;]+))\s*(?:;|$)")


@dataclass(frozen=True)
class GeneFeatures:
    """Which features of an annotation have a promoter, and where it lies.

    Attributes
    ----------
    upstream, downstream
        How far a promoter reaches from the first base that is transcribed, in bp: `upstream`
        bases before it, and `downstream` bases from it on.
    feature
        Type of the features (column 3): `gene`, `transcript`, ...
    gene_types
        Only genes of these types, `protein_coding` for one; all where empty.
    """

    upstream: int = UPSTREAM
    downstream: int = DOWNSTREAM
    feature: str = "gene"
    gene_types: tuple[str, ...] = ()


class GeneReader:
    """The promoters of an annotation, line by line; each is returned once.

    Parameters
    ----------
    path
        The annotation, for messages.
    genes
        Which promoters.
    """

    def __init__(self, path: Path, genes: GeneFeatures) -> None:
        self.path = path
        self.genes = genes
        self._features: Counter[str] = Counter()
        self._gene_types: Counter[str] = Counter()
        self._seen: set[Region] = set()

    def promoter(self, text: str) -> Region | None:
        """Return the promoter of one line; None where it has none or had it before.

        Raises
        ------
        ValueError
            `column: what is wrong`.
        """
        fields = text.split("\t")
        if len(fields) < _COLUMNS:
            raise ValueError(f"row: {len(fields)} columns where GTF and GFF3 have {_COLUMNS}")
        self._features[fields[_TYPE]] += 1
        if fields[_TYPE] != self.genes.feature:
            return None
        attributes = parse_attributes(fields[_ATTRIBUTES])
        if self.genes.gene_types:
            gene_type = _first(attributes, TYPE_ATTRIBUTES)
            self._gene_types[gene_type or "none given"] += 1
            if gene_type not in self.genes.gene_types:
                return None
        start, end = promoter_interval(fields, self.genes.upstream, self.genes.downstream)
        contig, strand = fields[0].strip(), fields[_STRAND]
        if not contig:
            raise ValueError("seqid: no chromosome")
        name = _first(attributes, NAME_ATTRIBUTES) or f"{contig}:{start}-{end}"
        region = Region(contig, start, end, name, strand)
        if region in self._seen:
            return None
        self._seen.add(region)
        return region

    def require_some(self) -> None:
        """Raise a RegionError that says what the file holds instead, where it gave no promoter."""
        if self._seen:
            return
        feature = self.genes.feature
        if not self._features[feature]:
            raise RegionError(
                f"{self.path}: no {feature!r} features (column 3), but {_listed(self._features)}; "
                "--feature names the one to use"
            )
        raise RegionError(
            f"{self.path}: no {feature!r} of type {' or '.join(self.genes.gene_types)}, but "
            f"{_listed(self._gene_types)}; --gene-type names the ones to use"
        )


def promoter_interval(fields: list[str], upstream: int, downstream: int) -> tuple[int, int]:
    """Return the 0-based, half-open promoter of a line's fields; it ends at the contig's start.

    On the plus strand the transcription start site is the feature's first base, on the minus
    strand its last.
    """
    for column, value in (("start", fields[_START]), ("end", fields[_END])):
        if not _COORDINATE.fullmatch(value) or int(value) < 1:
            raise ValueError(f"{column}: {value!r} is not a whole number from 1 on")
    first, last = int(fields[_START]) - 1, int(fields[_END]) - 1
    if first > last:
        raise ValueError(f"start: start {first + 1} lies after end {last + 1}")
    strand = fields[_STRAND]
    if strand == "+":
        start, end = first - upstream, first + downstream
    elif strand == "-":
        start, end = last - downstream + 1, last + upstream + 1
    else:
        raise ValueError(f"strand: {strand!r} is neither + nor -: no transcription start site")
    return max(0, start), max(0, end)


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


def _first(attributes: dict[str, str], keys: tuple[str, ...]) -> str:
    return next((attributes[key] for key in keys if attributes.get(key)), "")


def _listed(counts: Counter[str]) -> str:
    most = ", ".join(f"{count:,} {name}" for name, count in counts.most_common(5))
    return f"{most}, ..." if len(counts) > 5 else most or "nothing at all"

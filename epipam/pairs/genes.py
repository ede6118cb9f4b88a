"""Promoters of genes: where they lie about a transcription start site, and what they are called."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from epipam.pairs.regions import Region

UPSTREAM, DOWNSTREAM = 1_500, 500
FEATURES = ("gene",)


@dataclass(frozen=True)
class GeneFeatures:
    """Which features of an annotation have a promoter, and where it lies.

    Attributes
    ----------
    upstream, downstream
        How far a promoter reaches from the first base that is transcribed, in bp: `upstream`
        bases before it, and `downstream` bases from it on.
    features
        Types of the features (column 3) of a GTF or GFF3: `gene`, `transcript`, ...
    gene_types
        Only genes of these types, `protein_coding` for one; all where empty.
    tss
        Whether the regions of a BED file are genes or transcripts, whose promoters lie about
        their transcription start sites; None: those of BED12 are, others are promoters.
    """

    upstream: int = UPSTREAM
    downstream: int = DOWNSTREAM
    features: tuple[str, ...] = FEATURES
    gene_types: tuple[str, ...] = ()
    tss: bool | None = None


class Gene(NamedTuple):
    """A gene or one of its transcripts: 0-based, half-open.

    `identifier` tells genes of one name apart; it is empty where the file has none.
    """

    contig: str
    start: int
    end: int
    strand: str
    name: str
    identifier: str = ""
    is_whole_gene: bool = False


class Promoters(NamedTuple):
    """Promoters of genes, each once, in the order of the genes.

    Attributes
    ----------
    regions
        Their windows and names.
    unknown_strand
        How many genes have none, for they have no strand.
    renamed
        How many names stand for several genes, which are told apart by what follows in brackets.
    example
        One of these names.
    """

    regions: list[Region]
    unknown_strand: int
    renamed: int
    example: str

    def notes(self, path: object) -> list[str]:
        """Say what was left out and renamed."""
        said = []
        if self.unknown_strand:
            said.append(
                f"{path}: left out {self.unknown_strand:,} genes of unknown strand, which have no "
                "transcription start site"
            )
        if self.renamed:
            said.append(
                f"{path}: genes of one name are kept apart, {self.renamed:,} names in all, as in "
                f"{self.example}"
            )
        return said


def promoters_of(
    genes: Iterable[Gene],
    features: GeneFeatures,
    length: Callable[[str], int | None] = lambda contig: None,
) -> Promoters:
    """Return the promoters of genes.

    Promoters of one gene that lie at one place are one. Genes of one name are kept apart: by
    their identifiers, else by their places. `length` gives that of a contig, where promoters end.
    """
    stranded = []
    unknown = 0
    for gene in genes:
        if gene.strand in ("+", "-"):
            stranded.append(gene)
        else:
            unknown += 1
    names, changed = _names_apart(stranded)
    found: dict[Region, None] = {}
    for gene, name in zip(stranded, names, strict=True):
        start, end = promoter_interval(
            gene.start, gene.end, gene.strand, features.upstream, features.downstream
        )
        if (contig_end := length(gene.contig)) is not None:
            end = min(end, contig_end)
        named = name or f"{gene.contig}:{start}-{end}"
        found.setdefault(Region(gene.contig, start, end, named, gene.strand))
    example = next((name for g, name in zip(stranded, names, strict=True) if name != g.name), "")
    return Promoters(list(found), unknown, changed, example)


def promoter_interval(
    start: int, end: int, strand: str, upstream: int, downstream: int
) -> tuple[int, int]:
    """Return the promoter of a gene, 0-based and half-open; it ends at the contig's start.

    On the plus strand the transcription start site is the gene's first base, on the minus strand
    its last.
    """
    if strand == "+":
        first, last = start - upstream, start + downstream
    else:
        first, last = end - downstream, end + upstream
    return max(0, first), max(0, last)


def _names_apart(genes: list[Gene]) -> tuple[list[str], int]:
    """Return names of which none stands for two genes, and how many had to be made so."""
    with_transcripts = {gene.name for gene in genes if not gene.is_whole_gene}
    kinds = [_kind(gene, gene.name in with_transcripts) for gene in genes]
    by_name: defaultdict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for gene, kind in zip(genes, kinds, strict=True):
        if gene.name:
            by_name[gene.name].add(kind)
    several = {name: found for name, found in by_name.items() if len(found) > 1}
    names = []
    for gene, (identifier, contig, place) in zip(genes, kinds, strict=True):
        found = several.get(gene.name)
        if not found:
            names.append(gene.name)
            continue
        which = identifier or place or contig
        if identifier and sum(kind[0] == identifier for kind in found) > 1:
            which = f"{identifier},{contig}"  # as genes that lie in both X and Y
        names.append(f"{gene.name}({which})")
    return names, len(several)


def _kind(gene: Gene, has_transcripts: bool) -> tuple[str, str, str]:
    """Return what makes a gene one among those of its name: identifier, contig, place.

    A gene without an identifier of its own is told by its place, but not where transcripts of it
    may begin at many.
    """
    identifier = gene.identifier if gene.identifier != gene.name else ""
    if identifier or has_transcripts:
        return identifier, gene.contig, ""
    return "", gene.contig, f"{gene.contig}:{gene.start}-{gene.end}"


def listed(counts: Counter[str]) -> str:
    """Return the five most frequent words with their counts, for a message."""
    most = ", ".join(f"{count:,} {name}" for name, count in counts.most_common(5))
    return f"{most}, ..." if len(counts) > 5 else most or "nothing at all"

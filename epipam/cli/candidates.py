"""`epipam candidates`."""

from __future__ import annotations

from pathlib import Path

import click

from epipam.cli.command import (
    EpipamCommand,
    json_option,
    print_notes,
    print_result,
    row_progress,
)
from epipam.cli.options import aliases_option, contig_lengths_option, contigs_option
from epipam.genome.contigs import Aliases
from epipam.pairs.candidates import MAX_DISTANCE
from epipam.pairs.candidates import candidates as write_candidates
from epipam.pairs.genes import DOWNSTREAM, FEATURES, UPSTREAM, GeneFeatures

_SHOWN = 5


@click.command("candidates", cls=EpipamCommand)
@click.argument("enhancers", type=click.Path(path_type=Path))
@click.argument("promoters", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    required=True,
    help=".bedpe or .bedpe.gz (bgzip).",
)
@click.option(
    "--max-distance",
    type=click.IntRange(0),
    default=MAX_DISTANCE,
    metavar="BP",
    help="Farthest pairs, midpoint to midpoint.",
)
@click.option(
    "--min-distance",
    type=click.IntRange(0),
    default=0,
    metavar="BP",
    help="Nearest pairs, midpoint to midpoint.",
)
@click.option(
    "--overlapping",
    type=click.Choice(["leave-out", "keep"]),
    default="leave-out",
    help="Pairs whose regions share a base, such as a promoter that is in the list of enhancers.",
)
@click.option(
    "--upstream",
    type=click.IntRange(0),
    default=UPSTREAM,
    metavar="BP",
    help="Of an annotation: how far a promoter reaches before the transcription start site.",
)
@click.option(
    "--downstream",
    type=click.IntRange(1),
    default=DOWNSTREAM,
    metavar="BP",
    help="Of an annotation: how far a promoter reaches from the transcription start site on.",
)
@click.option(
    "--feature",
    "features",
    multiple=True,
    default=FEATURES,
    help="Of an annotation: the features (column 3) that have a promoter; may be repeated.",
)
@click.option(
    "--gene-type",
    "gene_types",
    multiple=True,
    help="Of an annotation: only genes of this type, as protein_coding; may be repeated.",
)
@click.option(
    "--tss/--no-tss",
    default=None,
    help="Take the regions of PROMOTERS for genes, whose promoters lie about their starts, or as "
    "they are.  [default: for genes in BED12]",
)
@click.option("--ignore-chr", is_flag=True, hidden=True, help="Always so now.")
@contig_lengths_option
@aliases_option
@contigs_option
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def candidates(
    enhancers: Path,
    promoters: Path,
    out: Path,
    max_distance: int,
    min_distance: int,
    overlapping: str,
    upstream: int,
    downstream: int,
    features: tuple[str, ...],
    gene_types: tuple[str, ...],
    tss: bool | None,
    ignore_chr: bool,
    genome: Path | None,
    aliases: Aliases | None,
    contigs: tuple[str, ...] | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Pair every enhancer with every promoter nearby, as a sorted BEDPE for `epipam score`.

    ENHANCERS is BED, narrowPeak or broadPeak; PROMOTERS is BED, or a gene annotation: GTF, GFF3 or
    UCSC's genePred. chr1 and 1 are one contig.
    """
    if ignore_chr:
        print_notes(["--ignore-chr is always so now, and can be left out"])
    with row_progress("pairs done") as advance:
        result = write_candidates(
            enhancers,
            promoters,
            out,
            max_distance=max_distance,
            min_distance=min_distance,
            keep_overlapping=overlapping == "keep",
            genes=GeneFeatures(upstream, downstream, features, gene_types, tss),
            genome=genome,
            aliases=aliases,
            contigs=contigs,
            overwrite=overwrite,
            on_pairs=advance,
        )
    for what, contigs_without in (
        ("promoter", result.without_promoter),
        ("enhancer", result.without_enhancer),
    ):
        if contigs_without:
            print_notes([f"no {what} on {_some(contigs_without)}: no pairs there"])
    if result.renamed:
        names = [f"{name} as {contig}" for name, contig in result.renamed.items()]
        print_notes([f"contigs spelled in several ways are one: read {_some(names)}"])
    print_notes(result.notes)
    lines = [
        f"{result.path}: {result.pairs:,} pairs",
        f"  of {result.enhancers:,} enhancers and {result.promoters:,} promoters",
    ]
    if result.overlapping:
        lines.append(
            f"  left out: {result.overlapping:,} pairs whose regions overlap; --overlapping keep "
            "writes them"
        )
    found = {"pairs": result.pairs, "enhancers": result.enhancers, "promoters": result.promoters}
    found["overlapping"] = result.overlapping
    print_result({"candidates": str(result.path), **found}, iter(lines), as_json)


def _some(names: list[str]) -> str:
    more = f", ... ({len(names)} contigs)" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

"""`epipam candidates`."""

from __future__ import annotations

from pathlib import Path

import click

from epipam.cli.command import EpipamCommand, json_option, print_result, row_progress
from epipam.cli.options import contigs_option
from epipam.pairs.candidates import MAX_DISTANCE, write_candidates
from epipam.pairs.genes import DOWNSTREAM, UPSTREAM, GeneFeatures

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
    default="gene",
    help="Of an annotation: the features (column 3) that have a promoter.",
)
@click.option(
    "--gene-type",
    "gene_types",
    multiple=True,
    help="Of an annotation: only genes of this type, as protein_coding; may be repeated.",
)
@click.option(
    "--ignore-chr",
    is_flag=True,
    help="Take chr1 and 1 for one contig; pairs bear the enhancers' names.",
)
@contigs_option
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def candidates(
    enhancers: Path,
    promoters: Path,
    out: Path,
    max_distance: int,
    min_distance: int,
    upstream: int,
    downstream: int,
    feature: str,
    gene_types: tuple[str, ...],
    ignore_chr: bool,
    contigs: tuple[str, ...] | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Pair every enhancer with every promoter nearby, as a sorted BEDPE for `epipam score`.

    ENHANCERS is BED, narrowPeak or broadPeak; PROMOTERS is BED, or a GTF or GFF3 gene annotation.
    """
    with row_progress("pairs done") as advance:
        result = write_candidates(
            enhancers,
            promoters,
            out,
            max_distance=max_distance,
            min_distance=min_distance,
            genes=GeneFeatures(upstream, downstream, feature, gene_types),
            ignore_chr=ignore_chr,
            contigs=contigs,
            overwrite=overwrite,
            on_pairs=advance,
        )
    for what, lonely in (
        ("promoter", result.without_promoter),
        ("enhancer", result.without_enhancer),
    ):
        if lonely:
            click.echo(f"note: no {what} on {_some(lonely)}: no pairs there", err=True)
    if result.renamed:
        pairs = [f"{name} as {contig}" for name, contig in result.renamed.items()]
        click.echo(f"note: read {_some(pairs)} of the promoters' contigs", err=True)
    lines = [
        f"{result.path}: {result.pairs:,} pairs",
        f"  of {result.enhancers:,} enhancers and {result.promoters:,} promoters",
    ]
    found = {"pairs": result.pairs, "enhancers": result.enhancers, "promoters": result.promoters}
    print_result({"candidates": str(result.path), **found}, iter(lines), as_json)


def _some(names: list[str]) -> str:
    more = f", ... ({len(names)} contigs)" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

"""`epipam negatives`: negatives for a plain list of enhancer-promoter pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epipam.cli.command import EpipamCommand, json_option, print_notes, print_result
from epipam.cli.options import (
    aliases_option,
    bad_pairs_option,
    columns_option,
    contig_lengths_option,
    distance_limits,
    label_column_option,
    output_option,
)

if TYPE_CHECKING:
    from epipam.genome.contigs import Aliases
    from epipam.pairs.negative_lists import NegativesResult

_FILE = click.Path(path_type=Path)


@click.command("negatives", cls=EpipamCommand)
@click.argument("pairs", type=_FILE)
@output_option("Pair table of positives and negatives, .tsv or .tsv.gz (bgzip).")
@click.option(
    "--strategy",
    type=click.Choice(["distance", "frequency"]),
    default="distance",
    help="Besides the distance, match nothing; or how often each region is in a positive.",
)
@click.option(
    "--per-positive",
    type=click.IntRange(1),
    help="Negatives per positive.  [default: 20; 1 by frequency]",
)
@click.option("--bins", type=click.IntRange(1), default=5, help="Quantiles of the distance.")
@click.option(
    "--per-chromosome", is_flag=True, help="As many per positive on each chromosome of its own."
)
@click.option(
    "--enhancers", type=_FILE, help="BED, narrowPeak, broadPeak.  [default: those of PAIRS]"
)
@click.option("--promoters", type=_FILE, help="BED, or GTF or GFF3.  [default: those of PAIRS]")
@distance_limits("positives")
@contig_lengths_option
@aliases_option
@bad_pairs_option("Rows that cannot be used: stop, or leave them out and count them.")
@label_column_option
@columns_option
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the draw.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def negatives(
    pairs: Path,
    out: Path,
    strategy: str,
    per_positive: int | None,
    bins: int,
    per_chromosome: bool,
    enhancers: Path | None,
    promoters: Path | None,
    min_distance: int | None,
    max_distance: int | None,
    genome: Path | None,
    aliases: Aliases | None,
    bad_pairs: str,
    label_column: str | None,
    columns: dict[str, str] | None,
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Draw negatives for the positive pairs of PAIRS, at their distances.

    Positives are the pairs of label 1, or all pairs where none has a label. Negatives are pairs
    of an enhancer and a promoter on one chromosome that overlap no positive pair.
    """
    from epipam.pairs import negative_lists

    made = negative_lists.negatives(
        pairs,
        out,
        strategy=strategy,
        per_positive=per_positive,
        bins=bins,
        per_chromosome=per_chromosome,
        enhancers=enhancers,
        promoters=promoters,
        min_distance=min_distance,
        max_distance=max_distance,
        genome=genome,
        aliases=aliases,
        label_column=label_column,
        columns=columns,
        bad_pairs=bad_pairs,
        seed=seed,
        overwrite=overwrite,
    )
    print_notes(made.notes)
    print_result(_json(made), _lines(made), as_json)


def _lines(made: NegativesResult) -> Iterator[str]:
    yield f"{made.path}: {made.positives:,} positive and {made.negatives:,} negative pairs"
    yield f"  of {made.enhancers:,} enhancers and {made.promoters:,} promoters"
    for found in made.bins:
        yield (
            f"  {found.low:,.0f} to {found.high:,.0f} bp: {found.positives:,} positive, "
            f"{found.drawn:,} negative of {found.others:,} other pairs"
        )
    for reason, n in made.skipped.items():
        yield f"  rows left out: {n:,} {reason}"
    if made.own_negatives_left_out:
        yield f"  negatives of the list itself, left out: {made.own_negatives_left_out:,}"
    for reason, n in made.positives_left_out.items():
        yield f"  positives left out: {n:,} {reason}"
    if made.positives_of_other_regions:
        yield (
            f"  positives with an enhancer or promoter that is in no negative, for it is not among "
            f"the regions given: {made.positives_of_other_regions:,}"
        )
    for reason, n in made.negatives_not_found.items():
        yield f"  negatives not found: {n:,}, {reason}"


def _json(made: NegativesResult) -> dict[str, Any]:
    return {
        "pairs": str(made.path),
        "positives": made.positives,
        "negatives": made.negatives,
        "enhancers": made.enhancers,
        "promoters": made.promoters,
        "bins": [found._asdict() for found in made.bins],
        "overlapping_a_positive": made.overlapping_a_positive,
        "positives_of_other_regions": made.positives_of_other_regions,
        "own_negatives_left_out": made.own_negatives_left_out,
        "rows_left_out": made.skipped,
        "positives_left_out": made.positives_left_out,
        "negatives_not_found": made.negatives_not_found,
    }

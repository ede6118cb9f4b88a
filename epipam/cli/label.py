"""`epipam label`: labels for candidate pairs, from chromatin loops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from epipam.cli.command import EpipamCommand, json_option, print_notes, print_result
from epipam.cli.options import (
    aliases_option,
    bad_pairs_option,
    contig_lengths_option,
    distance_limits,
    output_option,
)

if TYPE_CHECKING:
    from epipam.genome.contigs import Aliases
    from epipam.pairs.labels import LabelResult

_FILE = click.Path(path_type=Path)


@click.command("label", cls=EpipamCommand)
@click.argument("candidates", type=_FILE)
@click.argument("loops", type=_FILE)
@output_option("Pair table of positives and negatives, .tsv or .tsv.gz (bgzip).")
@click.option(
    "--slop",
    type=click.IntRange(0),
    default=0,
    metavar="BP",
    help="Widen each end of a loop by so much to either side.",
)
@click.option(
    "--min-overlap",
    type=click.IntRange(1),
    default=1,
    metavar="BP",
    help="How many bases a region and an end share, at least; of shorter ones, all.",
)
@click.option(
    "--negatives",
    type=click.Choice(["all", "matched", "same-distance"]),
    default="all",
    help="all: all other candidates; matched: as many in each fifth of the positives' distances; "
    "same-distance: for each positive, on its chromosome at its distance give or take 5%.",
)
@click.option(
    "--per-positive",
    type=click.IntRange(1),
    default=1,
    help="Negatives per positive, but for all.",
)
@distance_limits("candidates")
@contig_lengths_option
@aliases_option
@bad_pairs_option("Rows that cannot be used: stop, or leave them out and count them.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the draw of negatives.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def label(
    candidates: Path,
    loops: Path,
    out: Path,
    slop: int,
    min_overlap: int,
    negatives: str,
    per_positive: int,
    min_distance: int | None,
    max_distance: int | None,
    genome: Path | None,
    aliases: Aliases | None,
    bad_pairs: str,
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Label CANDIDATES: positive where a loop of LOOPS joins the two regions, else negative.

    A loop joins a pair where one region meets one end and the other region the other end, either
    way round. CANDIDATES is a list of pairs, as epipam candidates writes it.
    """
    from epipam.pairs.labels import label as label_pairs

    made = label_pairs(
        candidates,
        loops,
        out,
        slop=slop,
        min_overlap=min_overlap,
        negatives=negatives,
        per_positive=per_positive,
        min_distance=min_distance,
        max_distance=max_distance,
        genome=genome,
        aliases=aliases,
        bad_pairs=bad_pairs,
        seed=seed,
        overwrite=overwrite,
    )
    print_notes(made.notes)
    result = {
        "pairs": str(made.path),
        "positives": made.positives,
        "negatives": made.negatives,
        "candidates": made.candidates,
        "loops": made.loops,
        "loops_used": made.loops_used,
        "negatives_by_rule": made.negatives_by_rule,
        "candidates_left_out": made.left_out,
        "loops_left_out": made.loops_left_out,
    }
    print_result(result, _lines(made), as_json)


def _lines(made: LabelResult) -> Iterator[str]:
    yield f"{made.path}: {made.positives:,} positive and {made.negatives:,} negative pairs"
    yield (
        f"  of {made.candidates:,} candidates; {made.loops_used:,} of {made.loops:,} loops join one"
    )
    yield f"  positive: {made.positives:,} whose regions meet the two ends of a loop"
    for rule, n in made.negatives_by_rule.items():
        yield f"  negative: {n:,}, {rule}"
    for reason, n in made.left_out.items():
        yield f"  candidates left out: {n:,} {reason}"
    for reason, n in made.loops_left_out.items():
        yield f"  loops left out: {n:,} {reason}"

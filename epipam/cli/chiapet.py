"""`epipam chiapet`: labelled pairs from chromatin loops and peaks."""

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
)

if TYPE_CHECKING:
    from epipam.genome.contigs import Aliases
    from epipam.pairs.chiapet import ChiapetResult

_FILE = click.Path(path_type=Path)


@click.command("chiapet", cls=EpipamCommand)
@click.argument("loops", type=_FILE)
@click.argument("peaks", type=_FILE)
@click.option("-o", "--output", "out", type=_FILE, required=True, help="Pair table, .tsv.")
@click.option(
    "--negatives",
    type=click.Choice(["moved", "matched"]),
    default="moved",
    help="moved: the anchors of each positive, moved aside; matched: pairs of peaks that are not "
    "in contact, at the distances of the positives.",
)
@click.option("--length", type=click.IntRange(1), default=1_000, help="Window about a peak, bp.")
@click.option("--move", type=click.IntRange(1), default=2_000, help="How far anchors move, bp.")
@click.option(
    "--per-positive", type=click.IntRange(1), default=4, help="Matched negatives per positive."
)
@distance_limits("positives")
@contig_lengths_option
@aliases_option
@bad_pairs_option("Loops that cannot be used: stop, or leave them out and count them.")
@click.option("--seed", default=0, help="Seed of the matched negatives.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def chiapet(
    loops: Path,
    peaks: Path,
    out: Path,
    negatives: str,
    length: int,
    move: int,
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
    """Make labelled pairs of LOOPS (BEDPE or HiCCUPS list) whose anchors both meet one of PEAKS."""
    from epipam.pairs.chiapet import chiapet as make_pairs

    made = make_pairs(
        loops,
        peaks,
        out,
        negatives=negatives,
        length=length,
        move=move,
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
        "loops_left_out": made.loops_left_out,
        "negatives_left_out": made.negatives_left_out,
    }
    print_result(result, _lines(made), as_json)


def _lines(made: ChiapetResult) -> Iterator[str]:
    yield f"{made.path}: {made.positives:,} positive and {made.negatives:,} negative pairs"
    for reason, n in made.loops_left_out.items():
        yield f"  loops left out: {n:,} {reason}"
    for reason, n in made.negatives_left_out.items():
        yield f"  negatives left out: {n:,} {reason}"

"""`epipam audit`: what a list of pairs is, and what splits of it give away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from epipam.cli.command import EpipamCommand, json_option, print_notes, print_result
from epipam.cli.options import (
    aliases_option,
    bad_pairs_option,
    columns_option,
    contig_lengths_option,
    label_column_option,
)
from epipam.genome.windows import ENHANCER_LENGTH, PROMOTER_LENGTH

if TYPE_CHECKING:
    from epipam.evaluation.audit import Audit
    from epipam.genome.contigs import Aliases


@click.command("audit", cls=EpipamCommand)
@click.argument("pairs", nargs=-1, required=True, type=click.Path(path_type=Path))
@label_column_option
@columns_option
@click.option(
    "--enhancer-length", type=click.IntRange(1), default=ENHANCER_LENGTH, help="Window, bp."
)
@click.option(
    "--promoter-length", type=click.IntRange(1), default=PROMOTER_LENGTH, help="Window, bp."
)
@contig_lengths_option
@aliases_option
@bad_pairs_option(
    "Rows that cannot be used: stop, or leave them and pairs with both labels out and count them."
)
@click.option("--seed", default=0, help="Seed of the random split.")
@json_option
def audit(
    pairs: tuple[Path, ...],
    label_column: str | None,
    columns: dict[str, str] | None,
    enhancer_length: int,
    promoter_length: int,
    genome: Path | None,
    aliases: Aliases | None,
    bad_pairs: str,
    seed: int,
    as_json: bool,
) -> None:
    """Say what is in lists of pairs, and what splits of them give away without any sequence."""
    from epipam.evaluation.audit import audit as audit_pairs
    from epipam.genome.lengths import read_contig_lengths
    from epipam.pairs.pair_lists import read_pair_list
    from epipam.pairs.spellings import Spellings

    lengths = None if genome is None else read_contig_lengths(genome)
    for path in pairs:
        spellings = Spellings(lengths, aliases)
        listed = read_pair_list(
            path, spellings, label_column=label_column, columns=columns, bad_pairs=bad_pairs
        )
        if bad_pairs == "skip":
            listed = listed.consistent()
        found = audit_pairs(
            listed.frame,
            enhancer_length=enhancer_length,
            promoter_length=promoter_length,
            seed=seed,
        )
        print_notes(spellings.notes())
        result = {"pairs": str(path), "rows_left_out": listed.skipped, **found.to_json()}
        print_result(result, _lines(path, found, listed.skipped), as_json)


def _lines(path: Path, found: Audit, left_out: dict[str, int]) -> Iterator[str]:
    unlabelled = f", {found.unlabelled:,} unlabelled" if found.unlabelled else ""
    yield f"{path}: {found.positives:,} positive and {found.negatives:,} negative pairs{unlabelled}"
    for reason, n in left_out.items():
        yield f"  rows left out: {n:,} {reason}"
    yield from _warnings(found)
    for anchor in ("enhancer", "promoter"):
        regions = getattr(found, anchor)
        if regions.distinct:
            low, _, middle, _, high = regions.length
            yield (
                f"  {anchor}s: {regions.distinct:,} distinct, "
                f"{low:,.0f} to {high:,.0f} bp, median {middle:,.0f}"
            )
    for label, (low, _, middle, _, high) in found.distance.items():
        yield f"  distance of {label} pairs: {low:,.0f} to {high:,.0f} bp, median {middle:,.0f}"
    yield (
        f"  positive pairs whose enhancer overlaps another of the same promoter: "
        f"{found.overlap.pairs:,} of {found.overlap.positives:,} ({found.overlap.share:.0%})"
    )
    for name, split in found.splits.items():
        leaked, area = split.leakage, split.frequency_auroc
        yield (
            f"  {name} split: {leaked.n_test:,} test pairs; overlapping training windows: "
            f"enhancer {leaked.enhancer:.0%}, promoter {leaked.promoter:.0%}, "
            f"both {leaked.both:.0%}; AUROC of frequency alone "
            + ("unknown" if area is None else f"{area:.3f}")
        )


def _warnings(found: Audit) -> Iterator[str]:
    from epipam.evaluation.audit import FAR

    if found.repeated:
        yield f"  repeated: {found.repeated:,} rows say what a row before them says"
    if found.contradictory:
        yield (
            f"  contradictory: {found.contradictory:,} pairs have both labels, in "
            f"{found.contradictory_rows:,} rows; --bad-pairs skip leaves them out"
        )
    if found.far_positives:
        yield (
            f"  far apart: {found.far_positives:,} positive pairs by more than {FAR:,} bp, up to "
            f"{found.distance['positive'][-1]:,.0f}; --max-distance of chiapet, label and "
            "negatives leaves such out"
        )

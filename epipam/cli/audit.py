"""`epipam audit`: what a list of pairs is, and what splits of it give away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from epipam.cli.command import EpipamCommand, json_option, print_result
from epipam.cli.options import columns_option, label_column_option
from epipam.genome.windows import ENHANCER_LENGTH, PROMOTER_LENGTH

if TYPE_CHECKING:
    from epipam.evaluation.audit import Audit


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
@click.option("--seed", default=0, help="Seed of the random split.")
@json_option
def audit(
    pairs: tuple[Path, ...],
    label_column: str | None,
    columns: dict[str, str] | None,
    enhancer_length: int,
    promoter_length: int,
    seed: int,
    as_json: bool,
) -> None:
    """Say what is in lists of pairs, and what splits of them give away without any sequence."""
    from epipam.evaluation.audit import audit as audit_pairs
    from epipam.pairs.table import read_pairs

    for path in pairs:
        found = audit_pairs(
            read_pairs(path, label_column, columns=columns).frame,
            enhancer_length=enhancer_length,
            promoter_length=promoter_length,
            seed=seed,
        )
        print_result({"pairs": str(path), **found.to_json()}, _lines(path, found), as_json)


def _lines(path: Path, found: Audit) -> Iterator[str]:
    unlabelled = f", {found.unlabelled:,} unlabelled" if found.unlabelled else ""
    yield f"{path}: {found.positives:,} positive and {found.negatives:,} negative pairs{unlabelled}"
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

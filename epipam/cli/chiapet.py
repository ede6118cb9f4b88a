"""`epipam chiapet`: labelled pairs from chromatin loops and peaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from epipam.cli.command import EpipamCommand, json_option, print_result

if TYPE_CHECKING:
    import pandas as pd

    from epipam.pairs.contacts import Contacts

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
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make labelled pairs of LOOPS (BEDPE or HiCCUPS list) whose anchors both meet one of PEAKS."""
    from epipam.errors import RequestError
    from epipam.pairs import contacts
    from epipam.pairs.region_files import read_regions
    from epipam.pairs.table import read_pairs
    from epipam.runtime.files import check_new_file, write_text

    check_new_file(out, "pairs", (".tsv",), overwrite=overwrite)
    found = contacts.loops_from_pairs(read_pairs(loops).frame)
    regions = contacts.peaks_from_regions(read_regions(peaks))
    positives = contacts.contacts_between_peaks(found.table, regions, length)
    if positives.table.empty:
        raise RequestError(f"{loops}: no loop has a peak of {peaks} in both anchors")
    if negatives == "moved":
        made = contacts.moved_negatives(positives.table, move)
    else:
        made = contacts.matched_negatives(
            positives.table, found.table, regions, per_positive=per_positive, seed=seed
        )
    pairs = contacts.labelled_pairs(positives.table, made.table)
    write_text(out, pairs.to_csv(sep="\t", index=False, lineterminator="\n"))
    left_out = {**found.left_out, **positives.left_out}
    result = {
        "pairs": str(out),
        "positives": len(positives.table),
        "negatives": len(made.table),
        "loops_left_out": left_out,
        "negatives_left_out": made.left_out,
    }
    print_result(result, _lines(out, positives.table, made, left_out), as_json)


def _lines(
    out: Path, positives: pd.DataFrame, negatives: Contacts, left_out: dict[str, int]
) -> Iterator[str]:
    yield f"{out}: {len(positives):,} positive and {len(negatives.table):,} negative pairs"
    for reason, n in left_out.items():
        yield f"  loops left out: {n:,} {reason}"
    for reason, n in negatives.left_out.items():
        yield f"  negatives left out: {n:,} {reason}"

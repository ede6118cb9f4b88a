"""`epipam negatives`: negatives for a plain list of enhancer-promoter pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epipam.cli.command import EpipamCommand, json_option, print_result
from epipam.cli.options import columns_option, label_column_option, output_option

if TYPE_CHECKING:
    import pandas as pd

    from epipam.pairs.negatives import Negatives, Positives
    from epipam.pairs.regions import Regions

_FILE = click.Path(path_type=Path)
_ENDINGS = (".tsv", ".tsv.gz")


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
@click.option(
    "--min-distance",
    type=click.IntRange(0),
    metavar="BP",
    help="Leave out nearer positives, midpoint to midpoint.",
)
@click.option(
    "--max-distance", type=click.IntRange(0), metavar="BP", help="Leave out farther positives."
)
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
    from epipam.pairs.negatives import draw_negatives, plain_positives
    from epipam.pairs.table import read_pairs
    from epipam.runtime.files import check_new_file

    ending = check_new_file(out, "the pairs", _ENDINGS, overwrite=overwrite)
    listed = read_pairs(pairs, label_column, columns=columns).frame
    positives = plain_positives(listed, min_distance, max_distance)
    regions = [
        _regions(given, anchor, pairs, listed)
        for anchor, given in (("enhancer", enhancers), ("promoter", promoters))
    ]
    drawn = draw_negatives(
        positives,
        *regions,
        strategy=strategy,
        per_positive=per_positive,
        bins=bins,
        per_chromosome=per_chromosome,
        seed=seed,
    )
    _write(out, ending, positives.table, drawn.table)
    numbers = [len(of_anchor) for of_anchor in regions]
    print_result(
        _json(out, positives, drawn, numbers), _lines(out, positives, drawn, numbers), as_json
    )


def _regions(given: Path | None, anchor: str, path: Path, listed: pd.DataFrame) -> Regions:
    """Return the regions of a file, spelled as the list spells its chromosomes, or the list's."""
    from epipam.pairs.genes import GeneFeatures
    from epipam.pairs.region_files import read_regions
    from epipam.pairs.region_pool import distinct_regions, listed_regions, spelled_as

    if given is None:
        return listed_regions(path, listed, anchor)
    regions = read_regions(given, GeneFeatures() if anchor == "promoter" else None)
    return distinct_regions(spelled_as(regions, set(listed["enhancer_chrom"])))


def _write(out: Path, ending: str, *tables: pd.DataFrame) -> None:
    from epipam.pairs.table import COLUMNS
    from epipam.runtime.column_tables import open_table

    kinds = {name: str if name.endswith(("chrom", "name")) else int for name in COLUMNS}
    with open_table(out, ending, kinds) as write:
        for table in tables:
            write({name: table[name].tolist() for name in COLUMNS})


def _lines(out: Path, positives: Positives, drawn: Negatives, regions: list[int]) -> Iterator[str]:
    yield f"{out}: {len(positives.table):,} positive and {len(drawn.table):,} negative pairs"
    yield f"  of {regions[0]:,} enhancers and {regions[1]:,} promoters"
    for found in drawn.bins:
        yield (
            f"  {found.low:,.0f} to {found.high:,.0f} bp: {found.positives:,} positive, "
            f"{found.drawn:,} negative of {found.others:,} other pairs"
        )
    if positives.negatives:
        yield f"  negatives of the list itself, left out: {positives.negatives:,}"
    for reason, n in positives.left_out.items():
        yield f"  positives left out: {n:,} {reason}"
    if drawn.foreign:
        yield (
            f"  positives with an enhancer or promoter that is in no negative, for it is not among "
            f"the regions given: {drawn.foreign:,}"
        )
    for reason, n in drawn.missing.items():
        yield f"  negatives not found: {n:,}, {reason}"


def _json(out: Path, positives: Positives, drawn: Negatives, regions: list[int]) -> dict[str, Any]:
    return {
        "pairs": str(out),
        "positives": len(positives.table),
        "negatives": len(drawn.table),
        "enhancers": regions[0],
        "promoters": regions[1],
        "bins": [found._asdict() for found in drawn.bins],
        "overlapping_a_positive": drawn.overlapping,
        "positives_of_other_regions": drawn.foreign,
        "own_negatives_left_out": positives.negatives,
        "positives_left_out": positives.left_out,
        "negatives_not_found": drawn.missing,
    }

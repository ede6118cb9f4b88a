"""`epipam build-store`, also called `epipam-build-store`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click

from epipam.cli.command import (
    EpipamCommand,
    Place,
    json_option,
    note_renamed,
    print_result,
    progress,
    workers_options,
)
from epipam.cli.options import (
    SHARE_OF_N_SAID,
    aliases_option,
    bad_pairs_option,
    columns_option,
    contigs_option,
    label_column_option,
)
from epipam.genome.contigs import Aliases
from epipam.runtime.cluster import Workforce
from epipam.runtime.memory import share_one_arena
from epipam.runtime.text_files import is_pipe
from epipam.store import BuildResult, StoreSettings
from epipam.store import build_store as build
from epipam.store.settings import RANGES

DEFAULT = StoreSettings()


@click.command("build-store", cls=EpipamCommand)
@click.argument("genome", type=click.Path(path_type=Path))
@click.argument("pairs", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "out",
    type=Place(),
    help="Folder or URL of the store.  [default: the pair file's stem + .zarr]",
)
@click.option(
    "--augment",
    type=click.IntRange(*RANGES["augment"]),
    default=DEFAULT.augment,
    help="Shifted copies of each positive pair.",
)
@click.option(
    "--max-shift",
    type=click.IntRange(*RANGES["max_shift"]),
    default=DEFAULT.max_shift,
    help="Largest shift of a copy, bp.",
)
@click.option(
    "--enhancer-length",
    type=click.IntRange(*RANGES["enhancer_length"]),
    default=DEFAULT.enhancer_length,
)
@click.option(
    "--promoter-length",
    type=click.IntRange(*RANGES["promoter_length"]),
    default=DEFAULT.promoter_length,
)
@click.option("--seed", type=click.IntRange(*RANGES["seed"]), default=DEFAULT.seed)
@label_column_option
@columns_option
@aliases_option
@bad_pairs_option(
    "Pairs that cannot be windowed: stop before any work, or leave them out and count them."
)
@contigs_option
@workers_options
@click.option("--overwrite", is_flag=True, help="Replace an existing store.")
@json_option
def build_store(
    genome: Path,
    pairs: Path,
    out: Path | str | None,
    augment: int,
    max_shift: int,
    enhancer_length: int,
    promoter_length: int,
    seed: int,
    label_column: str | None,
    columns: dict[str, str] | None,
    aliases: Aliases | None,
    bad_pairs: str,
    contigs: tuple[str, ...] | None,
    workforce: Workforce,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the enhancer and promoter windows of PAIRS over GENOME into a Zarr store.

    GENOME is a FASTA, plain or bgzip. PAIRS is a table in any format that epipam formats
    lists, or - for standard input. A build that was killed goes on where it was when the same
    command is given again.
    """
    if contigs is not None and out is None:
        raise click.UsageError("--contigs makes a part of a store, which needs a name: -o")
    if is_pipe(pairs) and out is None:
        raise click.UsageError("pairs from a pipe have no name to call the store by: -o")
    settings = StoreSettings(enhancer_length, promoter_length, augment, max_shift, seed)
    share_one_arena()
    with ExitStack() as stack:
        advance = lambda steps, note: None  # noqa: E731

        def on_start(to_write: list[str], found: list[str] | None) -> None:
            nonlocal advance
            if found is not None:
                click.echo(_describe_incomplete(to_write, found), err=True)
            advance = stack.enter_context(progress(len(to_write), "contigs written"))

        result = build(
            genome,
            pairs,
            out or _default_output(pairs),
            settings,
            label_column=label_column,
            columns=columns,
            aliases=aliases,
            bad_pairs=bad_pairs,
            workers=workforce.workers,
            scheduler=workforce.scheduler,
            contigs=contigs,
            overwrite=overwrite,
            on_start=on_start,
            on_contig=lambda name: advance(1, name),
        )
    note_renamed(result.renamed)
    print_result({"store": str(result.path), **result.attributes}, _lines(result), as_json)


def _default_output(pairs: Path) -> Path:
    stem = pairs.name
    while Path(stem).suffix in {".gz", ".bgz", ".tsv", ".csv", ".bedpe", ".txt"}:
        stem = Path(stem).stem
    return Path(f"{stem}.zarr")


def _describe_incomplete(to_write: list[str], found: list[str]) -> str:
    listed = ", ".join(to_write[:5])
    more = f" and {len(to_write) - 5} more" if len(to_write) > 5 else ""
    return (
        f"an earlier build was incomplete: {len(found)} of {len(found) + len(to_write)} contigs "
        f"are there, left to write: {listed or 'none'}{more}"
    )


def _lines(result: BuildResult) -> Iterator[str]:
    pairs = result.attributes["pairs"]
    contigs = result.attributes["contigs"].values()
    yield f"{result.path}: {pairs['stored']:,} of {pairs['rows']:,} pairs stored"
    for reason, count in pairs["skipped"].items():
        yield f"  left out: {count:,} {reason}"
    if result.repeated:
        yield f"  repeated: {result.repeated:,} rows say what a row before them says"
    positives, negatives = (sum(c[key] for c in contigs) for key in ("positives", "negatives"))
    unlabelled = pairs["stored"] - positives - negatives
    yield (
        f"  {positives:,} positive, {negatives:,} negative, "
        f"{f'{unlabelled:,} without a label, ' if unlabelled else ''}"
        f"on {len(contigs)} chromosomes, "
        f"{sum(c['rows'] for c in contigs):,} rows with shifted copies"
    )
    if result.share_of_n > SHARE_OF_N_SAID:
        yield f"  N: {result.share_of_n:.1%} of the stored windows"
    if unlabelled == pairs["stored"]:
        yield (
            "  nothing to train on without labels; for a BEDPE, --label-column names the column "
            "of labels"
        )

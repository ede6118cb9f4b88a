"""`epipam score`."""

from __future__ import annotations

from pathlib import Path

import click

from epipam.cli.command import EpipamCommand, json_option, note_renamed, print_result, row_progress
from epipam.score_settings import BATCH_SIZE, CACHE_SIZE

MEGABYTE = 1_000_000


@click.command("score", cls=EpipamCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("genome", type=click.Path(path_type=Path))
@click.argument("pairs", metavar="BEDPE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    required=True,
    help=".bedpe, .bedpe.gz, .tsv, .tsv.gz or .parquet.",
)
@click.option(
    "--cache-size",
    type=click.IntRange(1),
    default=CACHE_SIZE // MEGABYTE,
    metavar="MB",
    help="Memory for what is computed once per region, in megabytes.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=BATCH_SIZE,
    help="Pairs per forward pass, of a model without position attention.",
)
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
@click.option("--label-column", help="Name or 1-based number of the label's column in a BEDPE.")
@click.option(
    "--bad-pairs",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    help="Pairs that cannot be scored: stop before any work, or write them without a score.",
)
@click.option(
    "--trans",
    type=click.Choice(["error", "keep"]),
    default="error",
    help="Pairs whose anchors lie on different chromosomes.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def score(
    model: Path,
    genome: Path,
    pairs: Path,
    out: Path,
    cache_size: int,
    batch_size: int,
    device: str,
    label_column: str | None,
    bad_pairs: str,
    trans: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Score the candidate pairs of BEDPE (or a pair table) over GENOME with MODEL.

    One row per input row, in the input's order, with the probability of interaction; in BEDPE
    it is column 8.
    """
    from epipam.score_writers import check_output

    check_output(out, overwrite=overwrite)
    from epipam.devices import describe_device
    from epipam.memory import keep_freed_memory
    from epipam.models.registry import read_config
    from epipam.scoring import load_engine, score_file

    keep_freed_memory()
    engine = load_engine(model, device, batch_size, cache_size * MEGABYTE)
    click.echo(f"device: {describe_device(engine.device)}", err=True)
    if about := read_config(model).get("provenance", {}).get("about"):
        click.echo(f"model: {about}", err=True)
    with row_progress("pairs done") as advance:
        result = score_file(
            engine,
            genome,
            pairs,
            out,
            label_column=label_column,
            bad_pairs=bad_pairs,
            trans=trans,
            overwrite=overwrite,
            on_rows=advance,
        )
    note_renamed(result.renamed)
    lines = [f"{result.path}: {result.rows:,} pairs"]
    lines += [f"  without a score: {n:,} {reason}" for reason, n in result.skipped.items()]
    print_result(
        {"scores": str(result.path), "rows": result.rows, "skipped": result.skipped},
        iter(lines),
        as_json,
    )

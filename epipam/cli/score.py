"""`epipam score`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

import click

from epipam.cli.command import (
    EpipamCommand,
    command_line,
    json_option,
    note_renamed,
    print_result,
    row_progress,
    workers_options,
)
from epipam.cli.options import (
    MEGABYTE,
    SHARE_OF_N_SAID,
    aliases_option,
    bad_pairs_option,
    cache_size_option,
    columns_option,
    contigs_option,
    device_options,
    label_column_option,
    output_option,
    pairs_arguments,
    selection_options,
    trans_option,
)
from epipam.genome.contigs import Aliases
from epipam.runtime.cluster import Workforce
from epipam.scoring.settings import EngineRecipe, OutputOptions

if TYPE_CHECKING:
    import numpy as np

    from epipam.scoring.engine import Engine
    from epipam.scoring.score import TableScorer


@click.command("score", cls=EpipamCommand)
@pairs_arguments
@output_option(
    "A table (.bedpe, .tsv, .csv, .parquet) or a browser track (.interact, .inter.bb, .longrange, "
    ".igv.bedpe); text also as .gz (bgzip)."
)
@contigs_option
@click.option(
    "--gene",
    "chosen_genes",
    metavar="NAME",
    multiple=True,
    help="Score only pairs whose promoter is called so, in any case; may be repeated.",
)
@click.option(
    "--region",
    metavar="CHROM:START-END",
    help="Score only pairs with an anchor there; 1-based, both ends included.",
)
@click.option(
    "--min-distance",
    type=click.IntRange(0),
    metavar="BP",
    help="Score only pairs so far apart, midpoint to midpoint.",
)
@selection_options
@click.option(
    "--calibrate",
    type=click.Choice(["platt", "isotonic"]),
    help="Map probabilities by what MODEL's validation pairs were; logits stay as they are.",
)
@click.option(
    "--prior",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="P",
    help="With --calibrate: the share of positives among BEDPE's pairs.  [default: as there]",
)
@cache_size_option
@device_options
@label_column_option
@columns_option
@aliases_option
@bad_pairs_option(
    "Pairs that cannot be scored: stop before any work, or write them without a score."
)
@trans_option
@workers_options
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def score(
    model: Path,
    genome: Path,
    pairs: Path,
    out: Path,
    contigs: tuple[str, ...] | None,
    chosen_genes: tuple[str, ...],
    region: str | None,
    min_distance: int | None,
    output: OutputOptions,
    calibrate: str | None,
    prior: float | None,
    cache_size: int,
    batch_size: int,
    device: str,
    label_column: str | None,
    columns: dict[str, str] | None,
    aliases: Aliases | None,
    bad_pairs: str,
    trans: str,
    workforce: Workforce,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Score the candidate pairs of BEDPE (or a pair table) over GENOME with MODEL.

    One row per input row, in the input's order, with the probability of interaction; in BEDPE
    it is column 8. With --calibrate that is the calibrated one, in every format, and --min-score
    and --top go by it. Browser tracks hold the pairs that have a score, sorted by position.
    """
    from epipam.scoring.writers import check_output

    if prior is not None and calibrate is None:
        raise click.UsageError("--prior changes calibrated probabilities: add --calibrate")
    check_output(out, overwrite=overwrite, options=output)
    from epipam.models.logits import probabilities
    from epipam.models.registry import read_config
    from epipam.runtime.memory import keep_freed_memory
    from epipam.scoring.choice import Choice, Stretch
    from epipam.scoring.origin import origin_of
    from epipam.scoring.score import score_file

    keep_freed_memory()
    stretch = None if region is None else Stretch.parse(region)
    choice = Choice(chosen_genes, stretch, min_distance)
    about = read_config(model).get("provenance", {}).get("about")
    to_probability = probabilities if calibrate is None else _map(model, calibrate, prior)
    origin = origin_of(model, genome, command_line())
    recipe = EngineRecipe(model, device, batch_size, cache_size * MEGABYTE)
    with _engine(recipe, workforce) as engine:
        if about:
            click.echo(f"model: {about}", err=True)
        with row_progress("pairs done") as advance:
            result = score_file(
                engine,
                genome,
                pairs,
                out,
                label_column=label_column,
                columns=columns,
                aliases=aliases,
                origin=origin,
                bad_pairs=bad_pairs,
                trans=trans,
                contigs=contigs,
                choice=choice,
                output=output,
                to_probability=to_probability,
                overwrite=overwrite,
                on_rows=advance,
            )
    note_renamed(result.renamed)
    kept = "" if result.written == result.rows else f"{result.written:,} of "
    lines = [f"{result.path}: {kept}{result.rows:,} pairs"]
    lines += [f"  without a score: {n:,} {reason}" for reason, n in result.skipped.items()]
    if result.share_of_n > SHARE_OF_N_SAID:
        lines.append(f"  N: {result.share_of_n:.1%} of the scored windows")
    found = {"rows": result.rows, "written": result.written, "skipped": result.skipped}
    found["share_of_n"] = result.share_of_n
    if calibrate is not None:
        found["calibration"] = {"method": calibrate, "prior": prior}
    if output.genes is not None:
        lines.append(f"{output.genes}: the best enhancers of each gene")
        found["genes"] = str(output.genes)
    print_result(
        {"scores": str(result.path), **found},
        iter(lines),
        as_json,
    )


def _map(model: Path, method: str, prior: float | None) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes calibrated probabilities of logits, after saying where it is from."""
    from epipam.models.calibration import read_map

    found = read_map(model)
    prior_text = "" if prior is None else f"; set to {prior:.3g}"
    click.echo(f"probabilities: {method}, from {found.sentence()}{prior_text}", err=True)
    return found.function(method, prior)


@contextmanager
def _engine(recipe: EngineRecipe, workforce: Workforce) -> Iterator[Engine | TableScorer]:
    """Yield what scores, here or on workers, after saying on what device it does."""
    if workforce.alone():
        from epipam.runtime.devices import describe_device
        from epipam.scoring.score import load_engine

        engine = load_engine(*astuple(recipe))
        click.echo(f"device: {describe_device(engine.device)}", err=True)
        yield engine
        return
    from epipam.runtime.cluster import workers_of
    from epipam.scoring.cluster_scorer import ClusterScorer

    with workers_of(workforce) as workers:
        where = workforce.scheduler or "this machine"
        click.echo(f"device: {recipe.device}, of {workers.count()} workers of {where}", err=True)
        yield ClusterScorer(workers, recipe)

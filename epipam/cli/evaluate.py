"""`epipam evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from epipam.cli.command import (
    EpipamCommand,
    ModelFolder,
    Place,
    command_line,
    json_option,
    print_result,
    progress,
)
from epipam.cli.options import (
    batch_size_option,
    bootstrap_option,
    device_option,
    resample_option,
)


@click.command("evaluate", cls=EpipamCommand)
@click.argument("model", type=ModelFolder())
@click.argument("store", type=Place())
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="New folder.")
@click.option("--fold", type=click.IntRange(0), help="Evaluate the test chromosomes of fold K.")
@click.option(
    "--chromosomes", help="Evaluate these, comma-separated, whatever MODEL knows of them; or all."
)
@batch_size_option
@device_option
@bootstrap_option
@resample_option
@click.option("--seed", type=click.IntRange(0), default=0, help="Of draws, controls, bootstrap.")
@click.option(
    "--motifs",
    type=click.Path(path_type=Path),
    help="Folder that epipam motifs made of MODEL, to be shown in the report.",
)
@json_option
def evaluate(
    model: Path,
    store: Path | str,
    output: Path,
    fold: int | None,
    chromosomes: str | None,
    batch_size: int,
    device: str,
    bootstrap: int,
    resample: str,
    seed: int,
    motifs: Path | None,
    as_json: bool,
) -> None:
    """Judge MODEL on chromosomes of STORE, beside baselines that need no sequence.

    Without --fold and --chromosomes: the test chromosomes that MODEL was trained with, where
    STORE's genome is the same, or the test pairs of its random split, where STORE is the store it
    was trained on. OUTPUT gets report.html, a page to read and to pass on, metrics.json,
    predictions.tsv in the order of the pair table, and roc_pr.png. The frequency baseline counts
    the labelled pairs on the chromosomes that MODEL was trained on, or else on all that are not
    evaluated. Every pair is predicted twice, the second time with the promoter of another pair,
    as a control. What is not known of the pairs, or flatters, is said in every output.
    """
    from epipam.report.evaluate_model import evaluate_model

    if fold is not None and chromosomes is not None:
        raise click.UsageError("--fold and --chromosomes both choose what to evaluate: give one")
    result = evaluate_model(
        model,
        store,
        output,
        fold=fold,
        chromosomes=None if chromosomes is None else chromosomes.split(","),
        batch_size=batch_size,
        device=device,
        bootstrap=bootstrap,
        resample=resample,
        seed=seed,
        motifs=motifs,
        command=command_line(),
        say=lambda text: click.echo(text, err=True),
        progress=progress,
    )
    print_result(result.to_json(), result.lines(), as_json)

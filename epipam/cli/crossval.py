"""`epipam crossval`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epipam.cli.command import EpipamCommand, Place, json_option, print_result
from epipam.cli.options import bootstrap_option, parse_setting
from epipam.cli.training_options import (
    accelerator_option,
    embedding_option,
    fitting_options,
    init_option,
    precision_option,
    reading_options,
    seed_option,
    split_option,
    training_settings,
)
from epipam.models.catalogue import MODELS
from epipam.training.crossval import ALPHAS, PROTOCOLS, CrossvalSettings
from epipam.training.settings import TrainSettings


@click.command("crossval", cls=EpipamCommand)
@click.argument("stores", nargs=-1, required=True, type=Place())
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder.")
@click.option("--models", required=True, help=f"Comma-separated: {', '.join(MODELS)}.")
@click.option("--folds", help="Train these only, comma-separated.  [default: all of 8]")
@click.option(
    "--alphas",
    default=",".join(f"{alpha:g}" for alpha in ALPHAS),
    help="From which the main head's loss weight is chosen.",
)
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default=PROTOCOLS[0],
    help="Choose epoch and alpha on validation pairs, or on the test pairs as published.",
)
@split_option
@click.option("--jobs", type=click.IntRange(1), help="Runs at a time.  [default: one a GPU, or 1]")
@click.option(
    "--set",
    "shapes",
    multiple=True,
    metavar="[MODEL:]FIELD=VALUE",
    help="A field of a model's config.json that is not to be as published; repeat for more.",
)
@init_option("Start models of its name from it.")
@embedding_option
@fitting_options
@reading_options(batch_size="Pairs of a step.", workers="Loader processes of a run.")
@seed_option
@accelerator_option
@precision_option
@bootstrap_option
@json_option
@training_settings
def crossval(
    stores: tuple[Path | str, ...],
    output: Path,
    models: str,
    folds: str | None,
    alphas: str,
    protocol: str,
    split: str,
    jobs: int | None,
    shapes: tuple[str, ...],
    training: TrainSettings,
    bootstrap: int,
    as_json: bool,
    **reading: Any,
) -> None:
    """Cross-validate models on STORES: 8 folds, alpha chosen, mean and spread, comparisons.

    OUTPUT gets report.html, a page to read and to pass on, crossval.json, summary.tsv,
    predictions/ and runs/, a run folder for each model, fold and alpha. The same command goes on
    with what was stopped; a finished run is not run again. Several processes may share OUTPUT,
    with other --folds each or with the same.
    """
    named = tuple(models.split(","))
    shape_of = _shapes(shapes, named)
    chosen = None if folds is None else _numbers("--folds", folds, int)
    weights = _numbers("--alphas", alphas, float)
    if wrong := [alpha for alpha in weights if not 0 <= alpha <= 1]:
        raise click.UsageError(f"--alphas: {wrong[0]:g} is not from 0 to 1")

    from epipam.loading.data_module import DataSettings
    from epipam.runtime.memory import keep_freed_memory
    from epipam.store import Store
    from epipam.training.crossval.crossval import crossval as cross_validate
    from epipam.training.crossval.words import lines

    keep_freed_memory()
    result = cross_validate(
        [Store(store) for store in stores],
        output,
        CrossvalSettings(
            models=named,
            alphas=tuple(weights),
            protocol=protocol,
            split=split,
            training=training,
            shapes=shape_of,
            data=DataSettings(**reading),
            bootstrap=bootstrap,
        ),
        folds=chosen,
        jobs=jobs,
        progress=_progress,
    )
    print_result({"output": str(output), **result.to_json()}, lines(result), as_json)


def _shapes(given: tuple[str, ...], models: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the fields of each model that [MODEL:]FIELD=VALUE set; without MODEL, of all."""
    found: dict[str, dict[str, Any]] = {}
    for text in given:
        model_of, colon, _ = text.partition("=")[0].partition(":")
        name, value = parse_setting(text.removeprefix(f"{model_of}:") if colon else text)
        for model in (model_of,) if colon else models:
            found.setdefault(model, {})[name] = value
    return found


def _numbers(option: str, text: str, kind: type) -> list[Any]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(f"{option} {text}: is no comma-separated list of numbers") from None


def _progress(done: int, total: int, note: str) -> None:
    click.echo(f"runs: {done}/{total} {note}", err=True)

"""`epipam crossval`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epipam.cli.command import EpipamCommand, ModelFolder, Place, json_option, print_result
from epipam.cli.options import parse_setting
from epipam.crossval import ALPHAS, PROTOCOLS, SPLITS, CrossvalSettings
from epipam.models.catalogue import MODELS
from epipam.train_settings import TrainSettings

DEFAULT = TrainSettings()


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
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    default=SPLITS[0],
    help="What is held out: chromosomes, or pairs at random, which leaks.",
)
@click.option("--jobs", type=click.IntRange(1), help="Runs at a time.  [default: one a GPU, or 1]")
@click.option(
    "--set",
    "shape",
    multiple=True,
    metavar="[MODEL:]FIELD=VALUE",
    help="A field of a model's config.json that is not to be as published; repeat for more.",
)
@click.option("--init", type=ModelFolder(), help="Start models of its name from it.")
@click.option(
    "--embedding",
    type=click.Path(path_type=Path),
    help="Vectors that 6-mers begin with: .npy, 4,097 x 100.",
)
@click.option("--epochs", type=click.IntRange(1), help="Most epochs.  [default: the model's]")
@click.option(
    "--patience", type=click.IntRange(1), default=DEFAULT.patience, help="Epochs without a gain."
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    help="Adam's.  [default: the model's]",
)
@click.option("--weight-decay", type=click.FloatRange(0), help="Adam's.  [default: the model's]")
@click.option("--batch-size", type=click.IntRange(2), default=100, help="Pairs of a step.")
@click.option("--buffer-rows", type=click.IntRange(1), default=24_000, help="Shuffle buffer.")
@click.option("--reverse-complement", is_flag=True, help="Read pairs from either strand.")
@click.option("--max-shift", type=click.IntRange(0), default=0, help="Further random shift, bp.")
@click.option("--workers", type=click.IntRange(0), default=0, help="Loader processes of a run.")
@click.option("--seed", type=click.IntRange(0), default=0)
@click.option("--accelerator", default=DEFAULT.accelerator, help="auto, cpu, gpu.")
@click.option("--precision", default=DEFAULT.precision, help="32-true, bf16-mixed, ...")
@click.option("--bootstrap", type=click.IntRange(0), default=1000, help="Replicates for intervals.")
@json_option
def crossval(
    stores: tuple[Path | str, ...],
    output: Path,
    models: str,
    folds: str | None,
    alphas: str,
    protocol: str,
    split: str,
    jobs: int | None,
    shape: tuple[str, ...],
    init: Path | None,
    embedding: Path | None,
    epochs: int | None,
    patience: int,
    learning_rate: float | None,
    weight_decay: float | None,
    batch_size: int,
    buffer_rows: int,
    reverse_complement: bool,
    max_shift: int,
    workers: int,
    seed: int,
    accelerator: str,
    precision: str,
    bootstrap: int,
    as_json: bool,
) -> None:
    """Cross-validate models on STORES: 8 folds, alpha chosen, mean and spread, comparisons.

    OUTPUT gets report.html, a page to read and to pass on, crossval.json, summary.tsv,
    predictions/ and runs/, a run folder for each model, fold and alpha. The same command goes on
    with what was stopped; a finished run is not run again. Several processes may share OUTPUT,
    with other --folds each or with the same.
    """
    named = tuple(models.split(","))
    settings_of_models = _shapes(shape, named)
    chosen = None if folds is None else _numbers("--folds", folds, int)
    weights = _numbers("--alphas", alphas, float)
    if wrong := [alpha for alpha in weights if not 0 <= alpha <= 1]:
        raise click.UsageError(f"--alphas: {wrong[0]:g} is not from 0 to 1")

    from epipam.crossval.crossval import crossval as cross_validate
    from epipam.crossval.words import lines
    from epipam.data_module import DataSettings
    from epipam.memory import keep_freed_memory
    from epipam.store import Store

    keep_freed_memory()
    result = cross_validate(
        [Store(store) for store in stores],
        output,
        CrossvalSettings(
            models=named,
            alphas=tuple(weights),
            protocol=protocol,
            split=split,
            training=TrainSettings(
                learning_rate=learning_rate,
                weight_decay=weight_decay,
                epochs=epochs,
                patience=patience,
                seed=seed,
                init=init,
                embedding=embedding,
                accelerator=accelerator,
                precision=precision,
            ),
            shapes=settings_of_models,
            data=DataSettings(
                batch_size=batch_size,
                buffer_rows=buffer_rows,
                workers=workers,
                reverse_complement=reverse_complement,
                max_shift=max_shift,
            ),
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

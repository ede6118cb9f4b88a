"""`epipam train`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from epipam.cli.command import EpipamCommand, ModelFolder, Place, json_option, print_result
from epipam.cli.options import parse_setting
from epipam.models.catalogue import MODELS
from epipam.train_settings import TrainSettings

DEFAULT = TrainSettings()


@click.command("train", cls=EpipamCommand)
@click.argument("store", type=Place())
@click.option("-o", "--output", "run", type=click.Path(path_type=Path), required=True)
@click.option("--model", type=click.Choice(list(MODELS)), default=DEFAULT.model)
@click.option(
    "--set",
    "shape",
    multiple=True,
    metavar="FIELD=VALUE",
    help="A field of the model's config.json that is not to be as published; repeat for more.",
)
@click.option(
    "--split",
    "kind",
    type=click.Choice(["chromosomes", "random"]),
    default="chromosomes",
    help="What is held out: chromosomes, or pairs at random, which leaks.",
)
@click.option("--fold", type=click.IntRange(0), help="Test part: fold K of 8.  [default: 0]")
@click.option("--test", "test", help="Test chromosomes, comma-separated, instead of a fold.")
@click.option("--validation", help="Validation chromosomes, with --test.")
@click.option("--init", type=ModelFolder(), help="Start from this model folder.")
@click.option(
    "--embedding",
    type=click.Path(path_type=Path),
    help="Vectors that 6-mers begin with: .npy, 4,097 x 100.",
)
@click.option("--about", default="", help="A sentence on the weights, kept with them.")
@click.option(
    "--alpha", type=click.FloatRange(0, 1), default=DEFAULT.alpha, help="Main head's loss weight."
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
@click.option(
    "--batch-size", type=click.IntRange(2), default=100, help="Pairs of a step, on each device."
)
@click.option("--buffer-rows", type=click.IntRange(1), default=24_000, help="Shuffle buffer.")
@click.option("--reverse-complement", is_flag=True, help="Read pairs from either strand.")
@click.option("--max-shift", type=click.IntRange(0), default=0, help="Further random shift, bp.")
@click.option("--workers", type=click.IntRange(0), default=0, help="Loader processes.")
@click.option("--seed", type=click.IntRange(0), default=0)
@click.option("--accelerator", default=DEFAULT.accelerator, help="auto, cpu, gpu.")
@click.option("--devices", default=DEFAULT.devices, help="How many, or which, devices.")
@click.option("--nodes", type=click.IntRange(1), default=1, help="How many machines.")
@click.option("--precision", default=DEFAULT.precision, help="32-true, bf16-mixed, ...")
@json_option
def train(
    store: Path | str,
    run: Path,
    model: str,
    shape: tuple[str, ...],
    kind: str,
    fold: int | None,
    test: str | None,
    validation: str | None,
    init: Path | None,
    embedding: Path | None,
    about: str,
    alpha: float,
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
    devices: str,
    nodes: int,
    precision: str,
    as_json: bool,
) -> None:
    """Train a model on STORE, with chromosomes held out, and leave a run folder.

    A run that was stopped goes on from its last checkpoint when the same command is given again.
    """
    _log_to_stderr()
    from epipam.data_module import DataSettings
    from epipam.memory import keep_freed_memory
    from epipam.random_pairs import Split, random_pairs
    from epipam.splits import explicit_split, fold_split
    from epipam.store import Store
    from epipam.training import train as fit

    if test is not None and fold is not None:
        raise click.UsageError("--fold and --test both choose the test chromosomes: give one")
    if (test is None) != (validation is None):
        raise click.UsageError("--test and --validation go together")
    if kind == "random" and test is not None:
        raise click.UsageError("--split random draws pairs: --test and --validation name none")
    opened = Store(store)
    split: Split
    if kind == "random":
        split = random_pairs(opened, fold or 0, seed)
    elif test is None or validation is None:
        split = fold_split(opened.contigs, fold or 0)
    else:
        split = explicit_split(opened.contigs, validation.split(","), test.split(","))
    keep_freed_memory()
    result = fit(
        opened,
        split,
        run,
        TrainSettings(
            model=model,
            shape=dict(parse_setting(text) for text in shape),
            alpha=alpha,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            epochs=epochs,
            patience=patience,
            seed=seed,
            init=init,
            embedding=embedding,
            about=about,
            accelerator=accelerator,
            devices=devices,
            nodes=nodes,
            precision=precision,
        ),
        DataSettings(
            batch_size=batch_size,
            buffer_rows=buffer_rows,
            workers=workers,
            seed=seed,
            reverse_complement=reverse_complement,
            max_shift=max_shift,
        ),
        progress=sys.stderr.isatty(),
    )
    if result is None:
        return
    found = {"run": str(run), "best_epoch": result.best_epoch, **result.evaluation.to_json()}
    if result.leaked is not None:
        found["leakage"] = result.leaked.to_json()
    print_result(found, result.lines(), as_json)


def _log_to_stderr() -> None:
    """Show what epipam logs, and nobody else."""
    log = logging.getLogger("epipam")
    log.setLevel(logging.INFO)
    log.addHandler(logging.StreamHandler(sys.stderr))

"""`epipam train`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import click

from epipam.cli.command import EpipamCommand, Place, json_option, print_result
from epipam.cli.training_options import (
    DEFAULT,
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
from epipam.training.settings import TrainSettings


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
@split_option
@click.option("--fold", type=click.IntRange(0), help="Test part: fold K of 8.  [default: 0]")
@click.option("--test", "test", help="Test chromosomes, comma-separated, instead of a fold.")
@click.option("--validation", help="Validation chromosomes, with --test.")
@init_option("Start from this model folder.")
@embedding_option
@click.option("--about", default="", help="A sentence on the weights, kept with them.")
@click.option(
    "--alpha", type=click.FloatRange(0, 1), default=DEFAULT.alpha, help="Main head's loss weight."
)
@fitting_options
@reading_options(batch_size="Pairs of a step, on each device.", workers="Loader processes.")
@seed_option
@accelerator_option
@click.option("--devices", default=DEFAULT.devices, help="How many, or which, devices.")
@click.option("--nodes", type=click.IntRange(1), default=1, help="How many machines.")
@precision_option
@json_option
@training_settings
def train(
    store: Path | str,
    run: Path,
    split: str,
    fold: int | None,
    test: str | None,
    validation: str | None,
    training: TrainSettings,
    as_json: bool,
    **reading: Any,
) -> None:
    """Train a model on STORE, with chromosomes held out, and leave a run folder.

    A run that was stopped goes on from its last checkpoint when the same command is given again.
    """
    _log_to_stderr()
    from epipam.loading.data_module import DataSettings
    from epipam.loading.random_pairs import Split, random_pairs
    from epipam.loading.splits import explicit_split, fold_split
    from epipam.runtime.memory import keep_freed_memory
    from epipam.store import Store
    from epipam.training.fit import train as fit

    if test is not None and fold is not None:
        raise click.UsageError("--fold and --test both choose the test chromosomes: give one")
    if (test is None) != (validation is None):
        raise click.UsageError("--test and --validation go together")
    if split == "random" and test is not None:
        raise click.UsageError("--split random draws pairs: --test and --validation name none")
    opened = Store(store)
    parts: Split
    if split == "random":
        parts = random_pairs(opened, fold or 0, training.seed)
    elif test is None or validation is None:
        parts = fold_split(opened.contigs, fold or 0)
    else:
        parts = explicit_split(opened.contigs, validation.split(","), test.split(","))
    keep_freed_memory()
    result = fit(
        opened,
        parts,
        run,
        training,
        DataSettings(seed=training.seed, **reading),
        progress=sys.stderr.isatty(),
    )
    if result is None:
        return
    found = {
        "run": str(run),
        "best_epoch": result.best_epoch,
        "notes": list(result.notes),
        **result.evaluation.to_json(),
    }
    if result.leaked is not None:
        found["leakage"] = result.leaked.to_json()
    print_result(found, result.lines(), as_json)


def _log_to_stderr() -> None:
    """Show what epipam logs, and nobody else."""
    log = logging.getLogger("epipam")
    log.setLevel(logging.INFO)
    log.addHandler(logging.StreamHandler(sys.stderr))

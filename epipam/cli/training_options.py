"""Options of the commands that train: how models are trained, and how they read their pairs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from epipam.cli.command import ModelFolder
from epipam.cli.options import Decorator, parse_setting, together
from epipam.training.crossval.settings import SPLITS
from epipam.training.settings import TrainSettings

DEFAULT = TrainSettings()

split_option = click.option(
    "--split",
    type=click.Choice(SPLITS),
    default=SPLITS[0],
    help="What is held out: chromosomes, or pairs at random, which leaks.",
)
embedding_option = click.option(
    "--embedding",
    type=click.Path(path_type=Path),
    help="Vectors that 6-mers begin with: .npy, 4,097 x 100.",
)
fitting_options = together(
    click.option("--epochs", type=click.IntRange(1), help="Most epochs.  [default: the model's]"),
    click.option(
        "--patience",
        type=click.IntRange(1),
        default=DEFAULT.patience,
        help="Epochs without a gain.",
    ),
    click.option(
        "--learning-rate",
        type=click.FloatRange(0, min_open=True),
        help="Adam's.  [default: the model's]",
    ),
    click.option(
        "--weight-decay", type=click.FloatRange(0), help="Adam's.  [default: the model's]"
    ),
)
seed_option = click.option("--seed", type=click.IntRange(0), default=DEFAULT.seed)
accelerator_option = click.option(
    "--accelerator", default=DEFAULT.accelerator, help="auto, cpu, gpu."
)
precision_option = click.option(
    "--precision", default=DEFAULT.precision, help="32-true, bf16-mixed, ..."
)


def init_option(help: str) -> Decorator:
    """Add `--init`: the model folder to start from."""
    return click.option("--init", type=ModelFolder(), help=help)


def reading_options(*, batch_size: str, workers: str) -> Decorator:
    """Add what `DataSettings` takes, but for its seed; the help of two is the command's own."""
    return together(
        click.option("--batch-size", type=click.IntRange(2), default=100, help=batch_size),
        click.option(
            "--buffer-rows", type=click.IntRange(1), default=24_000, help="Shuffle buffer."
        ),
        click.option("--reverse-complement", is_flag=True, help="Read pairs from either strand."),
        click.option(
            "--max-shift", type=click.IntRange(0), default=0, help="Further random shift, bp."
        ),
        click.option("--workers", type=click.IntRange(0), default=0, help=workers),
    )


def training_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gather the options that `TrainSettings` has fields for: the argument `training`."""

    @functools.wraps(function)
    def with_settings(*args: Any, **kwargs: Any) -> Any:
        names = [field.name for field in fields(TrainSettings) if field.name in kwargs]
        given = {name: kwargs.pop(name) for name in names}
        if "shape" in given:
            given["shape"] = dict(parse_setting(text) for text in given["shape"])
        return function(*args, training=TrainSettings(**given), **kwargs)

    return with_settings

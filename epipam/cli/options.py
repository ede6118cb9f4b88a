"""Options that several commands share, each with its default in one place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from epipam.score_settings import BATCH_SIZE, CACHE_SIZE

MEGABYTE = 1_000_000

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def pairs_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add MODEL, GENOME and BEDPE: what is scored, and by what."""
    path = click.Path(path_type=Path)
    function = click.argument("pairs", metavar="BEDPE", type=path)(function)
    function = click.argument("genome", type=path)(function)
    return click.argument("model", type=path)(function)


def output_option(help: str) -> Decorator:
    """Add `-o`: the file to write, as `out`."""
    path = click.Path(path_type=Path)
    return click.option("-o", "--output", "out", type=path, required=True, help=help)


def trans_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--trans`: `error` or `keep`."""
    return click.option(
        "--trans",
        type=click.Choice(["error", "keep"]),
        default="error",
        help="Pairs whose anchors lie on different chromosomes.",
    )(function)


def cache_size_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--cache-size`, in megabytes."""
    return click.option(
        "--cache-size",
        type=click.IntRange(1),
        default=CACHE_SIZE // MEGABYTE,
        metavar="MB",
        help="Memory for what is computed once per region, in megabytes.",
    )(function)


def device_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--batch-size` and `--device`."""
    function = click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")(
        function
    )
    return click.option(
        "--batch-size",
        type=click.IntRange(1),
        default=BATCH_SIZE,
        help="Pairs per forward pass, of a model without position attention.",
    )(function)

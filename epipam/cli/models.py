"""`epipam models`: the models that come with epipam."""

from __future__ import annotations

from collections.abc import Iterator

import click

from epipam.cli.command import EpipamCommand, json_option, print_result
from epipam.models.folder import read_config
from epipam.models.places import BundledModel, bundled_models


@click.command("models", cls=EpipamCommand)
@json_option
def models(as_json: bool) -> None:
    """List the models that come with epipam. A command takes their names in place of a folder."""
    found = bundled_models()
    result = {"models": [_facts(one) for one in found]}
    print_result(result, _lines(found), as_json)


def _facts(one: BundledModel) -> dict[str, str | int]:
    config = read_config(one.folder)
    return {
        "name": one.name,
        "about": one.about,
        "model": config["model"],
        "enhancer_length": config["enhancer_length"],
        "promoter_length": config["promoter_length"],
        "folder": str(one.folder),
    }


def _lines(found: list[BundledModel]) -> Iterator[str]:
    width = max(len(one.name) for one in found)
    for one in found:
        facts = _facts(one)
        yield f"{one.name.ljust(width)}  {one.about}"
        yield (
            f"{' ' * width}  model {facts['model']}, windows of {facts['enhancer_length']:,} and "
            f"{facts['promoter_length']:,} bp"
        )

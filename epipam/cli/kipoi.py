"""`epipam kipoi`: the folder Kipoi loads, and where Kipoi finds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from epipam.cli.command import EpipamCommand, ModelFolder, json_option, print_result
from epipam.errors import RequestError
from epipam.kipoi.source import SOURCE_NAME
from epipam.kipoi.source import register as register_source

_DEFAULT_FOLDER = Path("kipoi_model")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def kipoi() -> None:
    """Package models for Kipoi, and tell Kipoi where they are."""


@kipoi.command(cls=EpipamCommand)
@click.argument("model", type=ModelFolder())
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to create; its name is the model's name in Kipoi.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
@json_option
def export(model: Path, output: Path, overwrite: bool, as_json: bool) -> None:
    """Write a Kipoi folder for the model folder MODEL.

    It holds the model, its dataloader and schemas, example files and the predictions that
    `kipoi test` expects for them.
    """
    from epipam.kipoi.export import export_folder

    folder = export_folder(model, output, overwrite=overwrite)

    def lines() -> Iterator[str]:
        yield f"{folder}: written"
        yield f"try: kipoi test {folder} --source=dir"

    print_result({"folder": str(folder)}, lines(), as_json)


@kipoi.command(cls=EpipamCommand)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help=f"Folder of exported models.  [default: ./{_DEFAULT_FOLDER} where it exists]",
)
@click.option("--name", default=SOURCE_NAME, help="Name of the model source in Kipoi.")
@json_option
def register(folder: Path | None, name: str, as_json: bool) -> None:
    """Add a folder of exported models to Kipoi's configuration, ~/.kipoi/config.yaml.

    `kipoi predict EPIPAM --source=epipam` then finds the model EPIPAM in that folder.
    """
    if folder is None:
        if not _DEFAULT_FOLDER.is_dir():
            raise RequestError(
                f"{_DEFAULT_FOLDER}: no such folder here; name the one that holds the exported "
                "models with --folder"
            )
        folder = _DEFAULT_FOLDER
    registration = register_source(folder, name)

    def lines() -> Iterator[str]:
        verb = "added to" if registration.changed else "already in"
        yield f"{registration.config}: source {name!r} ({registration.folder}) {verb} it"
        for model in registration.models:
            arguments = "--dataloader_args genome=GENOME pairs=PAIRS -m -o scores.tsv"
            yield f"try: kipoi predict {model} --source={name} {arguments}"

    result = {
        "config": str(registration.config),
        "folder": str(registration.folder),
        "source": name,
        "models": list(registration.models),
        "changed": registration.changed,
    }
    print_result(result, lines(), as_json)

"""A folder of Kipoi models as a model source in Kipoi's configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from epipam.errors import EpipamError, RequestError
from epipam.runtime.files import write_text

SOURCE_NAME = "epipam"


@dataclass(frozen=True)
class Registration:
    """What `register` did.

    Attributes
    ----------
    config
        Kipoi's configuration file.
    source_name, folder
        The model source: its name, and where its models are.
    models
        Names of the models in it.
    changed
        Whether the file had to be changed.
    """

    config: Path
    source_name: str
    folder: Path
    models: tuple[str, ...]
    changed: bool


def register(folder: str | Path, source_name: str = SOURCE_NAME) -> Registration:
    """Add a folder of Kipoi models to Kipoi's configuration, as a local model source.

    Other sources stay as they are; a local source of the same name moves to this folder; doing
    it twice changes nothing.

    Parameters
    ----------
    folder
        The folder that holds exported folders.
    source_name
        What `kipoi --source` is to call it.

    Raises
    ------
    RequestError
        Where the folder holds no models, the name is taken by a source that is not local, or
        the configuration cannot be read.
    """
    try:
        import yaml
    except ImportError as error:
        raise EpipamError(f"{error}; kipoi brings it: pip install 'epipam[kipoi]'") from None

    folder = Path(folder).resolve()
    models = _models_in(folder)
    path = _kipoi_config()
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        sources = config["model_sources"]
        kind = sources.get(source_name, {"type": "local"})["type"]
    except (yaml.YAMLError, TypeError, KeyError, AttributeError):
        raise RequestError(
            f"{path}: is no Kipoi configuration; repair it, or move it away and try again"
        ) from None
    if kind != "local" or source_name == "dir":
        owner = "Kipoi's own word for paths" if source_name == "dir" else f"a {kind} source"
        raise RequestError(f"{path}: {source_name!r} is {owner}; choose another --name")
    source = {"type": "local", "local_path": str(folder)}
    changed = sources.get(source_name) != source
    if changed:
        sources[source_name] = source
        write_text(path.resolve(), yaml.safe_dump(config, sort_keys=False))
    return Registration(path, source_name, folder, models, changed)


def is_kipoi_model(folder: Path) -> bool:
    """Return whether a folder is a model as Kipoi knows them, with its own dataloader."""
    return (folder / "model.yaml").is_file() and (folder / "dataloader.yaml").is_file()


def _models_in(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such folder")
    if is_kipoi_model(folder):
        raise RequestError(f"{folder}: is a model; register the folder it lies in: {folder.parent}")
    models = tuple(sorted(child.name for child in folder.iterdir() if is_kipoi_model(child)))
    if not models:
        raise RequestError(
            f"{folder}: holds no Kipoi model; epipam kipoi export MODEL -o {folder}/NAME makes one"
        )
    return models


def _kipoi_config() -> Path:
    """Return Kipoi's configuration file, where kipoi 0.8.6 looks for it."""
    home = os.path.expanduser("~")
    path = Path(home if os.access(home, os.W_OK) else "/tmp", ".kipoi", "config.yaml")
    if not path.is_file():
        # On import, kipoi writes the file with its own model zoo in it.
        try:
            import kipoi  # noqa: F401
        except ImportError as error:
            raise EpipamError(
                f"{path} is not there and kipoi cannot be imported to make it ({error}); "
                "install it: pip install 'epipam[kipoi]'"
            ) from None
    if not path.is_file():
        raise EpipamError(f"{path}: kipoi could not write its configuration there")
    return path

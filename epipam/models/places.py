"""Where a model is: a folder, one that comes with epipam, or a repository of the hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from epipam.models.folder import HUB_PREFIX


class BundledModel(NamedTuple):
    """A model that comes with epipam: its name, what it is for, and its folder."""

    name: str
    about: str
    folder: Path


_ABOUT = {
    "ctcf-loops": "real CTCF loops of HeLa-S3: whether two CTCF sites are apt to be joined",
    "demo-simulated": "simulated sequence: shows that epipam works, predicts nothing real",
}


def bundled_models() -> list[BundledModel]:
    """Return the models that come with epipam, which every command finds by name."""
    home = Path(__file__).with_name("bundled")
    return [BundledModel(name, about, home / name) for name, about in _ABOUT.items()]


def local_folder(model: str | Path) -> Path:
    """Return the folder of a model: its own, or where `hf://USER/NAME` was fetched to.

    The name of a bundled model is its folder, unless there is a file or folder of that name.

    Raises
    ------
    EpipamError
        As `epipam.models.hub.fetch_model` does.
    """
    if isinstance(model, str) and model.startswith(HUB_PREFIX):
        from epipam.models.hub import fetch_model

        return fetch_model(model)
    if str(model) in _ABOUT and not os.path.lexists(model):
        return next(one.folder for one in bundled_models() if one.name == str(model))
    return Path(model)

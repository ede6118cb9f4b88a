"""Where a model is: a folder, or a repository of the Hugging Face hub that is fetched first."""

from __future__ import annotations

from pathlib import Path

from epipam.models.folder import HUB_PREFIX


def local_folder(model: str | Path) -> Path:
    """Return the folder of a model: its own, or where `hf://USER/NAME` was fetched to.

    Raises
    ------
    EpipamError
        As `epipam.models.hub.fetch_model` does.
    """
    if isinstance(model, str) and model.startswith(HUB_PREFIX):
        from epipam.models.hub import fetch_model

        return fetch_model(model)
    return Path(model)

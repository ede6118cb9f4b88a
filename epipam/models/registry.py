"""Models by name, and the model folder: `config.json` beside `model.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load_file, save

from epipam import __version__
from epipam.errors import ModelError
from epipam.files import whole_file, write_text
from epipam.models.epipam import Epipam, EpipamConfig
from epipam.models.folder import CONFIG_FILE, WEIGHTS_FILE, read_config

Builder = Callable[[EpipamConfig], Epipam]


def _epipam(config: EpipamConfig) -> Epipam:
    """EPIPAM: two convolutional branches with position attention."""
    return Epipam(replace(config, position_attention=True))


def _epi(config: EpipamConfig) -> Epipam:
    """EPI: the same network without position attention."""
    return Epipam(replace(config, position_attention=False))


MODELS: dict[str, Builder] = {"epipam": _epipam, "epi": _epi}


def create_model(name: str, config: EpipamConfig | None = None) -> Epipam:
    """Return a freshly initialised model.

    Raises
    ------
    ModelError
        For a name that no model has.
    """
    if name not in MODELS:
        raise ModelError(f"no model is called {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name](config or EpipamConfig())


def model_name(model: Epipam) -> str:
    """Return the name under which the registry makes such a model."""
    return "epipam" if model.config.position_attention else "epi"


def save_model(model: Epipam, folder: str | Path, provenance: dict[str, Any]) -> None:
    """Write a model folder; `config.json`, by which it is known, comes last.

    Parameters
    ----------
    provenance
        What the weights come from: digests, seed, versions, and `about`, a sentence on what
        they are good for. Plain values.
    """
    folder = Path(folder)
    weights = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    with whole_file(folder / WEIGHTS_FILE) as partial:
        partial.write_bytes(save(weights))
    config = {
        "model": model_name(model),
        "epipam_version": __version__,
        **asdict(model.config),
        "provenance": provenance,
    }
    write_text(folder / CONFIG_FILE, json.dumps(config, indent=2) + "\n")


def load_model(folder: str | Path) -> Epipam:
    """Load a model folder onto the CPU, ready for prediction.

    Raises
    ------
    ModelError
        Where the folder is none, is damaged, or its weights do not fit its `config.json`.
    """
    folder = Path(folder)
    settings = read_config(folder)
    names = {field.name for field in fields(EpipamConfig)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in settings.items()
        if key in names
    }
    try:
        model = create_model(settings["model"], EpipamConfig(**values))
    except (TypeError, ValueError, ModelError) as error:
        raise ModelError(f"{folder / CONFIG_FILE}: is damaged: {error}") from None
    try:
        model.load_state_dict(load_file(folder / WEIGHTS_FILE))
    except FileNotFoundError:
        raise ModelError(f"{folder}: has no {WEIGHTS_FILE}") from None
    except (safetensors.SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{folder}/{WEIGHTS_FILE}: cannot be loaded: {reason}") from None
    model.provenance = settings.get("provenance", {})
    return model.eval()

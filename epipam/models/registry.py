"""Networks from names, and the model folder: `config.json` beside `model.safetensors`."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save

from epipam.errors import ModelError
from epipam.models.catalogue import MODELS, find_model
from epipam.models.folder import CONFIG_FILE, DIGEST_KEY, WEIGHTS_FILE, read_config
from epipam.models.places import local_folder
from epipam.models.weights import one_line, read_weights, require_shapes, weights_digest
from epipam.runtime.files import whole_file, write_text
from epipam.version import __version__

if TYPE_CHECKING:
    # For types alone: a network saves and loads itself through this module.
    from epipam.models.network import Network, WindowConfig


def create_model(name: str, config: WindowConfig | None = None) -> Network:
    """Return a freshly initialised model.

    Parameters
    ----------
    name
        In `epipam.models.catalogue.MODELS`.
    config
        Of the model's own config class; what the name itself says is set whatever it holds.

    Raises
    ------
    ModelError
        For a name that no model has, and a config of another model.
    """
    network = network_class(name)
    config = network.config_class() if config is None else config
    if not isinstance(config, network.config_class):
        raise ModelError(
            f"{name} takes a {network.config_class.__name__}, not a {type(config).__name__}"
        )
    return network(replace(config, **find_model(name).preset))


def model_config(
    name: str,
    enhancer_length: int,
    promoter_length: int,
    shape: Mapping[str, Any] | None = None,
) -> WindowConfig:
    """Return the config of a model for windows of some lengths, bp.

    Parameters
    ----------
    shape
        Fields of the config that are not to be as published. Plain values: a list for a tuple.

    Raises
    ------
    ModelError
        For a field that the config does not have or the name decides, and for a value of another
        type than the published one.
    """
    network = network_class(name)
    kind = network.config_class
    fixed = {"enhancer_length", "promoter_length", *find_model(name).preset, *network.found_fields}
    published = {field.name: field.default for field in fields(kind) if field.name not in fixed}
    changes = {}
    for key, given in (shape or {}).items():
        value = tuple(given) if isinstance(given, list) else given
        if key not in published:
            raise ModelError(f"{name} has no {key} to set; it has {', '.join(published)}")
        if not _alike(value, published[key]):
            raise ModelError(f"{key} of {name} cannot be {given!r}: it is {published[key]!r}")
        changes[key] = value
    return kind(enhancer_length, promoter_length, **changes)


def network_class(name: str) -> type[Network]:
    """Return the class of a model, importing it.

    Raises
    ------
    ModelError
        For a name that no model has.
    """
    module, _, network = find_model(name).network.partition(":")
    found: type[Network] = getattr(importlib.import_module(module), network)
    return found


def model_name(network: Network) -> str:
    """Return the name under which the registry makes such a model."""
    config = asdict(network.config)
    kind = type(network)
    return next(
        name
        for name, entry in MODELS.items()
        if entry.network == f"{kind.__module__}:{kind.__name__}"
        and all(config[key] == value for key, value in entry.preset.items())
    )


def save_model(network: Network, folder: str | Path, provenance: dict[str, Any]) -> None:
    """Write a model folder; `config.json`, by which it is known, comes last.

    It notes the SHA-256 of the weights, which `load_model` compares.

    Parameters
    ----------
    provenance
        What the weights come from: digests, seed, versions, and `about`, a sentence on what
        they are good for. Plain values.
    """
    folder = Path(folder)
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    contents = save(weights)
    with whole_file(folder / WEIGHTS_FILE) as partial:
        partial.write_bytes(contents)
    config = describe_model(network, provenance)
    config[DIGEST_KEY] = weights_digest(contents)
    write_text(folder / CONFIG_FILE, json.dumps(config, indent=2) + "\n")


def describe_model(network: Network, provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the contents of a model's `config.json`, as plain values."""
    return {
        "model": model_name(network),
        "epipam_version": __version__,
        **asdict(network.config),
        "provenance": provenance,
    }


def load_model(folder: str | Path) -> Network:
    """Load a model onto the CPU, ready for prediction.

    Parameters
    ----------
    folder
        A model folder, such as `RUN/model`, or `hf://USER/NAME`, a repository of the Hugging Face
        hub, perhaps with `@REVISION`.

    Raises
    ------
    ModelError
        Where the folder is none, is damaged, or its weights do not fit its `config.json` or are
        not all finite.
    RequestError, EpipamError
        Where the hub has no such model, or cannot be reached.
    """
    folder = local_folder(folder)
    settings = read_config(folder)
    weights = read_weights(folder, settings.get(DIGEST_KEY))
    try:
        config = _config(settings)
        # First without memory for its numbers: a damaged length would ask for any amount.
        with torch.device("meta"):
            expected = create_model(settings["model"], config).state_dict()
    except (TypeError, ValueError, ArithmeticError, RuntimeError, ModelError) as error:
        raise ModelError(f"{folder / CONFIG_FILE}: is damaged: {one_line(error)}") from None
    try:
        require_shapes(weights, expected)
        network = create_model(settings["model"], config)
        network.load_state_dict(weights)
    except (ValueError, RuntimeError) as error:
        raise ModelError(
            f"{folder / WEIGHTS_FILE}: cannot be loaded: it does not fit {CONFIG_FILE} beside it: "
            f"{one_line(error)}; copy the whole model folder again"
        ) from None
    network.provenance = settings.get("provenance", {})
    return network.eval()


def _alike(value: Any, published: Any) -> bool:
    """Whether a value is of the published one's type, however long a tuple may be."""
    if isinstance(published, tuple):
        return isinstance(value, tuple) and all(_alike(item, published[0]) for item in value)
    if isinstance(published, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(published)


def _config(settings: dict[str, Any]) -> WindowConfig:
    kind = network_class(settings["model"]).config_class
    names = {field.name for field in fields(kind)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in settings.items()
        if key in names
    }
    return kind(**values)

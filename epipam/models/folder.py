"""What a model folder says of itself, read without torch."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from epipam.errors import ModelError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CALIBRATION_FILE = "calibration.json"
CARD_FILE = "README.md"
# A run's folder holds its model under this name.
RUN_MODEL = "model"
# What a model is moved with from place to place; only the first two are always there.
MODEL_FILES = (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, CALIBRATION_FILE)
# What a model on the Hugging Face hub begins with where a folder is asked for.
HUB_PREFIX = "hf://"
LENGTHS = ("enhancer_length", "promoter_length")
REQUIRED = ("epipam_version", *LENGTHS)
# Under which `config.json` notes the SHA-256 of the weights; folders made by epipam 0.1 lack it.
DIGEST_KEY = "weights_sha256"
_LONGEST_WINDOW = 1_000_000_000


def model_record(folder: Path) -> dict[str, Any]:
    """Return what tells a model in a provenance: path, digest of the weights, and config."""
    from epipam.pairs.table import digest  # brings pandas, which most commands do not need

    return {
        "path": str(folder),
        "weights_sha256": digest(folder / WEIGHTS_FILE),
        "config": read_config(folder),
    }


def trained_on_simulated(provenance: Mapping[str, Any]) -> bool | None:
    """Return whether a model was trained on simulated sequence by what its provenance says.

    None where the provenance does not say: most sequence is real, but that would be a guess.
    """
    said = provenance.get("simulated")
    if isinstance(said, bool):
        return said
    return True if re.search(r"\bsimulated\b", str(provenance.get("about", ""))) else None


def is_on_hub(place: str) -> bool:
    """Return whether a URL is a model's on the hub; `hf://datasets/...` is none."""
    return re.fullmatch(f"{HUB_PREFIX}[^/]+(/[^/]+)?", place) is not None


def read_config(folder: str | Path) -> dict[str, Any]:
    """Return what `config.json` of a model folder says.

    Raises
    ------
    ModelError
        Where there is none, it is not a model's, or is damaged.
    """
    path = Path(folder) / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        inside = Path(folder) / RUN_MODEL
        way_out = "epipam train makes one, as RUN/model"
        if (inside / CONFIG_FILE).is_file():
            way_out = f"the model of this run is {inside}"
        raise ModelError(
            f"{folder}: is no model folder: it has no {CONFIG_FILE}; {way_out}"
        ) from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ModelError(f"{path}: is damaged: it is nested too deeply") from None
    except ValueError as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise ModelError(f"{path}: is not JSON: {error}") from None
    if not isinstance(config, dict) or "model" not in config:
        raise ModelError(f"{path}: names no model: it is not an epipam model's")
    if missing := [key for key in REQUIRED if key not in config]:
        raise ModelError(f"{path}: lacks {', '.join(missing)}: it is not an epipam model's")
    if problem := _problem(config):
        raise ModelError(f"{path}: is damaged: {problem}; copy or download the model again")
    return config


def _problem(config: dict[str, Any]) -> str | None:
    """Return what is wrong with a value that every model's configuration has."""
    for key in ("model", DIGEST_KEY):
        if not isinstance(value := config.get(key, ""), str):
            return f"{key} is {reprlib.repr(value)} but must be text"
    for key in LENGTHS:
        value = config[key]
        if type(value) is not int or not 1 <= value <= _LONGEST_WINDOW:
            return (
                f"{key} is {reprlib.repr(value)} but must be a whole number of bp from 1 to "
                f"{_LONGEST_WINDOW:,}"
            )
    if not isinstance(config.get("provenance", {}), dict):
        return "provenance must be an object"
    return None

"""What a model folder says of itself, read without torch."""

from __future__ import annotations

import json
import re
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
REQUIRED = ("epipam_version", "enhancer_length", "promoter_length")


def model_record(folder: Path) -> dict[str, Any]:
    """Return what tells a model in a provenance: path, digest of the weights, and config."""
    from epipam.pairs.table import digest  # brings pandas, which most commands do not need

    return {
        "path": str(folder),
        "weights_sha256": digest(folder / WEIGHTS_FILE),
        "config": read_config(folder),
    }


def is_on_hub(place: str) -> bool:
    """Return whether a URL is a model's on the hub; `hf://datasets/...` is none."""
    return re.fullmatch(f"{HUB_PREFIX}[^/]+(/[^/]+)?", place) is not None


def read_config(folder: str | Path) -> dict[str, Any]:
    """Return what `config.json` of a model folder says.

    Raises
    ------
    ModelError
        Where there is none, or it is not a model's.
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
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path}: is not JSON: {error}") from None
    if not isinstance(config, dict) or "model" not in config:
        raise ModelError(f"{path}: names no model: it is not an epipam model's")
    if missing := [key for key in REQUIRED if key not in config]:
        raise ModelError(f"{path}: lacks {', '.join(missing)}: it is not an epipam model's")
    return config

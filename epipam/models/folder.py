"""What a model folder says of itself, read without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from epipam.errors import ModelError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
REQUIRED = ("epipam_version", "enhancer_length", "promoter_length")


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
        raise ModelError(
            f"{folder}: is no model folder: it has no {CONFIG_FILE}; epipam train makes one, "
            f"as RUN/model"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path}: is not JSON: {error}") from None
    if not isinstance(config, dict) or "model" not in config:
        raise ModelError(f"{path}: names no model: it is not an epipam model's")
    if missing := [key for key in REQUIRED if key not in config]:
        raise ModelError(f"{path}: lacks {', '.join(missing)}: it is not an epipam model's")
    return config

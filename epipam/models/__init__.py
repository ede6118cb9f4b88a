"""The networks, by name, and the model folder: `config.json` and `model.safetensors`.

`epipam.models.folder` reads what a folder says of itself, `epipam.models.catalogue` lists the
models, and neither needs torch, so the names below are imported when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from epipam.models.epipam import Epipam, EpipamConfig
    from epipam.models.network import Logits, Network
    from epipam.models.onehot import unpack
    from epipam.models.registry import create_model, load_model, save_model

__all__ = [
    "Epipam",
    "EpipamConfig",
    "Logits",
    "Network",
    "create_model",
    "load_model",
    "save_model",
    "unpack",
]

_HOMES = {
    "Epipam": "epipam",
    "EpipamConfig": "epipam",
    "Logits": "network",
    "Network": "network",
    "unpack": "onehot",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'registry')}")
    return getattr(module, name)

"""The networks, by name, and the model folder: `config.json` and `model.safetensors`."""

from epipam.models.epipam import Epipam, EpipamConfig, Logits
from epipam.models.onehot import unpack
from epipam.models.registry import MODELS, create_model, load_model, save_model

__all__ = [
    "MODELS",
    "Epipam",
    "EpipamConfig",
    "Logits",
    "create_model",
    "load_model",
    "save_model",
    "unpack",
]

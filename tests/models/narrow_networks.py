"""Every network of the catalogue, narrow enough that a test takes a second, and windows for it."""

import numpy as np
import torch
from torch import nn

from epipam.genome.encoding import pack
from epipam.models import create_model
from epipam.models.catalogue import MODELS
from epipam.models.registry import network_class

ENHANCER, PROMOTER = 251, 240
NETWORKS = [name for name, entry in MODELS.items() if not entry.boosted]
# Narrow, so that a test takes a second; the published shapes are tested model by model.
NARROW = {
    "Epipam": {"channels": 16, "kernels": (9, 5, 3), "pools": (5, 4, 3)},
    "Epivan": {"channels": 16, "units": 10},
    "Deeptact": {"channels": 32, "units": 10, "hidden": 40},
    "Speid": {"channels": 32, "units": 10, "hidden": 40},
    "Simcnn": {"channels": (16, 12), "hidden": 40},
    "Pairwise": {"channels": 12, "width": 12, "attention_heads": 2, "hidden": 40},
}


def narrow(name: str) -> nn.Module:
    torch.manual_seed(0)
    kind = network_class(name)
    return create_model(name, kind.config_class(ENHANCER, PROMOTER, **NARROW[kind.__name__]))


def packed_windows(rng: np.random.Generator, n: int) -> list[torch.Tensor]:
    codes = np.array([8, 4, 2, 1, 0], dtype=np.uint8)
    share = [0.24] * 4 + [0.04]
    return [
        torch.from_numpy(pack(rng.choice(codes, (n, length), p=share)))
        for length in (ENHANCER, PROMOTER)
    ]

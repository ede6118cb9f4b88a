"""How a model is trained; nothing is imported here, so that `--help` can show the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainSettings:
    """How a model is trained; the defaults are the paper's, but for early stopping.

    Attributes
    ----------
    model
        Name in the registry.
    alpha
        Weight of the main head's loss; the auxiliary head's is 1 - alpha.
    epochs
        Most epochs.
    patience
        Epochs without a better validation AUPRC after which training stops.
    seed
        Seed of the initial weights, the dropout and the order of rows.
    init
        Model folder to start from instead of fresh weights.
    about
        A sentence on what the weights are good for, kept with them; "" says where they come from.
    accelerator, devices, nodes, precision
        As Lightning's Trainer takes them; `auto` takes a GPU where there is one.
    """

    model: str = "epipam"
    alpha: float = 0.8
    learning_rate: float = 0.001
    weight_decay: float = 0.0005
    epochs: int = 15
    patience: int = 5
    seed: int = 0
    init: Path | None = None
    about: str = ""
    accelerator: str = "auto"
    devices: str = "auto"
    nodes: int = 1
    precision: str = "32-true"

"""How a model is trained; little is imported here, so that `--help` can show the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from epipam.models.catalogue import find_model


@dataclass(frozen=True)
class TrainSettings:
    """How a model is trained; the defaults are those of its paper, but for early stopping.

    Attributes
    ----------
    model
        Name in the registry.
    alpha
        Weight of the main head's loss; the auxiliary head's is 1 - alpha.
    shape
        Fields of the model's config that are not to be as published, with their values.
    learning_rate, weight_decay
        Adam's; None is what the model was published with.
    epochs
        Most epochs; None as well.
    patience
        Epochs without a better validation AUPRC after which training stops.
    seed
        Seed of the initial weights, the dropout and the order of rows.
    init
        Model folder to start from instead of fresh weights.
    embedding
        File of the vectors that 6-mers begin with, for models that embed them; without it they
        begin random.
    about
        A sentence on what the weights are good for, kept with them; "" says where they come from.
    accelerator, devices, nodes, precision
        As Lightning's Trainer takes them; `auto` takes a GPU where there is one.
    """

    model: str = "epipam"
    shape: Mapping[str, Any] = field(default_factory=dict)
    alpha: float = 0.8
    learning_rate: float | None = None
    weight_decay: float | None = None
    epochs: int | None = None
    patience: int = 5
    seed: int = 0
    init: Path | None = None
    embedding: Path | None = None
    about: str = ""
    accelerator: str = "auto"
    devices: str = "auto"
    nodes: int = 1
    precision: str = "32-true"

    def with_model_defaults(self) -> TrainSettings:
        """Return these settings with what is None set to what the model was published with."""
        entry = find_model(self.model)
        return replace(
            self,
            learning_rate=entry.learning_rate if self.learning_rate is None else self.learning_rate,
            weight_decay=entry.weight_decay if self.weight_decay is None else self.weight_decay,
            epochs=entry.epochs if self.epochs is None else self.epochs,
        )

"""What a cross-validation is asked for; little is imported here, for `--help`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from epipam.errors import RequestError
from epipam.models.catalogue import find_model
from epipam.training.settings import TrainSettings

if TYPE_CHECKING:
    from epipam.loading.data_module import DataSettings

# Source: the paper's settings, docs/architecture.md, "EPIPAM".
ALPHAS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)
HONEST, PUBLISHED = "honest", "published"
PROTOCOLS = (HONEST, PUBLISHED)
CHROMOSOMES, RANDOM = "chromosomes", "random"
SPLITS = (CHROMOSOMES, RANDOM)


@dataclass(frozen=True)
class CrossvalSettings:
    """What is trained, how it is held out, and by what it is chosen.

    Attributes
    ----------
    models
        Names in the registry, each once.
    alphas
        From which the weight of the main head is chosen, for models that have an auxiliary one.
    protocol
        `honest`: epoch and alpha are chosen on the validation part. `published`: on the test
        part, as the authors did.
    split
        `chromosomes`, or `random` for pairs drawn at random.
    training
        How each model is trained, but for what `shapes` and the search over alphas say; its
        `model` is not read. `embedding` goes to the models that embed 6-mers, `init` to the
        models of its name.
    shapes
        By model, fields of its config that are not to be as published.
    data
        How stores are read; None is the default. Its seed is that of `training`.
    bootstrap
        Replicates for the intervals of differences between models.
    """

    models: tuple[str, ...]
    alphas: tuple[float, ...] = ALPHAS
    protocol: str = HONEST
    split: str = CHROMOSOMES
    training: TrainSettings = field(default_factory=TrainSettings)
    shapes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data: DataSettings | None = None
    bootstrap: int = 1000

    def __post_init__(self) -> None:
        for what, given in (("models", self.models), ("alphas", self.alphas)):
            if not given:
                raise RequestError(f"no {what} to cross-validate")
            if twice := [item for item in given if given.count(item) > 1]:
                raise RequestError(f"{what}: {twice[0]} is given twice")
        for model in (*self.models, *self.shapes):
            find_model(model)
        if other := [model for model in self.shapes if model not in self.models]:
            raise RequestError(f"{other[0]} is given a shape, and is none of the models")

    def alphas_of(self, model: str) -> tuple[float | None, ...]:
        """Return what alpha is chosen from: None alone for a model without an auxiliary head."""
        return self.alphas if find_model(model).auxiliary_head else (None,)

    def training_of(self, model: str) -> TrainSettings:
        """Return how a model is trained, whatever alpha is."""
        return replace(
            self.training, model=model, shape=dict(self.shapes.get(model, {}))
        ).with_model_defaults()

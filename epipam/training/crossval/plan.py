"""Which runs a cross-validation takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from epipam.errors import RequestError
from epipam.loading.data_module import DataSettings, PairDataModule
from epipam.loading.random_pairs import Split, random_pairs
from epipam.loading.splits import N_FOLDS, fold_split, folds
from epipam.models import create_model
from epipam.models.embedding import embeds
from epipam.models.folder import read_config
from epipam.models.registry import model_config
from epipam.store import Store
from epipam.training.crossval.settings import PUBLISHED, RANDOM, CrossvalSettings
from epipam.training.fit import initial_network
from epipam.training.provenance import data_record, training_record
from epipam.training.settings import TrainSettings


@dataclass(frozen=True)
class PlannedRun:
    """One model, trained with one alpha on one fold of one data set.

    Attributes
    ----------
    alpha
        None for a model without an auxiliary head.
    """

    dataset: str
    store: Path | str
    model: str
    fold: int
    alpha: float | None
    split: Split
    training: TrainSettings
    data: DataSettings

    def __str__(self) -> str:
        alpha = "" if self.alpha is None else f", alpha {self.alpha:g}"
        return f"{self.dataset}, {self.model}, fold {self.fold}{alpha}"


@dataclass(frozen=True)
class Plan:
    """The runs of a cross-validation.

    Attributes
    ----------
    settings
        What was asked for.
    stores
        By data set, which is the name of the store's folder without its ending.
    trainings
        By data set and model, how it is trained there, whatever alpha is.
    """

    settings: CrossvalSettings
    stores: Mapping[str, Store]
    trainings: Mapping[tuple[str, str], TrainSettings]

    @classmethod
    def of(cls, stores: Sequence[Store], settings: CrossvalSettings) -> Plan:
        """Return the plan, after a look at what it names.

        Raises
        ------
        RequestError, ModelError
            For two stores of one name, and for a model that cannot be trained as asked.
        """
        by_name: dict[str, Store] = {}
        for store in stores:
            name = dataset_name(store)
            if name in by_name:
                raise RequestError(
                    f"{store.path} and {by_name[name].path}: two stores called {name}; rename one"
                )
            by_name[name] = store
        trainings = {
            (name, model): _training(settings, model, store)
            for name, store in by_name.items()
            for model in settings.models
        }
        for given in ("init", "embedding"):
            path = getattr(settings.training, given)
            if path is not None and all(getattr(t, given) is None for t in trainings.values()):
                raise RequestError(f"{path}: none of the models takes it: leave out --{given}")
        for (name, _), training in trainings.items():
            initial_network(by_name[name], training)
        return cls(settings, by_name, trainings)

    @property
    def data(self) -> DataSettings:
        """How the stores are read."""
        return replace(self.settings.data or DataSettings(), seed=self.settings.training.seed)

    def folds(self, dataset: str) -> tuple[int, ...]:
        """Return the folds that a data set has."""
        if self.settings.split == RANDOM:
            return tuple(range(N_FOLDS))
        groups = folds(self.stores[dataset].contigs)
        return tuple(fold for fold, group in enumerate(groups) if group)

    def split(self, dataset: str, fold: int) -> Split:
        """Return which part of a data set trains, validates and is tested in a fold.

        Raises
        ------
        RequestError
            Where there is no such fold, or it leaves a part empty.
        """
        store, settings = self.stores[dataset], self.settings
        split: Split
        if settings.split == RANDOM:
            split = random_pairs(store, fold, settings.training.seed)
        else:
            split = fold_split(store.contigs, fold)
        return split.chosen_on_test() if settings.protocol == PUBLISHED else split

    def runs(self, dataset: str, fold: int) -> list[PlannedRun]:
        """Return the runs of a fold of a data set, model by model, alpha by alpha.

        Raises
        ------
        RequestError
            As `split`.
        """
        split, data = self.split(dataset, fold), self.data
        found = []
        for model in self.settings.models:
            training = self.trainings[dataset, model]
            for alpha in self.settings.alphas_of(model):
                own = training if alpha is None else replace(training, alpha=alpha)
                store = self.stores[dataset].path
                found.append(PlannedRun(dataset, store, model, fold, alpha, split, own, data))
        return found

    def check(self, run: PlannedRun) -> None:
        """Raise a RequestError where the parts of a run's fold cannot play their roles."""
        try:
            PairDataModule(self.stores[run.dataset], run.split, run.data).check()
        except RequestError as error:
            raise RequestError(f"{run.dataset}, fold {run.fold}: {error}") from None

    def request(self) -> dict[str, Any]:
        """Return what every part of this cross-validation must agree in, whatever its folds."""
        settings = self.settings
        records = {}
        for (_, model), training in self.trainings.items():
            record = training_record(training)
            records[model] = {key: value for key, value in record.items() if key != "alpha"}
        return {
            "protocol": settings.protocol,
            "split": settings.split,
            "stores": {name: store.origin() for name, store in self.stores.items()},
            "models": list(settings.models),
            "alphas": list(settings.alphas),
            "training": records,
            "data": data_record(self.data),
        }


def dataset_name(store: Store) -> str:
    """Return the name of a store's folder without its ending."""
    return Path(str(store.path).rstrip("/")).stem


def _training(settings: CrossvalSettings, model: str, store: Store) -> TrainSettings:
    """Return how a model is trained, without the files that are for other models."""
    training = settings.training_of(model)
    if training.init is not None and read_config(training.init)["model"] != model:
        training = replace(training, init=None)
    if training.embedding is not None:
        lengths = (store.enhancer_length, store.promoter_length)
        network = create_model(model, model_config(model, *lengths, training.shape))
        if not embeds(network):
            training = replace(training, embedding=None)
    return training

"""Training: the loss, the loop (Lightning's), and the run folder it leaves."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch

from epipam.errors import ModelError, RequestError
from epipam.evaluation.audit import SplitAudit, audit_split
from epipam.evaluation.held_out import training_notes
from epipam.evaluation.judging import PREDICTIONS, judge
from epipam.evaluation.prediction import check_lengths, labelled_pairs
from epipam.evaluation.results import Evaluation
from epipam.loading.data_module import DataSettings, PairDataModule
from epipam.loading.random_pairs import Split
from epipam.loading.splits import PARTS, was_chosen_on_test
from epipam.models import Network, create_model, load_model, save_model
from epipam.models.calibration import write_map
from epipam.models.card import write_card
from epipam.models.embedding import embeds, initialise_embeddings
from epipam.models.folder import RUN_MODEL
from epipam.models.kmer_gbm import KmerGbm
from epipam.models.registry import model_config, model_name
from epipam.runtime.devices import describe_device
from epipam.runtime.files import whole_folder, write_text
from epipam.store import Store
from epipam.training.calibrating import fit_map
from epipam.training.checkpoints import BEST, PREVIOUS, CheckpointError, read_checkpoint
from epipam.training.classifier import PairClassifier
from epipam.training.provenance import run_provenance, run_request
from epipam.training.run_folder import (
    CHECKPOINTS,
    HISTORY,
    METRICS,
    claimed_run,
    read_epoch,
)
from epipam.training.settings import TrainSettings
from epipam.training.trainer import fit, make_trainer, processes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """A finished run.

    Attributes
    ----------
    run
        Its folder.
    best_epoch
        From 1.
    evaluation
        Of the test part.
    leaked
        What a random split gives away; None where the split is by chromosome.
    notes
        What a reader of the numbers must know first, in sentences.
    """

    run: Path
    best_epoch: int
    evaluation: Evaluation
    leaked: SplitAudit | None = None
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield the result for a person."""
        yield f"{self.run}: best epoch {self.best_epoch}"
        for note in self.notes:
            yield f"note: {note}"
        yield from self.evaluation.lines()
        if self.leaked is not None:
            yield self.leaked.sentence()


def train(
    store: Store,
    split: Split,
    run: str | Path,
    settings: TrainSettings | None = None,
    data: DataSettings | None = None,
    *,
    progress: bool = True,
) -> TrainResult | None:
    """Train one model on one split of a store; leave a run folder.

    The folder holds `model/` (the best epoch's weights, and the map that calibrates its
    probabilities, unless the epoch was chosen on the test part), `metrics.json`, `history.csv`,
    `predictions.tsv` (the test part) and `checkpoints/`. A run that was stopped goes on from
    `checkpoints/last.ckpt` when it is started again.

    Parameters
    ----------
    store, split
        What to train on.
    run
        Folder of the run. A finished run, which has a `metrics.json`, is refused.
    progress
        Whether to show a bar; epochs are logged in either case.

    Returns
    -------
    TrainResult
        None in the processes of a distributed run that are not the first.

    Raises
    ------
    RequestError
        Where `run` is finished, or was begun with other settings, or a part has no pairs to
        read; nothing is written then.
    EpipamError
        Where training was stopped with Ctrl-C.
    """
    settings = (settings or TrainSettings()).with_model_defaults()
    data = data or DataSettings()
    run = Path(run)
    L.seed_everything(settings.seed, verbose=False)
    network = initial_network(store, settings)
    request = run_request(store, split, settings, data)
    module = PairDataModule(store, split, data)
    outcome = _Outcome(run, store, split, settings, data, request)
    if isinstance(network, KmerGbm):
        return _train_trees(network, module, outcome)
    trainer = make_trainer(run, settings, progress)
    module.check(trainer.world_size)
    if trainer.world_size > 1:
        # Which rows come when depends on it.
        request["processes"] = trainer.world_size
    with claimed_run(run, request, first=trainer.is_global_zero):
        if trainer.is_global_zero:
            _log_beginning(split, settings, network, trainer)
        # Weights are the first process's; dropout is each process's own.
        torch.manual_seed(settings.seed + trainer.global_rank)
        classifier = PairClassifier(network, settings)
        fit(trainer, classifier, module, run)
        if not trainer.is_global_zero:
            return None
        best = _best(run, classifier)
        return outcome.keep(network, best, trainer.strategy.root_device)


def _best(run: Path, classifier: PairClassifier) -> int:
    """Give a classifier the weights that validated best; return their epoch, from 1."""
    try:
        state = read_checkpoint(run / CHECKPOINTS / BEST, classifier.state_dict())
    except CheckpointError as error:
        raise CheckpointError(f"{error}; remove {run} to train from the beginning") from None
    classifier.load_state_dict(state["state_dict"])
    return int(state["epoch"]) + 1


def _train_trees(network: KmerGbm, module: PairDataModule, outcome: _Outcome) -> TrainResult:
    from epipam.training.boosting import boost

    settings = outcome.settings
    if settings.init is not None:
        raise RequestError(f"{settings.model} begins from nothing: leave out --init")
    if processes(settings) not in (("auto", 1), ("1", 1)):
        raise RequestError(f"{settings.model} trains in one process: leave out --devices, --nodes")
    module.check()
    with claimed_run(outcome.run, outcome.request):
        _log_parts(outcome.split)
        boosted = boost(network, module, settings, outcome.run / HISTORY)
        return outcome.keep(boosted.network, boosted.rounds, torch.device("cpu"))


@dataclass(frozen=True)
class _Outcome:
    """What a run is of, and what it leaves once a model is trained."""

    run: Path
    store: Store
    split: Split
    settings: TrainSettings
    data: DataSettings
    request: dict[str, Any]

    def keep(self, network: Network, best_epoch: int, device: torch.device) -> TrainResult:
        """Write the model, its predictions on the test part, and what they are worth."""
        provenance = run_provenance(self.request, self.store, self.settings, best_epoch)
        validation = read_epoch(self.run / HISTORY, best_epoch)
        test, train = self.split.part("test"), self.split.part("train")
        trained = labelled_pairs(self.store, train)
        predictions, evaluation = judged = judge(
            network,
            self.store,
            test,
            trained,
            device=device,
            batch_size=self.data.batch_size,
            seed=self.settings.seed,
        )
        notes = tuple(training_notes(provenance))
        metrics = {
            "provenance": provenance,
            "validation": validation,
            "notes": list(notes),
            "test": evaluation.to_json(),
        }
        leaked = None
        if test.pairs is not None:
            lengths = (self.store.enhancer_length, self.store.promoter_length)
            leaked = audit_split(trained, predictions, *lengths)
            metrics["leakage"] = leaked.to_json()
        write_text(self.run / PREDICTIONS, judged.table())
        self._write_model(network, metrics, device)
        write_text(self.run / METRICS, json.dumps(metrics, indent=2) + "\n")
        (self.run / CHECKPOINTS / PREVIOUS).unlink(missing_ok=True)
        return TrainResult(self.run, best_epoch, evaluation, leaked, notes)

    def _write_model(self, network: Network, metrics: dict[str, Any], device: torch.device) -> None:
        """Write the model's folder, which has its name when all of it is there."""
        model = self.run / RUN_MODEL
        # Of a run that was killed after it, since a finished one has its metrics.
        shutil.rmtree(model, ignore_errors=True)
        with whole_folder(model) as folder:
            save_model(network, folder, metrics["provenance"])
            self._calibrate(network, folder, device)
            write_card(folder, metrics)

    def _calibrate(self, network: Network, model: Path, device: torch.device) -> None:
        """Fit the map of probabilities on the validation part, where it has both labels.

        No map is fitted where that is the test part: it would make the test pairs' probabilities
        right by having read their labels.
        """
        if was_chosen_on_test(self.request["split"]):
            logger.info("probabilities are not calibrated: the validation pairs are the test pairs")
            return
        try:
            found = fit_map(
                network,
                model,
                self.store,
                self.split.part("validation"),
                device=device,
                batch_size=self.data.batch_size,
            )
        except RequestError as error:
            logger.info("probabilities are not calibrated: %s", error)
            return
        write_map(model, found)


def _log_beginning(
    split: Split, settings: TrainSettings, network: Network, trainer: L.Trainer
) -> None:
    _log_parts(split)
    if settings.init is not None:
        logger.info("starting from %s: %s", settings.init, network.provenance.get("about", "?"))
    elif settings.embedding is None and embeds(network):
        logger.info("6-mer vectors start random: --embedding gives them a beginning")
    device = describe_device(trainer.strategy.root_device)
    others = f", the first of {trainer.world_size} processes" if trainer.world_size > 1 else ""
    logger.info("device: %s%s", device, others)


def _log_parts(split: Split) -> None:
    for part in PARTS:
        logger.info("%s: %s", part, split.describe(part))


def initial_network(store: Store, settings: TrainSettings) -> Network:
    """Return the network that training begins with.

    Raises
    ------
    ModelError, RequestError
        Where there is no such model for this store's windows, or a file it begins with does not
        fit it.
    """
    if settings.init is None:
        config = model_config(
            settings.model, store.enhancer_length, store.promoter_length, settings.shape
        )
        network = create_model(settings.model, config)
    else:
        if settings.shape:
            raise RequestError("a model that is started from has its shape: leave out --set")
        network = load_model(settings.init)
        if (name := model_name(network)) != settings.model:
            raise ModelError(
                f"{settings.init}: is of model {name}, not {settings.model}; pass --model {name}"
            )
        check_lengths(network, store.enhancer_length, store.promoter_length, str(store.path))
    if settings.embedding is not None:
        initialise_embeddings(network, settings.embedding)
    return network.train()

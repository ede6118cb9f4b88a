"""Training: the loss, the loop (Lightning's), and the run folder it leaves."""

from __future__ import annotations

import json
import logging
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
import torchmetrics
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

import epipam
from epipam.classifier import MONITORED, PairClassifier
from epipam.data_module import DataSettings, PairDataModule
from epipam.devices import describe_device
from epipam.errors import EpipamError, ModelError, RequestError
from epipam.evaluation import Evaluation, evaluate
from epipam.files import write_text
from epipam.models import Network, create_model, load_model, save_model
from epipam.models.card import write_card
from epipam.models.embedding import embeds, initialise_embeddings
from epipam.models.folder import WEIGHTS_FILE, read_config
from epipam.models.kmer_gbm import KmerGbm
from epipam.models.registry import model_config, model_name
from epipam.pairs import COLUMNS, digest
from epipam.prediction import check_lengths, predict_store, score_partners
from epipam.run_folder import CHECKPOINTS, METRICS, History, claimed_run
from epipam.splits import ChromosomeSplit
from epipam.store import Store
from epipam.train_settings import TrainSettings

CHECKPOINT_STEPS = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """A finished run: its folder, the best epoch (from 1), and the test part's evaluation."""

    run: Path
    best_epoch: int
    evaluation: Evaluation


def train(
    store: Store,
    split: ChromosomeSplit,
    run: str | Path,
    settings: TrainSettings | None = None,
    data: DataSettings | None = None,
    *,
    progress: bool = True,
) -> TrainResult | None:
    """Train one model on one split of a store; leave a run folder.

    The folder holds `model/` (the best epoch's weights), `metrics.json`, `history.csv`,
    `predictions.tsv` (test chromosomes) and `checkpoints/`. A run that was stopped goes on from
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
    network = _network(store, settings)
    request = _request(store, split, settings, data)
    module = PairDataModule(store, split, data)
    outcome = _Outcome(run, store, split, settings, data, request)
    if isinstance(network, KmerGbm):
        return _train_trees(network, module, outcome)
    best = ModelCheckpoint(
        run / CHECKPOINTS,
        filename="best",
        monitor=MONITORED,
        mode="max",
        enable_version_counter=False,
    )
    trainer = _trainer(run, settings, best, progress)
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
        _fit(trainer, classifier, module, run / CHECKPOINTS / "last.ckpt")
        if not trainer.is_global_zero:
            return None
        state = torch.load(best.best_model_path, weights_only=True, map_location="cpu")
        classifier.load_state_dict(state["state_dict"])
        return outcome.keep(network, int(state["epoch"]) + 1, trainer.strategy.root_device)


def _train_trees(network: KmerGbm, module: PairDataModule, outcome: _Outcome) -> TrainResult:
    from epipam.boosting import boost

    settings = outcome.settings
    if settings.init is not None:
        raise RequestError(f"{settings.model} begins from nothing: leave out --init")
    if _processes(settings) not in (("auto", 1), ("1", 1)):
        raise RequestError(f"{settings.model} trains in one process: leave out --devices, --nodes")
    module.check()
    with claimed_run(outcome.run, outcome.request):
        _log_parts(outcome.split)
        boosted = boost(network, module, settings, outcome.run / "history.csv")
        return outcome.keep(boosted.network, boosted.rounds, torch.device("cpu"))


@dataclass(frozen=True)
class _Outcome:
    """What a run is of, and what it leaves once a model is trained."""

    run: Path
    store: Store
    split: ChromosomeSplit
    settings: TrainSettings
    data: DataSettings
    request: dict[str, Any]

    def keep(self, network: Network, best_epoch: int, device: torch.device) -> TrainResult:
        """Write the model, its predictions on the test chromosomes, and what they are worth."""
        provenance = _provenance(self.request, self.store, self.settings, best_epoch)
        save_model(network, self.run / "model", provenance)
        batch_size, seed = self.data.batch_size, self.settings.seed
        predictions = predict_store(
            network, self.store, self.split.test, device=device, batch_size=batch_size
        )
        partners = score_partners(
            network, self.store, predictions, seed=seed, device=device, batch_size=batch_size
        )
        evaluation = evaluate(
            predictions,
            predictions["probability"].to_numpy(),
            labelled_pairs(self.store, self.split.train),
            partners=partners,
            seed=seed,
        )
        write_text(self.run / "predictions.tsv", predictions.to_csv(sep="\t", index=False))
        metrics = {"provenance": provenance, "test": evaluation.to_json()}
        write_card(self.run / "model", metrics)
        write_text(self.run / METRICS, json.dumps(metrics, indent=2) + "\n")
        return TrainResult(self.run, best_epoch, evaluation)


def labelled_pairs(store: Store, contigs: tuple[str, ...]) -> pd.DataFrame:
    """Return the labelled pairs of some chromosomes, canonical columns."""
    frame = pd.concat([store.pairs(contig) for contig in contigs], ignore_index=True)
    return frame.loc[frame["label"] >= 0, list(COLUMNS)].reset_index(drop=True)


def _log_beginning(
    split: ChromosomeSplit, settings: TrainSettings, network: Network, trainer: L.Trainer
) -> None:
    _log_parts(split)
    if settings.init is not None:
        logger.info("starting from %s: %s", settings.init, network.provenance.get("about", "?"))
    elif settings.embedding is None and embeds(network):
        logger.info("6-mer vectors start random: --embedding gives them a beginning")
    device = describe_device(trainer.strategy.root_device)
    others = f", the first of {trainer.world_size} processes" if trainer.world_size > 1 else ""
    logger.info("device: %s%s", device, others)


def _log_parts(split: ChromosomeSplit) -> None:
    for part in ("train", "validation", "test"):
        logger.info("%s: %s", part, ", ".join(getattr(split, part)))


def _trainer(
    run: Path, settings: TrainSettings, best: ModelCheckpoint, progress: bool
) -> L.Trainer:
    devices, nodes = _processes(settings)
    last = partial(
        ModelCheckpoint, run / CHECKPOINTS, filename="last", enable_version_counter=False
    )
    try:
        with _quiet_lightning():
            return L.Trainer(
                accelerator=settings.accelerator,
                devices=devices,
                num_nodes=nodes,
                precision=settings.precision,  # type: ignore[arg-type]
                max_epochs=settings.epochs,
                callbacks=[
                    best,
                    EarlyStopping(
                        MONITORED, mode="max", patience=settings.patience, check_finite=False
                    ),
                    last(every_n_train_steps=CHECKPOINT_STEPS),
                    last(every_n_epochs=1, save_on_train_epoch_end=True),
                    History(run / "history.csv"),
                ],
                default_root_dir=run,
                logger=False,
                enable_progress_bar=progress,
                enable_model_summary=False,
                use_distributed_sampler=False,
                num_sanity_val_steps=0,
            )
    except (ValueError, TypeError, MisconfigurationException) as error:
        reason = " ".join(str(error).split())
        raise RequestError(
            f"accelerator {settings.accelerator}, devices {devices}, nodes {nodes}, "
            f"precision {settings.precision}: {reason}"
        ) from None


def _processes(settings: TrainSettings) -> tuple[str, int]:
    """Return devices of each node, and nodes; those of torchrun where it started this process."""
    devices, nodes = settings.devices, settings.nodes
    if "TORCHELASTIC_RUN_ID" in os.environ:
        if devices == "auto":
            devices = os.environ["LOCAL_WORLD_SIZE"]
        if nodes == 1:
            nodes = int(os.environ["GROUP_WORLD_SIZE"])
    return devices, nodes


def _fit(
    trainer: L.Trainer, classifier: PairClassifier, module: PairDataModule, last: Path
) -> None:
    """Train, from the last checkpoint where there is one."""
    resumed = last if last.exists() else None
    if resumed:
        logger.info("going on from %s", resumed)
    try:
        with _quiet_lightning():
            trainer.fit(classifier, module, ckpt_path=resumed, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C
        raise EpipamError(f"{last.parent.parent}: stopped; the same command goes on") from None


def _network(store: Store, settings: TrainSettings) -> Network:
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


def _request(
    store: Store, split: ChromosomeSplit, settings: TrainSettings, data: DataSettings
) -> dict[str, Any]:
    """Return what a run is of: what it must agree in to be gone on with."""
    # By content, not by path: where a model lay is nobody's business and may change.
    files = {
        "init": digest(settings.init / WEIGHTS_FILE) if settings.init is not None else None,
        "embedding": digest(settings.embedding) if settings.embedding is not None else None,
    }
    machine = ("accelerator", "devices", "nodes")
    return {
        "store": {
            key: store.attributes[key] for key in ("genome", "pairs", "augmentation", "seed")
        },
        "split": asdict(split),
        "training": {
            key: value for key, value in {**asdict(settings), **files}.items() if key not in machine
        },
        "data": {key: value for key, value in asdict(data).items() if key != "workers"},
    }


def _provenance(
    request: dict[str, Any], store: Store, settings: TrainSettings, best_epoch: int
) -> dict[str, Any]:
    """Return what made a model: digests, chromosomes, settings, versions."""
    about = settings.about or f"trained on the pairs of {store.attributes['pairs']['name']}"
    initial = read_config(settings.init).get("provenance") if settings.init else None
    return {
        "about": about,
        **request,
        "best_epoch": best_epoch,
        "initial_model": initial,
        "versions": {
            "epipam": epipam.__version__,
            "torch": torch.__version__,
            "lightning": L.__version__,
            "torchmetrics": torchmetrics.__version__,
            "python": platform.python_version(),
        },
    }


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Leave Lightning's tips, hardware notes and advice out of the user's log for a while."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [log.level for log in loggers]
    for log in loggers:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for log, level in zip(loggers, levels, strict=True):
            log.setLevel(level)

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
import torch.distributed
import torchmetrics
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

import epipam
from epipam.data_module import DataSettings, PairDataModule
from epipam.devices import describe_device
from epipam.errors import EpipamError, ModelError, RequestError
from epipam.evaluation import Evaluation, evaluate
from epipam.files import write_text
from epipam.loader import Batch
from epipam.models import Epipam, EpipamConfig, create_model, load_model, save_model
from epipam.models.folder import WEIGHTS_FILE, read_config
from epipam.models.registry import model_name
from epipam.pairs import COLUMNS, digest
from epipam.prediction import check_lengths, predict_store
from epipam.run_folder import CHECKPOINTS, METRICS, History, claimed_run
from epipam.splits import ChromosomeSplit
from epipam.store import Store
from epipam.train_settings import TrainSettings

MONITORED = "validation_auprc"
CHECKPOINT_STEPS = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """A finished run: its folder, the best epoch (from 1), and the test part's evaluation."""

    run: Path
    best_epoch: int
    evaluation: Evaluation


class PairClassifier(L.LightningModule):
    """A network, its loss `alpha * BCE(main) + (1 - alpha) * BCE(auxiliary)`, and its optimiser.

    Parameters
    ----------
    network
        What to train.
    settings
        Loss and optimiser.
    """

    def __init__(self, network: Epipam, settings: TrainSettings) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self._validated: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        logits = self.network.both_logits(batch.enhancer, batch.promoter)
        target = batch.label.to(logits.main.dtype)
        loss = F.binary_cross_entropy_with_logits(logits.main, target)
        if logits.auxiliary is not None:
            auxiliary = F.binary_cross_entropy_with_logits(logits.auxiliary, target)
            loss = self.settings.alpha * loss + (1 - self.settings.alpha) * auxiliary
        self.log(
            "training_loss",
            loss,
            on_step=False,
            on_epoch=True,
            batch_size=len(target),
            sync_dist=self._distributed,
        )
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        known = batch.label >= 0
        logits = self.network(batch.enhancer, batch.promoter)[known]
        self._validated.append((logits.float().cpu(), batch.label[known].long().cpu()))

    def on_validation_epoch_end(self) -> None:
        # Every process may have another number of labelled pairs, or none.
        parts = [part for parts in self._gathered(self._validated) for part in parts]
        self._validated = []
        logits, label = (torch.cat(column) for column in zip(*parts, strict=True))
        loss = F.binary_cross_entropy_with_logits(logits, label.to(logits.dtype))
        self.log("validation_loss", loss)
        probability = torch.sigmoid(logits)
        self.log("validation_auroc", binary_auroc(probability, label))
        self.log(MONITORED, binary_average_precision(probability, label), prog_bar=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["torch_rng_states"] = self._gathered(torch.get_rng_state())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Dropout goes on where it was, so that a resumed run equals an uninterrupted one.
        torch.set_rng_state(checkpoint["torch_rng_states"][self.global_rank])

    @property
    def _distributed(self) -> bool:
        return torch.distributed.is_available() and torch.distributed.is_initialized()

    def _gathered(self, mine: Any) -> list[Any]:
        """Return what each process has, in order of rank."""
        if not self._distributed:
            return [mine]
        everyones: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(everyones, mine)
        return everyones

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(
            self.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )


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
    settings, data = settings or TrainSettings(), data or DataSettings()
    run = Path(run)
    request = _request(store, split, settings, data)
    L.seed_everything(settings.seed, verbose=False)
    network = _network(store, settings)
    module = PairDataModule(store, split, data)
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
        best_epoch = int(state["epoch"]) + 1
        provenance = _provenance(request, store, settings, best_epoch)
        save_model(network, run / "model", provenance)
        device = trainer.strategy.root_device
        predictions = predict_store(
            network, store, split.test, device=device, batch_size=data.batch_size
        )
        evaluation = evaluate(
            predictions,
            predictions["probability"].to_numpy(),
            labelled_pairs(store, split.train),
            seed=settings.seed,
        )
        write_text(run / "predictions.tsv", predictions.to_csv(sep="\t", index=False))
        metrics = {"provenance": provenance, "test": evaluation.to_json()}
        write_text(run / METRICS, json.dumps(metrics, indent=2) + "\n")
    return TrainResult(run, best_epoch, evaluation)


def labelled_pairs(store: Store, contigs: tuple[str, ...]) -> pd.DataFrame:
    """Return the labelled pairs of some chromosomes, canonical columns."""
    frame = pd.concat([store.pairs(contig) for contig in contigs], ignore_index=True)
    return frame.loc[frame["label"] >= 0, list(COLUMNS)].reset_index(drop=True)


def _log_beginning(
    split: ChromosomeSplit, settings: TrainSettings, network: Epipam, trainer: L.Trainer
) -> None:
    for part in ("train", "validation", "test"):
        logger.info("%s: %s", part, ", ".join(getattr(split, part)))
    if settings.init is not None:
        logger.info("starting from %s: %s", settings.init, network.provenance.get("about", "?"))
    device = describe_device(trainer.strategy.root_device)
    others = f", the first of {trainer.world_size} processes" if trainer.world_size > 1 else ""
    logger.info("device: %s%s", device, others)


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


def _network(store: Store, settings: TrainSettings) -> Epipam:
    if settings.init is None:
        config = EpipamConfig(
            enhancer_length=store.enhancer_length, promoter_length=store.promoter_length
        )
        return create_model(settings.model, config)
    network = load_model(settings.init)
    if (name := model_name(network)) != settings.model:
        raise ModelError(
            f"{settings.init}: is of model {name}, not {settings.model}; pass --model {name}"
        )
    check_lengths(network, store.enhancer_length, store.promoter_length, str(store.path))
    return network.train()


def _request(
    store: Store, split: ChromosomeSplit, settings: TrainSettings, data: DataSettings
) -> dict[str, Any]:
    """Return what a run is of: what it must agree in to be gone on with."""
    # By content, not by path: where a model lay is nobody's business and may change.
    init = digest(settings.init / WEIGHTS_FILE) if settings.init is not None else None
    machine = ("accelerator", "devices", "nodes")
    return {
        "store": {
            key: store.attributes[key] for key in ("genome", "pairs", "augmentation", "seed")
        },
        "split": asdict(split),
        "training": {
            key: value
            for key, value in {**asdict(settings), "init": init}.items()
            if key not in machine
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

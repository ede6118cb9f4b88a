"""Training: the loss, the loop (Lightning's), and the run folder it leaves."""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
import torchmetrics
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.classification import BinaryAUROC, BinaryAveragePrecision

import epipam
from epipam.data_module import DataSettings, PairDataModule
from epipam.devices import describe_device
from epipam.errors import RequestError
from epipam.evaluation import Evaluation, evaluate
from epipam.loader import Batch
from epipam.models import Epipam, EpipamConfig, create_model, load_model, save_model, unpack
from epipam.pairs import COLUMNS
from epipam.prediction import check_lengths, predict_store
from epipam.splits import ChromosomeSplit
from epipam.store import Store

LEARNING_RATE = 0.001
WEIGHT_DECAY = 0.0005
MONITORED = "validation_auprc"

logger = logging.getLogger(__name__)


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
    accelerator, devices, nodes, precision
        As Lightning's Trainer takes them; `auto` takes a GPU where there is one.
    """

    model: str = "epipam"
    alpha: float = 0.8
    learning_rate: float = LEARNING_RATE
    weight_decay: float = WEIGHT_DECAY
    epochs: int = 15
    patience: int = 5
    seed: int = 0
    init: Path | None = None
    accelerator: str = "auto"
    devices: str = "auto"
    nodes: int = 1
    precision: str = "32-true"


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
        self.validation_auroc = BinaryAUROC()
        self.validation_auprc = BinaryAveragePrecision()

    def windows(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Unpack a batch on its device: float (N, 4, L) of enhancers and of promoters."""
        config = self.network.config
        return (
            unpack(batch.enhancer, config.enhancer_length),
            unpack(batch.promoter, config.promoter_length),
        )

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        logits = self.network.both_logits(*self.windows(batch))
        target = batch.label.to(logits.main.dtype)
        loss = F.binary_cross_entropy_with_logits(logits.main, target)
        if logits.auxiliary is not None:
            auxiliary = F.binary_cross_entropy_with_logits(logits.auxiliary, target)
            loss = self.settings.alpha * loss + (1 - self.settings.alpha) * auxiliary
        self.log("training_loss", loss, on_step=False, on_epoch=True, batch_size=len(target))
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        known = batch.label >= 0
        logits = self.network(*self.windows(batch))[known]
        label = batch.label[known].long()
        if len(label):
            loss = F.binary_cross_entropy_with_logits(logits, label.to(logits.dtype))
            self.log("validation_loss", loss, batch_size=len(label), sync_dist=True)
            probability = torch.sigmoid(logits.float())
            self.validation_auroc.update(probability, label)
            self.validation_auprc.update(probability, label)

    def on_validation_epoch_end(self) -> None:
        self.log("validation_auroc", self.validation_auroc.compute())
        self.log(MONITORED, self.validation_auprc.compute(), prog_bar=True)
        self.validation_auroc.reset()
        self.validation_auprc.reset()

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
) -> TrainResult:
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

    Raises
    ------
    RequestError
        Where `run` is finished, or was begun with other settings.
    """
    settings, data = settings or TrainSettings(), data or DataSettings()
    run = Path(run)
    _claim(run, store, split, settings, data)
    L.seed_everything(settings.seed, verbose=False)
    network = _network(store, settings)
    classifier = PairClassifier(network, settings)
    module = PairDataModule(store, split, data)
    best = ModelCheckpoint(
        run / "checkpoints",
        filename="best",
        monitor=MONITORED,
        mode="max",
        save_last=True,
        enable_version_counter=False,
    )
    for part in ("train", "validation", "test"):
        logger.info("%s: %s", part, ", ".join(getattr(split, part)))
    last = run / "checkpoints" / "last.ckpt"
    with _quiet_lightning():
        trainer = _trainer(run, settings, best, progress)
        logger.info("device: %s", describe_device(trainer.strategy.root_device))
        trainer.fit(classifier, module, ckpt_path=last if last.exists() else None)
    state = torch.load(best.best_model_path, weights_only=True, map_location="cpu")
    classifier.load_state_dict(state["state_dict"])
    provenance = _provenance(store, split, settings, data, int(state["epoch"]) + 1)
    save_model(network, run / "model", provenance)
    predictions = predict_store(
        network, store, split.test, device=trainer.strategy.root_device, batch_size=data.batch_size
    )
    evaluation = evaluate(
        predictions,
        predictions["probability"].to_numpy(),
        labelled_pairs(store, split.train),
        seed=settings.seed,
    )
    _write_text(run / "predictions.tsv", predictions.to_csv(sep="\t", index=False))
    _write_text(
        run / "metrics.json",
        json.dumps({"provenance": provenance, "test": evaluation.to_json()}, indent=2) + "\n",
    )
    return TrainResult(run, int(state["epoch"]) + 1, evaluation)


def labelled_pairs(store: Store, contigs: tuple[str, ...]) -> pd.DataFrame:
    """Return the labelled pairs of some chromosomes, canonical columns."""
    frame = pd.concat([store.pairs(contig) for contig in contigs], ignore_index=True)
    return frame.loc[frame["label"] >= 0, list(COLUMNS)].reset_index(drop=True)


class _History(Callback):
    """Appends one line per epoch to `history.csv`, and says it in the log."""

    COLUMNS = ("training_loss", "validation_loss", "validation_auroc", "validation_auprc")

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        values = [float(trainer.callback_metrics[c]) for c in self.COLUMNS]
        epoch = trainer.current_epoch + 1
        rows = self.path.read_text().splitlines() if self.path.exists() else []
        kept = [row for row in rows[1:] if int(row.partition(",")[0]) < epoch]
        line = ",".join([str(epoch), *(f"{value:.6f}" for value in values)])
        _write_text(self.path, "\n".join([",".join(("epoch", *self.COLUMNS)), *kept, line, ""]))
        shown = ", ".join(
            f"{c.replace('_', ' ')} {value:.4f}"
            for c, value in zip(self.COLUMNS, values, strict=True)
        )
        logger.info("epoch %d of %s: %s", epoch, trainer.max_epochs, shown)


def _trainer(
    run: Path, settings: TrainSettings, best: ModelCheckpoint, progress: bool
) -> L.Trainer:
    return L.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        precision=settings.precision,  # type: ignore[arg-type]
        max_epochs=settings.epochs,
        callbacks=[
            best,
            EarlyStopping(MONITORED, mode="max", patience=settings.patience, check_finite=False),
            _History(run / "history.csv"),
        ],
        default_root_dir=run,
        logger=False,
        enable_progress_bar=progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


def _network(store: Store, settings: TrainSettings) -> Epipam:
    if settings.init is None:
        config = EpipamConfig(
            enhancer_length=store.enhancer_length, promoter_length=store.promoter_length
        )
        return create_model(settings.model, config)
    network = load_model(settings.init)
    check_lengths(network, store.enhancer_length, store.promoter_length, str(store.path))
    return network.train()


def _claim(
    run: Path,
    store: Store,
    split: ChromosomeSplit,
    settings: TrainSettings,
    data: DataSettings,
) -> None:
    """Note what a run is of, so that it is only gone on with as it was begun."""
    request = json.dumps(_request(store, split, settings, data), indent=2)
    noted = run / "checkpoints" / "request.json"
    if (run / "metrics.json").exists():
        raise RequestError(f"{run}: holds a finished run; choose another name")
    if noted.exists():
        if noted.read_text() != request:
            raise RequestError(
                f"{run}: holds a run begun with other settings ({noted}); choose another name, "
                f"or remove it"
            )
        return
    if run.exists() and any(run.iterdir()):
        raise RequestError(f"{run}: exists already and is no run to go on with")
    noted.parent.mkdir(parents=True, exist_ok=True)
    _write_text(noted, request)


def _request(
    store: Store, split: ChromosomeSplit, settings: TrainSettings, data: DataSettings
) -> dict[str, Any]:
    init = str(settings.init) if settings.init is not None else None
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
    store: Store,
    split: ChromosomeSplit,
    settings: TrainSettings,
    data: DataSettings,
    best_epoch: int,
) -> dict[str, Any]:
    """Return what made a model: digests, chromosomes, settings, versions."""
    return {
        "about": f"trained by epipam train on pairs of {store.attributes['pairs']['name']}",
        **json.loads(json.dumps(_request(store, split, settings, data))),
        "best_epoch": best_epoch,
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
    """Leave Lightning's tips and hardware notes out of the user's log for a while."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [log.level for log in loggers]
    for log in loggers:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for log, level in zip(loggers, levels, strict=True):
            log.setLevel(level)


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    with suppress(OSError), partial.open("rb") as handle:
        os.fsync(handle.fileno())
    os.replace(partial, path)

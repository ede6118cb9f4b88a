"""The run folder: what claims it, and what is written into it while a model trains."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from epipam.errors import EpipamError, RequestError
from epipam.runtime.files import whole_file, write_text
from epipam.runtime.locks import OutputTaken, output_lock

CHECKPOINTS = "checkpoints"
METRICS = "metrics.json"
HISTORY = "history.csv"
REQUEST = "request.json"

logger = logging.getLogger(__name__)


class RunTaken(RequestError):
    """A run that another process is training."""


class RunStopped(EpipamError):
    """A run that was stopped by hand."""

    exit_code = 130  # as of a process that Ctrl-C has ended


class RunFinished(RequestError):
    """A run that is finished."""


@contextmanager
def claimed_run(run: Path, request: dict[str, Any], *, first: bool = True) -> Iterator[None]:
    """Hold a run folder: nobody else's, and only gone on with as it was begun.

    Parameters
    ----------
    request
        What the run is of.
    first
        Whether this is the first process of the run; it holds the folder for the others, which
        may not even see it yet.

    Raises
    ------
    RequestError
        Where the folder holds a finished run, a run of something else or no run, or where another
        process is training in it.
    """
    if not first:
        yield
        return
    # The folder belongs to the request: Lightning forgets the best epoch of a run that was moved.
    text = json.dumps({"folder": str(run.resolve()), **request}, indent=2)
    noted = run / CHECKPOINTS / REQUEST
    _refuse_finished(run)
    if not noted.exists() and run.exists() and not _is_begun(run):
        raise RequestError(f"{run}: exists already and is no run to go on with")
    run.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(output_lock(run))
        except OutputTaken as taken:
            raise RunTaken(
                f"{run}: another process is training here{taken.holder}; wait for it"
            ) from None
        _refuse_finished(run)
        noted.parent.mkdir(parents=True, exist_ok=True)
        begun = noted.read_text(encoding="utf-8") if noted.exists() else ""
        if not begun:
            write_text(noted, text)
        elif begun != text:
            raise RequestError(
                f"{run}: holds a run begun with other settings or in another folder ({noted}); "
                f"choose another name, or remove it"
            )
        yield


def _refuse_finished(run: Path) -> None:
    if (run / METRICS).exists():
        raise RunFinished(f"{run}: holds a finished run; choose another name")


def _is_begun(run: Path) -> bool:
    """Whether a folder has nothing in it but what a run makes first."""
    return run.is_dir() and all(
        item.name == CHECKPOINTS
        and item.is_dir()
        and all(inner.name.startswith(f".{REQUEST}.") for inner in item.iterdir())
        for item in run.iterdir()
    )


class History(Callback):
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
        write_text(self.path, "\n".join([",".join(("epoch", *self.COLUMNS)), *kept, line, ""]))
        shown = ", ".join(
            f"{c.replace('_', ' ')} {value:.4f}"
            for c, value in zip(self.COLUMNS, values, strict=True)
        )
        logger.info("epoch %d of %s: %s", epoch, trainer.max_epochs, shown)


def read_epoch(history: Path, epoch: int) -> dict[str, float]:
    """Return what `history.csv` says of an epoch's validation: `loss`, `auroc` and `auprc`."""
    with history.open(encoding="utf-8", newline="") as handle:
        row = next(row for row in csv.DictReader(handle) if int(row["epoch"]) == epoch)
    return {name: float(row[f"validation_{name}"]) for name in ("loss", "auroc", "auprc")}


def drop_optimizer_states(run: Path) -> None:
    """Take out of a finished run's checkpoints what is needed only to go on with it."""
    for path in (run / CHECKPOINTS).glob("*.ckpt"):
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
        checkpoint["optimizer_states"] = []
        with whole_file(path) as partial:
            torch.save(checkpoint, partial)

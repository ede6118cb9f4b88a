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
from lightning.pytorch.callbacks import Callback

from epipam.errors import EpipamError, RequestError
from epipam.runtime.files import write_text
from epipam.runtime.locks import OutputTaken, output_lock
from epipam.training.checkpoints import BEST, LAST, read_checkpoint, write_checkpoint

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
    """Lock a run folder for this process; refuse one that was begun with other settings.

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
        begun = noted.read_text(encoding="utf-8", errors="replace") if noted.exists() else ""
        if not begun:
            write_text(noted, text)
        elif not _is_json(begun):
            raise EpipamError(
                f"{noted}: is damaged, so that nothing says what this run is of; remove {run} to "
                "train from the beginning"
            )
        elif begun != text:
            raise RequestError(
                f"{run}: holds a run begun with other settings or in another folder ({noted}); "
                f"choose another name, or remove it"
            )
        yield


def _refuse_finished(run: Path) -> None:
    if (run / METRICS).exists():
        raise RunFinished(f"{run}: holds a finished run; choose another name")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


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
        kept = [
            ",".join(row.values())
            for row in (read_history(self.path) if self.path.exists() else [])
            if int(row["epoch"]) < epoch
        ]
        line = ",".join([str(epoch), *(f"{value:.6f}" for value in values)])
        write_text(self.path, "\n".join([",".join(("epoch", *self.COLUMNS)), *kept, line, ""]))
        shown = ", ".join(
            f"{c.replace('_', ' ')} {value:.4f}"
            for c, value in zip(self.COLUMNS, values, strict=True)
        )
        logger.info("epoch %d of %s: %s", epoch, trainer.max_epochs, shown)


def read_history(path: Path) -> list[dict[str, str]]:
    """Return the rows of a `history.csv`, as text.

    Raises
    ------
    EpipamError
        Where it is damaged.
    """
    names = ("epoch", *History.COLUMNS)
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            rows = [dict(row) for row in reader]
        if tuple(reader.fieldnames or ()) != names:
            raise ValueError
        for row in rows:
            int(row["epoch"])
            for name in History.COLUMNS:
                float(row[name])
            if len(row) != len(names):
                raise ValueError
    except (OSError, ValueError, TypeError, csv.Error):
        raise EpipamError(
            f"{path}: is damaged: a line per epoch is expected, with {', '.join(names)}; remove "
            f"{path.parent} to train from the beginning"
        ) from None
    return rows


def read_epoch(history: Path, epoch: int) -> dict[str, float]:
    """Return what `history.csv` says of an epoch's validation: `loss`, `auroc` and `auprc`.

    Raises
    ------
    EpipamError
        Where the file is damaged or lacks the epoch.
    """
    for row in read_history(history):
        if int(row["epoch"]) == epoch:
            return {name: float(row[f"validation_{name}"]) for name in ("loss", "auroc", "auprc")}
    raise EpipamError(
        f"{history}: lacks epoch {epoch}, the best one; remove {history.parent} to train from the "
        "beginning"
    )


def drop_optimizer_states(run: Path) -> None:
    """Take out of a finished run's checkpoints what is needed only to go on with it."""
    for name in (BEST, LAST):
        path = run / CHECKPOINTS / name
        if path.exists():
            write_checkpoint({**read_checkpoint(path), "optimizer_states": []}, path)

"""The run folder: what claims it, and what is written into it while a model trains."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from epipam.errors import RequestError

CHECKPOINTS = "checkpoints"
METRICS = "metrics.json"

logger = logging.getLogger(__name__)


def claim_run(run: Path, request: dict[str, Any]) -> None:
    """Note what a run is of, so that it is only gone on with as it was begun.

    Raises
    ------
    RequestError
        Where the folder holds a finished run, a run of something else, or no run.
    """
    text = json.dumps(request, indent=2)
    noted = run / CHECKPOINTS / "request.json"
    if (run / METRICS).exists():
        raise RequestError(f"{run}: holds a finished run; choose another name")
    if noted.exists():
        if noted.read_text() != text:
            raise RequestError(
                f"{run}: holds a run begun with other settings ({noted}); choose another name, "
                f"or remove it"
            )
        return
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise RequestError(f"{run}: exists already and is no run to go on with")
    noted.parent.mkdir(parents=True, exist_ok=True)
    write_text(noted, text)


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


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(partial, path)

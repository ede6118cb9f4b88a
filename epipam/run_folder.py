"""The run folder: what claims it, and what is written into it while a model trains."""

from __future__ import annotations

import fcntl
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from epipam.errors import RequestError
from epipam.files import write_text

CHECKPOINTS = "checkpoints"
METRICS = "metrics.json"

logger = logging.getLogger(__name__)


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
    noted = run / CHECKPOINTS / "request.json"
    if (run / METRICS).exists():
        raise RequestError(f"{run}: holds a finished run; choose another name")
    if noted.exists():
        if noted.read_text(encoding="utf-8") != text:
            raise RequestError(
                f"{run}: holds a run begun with other settings or in another folder ({noted}); "
                f"choose another name, or remove it"
            )
    elif run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise RequestError(f"{run}: exists already and is no run to go on with")
    else:
        write_text(noted, text)
    with noted.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RequestError(f"{run}: another process is training here; wait for it") from None
        yield


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

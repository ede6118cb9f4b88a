"""Lightning's loop, as epipam sets it up: callbacks, processes, checkpoints, interruptions."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins.environments import LightningEnvironment

from epipam.errors import EpipamError, RequestError
from epipam.loading.data_module import PairDataModule
from epipam.training.checkpoints import (
    BEST,
    LAST,
    CheckpointError,
    CheckpointFiles,
    checkpoint_to_resume,
)
from epipam.training.classifier import MONITORED, PairClassifier
from epipam.training.run_folder import CHECKPOINTS, HISTORY, History, RunStopped
from epipam.training.settings import TrainSettings

CHECKPOINT_STEPS = 100

logger = logging.getLogger(__name__)


def make_trainer(run: Path, settings: TrainSettings, progress: bool) -> L.Trainer:
    """Return Lightning's trainer of a run.

    Raises
    ------
    RequestError
        For devices, processes or a precision that there are not.
    """
    devices, nodes = processes(settings)
    keep = partial(ModelCheckpoint, run / CHECKPOINTS, enable_version_counter=False)
    last = partial(keep, filename=Path(LAST).stem)
    plugins: list[Any] = [CheckpointFiles()]
    if _starts_own(settings):
        plugins.append(LightningEnvironment())
    try:
        with _quiet_lightning():
            return L.Trainer(
                accelerator=settings.accelerator,
                devices=devices,
                num_nodes=nodes,
                precision=settings.precision,  # type: ignore[arg-type]
                max_epochs=settings.epochs,
                plugins=plugins,
                callbacks=[
                    keep(filename=Path(BEST).stem, monitor=MONITORED, mode="max"),
                    EarlyStopping(
                        MONITORED, mode="max", patience=settings.patience, check_finite=False
                    ),
                    last(every_n_train_steps=CHECKPOINT_STEPS),
                    last(every_n_epochs=1, save_on_train_epoch_end=True),
                    History(run / HISTORY),
                ],
                default_root_dir=run,
                logger=False,
                enable_progress_bar=progress,
                enable_model_summary=False,
                use_distributed_sampler=False,
                num_sanity_val_steps=0,
            )
    except (ValueError, TypeError, RuntimeError, MisconfigurationException) as error:
        reason = " ".join(str(error).split())
        raise RequestError(
            f"accelerator {settings.accelerator}, devices {devices}, nodes {nodes}, "
            f"precision {settings.precision}: {reason}"
        ) from None


def processes(settings: TrainSettings) -> tuple[str, int]:
    """Return devices of each node, and nodes; those of torchrun where it started this process."""
    devices, nodes = settings.devices, settings.nodes
    if "TORCHELASTIC_RUN_ID" in os.environ:
        if devices == "auto":
            devices = os.environ["LOCAL_WORLD_SIZE"]
        if nodes == 1:
            nodes = int(os.environ["GROUP_WORLD_SIZE"])
    return devices, nodes


def fit(trainer: L.Trainer, classifier: PairClassifier, module: PairDataModule, run: Path) -> None:
    """Train, from the last checkpoint where there is one.

    Raises
    ------
    EpipamError
        Where training was stopped by hand, diverged, or cannot go on from its checkpoint.
    """
    resumed = checkpoint_to_resume(
        run / CHECKPOINTS, classifier.state_dict(), mend=trainer.is_global_zero
    )
    if resumed:
        logger.info("going on from %s", resumed)
    try:
        with _quiet_lightning():
            trainer.fit(classifier, module, ckpt_path=resumed, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C
        raise RunStopped(f"{run}: stopped; the same command goes on") from None
    except EpipamError:
        raise
    except Exception as error:
        if resumed is None or classifier.has_begun:
            raise
        raise CheckpointError(
            f"{resumed}: cannot be gone on from ({type(error).__name__}); remove {run} to train "
            "from the beginning"
        ) from error


def _starts_own(settings: TrainSettings) -> bool:
    """Whether this process is alone, or starts the others, although a scheduler has more tasks.

    Inside `sbatch -n 4` Lightning takes itself for one of four processes, which there are only
    where srun started them, for several devices or nodes.
    """
    if "SLURM_NTASKS" not in os.environ or "TORCHELASTIC_RUN_ID" in os.environ:
        return False
    tasks = os.environ.get("SLURM_STEP_NUM_TASKS", "1")
    alone = settings.devices == "1" or settings.devices.endswith(",")
    return settings.nodes == 1 and (alone or tasks == "1")


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

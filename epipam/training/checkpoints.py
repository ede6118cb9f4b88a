"""Checkpoints of a run: written beside their place, checked when read, the one before last kept."""

from __future__ import annotations

import io
import logging
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from torch import Tensor

from epipam.errors import EpipamError
from epipam.runtime.files import whole_file

BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"
_KEYS = {"state_dict": dict, "epoch": int, "global_step": int, "loops": dict, "callbacks": dict}

logger = logging.getLogger(__name__)


class CheckpointError(EpipamError):
    """A checkpoint that training cannot go on from."""


class CheckpointFiles(CheckpointIO):
    """How Lightning keeps checkpoints: whole or not at all, and the last but one, too.

    A checkpoint is written beside its place and renamed. `last.ckpt` becomes `previous.ckpt`
    before another takes its name, so that one that is damaged later does not end a run.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        path = Path(path)
        if path.name == LAST and path.exists():
            _link(path, path.with_name(PREVIOUS))
        write_checkpoint(checkpoint, path)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = None,
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint, whole under its name or not at all."""
    # By way of memory: where a disk is full, torch's own writer does not say so.
    written = io.BytesIO()
    torch.save(checkpoint, written)
    with whole_file(path) as partial:
        partial.write_bytes(written.getbuffer())


def read_checkpoint(path: Path, like: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, every byte of its tensors checked, and nothing else run.

    Parameters
    ----------
    like
        Weights by name that those of the checkpoint must be alike in name and shape.

    Raises
    ------
    CheckpointError
        Where it is missing, damaged, of something else or of another model.
    """
    try:
        # torch does not look at the checksums that it writes.
        with zipfile.ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:
                raise CheckpointError(f"{path}: is damaged: {damaged} is not what was written")
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except CheckpointError:
        raise
    # Hostile bytes make torch and zipfile raise anything; their advice is to load unsafely.
    except Exception as error:
        raise CheckpointError(
            f"{path}: is damaged, or no checkpoint of epipam ({type(error).__name__})"
        ) from None
    if not isinstance(checkpoint, dict) or not all(
        isinstance(checkpoint.get(key), kind) for key, kind in _KEYS.items()
    ):
        raise CheckpointError(f"{path}: is no checkpoint of epipam")
    if like is not None and _shapes(checkpoint["state_dict"]) != _shapes(like):
        raise CheckpointError(f"{path}: is of another model")
    return checkpoint


def checkpoint_to_resume(
    folder: Path, like: Mapping[str, Tensor], *, mend: bool = True
) -> Path | None:
    """Return the checkpoint that training goes on from; None where there is none.

    That is the last, or the previous where the last is damaged, which is said in the log; the
    previous is then the last, too.

    Parameters
    ----------
    like
        As `read_checkpoint` takes it.
    mend
        Whether to put the previous in the place of a damaged last.

    Raises
    ------
    CheckpointError
        Where there are some and none can be gone on from.
    """
    found = [folder / name for name in (LAST, PREVIOUS) if (folder / name).exists()]
    problems = []
    for path in found:
        try:
            read_checkpoint(path, like)
        except CheckpointError as error:
            problems.append(str(error))
            continue
        for problem in problems:
            logger.warning("%s; going on from the one before, %s", problem, path)
        if mend and path.name == PREVIOUS:
            _link(path, folder / LAST)
        return path
    if problems:
        raise CheckpointError(
            f"{'; '.join(problems)}; put a copy in its place, or remove {folder.parent} to train "
            "from the beginning"
        )
    return None


def _shapes(weights: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(tensor, "shape", None) for name, tensor in weights.items()}


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, replacing what has it; where links cannot be, a new name."""
    with tempfile.TemporaryDirectory(prefix=".link.", dir=source.parent) as folder:
        name = Path(folder) / target.name
        try:
            os.link(source, name)
        except OSError:  # some file systems have none
            os.replace(source, target)
        else:
            os.replace(name, target)

"""The weights of a model folder: read whole, checked against what its configuration says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load
from torch import Tensor

from epipam.errors import ModelError
from epipam.models.folder import CONFIG_FILE, WEIGHTS_FILE

# What a clone of a repository holds in a large file's place where Git LFS did not run.
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_TO_BE_RETRAINED = "train the model again, with a lower --learning-rate"


def weights_digest(contents: bytes) -> str:
    """Return the SHA-256 of a weights file, as `sha256sum` prints it."""
    return hashlib.sha256(contents).hexdigest()


def read_weights(folder: Path, digest: str | None) -> dict[str, Tensor]:
    """Read the weights of a model folder.

    Parameters
    ----------
    folder
        The model folder.
    digest
        The SHA-256 that they must have; None where the folder was made before it was noted.

    Raises
    ------
    ModelError
        Where they are missing, damaged, others than `digest` says, or not all finite.
    """
    path = folder / WEIGHTS_FILE
    contents = _contents(path)
    if digest is not None and (found := weights_digest(contents)) != digest:
        raise ModelError(
            f"{path}: is damaged, or of another run than {CONFIG_FILE} beside it, which notes the "
            f"SHA-256 {digest}, not {found}: copy the whole model folder again"
        )
    try:
        weights = load(contents)
    except (safetensors.SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise ModelError(
            f"{path}: cannot be loaded: {one_line(error)}; copy or download it again"
        ) from None
    require_finite(weights, path)
    return weights


def require_finite(weights: Mapping[str, Tensor], source: object) -> None:
    """Refuse weights that are NaN or infinite.

    Parameters
    ----------
    weights
        Tensors by name.
    source
        Where they come from, for the message.

    Raises
    ------
    ModelError
        Naming the first tensor with such numbers.
    """
    for name, tensor in weights.items():
        if not bool((finite := torch.isfinite(tensor)).all()):
            n_wrong = tensor.numel() - int(finite.sum())
            raise ModelError(
                f"{source}: {n_wrong:,} of {tensor.numel():,} numbers of the tensor {name} are NaN "
                f"or infinite: its training diverged, or the weights are damaged; "
                f"{_TO_BE_RETRAINED}"
            )


def require_shapes(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse weights of other names or shapes than a network has.

    Raises
    ------
    ValueError
        Naming the first difference.
    """
    if missing := next((name for name in expected if name not in weights), None):
        raise ValueError(f"the tensor {missing} is missing")
    for name, tensor in weights.items():
        if name not in expected:
            raise ValueError(f"no tensor of the model is called {name}")
        if tensor.shape != (shape := expected[name].shape):
            raise ValueError(
                f"the tensor {name} has shape {tuple(tensor.shape)} but must have {tuple(shape)}"
            )


def one_line(error: BaseException) -> str:
    """Return what an error says in one line, cut where it is long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _contents(path: Path) -> bytes:
    try:
        contents = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path.parent}: has no {WEIGHTS_FILE}") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    if contents.startswith(_LFS_POINTER):
        raise ModelError(
            f"{path}: is a Git LFS pointer and not the weights themselves: run 'git lfs pull' "
            f"where it was cloned, or download the file from the repository's page"
        )
    return contents

"""Windows as 6-mers: their numbers (tokens), computed where the model is, and their vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from epipam.errors import ModelError
from epipam.genome.encoding import BASES
from epipam.models.onehot import base_digits

KMER = 6
# One for each 6-mer, and one for those in which a base is not known.
N_TOKENS = len(BASES) ** KMER + 1


def kmer_tokens(windows: Tensor, length: int, k: int = KMER) -> Tensor:
    """Number the k-mers of windows: 0 where a base is N, else 1 (AA..A) to 4^k (TT..T).

    Parameters
    ----------
    windows
        Packed, uint8 (N, ceil(length / 2)), or one-hot, (N, 4, length).
    length
        Window length in bp.
    k
        Length of the k-mers.

    Returns
    -------
    int32 (N, length - k + 1): the number of the k-mer that begins at each position.

    Raises
    ------
    ModelError
        Where a one-hot window is a mixture of sequences, which has no k-mers.
    """
    digits = base_digits(windows, length) if windows.dim() == 2 else _onehot_digits(windows)
    n_tokens = length - k + 1
    token = torch.ones_like(digits[:, :n_tokens])
    for offset in range(k):
        token += (digits[:, offset : offset + n_tokens] - 1) * len(BASES) ** (k - 1 - offset)
    known = digits.unfold(1, k, 1).amin(dim=2) > 0
    return torch.where(known, token, 0)


class KmerEmbedding(nn.Module):
    """A vector for each 6-mer, fine-tuned with the network that reads it.

    Parameters
    ----------
    dimension
        Length of the vectors. They begin random, and zero for 6-mers with N.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        vectors = torch.empty(N_TOKENS, dimension)
        if not vectors.is_meta:  # where only shapes are wanted, drawing costs seconds
            vectors.normal_()
            vectors[0] = 0
        self.vectors = nn.Embedding.from_pretrained(vectors, freeze=False)

    def forward(self, windows: Tensor, length: int) -> Tensor:
        """Return the vectors of windows' 6-mers, float (N, dimension, length - 5).

        Parameters
        ----------
        windows, length
            As for `kmer_tokens`.
        """
        return self.vectors(kmer_tokens(windows, length)).transpose(1, 2)


def embeds(network: nn.Module) -> bool:
    """Whether a network reads 6-mers."""
    return any(isinstance(module, KmerEmbedding) for module in network.modules())


def initialise_embeddings(network: nn.Module, path: str | Path) -> None:
    """Set the vectors of all of a network's embeddings from a file.

    Parameters
    ----------
    path
        A .npy of (4,097, dimension) numbers: row 0 for 6-mers with N, then AAAAAA to TTTTTT.

    Raises
    ------
    ModelError
        Where the network embeds nothing, or the file does not hold such vectors.
    """
    embeddings = [module for module in network.modules() if isinstance(module, KmerEmbedding)]
    if not embeddings:
        raise ModelError(f"{path}: this model reads bases and not 6-mers: leave out --embedding")
    for embedding in embeddings:
        weight = embedding.vectors.weight
        found = _read_vectors(Path(path), tuple(weight.shape))
        with torch.no_grad():
            weight.copy_(torch.from_numpy(found))


def _read_vectors(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        vectors = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except (ValueError, EOFError, OSError) as error:
        raise ModelError(f"{path}: is no .npy file of numbers: {error}") from None
    if not isinstance(vectors, np.ndarray) or vectors.shape != shape:
        has = getattr(vectors, "shape", "several arrays")
        raise ModelError(
            f"{path}: has shape {has} but must have shape {shape}: a vector for 6-mers with N, "
            f"then one for each of AAAAAA to TTTTTT"
        )
    if not np.issubdtype(vectors.dtype, np.floating) or not np.isfinite(vectors).all():
        raise ModelError(f"{path}: holds {vectors.dtype} that are not all finite numbers")
    return vectors.astype(np.float32)


def _onehot_digits(onehot: Tensor) -> Tensor:
    """Return 0 for no base and 1 to 4 for A C G T: int32 (N, length)."""
    is_one = onehot != 0
    if not bool((onehot * onehot == onehot).all() and (is_one.sum(dim=1) <= 1).all()):
        raise ModelError("this model reads k-mers: its windows must be one-hot, without mixtures")
    number = torch.arange(1, len(BASES) + 1, dtype=torch.int32, device=onehot.device)
    return (is_one * number.unsqueeze(1)).sum(dim=1, dtype=torch.int32)

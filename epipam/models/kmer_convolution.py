"""The convolution of one-hot sequence by look-up: five bases at a time choose a row to add.

`KMER` neighbouring bases are one number, none of the four letters being a fifth, so that a kernel
of 25 positions by 4 bases, a hundred multiplications, is five rows of tables of what every k-mer
contributes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from epipam.genome.encoding import CODES
from epipam.models.onehot import base_digits

KMER = 5
# A base is one of four letters or none of them, which contributes nothing.
_LETTERS = len(CODES) + 1
N_KMERS = _LETTERS**KMER


class KmerConvolution:
    """What a convolution makes of packed one-hot sequence, without multiplying.

    Parameters
    ----------
    conv
        Convolution of one-hot input, 4 channels, no padding; its weights are read once, here.
    """

    def __init__(self, conv: nn.Conv1d) -> None:
        self.width = conv.kernel_size[0]
        self.tables = KmerTables(conv.weight.detach())

    def __call__(self, packed: Tensor, length: int) -> Tensor:
        """Convolve windows of `length` bp.

        Parameters
        ----------
        packed
            uint8 (n, ceil(length / 2)): one-hot bits, as `epipam.genome.encoding.pack` gives them.

        Returns
        -------
        float (n, length - width + 1, channels): without the bias.
        """
        positions = length - self.width + 1
        codes = kmer_codes(packed, length, self.tables.span(positions))
        return self.tables.convolve(codes, positions)


class KmerTables:
    """What every k-mer contributes to a convolution's output, for each KMER taps of its kernel.

    Parameters
    ----------
    weight
        float (channels, 4, width).
    """

    def __init__(self, weight: Tensor) -> None:
        channels, bases, width = weight.shape
        self.n_tables = -(-width // KMER)
        taps = F.pad(weight, (0, self.n_tables * KMER - width))
        taps = taps.view(channels, bases, self.n_tables, KMER).permute(3, 1, 2, 0)
        onehot = KMER_ONEHOT.to(weight)
        rows = onehot @ taps.reshape(KMER * bases, self.n_tables * channels)
        self.rows = rows.view(N_KMERS * self.n_tables, channels)

    def span(self, positions: int) -> int:
        """Return at how many positions a k-mer begins that these outputs read."""
        return positions + KMER * (self.n_tables - 1)

    def convolve(self, codes: Tensor, positions: int) -> Tensor:
        """Return float (n, positions, channels) for codes int32 (n, span)."""
        n, span = codes.shape
        device = codes.device
        shape = (n, positions, self.n_tables)
        which = torch.empty(shape, dtype=torch.int32, device=device)
        first = (codes * self.n_tables).as_strided(shape, (span, 1, KMER))
        tables = torch.arange(self.n_tables, dtype=torch.int32, device=device)
        torch.add(first, tables, out=which)
        bags = torch.arange(0, which.numel(), self.n_tables, dtype=torch.int32, device=device)
        found = F.embedding_bag(which.view(-1), self.rows, bags, mode="sum")
        return found.view(n, positions, -1)


def kmer_codes(packed: Tensor, length: int, span: int) -> Tensor:
    """Number the k-mer that begins at each of the first `span` positions of packed windows.

    Parameters
    ----------
    packed
        uint8 (N, ceil(length / 2)).
    length
        Window length in bp; what lies beyond it is no base.
    span
        Positions, whether k-mers that begin there end within the window or not.

    Returns
    -------
    int32 (N, span).
    """
    digits = base_digits(packed, length)
    digits = F.pad(digits, (0, max(0, span + KMER - 1 - length)))
    codes = digits[:, :span]
    for ahead in range(1, KMER):
        codes = codes * _LETTERS + digits[:, ahead : ahead + span]
    return codes


def _kmer_onehot() -> Tensor:
    """Return which bases a k-mer has where: float32 (k-mers, KMER * 4)."""
    kmer = np.arange(N_KMERS)[:, None] // _LETTERS ** np.arange(KMER - 1, -1, -1) % _LETTERS
    return torch.from_numpy(np.eye(_LETTERS, dtype=np.float32)[kmer][..., 1:].reshape(N_KMERS, -1))


KMER_ONEHOT = _kmer_onehot()

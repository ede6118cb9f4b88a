"""The first convolution on packed windows, by look-up: five bases at a time choose a row to add.

`KMER` neighbouring bases are one number, none of the four letters being a fifth, so that a kernel
of 25 positions by 4 bases, a hundred multiplications, is five rows of tables of what every k-mer
contributes. Training pools as it convolves: windows go through in chunks that stay in the
processor's cache, and the convolution's output, ten times the pooled one, is never kept whole. Its
gradient adds rows of the output's gradient up by k-mer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from epipam.genome.encoding import CODES
from epipam.models.onehot import base_digits

KMER = 5
# A base is one of four letters or none of them, which contributes nothing.
_LETTERS = len(CODES) + 1
N_KMERS = _LETTERS**KMER
_WINDOWS_AT_ONCE = 5
_WINDOWS_AT_ONCE_BACKWARD = 8


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


def convolve_and_pool(
    packed: Tensor, length: int, weight: Tensor, bias: Tensor, pool: int
) -> Tensor:
    """Convolution, max-pool and ReLU of packed windows, on the processor.

    Parameters
    ----------
    packed
        uint8 (N, ceil(length / 2)).
    length
        Window length in bp.
    weight, bias
        float (channels, 4, kernel) and (channels,): those of an `nn.Conv1d`.
    pool
        Width of the pool.

    Returns
    -------
    float (N, positions, channels).
    """
    tables = KmerTables(weight.detach())
    positions = length - weight.shape[2] + 1
    codes = kmer_codes(packed, length, tables.span(positions))
    pooled: Tensor = _ConvolveAndPool.apply(codes, weight, bias, tables, positions, pool)
    return pooled


class _ConvolveAndPool(torch.autograd.Function):
    """From k-mer codes int32 (N, span) to float (N, positions // pool, channels)."""

    @staticmethod
    def forward(
        ctx: Any,
        codes: Tensor,
        weight: Tensor,
        bias: Tensor,
        tables: KmerTables,
        positions: int,
        pool: int,
    ) -> Tensor:
        n_windows, channels = len(codes), len(weight)
        shape = (n_windows, positions // pool, channels)
        pooled = weight.new_empty(shape)
        winners = torch.empty(shape, dtype=torch.int32)
        for start in range(0, n_windows, _WINDOWS_AT_ONCE):
            here = slice(start, start + _WINDOWS_AT_ONCE)
            convolved = tables.convolve(codes[here], positions)
            image = convolved.unsqueeze(1).permute(0, 3, 1, 2)  # channels-last in memory
            maxima, where = F.max_pool2d(image, (1, pool), return_indices=True)
            torch.add(maxima.squeeze(2).transpose(1, 2), bias, out=pooled[here])
            winners[here] = where.squeeze(2).transpose(1, 2)
        pooled.relu_()
        ctx.save_for_backward(codes, weight, pooled, winners)
        ctx.positions = positions
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        codes, weight, pooled, winners = ctx.saved_tensors
        gradient = torch.where(pooled > 0, gradient, gradient.new_zeros(()))
        tables = _TableGradients(weight)
        for start in range(0, len(codes), _WINDOWS_AT_ONCE_BACKWARD):
            here = slice(start, start + _WINDOWS_AT_ONCE_BACKWARD)
            tables.add(codes[here], gradient[here], winners[here], ctx.positions)
        return None, tables.weight_gradient(), gradient.sum(dim=(0, 1)), None, None, None


class _TableGradients:
    """The gradient of `KmerTables`, summed over chunks of windows."""

    def __init__(self, weight: Tensor) -> None:
        self.shape = weight.shape
        channels, _, kernel = weight.shape
        self.sums = weight.new_zeros((-(-kernel // KMER), N_KMERS, channels))
        self._spread = weight.new_empty(0)

    def add(self, codes: Tensor, gradient: Tensor, winners: Tensor, positions: int) -> None:
        """Add a chunk: codes (n, span), gradient and winners (n, pooled positions, channels)."""
        n, span = codes.shape
        channels = self.shape[0]
        # Rows of zeros between windows are what a tap that lies outside of a window reads.
        edge = span - positions
        pitch = positions + edge
        # One buffer for all chunks: fresh memory costs more than zeroing.
        if self._spread.numel() < (n * pitch + edge) * channels:
            self._spread = gradient.new_empty((n * pitch + edge, channels))
        spread = self._spread[: n * pitch + edge].zero_()
        place = (winners.long() + edge) * channels + torch.arange(channels)
        windows = spread[: n * pitch].view(n, pitch * channels)
        windows.scatter_(1, place.flatten(1), gradient.flatten(1))
        order, bags = _grouped(codes)
        read = order + order // span * (pitch - span) + edge
        for table, sums in enumerate(self.sums):
            sums += F.embedding_bag(read - KMER * table, spread, bags, mode="sum")

    def weight_gradient(self) -> Tensor:
        """Return float (channels, 4, kernel)."""
        channels, bases, kernel = self.shape
        taps = KMER_ONEHOT.to(self.sums.dtype).T @ self.sums
        return taps.view(-1, bases, channels)[:kernel].permute(2, 1, 0).contiguous()


def _grouped(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the places of all codes in order of code, and where each code's places begin."""
    # Of 16-bit numbers NumPy's stable sort is a radix sort.
    flat = codes.numpy().reshape(-1).astype(np.uint16)
    order = np.argsort(flat, kind="stable").astype(np.int32)
    counts = np.bincount(flat, minlength=N_KMERS)
    begins = (np.cumsum(counts) - counts).astype(np.int32)
    return torch.from_numpy(order), torch.from_numpy(begins)

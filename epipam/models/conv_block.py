"""The block that the networks share: convolution, max-pool, ReLU and dropout."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from epipam.errors import ModelError
from epipam.models.dropout import Dropout
from epipam.models.first_convolution import convolve_and_pool
from epipam.models.onehot import unpack
from epipam.models.precision import in_full_precision

# On processors with bfloat16 matrix units, the convolution of oneDNN 3.12 (PyTorch 2.13) is wrong
# where fewer inputs than this, times the kernel's width, are a multiple of 32.
_FEW_INPUTS = 16


class ConvBlock(nn.Module):
    """Convolution, max-pool, ReLU and dropout: float (N, inputs, L) to (N, channels, L').

    Pooling before bias and ReLU gives the values of the published order, all being monotone, on a
    tenth of the entries. The convolution runs as one of height 1 in channels-last memory,
    in which it takes half the time on a CPU.
    """

    def __init__(self, inputs: int, channels: int, kernel: int, pool: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, channels, kernel)
        self.pool = pool
        self.dropout = Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        if features.device.type == "cpu" and features.shape[1] < _FEW_INPUTS:
            return self._in_full_precision(features)
        return self._convolve(features)

    @in_full_precision
    def _in_full_precision(self, features: Tensor) -> Tensor:
        return self._convolve(features)

    def _convolve(self, features: Tensor) -> Tensor:
        image = features.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        weight = self.conv.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        convolved = F.conv2d(image, weight)
        pooled = F.max_pool2d(convolved, (1, self._pool(features.shape[2]))).squeeze(2)
        return self.dropout(F.relu(pooled + self._bias.unsqueeze(1)))

    def of_windows(self, windows: Tensor, length: int) -> Tensor:
        """Return what `forward` makes of windows as a network is given them.

        Parameters
        ----------
        windows
            Packed, uint8 (N, ceil(length / 2)), or what `forward` takes, (N, inputs, length).
        length
            Window length in bp.
        """
        if windows.dtype == torch.uint8 and windows.dim() == 2:
            return self.from_packed(windows, length)
        return self(windows.to(self.conv.weight.dtype))

    def from_packed(self, packed: Tensor, length: int) -> Tensor:
        """Return what `forward` makes of the windows unpacked.

        Parameters
        ----------
        packed
            uint8 (N, ceil(length / 2)).
        length
            Window length in bp.
        """
        if packed.device.type != "cpu":
            return self(unpack(packed, length, self.conv.weight.dtype))
        with torch.autocast("cpu", enabled=False):
            weight, pool = self.conv.weight, self._pool(length)
            pooled = convolve_and_pool(packed, length, weight, self._bias, pool)
        return self.dropout(pooled.transpose(1, 2))

    @property
    def _bias(self) -> Tensor:
        assert self.conv.bias is not None
        return self.conv.bias

    def _pool(self, length: int) -> int:
        """Return the pool's width: never wider than what the convolution leaves of `length`."""
        return min(self.pool, length - self.conv.kernel_size[0] + 1)


def initialise(module: nn.Module) -> None:
    """Give a layer Glorot uniform weights and zero biases, as all the networks' authors do."""
    if isinstance(module, nn.Conv1d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def pooled_positions(length: int, kernels: tuple[int, ...], pool: int) -> int:
    """Return how many positions convolutions and a pool after them leave of a sequence.

    Raises
    ------
    ModelError
        Where they leave none.
    """
    shortest = sum(kernels) - len(kernels) + pool
    if length < shortest:
        raise ModelError(
            f"sequences of {length} positions are too short for this network: it needs at least "
            f"{shortest}"
        )
    return (length - shortest) // pool + 1

"""EPIPAM and EPI: the network of the paper with and without position attention.

Source: Liu, Zhu, Zhang, Comput Biomed 2026;1:202525, and its authors' published settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from epipam.errors import ModelError
from epipam.models.attention import PositionAttention, attend, position_attention
from epipam.models.dropout import Dropout
from epipam.models.first_block import convolve_and_pool
from epipam.models.hub import HubFolder
from epipam.models.onehot import unpack
from epipam.windows import ENHANCER_LENGTH, PROMOTER_LENGTH


@dataclass(frozen=True)
class EpipamConfig:
    """The shape of the network; the defaults are the paper's.

    Attributes
    ----------
    enhancer_length, promoter_length
        Window lengths in bp.
    position_attention
        Whether a PAM follows each block (`epipam`) or none does (`epi`).
    kernels, pools
        Convolution and pooling widths of the blocks.
    relation_ratios
        Share of each relation matrix that the auxiliary head reads, largest entries first.
    """

    enhancer_length: int = ENHANCER_LENGTH
    promoter_length: int = PROMOTER_LENGTH
    position_attention: bool = True
    channels: int = 64
    kernels: tuple[int, ...] = (25, 13, 7)
    pools: tuple[int, ...] = (10, 10, 5)
    relation_ratios: tuple[float, ...] = (0.01, 0.1, 1.0)
    hidden: int = 64
    block_dropout: float = 0.2
    head_dropout: float = 0.5

    def positions(self, length: int) -> list[int]:
        """Return how many positions are left of `length` bp after each block.

        A pool that is wider than what a convolution leaves takes all of it, so that windows of
        1,000 bp, as of ChIA-PET anchors, leave one position.
        """
        left, positions = [], length
        for kernel, pool in zip(self.kernels, self.pools, strict=True):
            positions -= kernel - 1
            if positions < 1:
                raise ModelError(
                    f"windows of {length} bp are too short for this network: "
                    f"it needs at least {self.shortest_window} bp"
                )
            positions //= min(pool, positions)
            left.append(positions)
        return left

    @property
    def shortest_window(self) -> int:
        """The shortest window that leaves a position after every block, bp."""
        length = 1
        for kernel, pool in reversed(list(zip(self.kernels, (*self.pools[:-1], 1), strict=True))):
            length = length * pool + kernel - 1
        return length

    @property
    def main_features(self) -> int:
        """How many features the main head reads."""
        last = self.positions(self.enhancer_length)[-1] + self.positions(self.promoter_length)[-1]
        return self.channels * last

    @property
    def relation_counts(self) -> list[int]:
        """How many entries of each block's relation matrix the auxiliary head reads."""
        return [
            int(ratio * n * m)
            for ratio, n, m in zip(
                self.relation_ratios,
                self.positions(self.enhancer_length),
                self.positions(self.promoter_length),
                strict=True,
            )
        ]


class Logits(NamedTuple):
    """Outputs of both heads, float (N,); `auxiliary` is None for a network without PAM."""

    main: Tensor
    auxiliary: Tensor | None


class Epipam(nn.Module, HubFolder):
    """Two convolutional branches that meet in a PAM after every block.

    Parameters
    ----------
    config
        The shape; `EpipamConfig()` has 245,064 parameters, 384 main and 643 auxiliary features.
    """

    def __init__(self, config: EpipamConfig | None = None) -> None:
        super().__init__()
        self.config = config = EpipamConfig() if config is None else config
        self.provenance: dict[str, Any] = {}
        self.enhancer_blocks = _branch(config)
        self.promoter_blocks = _branch(config)
        self.main_head = _head(config.main_features, config)
        self.auxiliary_head = (
            _head(sum(config.relation_counts), config) if config.position_attention else None
        )
        self.apply(_initialise)

    def forward(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        """Return the main head's logits; the auxiliary head does not run.

        Parameters
        ----------
        enhancer, promoter
            One-hot windows: float (N, 4, L), or packed, uint8 (N, ceil(L / 2)), of which the
            first block makes less work on a processor.

        Returns
        -------
        float (N,): logits; their sigmoid is the probability of interaction.
        """
        for index in range(len(self.config.kernels)):
            enhancer, promoter, _ = self._block(index, enhancer, promoter)
        return self._main(enhancer, promoter)

    def both_logits(self, enhancer: Tensor, promoter: Tensor) -> Logits:
        """Return the logits of the main and the auxiliary head, for training.

        Parameters
        ----------
        enhancer, promoter
            As for `forward`.
        """
        if self.auxiliary_head is None:
            return Logits(self(enhancer, promoter), None)
        strongest = []
        for index, count in enumerate(self.config.relation_counts):
            enhancer, promoter = self._convolved(index, enhancer, promoter)
            attended = attend(enhancer, promoter, count)
            enhancer, promoter = attended.enhancer, attended.promoter
            strongest.append(attended.strongest)
        auxiliary = self.auxiliary_head(torch.cat(strongest, dim=1)).squeeze(1)
        return Logits(self._main(enhancer, promoter), auxiliary)

    def from_second_attention(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        """Return the main head's logits from the output of the second PAM.

        Parameters
        ----------
        enhancer, promoter
            float (N, c, n) and (N, c, m).
        """
        for index in range(2, len(self.config.kernels)):
            enhancer, promoter, _ = self._block(index, enhancer, promoter)
        return self._main(enhancer, promoter)

    def attention(self, enhancer: Tensor, promoter: Tensor) -> list[PositionAttention]:
        """Return what the PAM of each block computes for one-hot (N, 4, L) windows."""
        found = []
        for index in range(len(self.config.kernels)):
            enhancer, promoter, attention = self._block(index, enhancer, promoter)
            if attention is None:
                raise ModelError("this model has no position attention to look at: it is an epi")
            found.append(attention)
        return found

    def _block(
        self, index: int, enhancer: Tensor, promoter: Tensor
    ) -> tuple[Tensor, Tensor, PositionAttention | None]:
        enhancer, promoter = self._convolved(index, enhancer, promoter)
        if not self.config.position_attention:
            return enhancer, promoter, None
        attention = position_attention(enhancer, promoter)
        return attention.enhancer, attention.promoter, attention

    def _convolved(self, index: int, enhancer: Tensor, promoter: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs of both branches' block `index`."""
        enhancer_block = cast(ConvBlock, self.enhancer_blocks[index])
        promoter_block = cast(ConvBlock, self.promoter_blocks[index])
        if enhancer.dtype != torch.uint8 or enhancer.dim() != 2:
            return enhancer_block(enhancer), promoter_block(promoter)
        return (
            enhancer_block.from_packed(enhancer, self.config.enhancer_length),
            promoter_block.from_packed(promoter, self.config.promoter_length),
        )

    def _main(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        features = torch.cat([enhancer.flatten(1), promoter.flatten(1)], dim=1)
        return self.main_head(features).squeeze(1)


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
        image = features.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        weight = self.conv.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        convolved = F.conv2d(image, weight)
        pooled = F.max_pool2d(convolved, (1, self._pool(features.shape[2]))).squeeze(2)
        return self.dropout(F.relu(pooled + self._bias.unsqueeze(1)))

    def from_packed(self, packed: Tensor, length: int) -> Tensor:
        """Return what `forward` makes of the windows unpacked.

        Parameters
        ----------
        packed
            uint8 (N, ceil(length / 2)).
        length
            Window length in bp.
        """
        if packed.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return self(unpack(packed, length, self.conv.weight.dtype))
        pooled = convolve_and_pool(packed, length, self.conv.weight, self._bias, self._pool(length))
        return self.dropout(pooled.transpose(1, 2))

    @property
    def _bias(self) -> Tensor:
        assert self.conv.bias is not None
        return self.conv.bias

    def _pool(self, length: int) -> int:
        """Return the pool's width: never wider than what the convolution leaves of `length`."""
        return min(self.pool, length - self.conv.kernel_size[0] + 1)


def _branch(config: EpipamConfig) -> nn.ModuleList:
    inputs = [4] + [config.channels] * (len(config.kernels) - 1)
    return nn.ModuleList(
        ConvBlock(channels, config.channels, kernel, pool, config.block_dropout)
        for channels, kernel, pool in zip(inputs, config.kernels, config.pools, strict=True)
    )


def _head(features: int, config: EpipamConfig) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm1d(features),
        nn.Dropout(config.head_dropout),
        nn.Linear(features, config.hidden),
        nn.ReLU(),
        nn.Dropout(config.head_dropout),
        nn.Linear(config.hidden, 1),
    )


def _initialise(module: nn.Module) -> None:
    """Glorot uniform weights and zero biases, as the authors set them."""
    if isinstance(module, nn.Conv1d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)

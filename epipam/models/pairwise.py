"""Pairwise: one trunk for both anchors, read on both strands, and what the two have in common.

The anchors are read as they face each other: the enhancer on its forward strand, the promoter on
its other strand. Two CTCF sites that point at each other then look alike, and a pair has the logit
of the same two windows seen from the other strand of the chromosome, where they change places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from epipam.errors import ModelError
from epipam.models.conv_block import ConvBlock, initialise
from epipam.models.first_layer import FirstLayer
from epipam.models.network import Network, WindowConfig
from epipam.models.onehot import opposite_strand
from epipam.models.precision import in_full_precision

# How much smaller than usual the weights of the last layer begin.
_FIRST_LOGITS = 0.1


@dataclass(frozen=True)
class PairwiseConfig(WindowConfig):
    """The shape of the network.

    Attributes
    ----------
    channels
        Kernels of the first convolution; each is matched with both strands.
    kernel, pool
        Its width, bp, and how many positions its max-pool makes one of.
    width
        Channels after it.
    blocks
        Residual blocks after it. Each sees twice as far as the one before.
    attention_heads
        Of the cross-attention; 0 leaves it out.
    attention_pool
        How many of the positions a max-pool makes one of before the cross-attention.
    hidden
        Of the dense layer.
    block_dropout, dropout
        In the residual blocks, and around the dense layer.
    """

    channels: int = 64
    kernel: int = 19
    pool: int = 8
    width: int = 64
    blocks: int = 1
    attention_heads: int = 4
    attention_pool: int = 4
    hidden: int = 128
    block_dropout: float = 0.1
    dropout: float = 0.2

    def __post_init__(self) -> None:
        """Refuse what makes no network."""
        for name in ("channels", "kernel", "pool", "width", "attention_pool", "hidden"):
            if getattr(self, name) < 1:
                raise ModelError(f"{name} is {getattr(self, name)} but must be at least 1")
        if self.blocks < 0 or self.attention_heads < 0:
            raise ModelError("blocks and attention_heads cannot be negative")
        if self.attention_heads and self.width % self.attention_heads:
            raise ModelError(
                f"attention_heads is {self.attention_heads} but must divide the width, {self.width}"
            )
        shortest = min(self.enhancer_length, self.promoter_length)
        if shortest < self.kernel:
            raise ModelError(
                f"windows of {shortest} bp are too short for this network: it needs at least "
                f"{self.kernel} bp"
            )


class Anchors(NamedTuple):
    """What the trunk makes of windows, each by itself.

    Attributes
    ----------
    positions
        float (N, n, width).
    summary
        float (N, summaries): of the whole window.
    """

    positions: Tensor
    summary: Tensor


class Pairwise(Network):
    """A shared, strand-aware trunk; cross-attention both ways; products and differences.

    Parameters
    ----------
    config
        The shape.
    """

    config_class = PairwiseConfig
    config: PairwiseConfig

    def __init__(self, config: PairwiseConfig | None = None) -> None:
        config = PairwiseConfig() if config is None else config
        super().__init__(config)
        self.trunk = Trunk(config)
        self.cross = CrossAttention(config) if config.attention_heads else None
        features = 3 * _summaries(config) + (config.width if self.cross is not None else 0)
        self.head = nn.Sequential(
            nn.BatchNorm1d(features),
            nn.Dropout(config.dropout),
            nn.Linear(features, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, 1),
        )
        self.apply(initialise)
        # Products have long tails: without this the first logits are far too sure of themselves.
        with torch.no_grad():
            cast(nn.Linear, self.head[-1]).weight.mul_(_FIRST_LOGITS)

    def first_layers(self) -> tuple[FirstLayer, FirstLayer]:
        """Return the convolution that reads both windows, twice."""
        layer = FirstLayer(self.trunk.first.conv)
        return layer, layer

    def forward(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        """Return the logits, as `Network.forward` says."""
        return self.logits_of(self.read_enhancer(enhancer), self.read_promoter(promoter))

    def read_enhancer(self, windows: Tensor) -> Anchors:
        """Return what the trunk makes of enhancer windows, as `forward` takes them."""
        length = self.config.enhancer_length
        found: Anchors = self.trunk(windows, opposite_strand(windows, length), length)
        return found

    def read_promoter(self, windows: Tensor) -> Anchors:
        """Return what the trunk makes of promoter windows, read from their other strand."""
        length = self.config.promoter_length
        found: Anchors = self.trunk(opposite_strand(windows, length), windows, length)
        return found

    def anchor_bytes(self, length: int) -> int:
        """Return how many bytes `Anchors` take of one window of `length` bp, at most."""
        config = self.config
        positions = -(-(length - config.kernel + 1) // config.pool)
        numbers = positions * config.width + _summaries(config)
        return numbers * self.trunk.mix.weight.element_size()

    def logits_of(self, enhancer: Anchors, promoter: Anchors) -> Tensor:
        """Return the logits, float (N,), of pairs whose windows the trunk has read."""
        one, other = enhancer.summary, promoter.summary
        features = [one * other, (one - other).abs(), one + other]
        if self.cross is not None:
            features.append(
                self.cross(enhancer.positions, promoter.positions)
                + self.cross(promoter.positions, enhancer.positions)
            )
        return self._head(torch.cat([part.to(one.dtype) for part in features], dim=1))

    @in_full_precision
    def _head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(features)
        return logits.squeeze(1)


def _summaries(config: PairwiseConfig) -> int:
    """Return how many numbers a summary holds."""
    return 3 * config.channels + config.width


class Trunk(nn.Module):
    """What is made of one window: its positions, and a summary of the whole.

    The summary holds the best match of each first kernel on the strand that is read, on the other,
    and on either, and the largest value of each channel of the positions.
    """

    def __init__(self, config: PairwiseConfig) -> None:
        super().__init__()
        self.first = ConvBlock(4, config.channels, config.kernel, config.pool, 0.0)
        self.norm = nn.BatchNorm1d(config.channels)
        self.mix = nn.Conv1d(2 * config.channels, config.width, 1)
        self.blocks = nn.ModuleList(
            ResidualBlock(config.width, 2**index, config.block_dropout)
            for index in range(config.blocks)
        )
        self.last_norm = nn.BatchNorm1d(config.width)
        self.attention_pool = config.attention_pool

    def forward(self, read: Tensor, other: Tensor, length: int) -> Anchors:
        """Return the anchors of windows on the strand that is read and on the other one.

        Parameters
        ----------
        read, other
            Packed, uint8 (N, ceil(length / 2)), or one-hot (N, 4, length).
        length
            Window length in bp.
        """
        along = self._norm(self.first.of_windows(read, length))
        against = self._norm(self.first.of_windows(other, length)).flip(2)
        features = self.mix(torch.cat([along, against], dim=1))
        for block in self.blocks:
            features = block(features)
        features = self._last_norm(features)
        best_along, best_against = along.amax(dim=2), against.amax(dim=2)
        either = torch.maximum(best_along, best_against)
        best = features.amax(dim=2).to(either.dtype)
        summary = torch.cat([best_along, best_against, either, best], dim=1)
        pooled = F.max_pool1d(features, min(self.attention_pool, features.shape[2]))
        return Anchors(pooled.transpose(1, 2), summary)

    @in_full_precision
    def _norm(self, features: Tensor) -> Tensor:
        normed: Tensor = self.norm(features)
        return normed

    @in_full_precision
    def _last_norm(self, features: Tensor) -> Tensor:
        normed: Tensor = self.last_norm(features)
        return normed


class ResidualBlock(nn.Module):
    """Batch norm, ReLU and a dilated convolution of three positions, added to what came in."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Return float (N, width, n) of the same."""
        found: Tensor = features + self.dropout(self.conv(F.relu(self._norm(features))))
        return found

    @in_full_precision
    def _norm(self, features: Tensor) -> Tensor:
        normed: Tensor = self.norm(features)
        return normed


class CrossAttention(nn.Module):
    """Each position of one anchor beside the positions of the other that are most like it.

    Queries and keys have length one, times a scale for each head that is learnt, so that attention
    is as sharp for any number of channels and positions.
    """

    def __init__(self, config: PairwiseConfig) -> None:
        super().__init__()
        self.heads = config.attention_heads
        self.to_match = nn.Linear(config.width, config.width, bias=False)
        self.to_value = nn.Linear(config.width, config.width)
        self.compare = nn.Linear(3 * config.width, config.width)
        self.scale = nn.Parameter(torch.full((config.attention_heads, 1, 1), 10.0))

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        """Return what the positions of one anchor find in the other's, of each feature the most.

        Parameters
        ----------
        asking, asked
            float (N, n, width) and (N, m, width).

        Returns
        -------
        float (N, width)
        """
        query = F.normalize(self._by_head(self.to_match(asking)), dim=3) * self.scale
        key = F.normalize(self._by_head(self.to_match(asked)), dim=3)
        value = self._by_head(self.to_value(asked))
        found = F.scaled_dot_product_attention(
            query.to(value.dtype), key.to(value.dtype), value, scale=1.0
        )
        partner = found.transpose(1, 2).flatten(2)
        beside = self.compare(torch.cat([asking, partner, asking * partner], dim=2))
        return F.relu(beside).amax(dim=1)

    def _by_head(self, features: Tensor) -> Tensor:
        """Return (N, heads, n, width / heads) of (N, n, width)."""
        return features.unflatten(2, (self.heads, -1)).transpose(1, 2)

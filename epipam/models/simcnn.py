"""SIMCNN: two convolutions for each anchor, a dense layer.

Source: Zhuang, Shen and Pan, Bioinformatics 2019;35:2899-2906, and its authors' published code
(github.com/zzUMN/Combine-CNN-Enhancer-and-Promoters), whose `build_sim_model` is, so its README,
the network of the paper's figure 1. It trains with Adam at 0.00001 in batches of 50 for 32 epochs.
The paper's text was not at hand to check the numbers against.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from epipam.models.conv_block import ConvBlock, initialise, pooled_positions
from epipam.models.dropout import Dropout
from epipam.models.first_layer import FirstLayer
from epipam.models.network import Network, WindowConfig
from epipam.models.precision import in_full_precision


@dataclass(frozen=True)
class SimcnnConfig(WindowConfig):
    """The shape of the network; the defaults are the published ones.

    Attributes
    ----------
    channels, kernels
        Of both convolutions.
    pool
        Of the max-pool after the second.
    hidden
        Of the dense layer.
    block_dropout, dropout
        After the convolutions, and after the dense layer.
    """

    channels: tuple[int, int] = (1024, 200)
    kernels: tuple[int, int] = (40, 20)
    pool: int = 20
    hidden: int = 800
    block_dropout: float = 0.25
    dropout: float = 0.5


class Simcnn(Network):
    """SIMCNN. The logit is normalised over the batch, as its authors do.

    Parameters
    ----------
    config
        The shape.
    """

    config_class = SimcnnConfig
    config: SimcnnConfig

    def __init__(self, config: SimcnnConfig | None = None) -> None:
        config = SimcnnConfig() if config is None else config
        super().__init__(config)
        positions = sum(
            pooled_positions(length, config.kernels, config.pool)
            for length in (config.enhancer_length, config.promoter_length)
        )
        self.enhancer_branch, self.promoter_branch = Branch(config), Branch(config)
        self.norm = nn.BatchNorm1d(config.channels[1])
        self.dropout = Dropout(config.block_dropout)
        self.head = nn.Sequential(
            nn.Linear(config.channels[1] * positions, config.hidden),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, 1),
            nn.BatchNorm1d(1),
        )
        self.apply(initialise)

    def first_layers(self) -> tuple[FirstLayer, FirstLayer]:
        enhancer, promoter = self.enhancer_branch, self.promoter_branch
        return FirstLayer(enhancer.first.conv), FirstLayer(promoter.first.conv)

    def forward(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        """Return the logits, as `Network.forward` says."""
        enhancer = self.enhancer_branch(enhancer, self.config.enhancer_length)
        promoter = self.promoter_branch(promoter, self.config.promoter_length)
        return self._logits(torch.cat([enhancer, promoter], dim=2))

    @in_full_precision
    def _logits(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(self.norm(features)).flatten(1))
        return logits.squeeze(1)


class Branch(nn.Module):
    """Both convolutions of one anchor; only the second is pooled."""

    def __init__(self, config: SimcnnConfig) -> None:
        super().__init__()
        (many, few), (wide, narrow) = config.channels, config.kernels
        self.first = ConvBlock(4, many, wide, 1, 0.0)
        self.second = ConvBlock(many, few, narrow, config.pool, 0.0)

    def forward(self, windows: Tensor, length: int) -> Tensor:
        """Return float (N, channels, positions) for windows of `length` bp."""
        features: Tensor = self.second(self.first.of_windows(windows, length))
        return features

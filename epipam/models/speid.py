"""SPEID: one convolution for each anchor, a recurrent layer, a dense one.

Source: Singh, Yang, Poczos and Ma, Quant Biol 2019;7:122-137, and its authors' published code
(github.com/ma-compbio/SPEID), which trains with Adam at 0.00001 in batches of 100 for 32 epochs,
then once more with everything but the dense layers kept. That second step is not made here, and
no kernels begin as known motifs. The numbers are those of the network that the published training
script builds (`build_small_model`); another in the same place has 1,024 kernels without ReLU, 100
units and 1,000 hidden ones. The paper's text was not at hand to say which of them it reports.
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
from epipam.models.recurrent import along_both, initialise_recurrent


@dataclass(frozen=True)
class SpeidConfig(WindowConfig):
    """The shape of the network; the defaults are the published ones.

    Attributes
    ----------
    channels, kernel, pool
        Of the convolution and the max-pool after it.
    units
        Of the recurrent layer, in each direction.
    hidden
        Of the dense layer.
    block_dropout, dropout
        After the convolutions, and in what follows.
    """

    channels: int = 200
    kernel: int = 40
    pool: int = 20
    units: int = 50
    hidden: int = 800
    block_dropout: float = 0.25
    dropout: float = 0.5


class Speid(Network):
    """SPEID. The logit is normalised over the batch, as its authors do.

    Parameters
    ----------
    config
        The shape.
    """

    config_class = SpeidConfig
    config: SpeidConfig

    def __init__(self, config: SpeidConfig | None = None) -> None:
        config = SpeidConfig() if config is None else config
        super().__init__(config)
        positions = sum(
            pooled_positions(length, (config.kernel,), config.pool)
            for length in (config.enhancer_length, config.promoter_length)
        )
        shape = (4, config.channels, config.kernel, config.pool, 0.0)
        self.enhancer_block, self.promoter_block = ConvBlock(*shape), ConvBlock(*shape)
        self.norm = nn.BatchNorm1d(config.channels)
        self.block_dropout = Dropout(config.block_dropout)
        self.recurrent = nn.LSTM(
            config.channels, config.units, batch_first=True, bidirectional=True
        )
        self.recurrent_norm = nn.BatchNorm1d(2 * config.units)
        self.head = normalised_head(2 * config.units * positions, config.hidden, config.dropout)
        self.apply(initialise)
        initialise_recurrent(self.recurrent)

    def first_layers(self) -> tuple[FirstLayer, FirstLayer]:
        return FirstLayer(self.enhancer_block.conv), FirstLayer(self.promoter_block.conv)

    def forward(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        """Return the logits, as `Network.forward` says."""
        enhancer = self.enhancer_block.of_windows(enhancer, self.config.enhancer_length)
        promoter = self.promoter_block.of_windows(promoter, self.config.promoter_length)
        return self._logits(torch.cat([enhancer, promoter], dim=2))

    @in_full_precision
    def _logits(self, features: Tensor) -> Tensor:
        features = self.block_dropout(self.norm(features))
        states = along_both(self.recurrent, features).transpose(1, 2)
        logits: Tensor = self.head(self.recurrent_norm(states).flatten(1))
        return logits.squeeze(1)


def normalised_head(features: int, hidden: int, dropout: float) -> nn.Sequential:
    """Return SPEID's head: dropout, a dense layer, and batch norm before each of its outputs."""
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(features, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, 1),
        nn.BatchNorm1d(1),
    )

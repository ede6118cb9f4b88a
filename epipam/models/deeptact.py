"""DeepTACT's sequence part: one convolution for each anchor, a recurrent layer, attention.

Source: Li, Wong and Jiang, Nucleic Acids Res 2019;47:e60, and its authors' published code
(github.com/liwenran/DeepTACT), which trains with Adam at 0.00001 in batches of 100 and takes the
mean of 20 networks. What reads chromatin accessibility there has no counterpart here.
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
class DeeptactConfig(WindowConfig):
    """The shape of the network; the defaults are the published ones.

    Attributes
    ----------
    channels, kernel, pool
        Of the convolution and the max-pool after it.
    units
        Of the recurrent layer, in each direction.
    hidden
        Of the dense layer.
    dropout
        Before the recurrent layer, the dense one and the output.
    """

    channels: int = 1024
    kernel: int = 40
    pool: int = 20
    units: int = 100
    hidden: int = 925
    dropout: float = 0.5


class Deeptact(Network):
    """The sequence part of DeepTACT.

    With the published shape 1,421,877 parameters: the 1,421,077 that Keras trains in the authors'
    network without its accessibility branches, and 800 more because PyTorch's recurrent layer
    keeps two biases where theirs has one.

    Parameters
    ----------
    config
        The shape.
    """

    config_class = DeeptactConfig
    config: DeeptactConfig

    def __init__(self, config: DeeptactConfig | None = None) -> None:
        config = DeeptactConfig() if config is None else config
        super().__init__(config)
        for length in (config.enhancer_length, config.promoter_length):
            pooled_positions(length, (config.kernel,), config.pool)
        shape = (4, config.channels, config.kernel, config.pool, 0.0)
        self.enhancer_block, self.promoter_block = ConvBlock(*shape), ConvBlock(*shape)
        self.norm = nn.BatchNorm1d(config.channels)
        self.dropout = Dropout(config.dropout)
        self.recurrent = nn.LSTM(
            config.channels, config.units, batch_first=True, bidirectional=True
        )
        self.context = nn.Linear(2 * config.units, 1, bias=False)
        self.head = nn.Sequential(
            nn.BatchNorm1d(2 * config.units),
            nn.Dropout(config.dropout),
            nn.Linear(2 * config.units, config.hidden),
            nn.BatchNorm1d(config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, 1),
        )
        self.apply(initialise)
        initialise_recurrent(self.recurrent)
        nn.init.normal_(self.context.weight, std=0.05)

    def first_layers(self) -> tuple[FirstLayer, FirstLayer]:
        return FirstLayer(self.enhancer_block.conv), FirstLayer(self.promoter_block.conv)

    def forward(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        """Return the logits, as `Network.forward` says."""
        enhancer = self.enhancer_block.of_windows(enhancer, self.config.enhancer_length)
        promoter = self.promoter_block.of_windows(promoter, self.config.promoter_length)
        return self._logits(torch.cat([enhancer, promoter], dim=2))

    @in_full_precision
    def _logits(self, features: Tensor) -> Tensor:
        states = along_both(self.recurrent, self.dropout(self.norm(features)))
        weight = torch.softmax(self.context(torch.tanh(states)), dim=1)
        logits: Tensor = self.head(torch.tanh((weight * states).sum(dim=1)))
        return logits.squeeze(1)

"""EPIVAN: embedded 6-mers, one convolution for each anchor, a recurrent layer, attention.

Source: Hong, Zeng, Wei and Liu, Bioinformatics 2020;36:1037-1043, and its authors' published code
(github.com/hzy95/EPIVAN), which trains with Adam at Keras's defaults, in batches of 64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from epipam.models.conv_block import ConvBlock, initialise, pooled_positions
from epipam.models.dropout import Dropout
from epipam.models.embedding import KMER, KmerEmbedding
from epipam.models.first_layer import FirstLayer
from epipam.models.network import Network, WindowConfig
from epipam.models.precision import in_full_precision
from epipam.models.recurrent import along_both, initialise_recurrent


@dataclass(frozen=True)
class EpivanConfig(WindowConfig):
    """The shape of the network; the defaults are the published ones.

    Attributes
    ----------
    embedding
        Length of the vectors that stand for 6-mers.
    channels, kernel, pool
        Of the convolution and the max-pool after it.
    units
        Of the recurrent layer, in each direction.
    attention
        Length of the context vector that states are compared with.
    dropout
        Before the recurrent layer.
    """

    embedding: int = 100
    channels: int = 64
    kernel: int = 40
    pool: int = 20
    units: int = 50
    attention: int = 50
    dropout: float = 0.5


class Epivan(Network):
    """EPIVAN.

    With the published shape 1,371,657 parameters: the 1,371,357 that Keras trains in the authors'
    network, and 300 more because PyTorch's recurrent layer keeps two biases where theirs has one.
    The authors put five null tokens in front of each window's 6-mers, which are left out here.

    Parameters
    ----------
    config
        The shape.
    """

    config_class = EpivanConfig
    config: EpivanConfig

    def __init__(self, config: EpivanConfig | None = None) -> None:
        config = EpivanConfig() if config is None else config
        super().__init__(config)
        for length in (config.enhancer_length, config.promoter_length):
            pooled_positions(length - KMER + 1, (config.kernel,), config.pool)
        self.enhancer_embedding = KmerEmbedding(config.embedding)
        self.promoter_embedding = KmerEmbedding(config.embedding)
        shape = (config.embedding, config.channels, config.kernel, config.pool, 0.0)
        self.enhancer_block, self.promoter_block = ConvBlock(*shape), ConvBlock(*shape)
        self.norm = nn.BatchNorm1d(config.channels)
        self.dropout = Dropout(config.dropout)
        self.recurrent = nn.GRU(config.channels, config.units, batch_first=True, bidirectional=True)
        self.attention_layer = ContextAttention(2 * config.units, config.attention)
        self.head = nn.Linear(2 * config.units, 1)
        self.apply(initialise)
        initialise_recurrent(self.recurrent)
        self.attention_layer.initialise()

    def first_layers(self) -> tuple[FirstLayer, FirstLayer]:
        return (
            FirstLayer(self.enhancer_block.conv, self.enhancer_embedding),
            FirstLayer(self.promoter_block.conv, self.promoter_embedding),
        )

    def forward(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        """Return the logits, as `Network.forward` says."""
        config = self.config
        enhancer = self.enhancer_block(self.enhancer_embedding(enhancer, config.enhancer_length))
        promoter = self.promoter_block(self.promoter_embedding(promoter, config.promoter_length))
        return self._logits(torch.cat([enhancer, promoter], dim=2))

    @in_full_precision
    def _logits(self, features: Tensor) -> Tensor:
        states = along_both(self.recurrent, self.dropout(self.norm(features)))
        logits: Tensor = self.head(self.attention_layer(states))
        return logits.squeeze(1)


class ContextAttention(nn.Module):
    """A mean of states, weighted by how each compares with a learnt context.

    `a = softmax(u . tanh(W h + b))` over positions; the mean is `sum a h`.
    """

    def __init__(self, features: int, attention: int) -> None:
        super().__init__()
        self.project = nn.Linear(features, attention)
        self.context = nn.Linear(attention, 1, bias=False)

    def initialise(self) -> None:
        """Begin as the authors do: all from a normal distribution, of Keras's deviation."""
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.05)

    def forward(self, states: Tensor) -> Tensor:
        """Return float (N, features) for states (N, positions, features)."""
        weight = torch.softmax(self.context(torch.tanh(self.project(states))), dim=1)
        return (weight * states).sum(dim=1)

"""EPIPAM and EPI: the network of the paper with and without position attention.

Source: Liu, Zhu, Zhang, Comput Biomed 2026;1:202525, and its authors' published settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import cast

import torch
from torch import Tensor, nn

from epipam.errors import ModelError
from epipam.genome.encoding import BASES
from epipam.models.attention import (
    PositionAttention,
    attend,
    merge_heads,
    over_heads,
    position_attention,
    split_heads,
)
from epipam.models.conv_block import ConvBlock, initialise
from epipam.models.embedding import KMER, KmerEmbedding
from epipam.models.first_layer import FirstLayer
from epipam.models.network import Logits, Network, WindowConfig
from epipam.models.onehot import opposite_strand

# What relations are divided by, of how many channels they sum over; None is their number.
SCALES: dict[str, Callable[[int], float] | None] = {"channels": None, "root": sqrt}


@dataclass(frozen=True)
class EpipamConfig(WindowConfig):
    """The shape of the network; the defaults are the paper's.

    Attributes
    ----------
    position_attention
        Whether a PAM follows each block (`epipam`) or none does (`epi`).
    embedding
        Length of the vectors that stand for 6-mers (`epipam-embed`, `epi-embed`); 0 reads bases.
    kernels, pools
        Convolution and pooling widths of the blocks.
    relation_ratios
        Share of each relation matrix that the auxiliary head reads, largest entries first.
    attention_heads
        Each is a PAM of its own on its share of the channels. Published: 1.
    scale_relations
        By what relations are divided: `channels` (published), or `root`, its square root, which
        keeps their spread whatever the channels are.
    symmetric
        Whether both anchors go through the same branch and either may come first.
    both_strands
        Whether logits are means of those of both strands.
    """

    position_attention: bool = True
    embedding: int = 0
    channels: int = 64
    kernels: tuple[int, ...] = (25, 13, 7)
    pools: tuple[int, ...] = (10, 10, 5)
    relation_ratios: tuple[float, ...] = (0.01, 0.1, 1.0)
    hidden: int = 64
    block_dropout: float = 0.2
    head_dropout: float = 0.5
    attention_heads: int = 1
    scale_relations: str = "channels"
    symmetric: bool = False
    both_strands: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no network."""
        if not len(self.kernels) == len(self.pools) == len(self.relation_ratios):
            raise ModelError(
                f"kernels, pools and relation_ratios are one for each block, but they are "
                f"{len(self.kernels)}, {len(self.pools)} and {len(self.relation_ratios)}"
            )
        if self.attention_heads < 1 or self.channels % self.attention_heads:
            raise ModelError(
                f"attention_heads is {self.attention_heads} but must divide the "
                f"{self.channels} channels"
            )
        if self.scale_relations not in SCALES:
            raise ModelError(
                f"scale_relations is {self.scale_relations!r} but must be one of "
                f"{', '.join(SCALES)}"
            )
        if self.symmetric and self.enhancer_length != self.promoter_length:
            raise ModelError(
                f"symmetric needs windows of one length, not {self.enhancer_length} and "
                f"{self.promoter_length} bp"
            )

    def positions(self, length: int) -> list[int]:
        """Return how many positions are left of `length` bp after each block.

        A pool that is wider than what a convolution leaves takes all of it, so that windows of
        1,000 bp, as of ChIA-PET anchors, leave one position.
        """
        left, positions = [], length - self.overhang
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
        return length + self.overhang

    @property
    def shares_first_block(self) -> bool:
        """Whether pairs can be scored by the facts that `epipam.scoring.region_engine` rests on."""
        beyond = self.attention_heads > 1 or self.scale_relations != "channels"
        beyond = beyond or self.symmetric or self.both_strands or len(self.kernels) < 2
        return self.position_attention and not self.embedding and not beyond

    @property
    def overhang(self) -> int:
        """How many bp at a window's end begin no token."""
        return KMER - 1 if self.embedding else 0

    @property
    def main_features(self) -> int:
        """How many features the main head reads."""
        last = self.positions(self.enhancer_length)[-1] + self.positions(self.promoter_length)[-1]
        return self.channels * last

    @property
    def relation_counts(self) -> list[int]:
        """How many entries of each block's relation matrix, of each head, are read."""
        return [
            int(ratio * n * m)
            for ratio, n, m in zip(
                self.relation_ratios,
                self.positions(self.enhancer_length),
                self.positions(self.promoter_length),
                strict=True,
            )
        ]


class Epipam(Network):
    """Two convolutional branches that meet in a PAM after every block.

    The authors' preparation of 6-mers puts five null tokens in front of each window's, which say
    nothing and are left out here.

    Parameters
    ----------
    config
        The shape; `EpipamConfig()` has 245,064 parameters, 384 main and 643 auxiliary features.
    """

    config_class = EpipamConfig
    config: EpipamConfig

    def __init__(self, config: EpipamConfig | None = None) -> None:
        config = EpipamConfig() if config is None else config
        super().__init__(config)
        self.enhancer_embedding, self.promoter_embedding = (
            KmerEmbedding(config.embedding) if config.embedding and present else None
            for present in (True, not config.symmetric)
        )
        self.enhancer_blocks = _branch(config)
        # A symmetric network has one branch.
        self.promoter_blocks = None if config.symmetric else _branch(config)
        self.main_head = _head(config.main_features, config)
        self.auxiliary_head = (
            _head(config.attention_heads * sum(config.relation_counts), config)
            if config.position_attention
            else None
        )
        self.apply(initialise)

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
        n_pairs = len(enhancer)
        enhancer, promoter = self._views(enhancer, promoter)
        for index in range(len(self.config.kernels)):
            enhancer, promoter, _ = self._block(index, enhancer, promoter)
        return self._mean(self._main(enhancer, promoter), n_pairs)

    def both_logits(self, enhancer: Tensor, promoter: Tensor) -> Logits:
        """Return the logits of the main and the auxiliary head, for training.

        Parameters
        ----------
        enhancer, promoter
            As for `forward`.
        """
        if self.auxiliary_head is None:
            return Logits(self(enhancer, promoter), None)
        heads, n_pairs = self.config.attention_heads, len(enhancer)
        enhancer, promoter = self._views(enhancer, promoter)
        strongest = []
        for index, count in enumerate(self.config.relation_counts):
            enhancer, promoter = self._convolved(index, enhancer, promoter)
            attended = attend(
                split_heads(enhancer, heads), split_heads(promoter, heads), count, self._divisor
            )
            enhancer = merge_heads(attended.enhancer, heads)
            promoter = merge_heads(attended.promoter, heads)
            strongest.append(merge_heads(attended.strongest, heads))
        auxiliary = self.auxiliary_head(torch.cat(strongest, dim=1)).squeeze(1)
        main = self._main(enhancer, promoter)
        return Logits(self._mean(main, n_pairs), self._mean(auxiliary, n_pairs))

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
        """Return what the PAM of each block computes; of several heads, the mean.

        It is that of the windows as they are given, whatever else logits are means of.
        """
        found = []
        for index in range(len(self.config.kernels)):
            enhancer, promoter, attention = self._block(index, enhancer, promoter)
            if attention is None:
                return super().attention(enhancer, promoter)
            found.append(attention)
        return found

    def first_layers(self) -> tuple[FirstLayer, FirstLayer]:
        """Return the convolutions that read both windows: one, twice, of a symmetric network."""
        enhancer = cast(ConvBlock, self.enhancer_blocks[0])
        promoter = cast(ConvBlock, (self.promoter_blocks or self.enhancer_blocks)[0])
        return (
            FirstLayer(enhancer.conv, self.enhancer_embedding),
            FirstLayer(promoter.conv, self.promoter_embedding or self.enhancer_embedding),
        )

    def _block(
        self, index: int, enhancer: Tensor, promoter: Tensor
    ) -> tuple[Tensor, Tensor, PositionAttention | None]:
        enhancer, promoter = self._convolved(index, enhancer, promoter)
        if not self.config.position_attention:
            return enhancer, promoter, None
        heads = self.config.attention_heads
        each = position_attention(
            split_heads(enhancer, heads), split_heads(promoter, heads), self._divisor
        )
        attention = each if heads == 1 else over_heads(each, heads)
        return attention.enhancer, attention.promoter, attention

    def _convolved(self, index: int, enhancer: Tensor, promoter: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs of both branches' block `index`."""
        if index == 0 and self.enhancer_embedding is not None:
            embedding = self.promoter_embedding or self.enhancer_embedding
            enhancer = self.enhancer_embedding(enhancer, self.config.enhancer_length)
            promoter = embedding(promoter, self.config.promoter_length)
        enhancer_block = cast(ConvBlock, self.enhancer_blocks[index])
        promoter_block = cast(ConvBlock, (self.promoter_blocks or self.enhancer_blocks)[index])
        if index:
            return enhancer_block(enhancer), promoter_block(promoter)
        return (
            enhancer_block.of_windows(enhancer, self.config.enhancer_length),
            promoter_block.of_windows(promoter, self.config.promoter_length),
        )

    @property
    def _divisor(self) -> float | None:
        scale = SCALES[self.config.scale_relations]
        return None if scale is None else scale(self.config.channels // self.config.attention_heads)

    def _views(self, enhancer: Tensor, promoter: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pairs in every way that logits are means of, one way after another."""
        config = self.config
        if config.both_strands:
            enhancer = torch.cat([enhancer, opposite_strand(enhancer, config.enhancer_length)])
            promoter = torch.cat([promoter, opposite_strand(promoter, config.promoter_length)])
        if config.symmetric:
            enhancer, promoter = (
                torch.cat([enhancer, promoter]),
                torch.cat([promoter, enhancer]),
            )
        return enhancer, promoter

    def _mean(self, logits: Tensor, n_pairs: int) -> Tensor:
        return logits if len(logits) == n_pairs else logits.view(-1, n_pairs).mean(dim=0)

    def _main(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        features = torch.cat([enhancer.flatten(1), promoter.flatten(1)], dim=1)
        return self.main_head(features).squeeze(1)


def _branch(config: EpipamConfig) -> nn.ModuleList:
    inputs = [config.embedding or len(BASES)] + [config.channels] * (len(config.kernels) - 1)
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

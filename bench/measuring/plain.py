"""EPIPAM written down layer by layer from the paper: a yardstick of benchmarks, an oracle of tests.

Source: Liu, Zhu, Zhang, Comput Biomed 2026;1:202525, equations 1 to 3, and its authors' published
settings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from epipam.models import EpipamConfig


class PlainEpipam(nn.Module):
    """The published layers in the published order, with PyTorch's own modules.

    Its parameters have the names and shapes of `epipam.models.Epipam`'s, so that each loads the
    other's state.
    """

    def __init__(self, config: EpipamConfig) -> None:
        super().__init__()
        self.config = config
        self.enhancer_blocks = _branch(config)
        self.promoter_blocks = _branch(config)
        self.main_head = _head(config.main_features, config)
        self.auxiliary_head = _head(sum(config.relation_counts), config)

    def forward(self, enhancer: Tensor, promoter: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of both heads, (N,) each, for one-hot (N, 4, L) windows."""
        strongest = []
        for index, count in enumerate(self.config.relation_counts):
            enhancer = self.enhancer_blocks[index](enhancer)
            promoter = self.promoter_blocks[index](promoter)
            relation = torch.bmm(enhancer.transpose(1, 2), promoter) / self.config.channels
            strongest.append(relation.flatten(1).topk(count, dim=1).values)
            enhancer_score = torch.softmax(relation.max(dim=2).values, dim=1)
            promoter_score = torch.softmax(relation.max(dim=1).values, dim=1)
            enhancer = enhancer + enhancer * enhancer_score.unsqueeze(1)
            promoter = promoter + promoter * promoter_score.unsqueeze(1)
        features = torch.cat([enhancer.flatten(1), promoter.flatten(1)], dim=1)
        main = self.main_head(features).squeeze(1)
        return main, self.auxiliary_head(torch.cat(strongest, dim=1)).squeeze(1)


class _Block(nn.Module):
    def __init__(self, inputs: int, channels: int, kernel: int, pool: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, channels, kernel)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool1d(pool)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        return self.dropout(self.pool(self.relu(self.conv(features))))


def _branch(config: EpipamConfig) -> nn.ModuleList:
    inputs = [4] + [config.channels] * (len(config.kernels) - 1)
    shapes = zip(inputs, config.kernels, config.pools, strict=True)
    return nn.ModuleList(
        _Block(channels, config.channels, kernel, pool, config.block_dropout)
        for channels, kernel, pool in shapes
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

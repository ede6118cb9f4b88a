"""Scoring a tile of pairs that share windows, by torch's operations, on any device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, NamedTuple

import numpy as np
import torch
from torch import Tensor

from epipam.models import Epipam
from epipam.models.attention import position_attention, position_scores
from epipam.scoring.branch import Branch, KeptRegions, SomeBranch
from epipam.scoring.engine import PairWindows


class Tiling(NamedTuple):
    """How much is worked on at once.

    Attributes
    ----------
    pairs
        Pairs of a tile.
    windows
        Windows whose own results are computed in one pass.
    enhancers
        Enhancers that are compared at once with all promoters that any of them is paired with:
        one wastes no arithmetic, more make fewer and larger products. Compiled loops go pair by
        pair.
    relations
        Entries of relation matrices that are made before their maxima are taken; compiled loops
        keep none.
    """

    pairs: int
    windows: int
    enhancers: int
    relations: int


class TileScorer(ABC, Generic[SomeBranch]):
    """What one thread scores tiles with.

    Parameters
    ----------
    network
        A model with position attention.
    enhancers, promoters
        What reads one window only; promoters are kept.
    tiling
        How much is worked on at once.
    """

    def __init__(
        self,
        network: Epipam,
        enhancers: SomeBranch,
        promoters: KeptRegions[SomeBranch],
        tiling: Tiling,
    ) -> None:
        self.network = network
        self.enhancers = enhancers
        self.promoters = promoters
        self.tiling = tiling

    @torch.inference_mode()
    def logits(self, windows: PairWindows, tile: np.ndarray) -> np.ndarray:
        """Return the logits of some pairs, float64 (n,), given as rows sorted by enhancer."""
        row = windows.enhancer_row[tile]
        distinct, promoter = np.unique(windows.promoter_row[tile], return_inverse=True)
        slot = self.promoters.slots(windows.promoter[distinct])[promoter]
        enhancer_features, score = self.enhancer_features(windows.enhancer, row, slot)
        attention = position_attention(
            enhancer_features.transpose(1, 2),
            self.promoter_features(slot, score).transpose(1, 2),
        )
        logits = self.network.from_second_attention(attention.enhancer, attention.promoter)
        return logits.double().cpu().numpy()

    @abstractmethod
    def enhancer_features(
        self, packed: np.ndarray, row: np.ndarray, slot: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        """Return block 2's output for the enhancer of each pair, and PAM 1's promoter scores.

        Parameters
        ----------
        packed
            uint8 (n_windows, ceil(length / 2)).
        row
            int64 (n_pairs,), sorted: which of them is each pair's enhancer.
        slot
            int64 (n_pairs,): where each pair's promoter is kept.

        Returns
        -------
        float (n_pairs, positions, c) and (n_pairs, m).
        """

    @abstractmethod
    def promoter_features(self, slot: np.ndarray, score: Tensor) -> Tensor:
        """Return block 2's output for the promoter of each pair, float (n_pairs, positions, c).

        Parameters
        ----------
        slot
            As for `enhancer_features`.
        score
            float (n_pairs, m): what that returned.
        """


class TorchTiles(TileScorer[Branch]):
    """Enhancers against all promoters that any of them is paired with, then each promoter."""

    def enhancer_features(
        self, packed: np.ndarray, row: np.ndarray, slot: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        features, scores = [], []
        for some in runs(row, self.tiling.windows):
            own = self.enhancers.features(self._on_device(packed[np.unique(row[some])]))
            first = 0
            for pairs in runs(row[some], self.tiling.enhancers):
                enhancers, enhancer = np.unique(row[some][pairs], return_inverse=True)
                promoters, promoter = np.unique(slot[some][pairs], return_inverse=True)
                group = own[first : first + len(enhancers)]
                enhancer_score, promoter_score = _first_attention(
                    group, self.promoters.features(promoters), self.tiling.relations
                )
                convolved = self.enhancers.second_convolution(
                    self.enhancers.products(group), enhancer_score
                )
                chosen = self._on_device(enhancer), self._on_device(promoter)
                features.append(convolved[chosen[0], :, chosen[1]])
                scores.append(promoter_score[chosen[1], chosen[0]])
                first += len(enhancers)
        return self.enhancers.finished(torch.cat(features)), torch.cat(scores)

    def promoter_features(self, slot: np.ndarray, score: Tensor) -> Tensor:
        order = np.argsort(slot, kind="stable")
        score = score[self._on_device(order)]
        found = [
            self.promoters.branch.second_convolution(
                self.promoters.products(int(slot[order[pairs.start]])), score[None, pairs]
            )[0].transpose(0, 1)
            for pairs in runs(slot[order], 1)
        ]
        features = self.promoters.branch.finished(torch.cat(found))
        return features[self._on_device(np.argsort(order, kind="stable"))]

    def _on_device(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.promoters.device)


def _first_attention(
    enhancer: Tensor, promoter: Tensor, most_relations: int
) -> tuple[Tensor, Tensor]:
    """Return PAM 1's scores of every enhancer with every promoter.

    Parameters
    ----------
    enhancer, promoter
        float (a, n, c) and (b, m, c).
    most_relations
        How many entries of relation matrices to make at once.

    Returns
    -------
    float (a, b, n) and (b, a, m).
    """
    (a, n, channels), m = enhancer.shape, promoter.shape[1]
    step = max(1, most_relations // (a * n * m))
    scores = [
        position_scores(enhancer.unsqueeze(1) @ some.transpose(1, 2) / channels)
        for some in promoter.split(step)
    ]
    by_enhancer, by_promoter = (torch.cat(each, dim=1) for each in zip(*scores, strict=True))
    return by_enhancer, by_promoter.transpose(0, 1)


def runs(values: np.ndarray, size: int) -> Iterator[slice]:
    """Yield slices of grouped values, at most `size` distinct ones in each."""
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])[::size].tolist()
    for first, last in zip(starts, [*starts[1:], len(values)], strict=True):
        yield slice(first, last)

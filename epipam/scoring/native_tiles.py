"""Scoring a tile of pairs that share windows on the processor, by compiled loops."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from epipam.models import Epipam
from epipam.models.first_convolution import KMER, kmer_codes
from epipam.scoring.branch import Branch
from epipam.scoring.native.loops import (
    KmerShape,
    PairsByWindow,
    TapShape,
    kmer_maxima,
    lanes_for,
    position_maxima,
    tap_maxima,
)
from epipam.scoring.tile_scorer import TileScorer, runs


class NativeBranch(Branch):
    """A branch whose convolutions are pooled as they are made. Its weights must be finite."""

    def __init__(self, network: Epipam, anchor: str) -> None:
        super().__init__(network, anchor)
        lanes = lanes_for(self.channels)
        assert lanes is not None
        self.lanes = lanes
        convolved = self.length - self.first.width + 1
        tables = self.first.tables
        self._kmer_shape = KmerShape(
            span=tables.span(convolved),
            kmer=KMER,
            tables=tables.n_tables,
            channels=self.channels,
            pool=min(self.first_pool, convolved),
            outputs=self.positions,
        )
        self._tap_shape = TapShape(
            positions=self.positions,
            channels=self.channels,
            taps=self.width,
            pool=min(self.second_pool, self.positions - self.width + 1),
            outputs=self.outputs,
        )

    def features(self, packed: Tensor) -> Tensor:
        codes = kmer_codes(packed, self.length, self._kmer_shape.span).contiguous()
        return kmer_maxima(
            self.lanes, self._kmer_shape, codes, self.first.tables.rows, self.first_bias
        )

    def new_output(self, n_pairs: int) -> Tensor:
        """Return room for what `second_block` writes, float (n_pairs, outputs, c)."""
        return torch.empty((n_pairs, self.outputs, self.channels))

    def second_block(
        self, products: Tensor, pairs: PairsByWindow, weights: Tensor, out: Tensor
    ) -> None:
        """Write block 2's pooled convolution of some pairs, without bias.

        Parameters
        ----------
        products
            float (n_windows, positions, k * c).
        pairs
            Which pairs read which window.
        weights
            float (n_pairs, positions): `1 + A`, A being PAM 1's scores.
        out
            float (n_pairs, outputs, c).
        """
        tap_maxima(self.lanes, self._tap_shape, products, pairs, weights, out)


class NativeTiles(TileScorer[NativeBranch]):
    """Each pair's maxima in turn, its promoter and its enhancer being in the cache or near it."""

    def enhancer_features(
        self, packed: np.ndarray, row: np.ndarray, slot: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        kept, _ = self.promoters.of_all_slots()
        found, scores = self.enhancers.new_output(len(row)), []
        for some in runs(row, self.tiling.windows):
            windows, enhancer = np.unique(row[some], return_inverse=True)
            own = self.enhancers.features(torch.from_numpy(packed[windows]))
            maxima = position_maxima(self.enhancers.lanes, own, kept, enhancer, slot[some])
            enhancer_score, promoter_score = (
                torch.softmax(largest / self.enhancers.channels, dim=1) for largest in maxima
            )
            weights = 1 + enhancer_score
            pairs = PairsByWindow.of(enhancer)
            for x, features in enumerate(own):
                # One window at a time: what its taps make of it is read while it is in the cache.
                products = self.enhancers.products(features.unsqueeze(0))
                self.enhancers.second_block(products, pairs.alone(x), weights, found[some])
            scores.append(promoter_score)
        return self.enhancers.finished(found), torch.cat(scores)

    def promoter_features(self, slot: np.ndarray, score: Tensor) -> Tensor:
        branch = self.promoters.branch
        found = branch.new_output(len(slot))
        _, products = self.promoters.of_all_slots()
        branch.second_block(products, PairsByWindow.of(slot), 1 + score, found)
        return branch.finished(found)

"""Exact scoring of many pairs that share their windows: what depends on one window is done once.

Three facts make it exact and fast (DESIGN.md section 3 gives the network):

- block 1 reads one window only, and one-hot sequence can be convolved by look-up;
- after the first PAM the features are `M * (1 + A)` with A one number per position, so block 2's
  convolution at position i is `sum_k (1 + A[i + k]) * (W[:, :, k] M)[:, i + k]`, whose second
  factor reads one window only;
- what is left per pair is the first relation matrix, its maxima, and the small blocks.

Pairs are worked on in tiles, sorted by enhancer: the enhancers of a tile against the promoters
each is paired with, then each promoter against its enhancers, then what follows block 2 for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from epipam.engine import PairWindows
from epipam.models import Epipam
from epipam.models.attention import position_attention
from epipam.models.products import row_products
from epipam.regions import Branch, KeptRegions
from epipam.score_settings import CACHE_SIZE


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
        one wastes no arithmetic, more make fewer and larger products.
    relations
        Entries of relation matrices that are made before their maxima are taken.
    """

    pairs: int
    windows: int
    enhancers: int
    relations: int


# Three relation matrices of 297 by 198 stay in a core's own cache until their maxima are taken.
CPU_TILING = Tiling(pairs=512, windows=16, enhancers=1, relations=180_000)
GPU_TILING = Tiling(pairs=4_096, windows=16, enhancers=16, relations=1 << 28)


class RegionEngine:
    """Scores pairs by tiles of shared windows; equal to full forward passes but for rounding.

    On a CPU each of torch's threads works on tiles of its own, where there are several: small
    products gain little from being split.

    Parameters
    ----------
    network
        A model with position attention; its weights are read here, once.
    device
        Where it runs.
    cache_size
        Bytes of what is kept per promoter, from one call to the next as well.
    tiling
        How much is worked on at once; by default what suits the device.
    """

    def __init__(
        self,
        network: Epipam,
        device: torch.device,
        cache_size: int = CACHE_SIZE,
        tiling: Tiling | None = None,
    ) -> None:
        if not network.config.shares_first_block:
            raise ValueError(
                "the network has no position attention, or reads no bases: score it by "
                "forward passes"
            )
        self.network = network.to(device).eval()
        self.device = device
        on_cpu = device.type == "cpu"
        self.tiling = tiling or (CPU_TILING if on_cpu else GPU_TILING)
        self.n_threads = torch.get_num_threads() if on_cpu else 1
        with torch.inference_mode():
            enhancer, promoter = (Branch(network, anchor) for anchor in ("enhancer", "promoter"))
        size = cache_size // self.n_threads
        kept = [KeptRegions(promoter, size, self.tiling.windows) for _ in range(self.n_threads)]
        self._scorers = [_TileScorer(network, enhancer, each, self.tiling) for each in kept]
        self._pairs_per_tile = min(self.tiling.pairs, kept[0].capacity)

    @property
    def enhancer_length(self) -> int:
        return self.network.config.enhancer_length

    @property
    def promoter_length(self) -> int:
        return self.network.config.promoter_length

    def logits(self, windows: PairWindows) -> np.ndarray:
        """Return float64 (n_pairs,), in the order of the pairs."""
        found = np.empty(len(windows), dtype=np.float64)
        order = np.lexsort((windows.promoter_row, windows.enhancer_row))
        tiles = [
            order[first : first + self._pairs_per_tile]
            for first in range(0, len(order), self._pairs_per_tile)
        ]

        def score(scorer: _TileScorer, some: list[np.ndarray]) -> None:
            for tile in some:
                found[tile] = scorer.logits(windows, tile)

        n_spans = min(self.n_threads, len(tiles))
        if n_spans <= 1:  # torch's own threads split each operation
            score(self._scorers[0], tiles)
            return found
        # Neighbouring tiles share promoters: each thread gets a span of them.
        cuts = np.linspace(0, len(tiles), n_spans + 1).astype(int)
        spans = [tiles[first:last] for first, last in pairwise(cuts)]
        with _one_thread_each(n_spans) as pool:
            list(pool.map(score, self._scorers, spans))
        return found


class _TileScorer:
    """What one thread scores tiles with."""

    def __init__(
        self, network: Epipam, enhancers: Branch, promoters: KeptRegions, tiling: Tiling
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
        enhancer_features, promoter_score = self._enhancers(windows.enhancer, row, slot)
        promoter_features = self._promoters(slot, promoter_score)
        attention = position_attention(
            enhancer_features.transpose(1, 2), promoter_features.transpose(1, 2)
        )
        logits = self.network.from_second_attention(attention.enhancer, attention.promoter)
        return logits.double().cpu().numpy()

    def _enhancers(
        self, packed: np.ndarray, row: np.ndarray, slot: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        """Return block 2's output for the enhancer of each pair, and PAM 1's promoter scores.

        Returns
        -------
        float (n_pairs, positions, c) and (n_pairs, m).
        """
        features, scores = [], []
        for some in _runs(row, self.tiling.windows):
            own = self.enhancers.features(self._on_device(packed[np.unique(row[some])]))
            first = 0
            for pairs in _runs(row[some], self.tiling.enhancers):
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

    def _promoters(self, slot: np.ndarray, score: Tensor) -> Tensor:
        """Return block 2's output for the promoter of each pair, float (n_pairs, positions, c)."""
        order = np.argsort(slot, kind="stable")
        score = score[self._on_device(order)]
        found = [
            self.promoters.branch.second_convolution(
                self.promoters.products(int(slot[order[pairs.start]])), score[None, pairs]
            )[0].transpose(0, 1)
            for pairs in _runs(slot[order], 1)
        ]
        features = self.promoters.branch.finished(torch.cat(found))
        return features[self._on_device(np.argsort(order, kind="stable"))]

    def _on_device(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.promoters.device)


@contextmanager
def _one_thread_each(n_threads: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads in which torch splits nothing further."""
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(n_threads, "score", torch.set_num_threads, (1,)) as pool:
            yield pool
    finally:
        # In other threads, too, this is what new ones begin with.
        torch.set_num_threads(before)


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
    (a, n, channels), (b, m, _) = enhancer.shape, promoter.shape
    rows, columns = enhancer.new_empty((b, a, n)), enhancer.new_empty((b, m, a))
    enhancers = enhancer.flatten(0, 1)
    step = max(1, most_relations // (a * n * m))
    for first in range(0, b, step):
        some = slice(first, first + step)
        relation = row_products(promoter[some].flatten(0, 1), enhancers).view(-1, m, a, n)
        torch.amax(relation, dim=1, out=rows[some])
        torch.amax(relation, dim=3, out=columns[some])
    enhancer_score = torch.softmax(rows / channels, dim=2).transpose(0, 1)
    promoter_score = torch.softmax(columns / channels, dim=1).transpose(1, 2)
    return enhancer_score, promoter_score


def _runs(values: np.ndarray, size: int) -> Iterator[slice]:
    """Yield slices of grouped values, at most `size` distinct ones in each."""
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])[::size].tolist()
    for first, last in zip(starts, [*starts[1:], len(values)], strict=True):
        yield slice(first, last)

"""Exact scoring of many pairs that share their windows: what depends on one window is done once.

Three facts make it exact and fast (docs/architecture.md has the network):

- block 1 reads one window only, and one-hot sequence can be convolved by look-up;
- after the first PAM the features are `M * (1 + A)` with A one number per position, so block 2's
  convolution at position i is `sum_k (1 + A[i + k]) * (W[:, :, k] M)[:, i + k]`, whose second
  factor reads one window only;
- what is left per pair is the first relation matrix, its maxima, and the small blocks.

Pairs are worked on in tiles, sorted by enhancer: the enhancers of a tile against the promoters
each is paired with, then each promoter against its enhancers, then what follows block 2 for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from threading import Lock

import numpy as np
import torch

from epipam.models import Epipam
from epipam.models.weights import require_finite
from epipam.scoring.branch import Branch, KeptRegions, SomeBranch
from epipam.scoring.engine import PairWindows, finite_logits
from epipam.scoring.native.loops import lanes_for
from epipam.scoring.native_tiles import NativeBranch, NativeTiles
from epipam.scoring.settings import CACHE_SIZE
from epipam.scoring.tile_scorer import TileScorer, Tiling, TorchTiles

# Three relation matrices of 297 by 198 stay in a core's own cache until their maxima are taken.
CPU_TILING = Tiling(pairs=512, windows=16, enhancers=1, relations=180_000)
GPU_TILING = Tiling(pairs=4_096, windows=16, enhancers=16, relations=1 << 28)
# How many threads torch uses is one number for the whole process.
_TORCH_THREADS = Lock()


class RegionEngine:
    """Scores pairs by tiles of shared windows; equal to full forward passes but for rounding.

    On a CPU each of torch's threads works on tiles of its own, where there are several: small
    products gain little from being split. Several threads may call one engine; it serves one
    after the other, since what it keeps of promoters is shared.

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

    Raises
    ------
    ModelError
        Where a weight is NaN or infinite.
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
        require_finite(network.state_dict(), "the model")
        self.network = network.to(device).eval()
        self.device = device
        self._one_call = Lock()
        on_cpu = device.type == "cpu"
        self.tiling = tiling or (CPU_TILING if on_cpu else GPU_TILING)
        with _TORCH_THREADS:
            self.n_threads = torch.get_num_threads() if on_cpu else 1
        size = cache_size // self.n_threads
        self._scorers: list[TileScorer]
        if on_cpu and lanes_for(network.config.channels) is not None:
            self._scorers = self._new_scorers(NativeBranch, NativeTiles, size)
        else:
            self._scorers = self._new_scorers(Branch, TorchTiles, size)
        self._pairs_per_tile = min(self.tiling.pairs, self._scorers[0].promoters.capacity)

    @property
    def enhancer_length(self) -> int:
        return self.network.config.enhancer_length

    @property
    def promoter_length(self) -> int:
        return self.network.config.promoter_length

    def logits(self, windows: PairWindows) -> np.ndarray:
        """Return float64 (n_pairs,), in the order of the pairs."""
        with self._one_call:
            return finite_logits(self._logits(windows))

    def _logits(self, windows: PairWindows) -> np.ndarray:
        found = np.empty(len(windows), dtype=np.float64)
        order = np.lexsort((windows.promoter_row, windows.enhancer_row))
        tiles = [
            order[first : first + self._pairs_per_tile]
            for first in range(0, len(order), self._pairs_per_tile)
        ]

        def score(scorer: TileScorer, some: list[np.ndarray]) -> None:
            for tile in some:
                found[tile] = scorer.logits(windows, tile)

        n_spans = self._n_spans(len(tiles))
        if n_spans <= 1:  # torch's own threads split each operation
            score(self._scorers[0], tiles)
            return found
        # Neighbouring tiles share promoters: each thread gets a span of them.
        cuts = np.linspace(0, len(tiles), n_spans + 1).astype(int)
        spans = [tiles[first:last] for first, last in pairwise(cuts)]
        with _one_thread_each(n_spans) as pool:
            list(pool.map(score, self._scorers, spans))
        return found

    def _n_spans(self, n_tiles: int) -> int:
        """Return how many threads to share tiles out to."""
        if self.n_threads <= 1 or n_tiles <= 1:
            return 1
        with _TORCH_THREADS:
            # Torch told 1 to a thread that began while another engine was at work.
            return min(self.n_threads, n_tiles, torch.get_num_threads())

    @torch.inference_mode()
    def _new_scorers(
        self,
        branch: Callable[[Epipam, str], SomeBranch],
        tiles: Callable[[Epipam, SomeBranch, KeptRegions[SomeBranch], Tiling], TileScorer],
        cache_size: int,
    ) -> list[TileScorer]:
        enhancer, promoter = (branch(self.network, name) for name in ("enhancer", "promoter"))
        return [
            tiles(
                self.network,
                enhancer,
                KeptRegions(promoter, cache_size, self.tiling.windows),
                self.tiling,
            )
            for _ in range(self.n_threads)
        ]


@contextmanager
def _one_thread_each(n_threads: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads in which torch splits nothing further; one caller at a time."""
    with _TORCH_THREADS:
        before = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(n_threads, "score", torch.set_num_threads, (1,)) as pool:
                yield pool
        finally:
            # In other threads, too, this is what new ones begin with.
            torch.set_num_threads(before)

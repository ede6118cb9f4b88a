"""Exact scoring of many pairs that share their windows: what depends on one window is done once.

Three facts make it exact and fast (DESIGN.md section 3 gives the network):

- block 1 reads one window only;
- after the first PAM the features are `M * (1 + A)` with A one number per position, so block 2's
  convolution at position i is `sum_k (1 + A[i + k]) * (W[:, :, k] M)[:, i + k]`, whose second
  factor reads one window only;
- what is left per pair is the first relation matrix, its maxima, and the small blocks.

Pairs are worked on in tiles of some enhancers by the promoters that any of them is paired with.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from epipam.models import Epipam, unpack
from epipam.models.attention import position_attention
from epipam.scoring import PairWindows

CACHE_SIZE = 512_000_000
ENHANCERS_PER_TILE = 8
PAIRS_PER_TILE = 256
WINDOWS_PER_PASS = 32


class Regions(NamedTuple):
    """What is computed once for each of some windows of one anchor.

    Attributes
    ----------
    features
        float (n, positions, c): output of block 1.
    taps
        float (n, positions - k + 1, k, c): for each output position of block 2's convolution, the
        k products of the kernel's taps with the features they read.
    """

    features: Tensor
    taps: Tensor


class RegionEngine:
    """Scores pairs by tiles of shared windows; equal to full forward passes but for rounding.

    Parameters
    ----------
    network
        A model with position attention.
    device
        Where it runs.
    cache_size
        Bytes of per-window results that are kept while a table is scored.
    """

    def __init__(self, network: Epipam, device: torch.device, cache_size: int = CACHE_SIZE) -> None:
        self.network = network.to(device).eval()
        self.device = device
        self.cache_size = cache_size

    @property
    def enhancer_length(self) -> int:
        return self.network.config.enhancer_length

    @property
    def promoter_length(self) -> int:
        return self.network.config.promoter_length

    @torch.inference_mode()
    def logits(self, windows: PairWindows) -> np.ndarray:
        """Return float64 (n_pairs,), in the order of the pairs."""
        found = np.empty(len(windows), dtype=np.float64)
        promoters = _Promoters(self, windows.promoter)
        order = np.lexsort((windows.promoter_row, windows.enhancer_row))
        for pairs in _tiles(order, windows.enhancer_row):
            enhancer, enhancer_row = np.unique(windows.enhancer_row[pairs], return_inverse=True)
            promoter, promoter_row = np.unique(windows.promoter_row[pairs], return_inverse=True)
            found[pairs] = self._tile(
                self.regions(windows.enhancer[enhancer], "enhancer"),
                promoters.take(promoter),
                torch.from_numpy(enhancer_row).to(self.device),
                torch.from_numpy(promoter_row).to(self.device),
            )
        return found

    def regions(self, packed: np.ndarray, anchor: str) -> Regions:
        """Compute what depends on one window alone.

        Parameters
        ----------
        packed
            uint8 (n, ceil(L / 2)).
        anchor
            `enhancer` or `promoter`.
        """
        length = getattr(self, f"{anchor}_length")
        blocks = getattr(self.network, f"{anchor}_blocks")
        onehot = unpack(torch.from_numpy(packed).to(self.device), length)
        features = blocks[0](onehot).transpose(1, 2).contiguous()
        weight = blocks[1].conv.weight  # (out, in, k)
        out, inputs, width = weight.shape
        products = features @ weight.permute(1, 2, 0).reshape(inputs, width * out)
        products = products.view(*features.shape[:2], width, out)
        # Tap k at output position i reads input position i + k: a diagonal, as a strided view.
        n, positions = features.shape[:2]
        step_n, step_position, step_tap, step_out = products.stride()
        taps = products.as_strided(
            (n, positions - width + 1, width, out),
            (step_n, step_position, step_position + step_tap, step_out),
        )
        return Regions(features, taps.contiguous())

    def _tile(
        self,
        enhancers: Regions,
        promoters: Regions,
        enhancer_row: Tensor,
        promoter_row: Tensor,
    ) -> np.ndarray:
        """Return the logits of some of the pairs of a tile."""
        enhancer_score, promoter_score = _first_attention(enhancers.features, promoters.features)
        enhancer = self._second_block(enhancers, enhancer_score, "enhancer")
        promoter = self._second_block(promoters, promoter_score, "promoter")
        enhancer = enhancer[enhancer_row, :, promoter_row].transpose(1, 2)
        promoter = promoter[promoter_row, :, enhancer_row].transpose(1, 2)
        attention = position_attention(enhancer, promoter)
        logits = self.network.from_second_attention(attention.enhancer, attention.promoter)
        return logits.double().cpu().numpy()

    def _second_block(self, regions: Regions, score: Tensor, anchor: str) -> Tensor:
        """Return block 2's output, (n, positions, partners, c), from scores (n, partners, n1)."""
        block = getattr(self.network, f"{anchor}_blocks")[1]
        n, outputs, width, channels = regions.taps.shape
        partners = score.shape[1]
        # (n, outputs, partners, width) times (n, outputs, width, c)
        weights = (1 + score).unfold(2, width, 1).transpose(1, 2)
        convolved = torch.bmm(
            weights.reshape(n * outputs, partners, width),
            regions.taps.view(n * outputs, width, channels),
        )
        pool = min(block.pool, outputs)
        kept = outputs // pool * pool
        pooled = (
            convolved.view(n, outputs, partners, channels)[:, :kept]
            .unflatten(1, (-1, pool))
            .amax(dim=2)
        )
        return F.relu(pooled + block.conv.bias)


class _Promoters:
    """Per-window results of promoters, the least recently used going first."""

    def __init__(self, engine: RegionEngine, packed: np.ndarray) -> None:
        self.engine = engine
        self.packed = packed
        self.kept: OrderedDict[int, Regions] = OrderedDict()

    def take(self, rows: np.ndarray) -> Regions:
        missing = [int(row) for row in rows if int(row) not in self.kept]
        for start in range(0, len(missing), WINDOWS_PER_PASS):
            some = missing[start : start + WINDOWS_PER_PASS]
            computed = self.engine.regions(self.packed[some], "promoter")
            for i, row in enumerate(some):
                self.kept[row] = Regions(computed.features[i].clone(), computed.taps[i].clone())
        for row in rows:
            self.kept.move_to_end(int(row))
        found = [self.kept[int(row)] for row in rows]
        self._forget()
        return Regions(
            torch.stack([regions.features for regions in found]),
            torch.stack([regions.taps for regions in found]),
        )

    def _forget(self) -> None:
        sizes = [t.numel() * t.element_size() for t in next(iter(self.kept.values()))]
        while len(self.kept) > max(1, self.engine.cache_size // sum(sizes)):
            self.kept.popitem(last=False)


def _first_attention(enhancer: Tensor, promoter: Tensor) -> tuple[Tensor, Tensor]:
    """Return PAM 1's scores of every enhancer with every promoter of a tile.

    Parameters
    ----------
    enhancer, promoter
        float (a, n, c) and (b, m, c).

    Returns
    -------
    float (a, b, n) and (b, a, m).
    """
    channels = enhancer.shape[2]
    partners = promoter.reshape(-1, channels).T
    shape = (enhancer.shape[1], promoter.shape[0], promoter.shape[1])
    rows, columns = [], []
    for one in enhancer:
        relation = (one @ partners).view(shape)
        rows.append(relation.amax(dim=2).T)
        columns.append(relation.amax(dim=0))
    enhancer_score = torch.softmax(torch.stack(rows) / channels, dim=2)
    promoter_score = torch.softmax(torch.stack(columns, dim=1) / channels, dim=2)
    return enhancer_score, promoter_score


def _tiles(order: np.ndarray, enhancer_row: np.ndarray) -> list[np.ndarray]:
    """Cut pairs, ordered by enhancer, into tiles of few enhancers and few pairs."""
    rows = enhancer_row[order]
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    tiles, first = [], 0
    for number, start in enumerate(starts.tolist()):
        behind = number - np.searchsorted(starts, first)
        if behind == ENHANCERS_PER_TILE or (behind and start - first >= PAIRS_PER_TILE):
            tiles.append(order[first:start])
            first = start
    tiles.append(order[first:])
    return tiles

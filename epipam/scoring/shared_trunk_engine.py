"""Scoring of pairs that share windows, for `pairwise`: its trunk reads each window once."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from epipam.models.pairwise import Anchors, Pairwise
from epipam.models.weights import require_finite
from epipam.scoring.engine import PairWindows, finite_logits
from epipam.scoring.settings import BATCH_SIZE, CACHE_SIZE


class SharedTrunkEngine:
    """Scores pairs from what the trunk makes of each window; equal to whole forward passes.

    Pairs are worked on sorted by enhancer, as many at a time as have windows that `cache_size`
    surely holds; each distinct window among them goes through the trunk once. Several threads may
    call one engine; it serves one after the other, so that memory stays bounded.

    Parameters
    ----------
    network
        The model.
    device
        Where it runs.
    batch_size
        Windows or pairs per forward pass.
    cache_size
        Bytes of what is kept of windows.

    Raises
    ------
    ModelError
        Where a weight is NaN or infinite.
    """

    def __init__(
        self,
        network: Pairwise,
        device: torch.device,
        batch_size: int = BATCH_SIZE,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        require_finite(network.state_dict(), "the model")
        self.network = network.to(device).eval()
        self.device = device
        self.batch_size = batch_size
        self._one_call = Lock()
        # A pair has at most two windows that no other has.
        per_pair = sum(map(network.anchor_bytes, (self.enhancer_length, self.promoter_length)))
        self._pairs_at_once = max(cache_size // per_pair, batch_size)

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
        with self._one_call, torch.inference_mode():
            for first in range(0, len(order), self._pairs_at_once):
                pairs = order[first : first + self._pairs_at_once]
                found[pairs] = self._logits(windows, pairs)
        return finite_logits(found)

    def _logits(self, windows: PairWindows, pairs: np.ndarray) -> np.ndarray:
        network = self.network
        enhancer_rows, enhancer_at = np.unique(windows.enhancer_row[pairs], return_inverse=True)
        promoter_rows, promoter_at = np.unique(windows.promoter_row[pairs], return_inverse=True)
        enhancer = self._read(network.read_enhancer, windows.enhancer, enhancer_rows)
        promoter = self._read(network.read_promoter, windows.promoter, promoter_rows)
        logits = [
            network.logits_of(
                _rows(enhancer, enhancer_at[first : first + self.batch_size]),
                _rows(promoter, promoter_at[first : first + self.batch_size]),
            )
            for first in range(0, len(pairs), self.batch_size)
        ]
        return torch.cat(logits).double().cpu().numpy()

    def _read(
        self, read: Callable[[Tensor], Anchors], packed: np.ndarray, rows: np.ndarray
    ) -> Anchors:
        parts = [
            read(torch.from_numpy(packed[rows[first : first + self.batch_size]]).to(self.device))
            for first in range(0, len(rows), self.batch_size)
        ]
        return Anchors(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _rows(anchors: Anchors, rows: np.ndarray) -> Anchors:
    at = torch.from_numpy(rows).to(anchors.summary.device)
    return Anchors(*(part.index_select(0, at) for part in anchors))

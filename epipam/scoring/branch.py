"""What depends on one window alone, and is computed once however many pairs read the window."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from epipam.models import Epipam
from epipam.models.first_convolution import KmerConvolution


class Branch:
    """The first two blocks of one anchor, taken apart.

    Parameters
    ----------
    network
        A model with position attention; its weights are read here, once.
    anchor
        `enhancer` or `promoter`.
    """

    def __init__(self, network: Epipam, anchor: str) -> None:
        first, second, *_ = getattr(network, f"{anchor}_blocks")
        self.length = getattr(network.config, f"{anchor}_length")
        self.positions, self.outputs, *_ = network.config.positions(self.length)
        self.first = KmerConvolution(first.conv)
        self.first_bias = first.conv.bias
        self.first_pool = first.pool
        self.channels, inputs, self.width = second.conv.weight.shape
        # One row per tap and output channel.
        self.taps = second.conv.weight.permute(2, 0, 1).reshape(-1, inputs).contiguous()
        self.bias = second.conv.bias
        self.second_pool = second.pool

    def features(self, packed: Tensor) -> Tensor:
        """Return block 1's output, float (n, positions, c), for uint8 (n, ceil(length / 2))."""
        convolved = self.first(packed, self.length)
        # The bias comes after the pool: there are ten times fewer numbers to add it to.
        return F.relu(_pooled(convolved, self.first_pool, self.positions) + self.first_bias)

    def products(self, features: Tensor) -> Tensor:
        """Return what each of the k taps of block 2 makes of each position's features.

        Parameters
        ----------
        features
            float (n, positions, c).

        Returns
        -------
        float (n, positions, k * c).
        """
        return features @ self.taps.T

    def second_convolution(self, products: Tensor, score: Tensor) -> Tensor:
        """Return block 2's pooled convolution, without bias, for windows with some partners each.

        Parameters
        ----------
        products
            float (n, positions, k * c).
        score
            float (n, partners, positions): PAM 1's attention.

        Returns
        -------
        float (n, outputs, partners, c).
        """
        n, positions, _ = products.shape
        left = positions - self.width + 1
        # Tap k at output position i reads input position i + k: a diagonal, as a strided view.
        step_n, step_position, _ = products.stride()
        taps = products.as_strided(
            (n, left, self.width, self.channels),
            (step_n, step_position, step_position + self.channels, 1),
            products.storage_offset(),
        )
        weights = (1 + score).unfold(2, self.width, 1).transpose(1, 2)
        convolved = torch.bmm(weights.flatten(0, 1), taps.flatten(0, 1))
        convolved = convolved.view(n, left, -1, self.channels)
        return _pooled(convolved, self.second_pool, self.outputs)

    def finished(self, pooled: Tensor) -> Tensor:
        """Return block 2's output, float (..., c), from what `second_convolution` gives."""
        return F.relu(pooled + self.bias)


SomeBranch = TypeVar("SomeBranch", bound=Branch)


class KeptRegions(Generic[SomeBranch]):
    """What is computed once per window, kept while there is room, by the window's sequence.

    The windows that were used longest ago go first. All are rows of two tensors, so that
    neighbours that came together are read together, without a copy.

    Parameters
    ----------
    branch
        What computes it.
    size
        Room in bytes; there is always room for one window.
    windows_per_pass
        How many windows are computed at once.
    """

    def __init__(self, branch: SomeBranch, size: int, windows_per_pass: int) -> None:
        self.branch = branch
        self.device = branch.taps.device
        self.windows_per_pass = windows_per_pass
        widths = (branch.channels, len(branch.taps))
        self.capacity = max(1, size // (4 * branch.positions * sum(widths)))
        self._features, self._products = (
            torch.empty((self.capacity, branch.positions, width), device=self.device)
            for width in widths
        )
        self._slot: OrderedDict[bytes, int] = OrderedDict()
        self._free = list(reversed(range(self.capacity)))

    def slots(self, packed: np.ndarray) -> np.ndarray:
        """Return where windows lie, after computing those that are missing.

        Parameters
        ----------
        packed
            uint8 (n, ceil(length / 2)), at most `capacity` of them.

        Returns
        -------
        int64 (n,).
        """
        keys = [window.tobytes() for window in packed]
        for key in keys:
            if key in self._slot:
                self._slot.move_to_end(key)
        missing = list({key: row for row, key in enumerate(keys) if key not in self._slot}.items())
        for first in range(0, len(missing), self.windows_per_pass):
            self._compute(packed, missing[first : first + self.windows_per_pass])
        return np.array([self._slot[key] for key in keys], dtype=np.int64)

    def features(self, slots: np.ndarray) -> Tensor:
        """Return the features of sorted slots, float (n, positions, c)."""
        if slots[-1] - slots[0] == len(slots) - 1:
            return self._features[slots[0] : slots[-1] + 1]
        return self._features[torch.from_numpy(slots).to(self.device)]

    def products(self, slot: int) -> Tensor:
        """Return the products of one slot, float (1, positions, k * c)."""
        return self._products[slot : slot + 1]

    def of_all_slots(self) -> tuple[Tensor, Tensor]:
        """Return features and products of every slot, those of free ones undefined."""
        return self._features, self._products

    def _compute(self, packed: np.ndarray, missing: list[tuple[bytes, int]]) -> None:
        while len(self._free) < len(missing):
            self._free.append(self._slot.popitem(last=False)[1])
        slots = [self._free.pop() for _ in missing]
        try:
            windows = torch.from_numpy(packed[[row for _, row in missing]]).to(self.device)
            features = self.branch.features(windows)
            self._features[slots] = features
            self._products[slots] = self.branch.products(features)
        except BaseException:
            self._free += slots
            raise
        self._slot.update(zip((key for key, _ in missing), slots, strict=True))


def _pooled(values: Tensor, pool: int, outputs: int) -> Tensor:
    """Return the maxima of (n, positions, ...) over runs of `pool` positions."""
    pool = min(pool, values.shape[1])
    return values[:, : outputs * pool].unflatten(1, (outputs, pool)).amax(dim=2)

"""The stretches of sequence that the first kernels of a network answer to most.

A site of a kernel is a stretch of known bases, as long as the kernel sees, on which it is more
active than a share (a half, unless told otherwise) of its greatest activation in the windows at
hand: the rule of Basset (Kelley, Snoek and Rinn, Genome Res 2016;26:990-999).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from epipam.genome.encoding import BASES
from epipam.interpret.distinct_windows import Windows
from epipam.models.first_layer import FirstLayer, KernelActivations
from epipam.models.onehot import base_digits

THRESHOLD = 0.5

# Activations that are in memory at one time, and bases of sites: some megabytes each.
_ACTIVATIONS = 1 << 21
_SITE_BASES = 1 << 21


@dataclass(frozen=True)
class KernelSites:
    """The sites of an anchor's kernels.

    Attributes
    ----------
    counts
        int64 (kernels, width, 4): how often each base lies where, over all sites.
    sites
        int64 (kernels,).
    highest
        float32 (kernels,): the greatest activation.
    with_site
        int64 (2, kernels): how many negative and how many positive windows have a site.
    windows
        int64 (2,): how many negative and how many positive windows there are.
    n_windows
        How many windows there are, without a label too.
    bases
        int64 (4,): how often each base lies in the windows.
    """

    counts: np.ndarray
    sites: np.ndarray
    highest: np.ndarray
    with_site: np.ndarray
    windows: np.ndarray
    n_windows: int
    bases: np.ndarray


def find_sites(
    layer: FirstLayer,
    windows: Callable[[], Iterable[Windows]],
    length: int,
    *,
    threshold: float = THRESHOLD,
    device: torch.device | None = None,
) -> KernelSites:
    """Find the sites of a first layer's kernels, going through the windows twice.

    Parameters
    ----------
    windows
        Called for each pass; the same windows each time.
    length
        Window length in bp.
    threshold
        Share of a kernel's greatest activation that a site's exceeds, from 0 to below 1.
    """
    scan = _Scan(layer, length, device or torch.device("cpu"))
    with torch.inference_mode():
        for piece in windows():
            for packed, label in scan.batches(piece):
                scan.measure(packed, label)
        # Where a kernel is never active, nothing exceeds it.
        scan.least = threshold * scan.highest
        for piece in windows():
            for packed, label in scan.batches(piece):
                scan.count(packed, label)
    return KernelSites(
        counts=scan.counts.view(layer.kernels, layer.width, len(BASES)).cpu().numpy(),
        sites=scan.sites.cpu().numpy(),
        highest=scan.highest.cpu().numpy(),
        with_site=scan.with_site.cpu().numpy(),
        windows=scan.windows.cpu().numpy(),
        n_windows=scan.n_windows,
        bases=scan.bases[1:].cpu().numpy(),
    )


class _Scan:
    """What the two passes over the windows add up, on the device."""

    def __init__(self, layer: FirstLayer, length: int, device: torch.device) -> None:
        self.layer = layer
        self.length = length
        self.device = device
        self.activations = KernelActivations(layer)
        integers = partial(torch.zeros, dtype=torch.int64, device=device)
        self.highest = torch.zeros(layer.kernels, device=device)
        self.least = torch.zeros(layer.kernels, device=device)
        self.counts = integers(layer.kernels * layer.width * len(BASES))
        self.sites = integers(layer.kernels)
        self.with_site = integers((2, layer.kernels))
        self.windows = integers(2)
        self.bases = integers(len(BASES) + 1)
        self.n_windows = 0

    def batches(self, piece: Windows) -> Iterable[tuple[Tensor, Tensor]]:
        """Yield a piece's windows and labels on the device, no more at a time than fit."""
        each = (self.length - self.layer.width + 1) * self.layer.kernels
        size = max(1, _ACTIVATIONS // each)
        for start in range(0, len(piece.label), size):
            rows = slice(start, start + size)
            packed, label = (torch.from_numpy(column[rows]) for column in piece)
            yield packed.to(self.device), label.to(self.device)

    def measure(self, packed: Tensor, label: Tensor) -> None:
        """Take in windows for the first pass: maxima, labels, bases."""
        active, digits = self._active(packed)
        self.highest = torch.maximum(self.highest, active.amax(dim=(0, 1)))
        self.bases += torch.bincount(digits.flatten(), minlength=len(self.bases))
        self.windows += torch.stack([(label == value).sum() for value in (0, 1)])
        self.n_windows += len(label)

    def count(self, packed: Tensor, label: Tensor) -> None:
        """Take in windows for the second pass: the sites and their bases."""
        active, digits = self._active(packed)
        site = (active > self.least).nonzero()
        window, position, kernel = site.unbind(1)
        self.sites += torch.bincount(kernel, minlength=len(self.sites))
        found = torch.zeros((len(label), len(self.sites)), dtype=torch.bool, device=self.device)
        found[window, kernel] = True
        self.with_site += torch.stack([found[label == value].sum(dim=0) for value in (0, 1)])
        width = self.layer.width
        place = torch.arange(width, device=self.device)
        for some in site.unsqueeze(2).split(max(1, _SITE_BASES // width)):
            window, position, kernel = some.unbind(1)
            base = digits[window, position + place] - 1
            where = (kernel * width + place) * len(BASES) + base
            self.counts += torch.bincount(where.flatten(), minlength=len(self.counts))

    def _active(self, packed: Tensor) -> tuple[Tensor, Tensor]:
        """Return activations (n, positions, kernels), zero where a base is N, and base numbers."""
        digits = base_digits(packed, self.length)
        active = self.activations(packed, self.length)
        unknown = digits == 0
        if bool(unknown.any()):
            active[unknown.unfold(1, self.layer.width, 1).any(dim=2)] = 0
        return active, digits

"""What turns the windows of pairs into logits, and the plain way to do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from epipam.errors import ModelError
from epipam.genome.encoding import count_bases
from epipam.models import Network
from epipam.models.weights import require_finite
from epipam.scoring.settings import BATCH_SIZE


@dataclass(frozen=True)
class PairWindows:
    """The windows of some pairs, each distinct window once.

    Attributes
    ----------
    enhancer, promoter
        uint8 (n_distinct, ceil(L / 2)): packed one-hot.
    enhancer_row, promoter_row
        int64 (n_pairs,): which distinct window each pair reads.
    """

    enhancer: np.ndarray
    promoter: np.ndarray
    enhancer_row: np.ndarray
    promoter_row: np.ndarray

    def __len__(self) -> int:
        return len(self.enhancer_row)


class Letters(NamedTuple):
    """How many letters distinct windows have, and how many of them are N."""

    all: int = 0
    n: int = 0

    @classmethod
    def of(cls, windows: PairWindows, enhancer_length: int, promoter_length: int) -> Letters:
        """Count those of some windows of these lengths, bp; each distinct window once."""
        letters = len(windows.enhancer) * enhancer_length + len(windows.promoter) * promoter_length
        bases = count_bases(windows.enhancer) + count_bases(windows.promoter)
        return cls(letters, letters - bases)

    def plus(self, other: Letters) -> Letters:
        """Return the sum of both."""
        return Letters(self.all + other.all, self.n + other.n)

    def share_of_n(self) -> float:
        """Return the share of N, from 0 to 1."""
        return self.n / self.all if self.all else 0.0


class Engine(Protocol):
    """What turns windows into logits; a faster one may work per distinct window."""

    device: torch.device

    @property
    def enhancer_length(self) -> int:
        """Window length, bp."""

    @property
    def promoter_length(self) -> int:
        """Window length, bp."""

    def logits(self, windows: PairWindows) -> np.ndarray:
        """Return float64 (n_pairs,), all finite.

        Raises
        ------
        ModelError
            Where the model gives a pair no finite logit.
        """


def finite_logits(logits: np.ndarray) -> np.ndarray:
    """Return the logits of a model, which must be finite.

    Parameters
    ----------
    logits
        float (n_pairs,).

    Raises
    ------
    ModelError
        Where one is NaN or infinite.
    """
    n_wrong = np.count_nonzero(~np.isfinite(logits))
    if n_wrong:
        raise ModelError(
            f"the model gives {n_wrong:,} of {len(logits):,} pairs a logit that is NaN or "
            f"infinite, although its weights are finite: its training diverged; train it again "
            f"with a lower --learning-rate"
        )
    return logits


class PlainEngine:
    """Batched forward passes of the whole network.

    Parameters
    ----------
    network
        The model.
    device
        Where it runs.
    batch_size
        Pairs per forward pass.

    Raises
    ------
    ModelError
        Where a weight is NaN or infinite.
    """

    def __init__(
        self, network: Network, device: torch.device, batch_size: int = BATCH_SIZE
    ) -> None:
        require_finite(network.state_dict(), "the model")
        self.network = network.to(device).eval()
        self.device = device
        self.batch_size = batch_size

    @property
    def enhancer_length(self) -> int:
        return self.network.config.enhancer_length

    @property
    def promoter_length(self) -> int:
        return self.network.config.promoter_length

    def logits(self, windows: PairWindows) -> np.ndarray:
        found = np.empty(len(windows), dtype=np.float64)
        with torch.inference_mode():
            for start in range(0, len(windows), self.batch_size):
                rows = slice(start, start + self.batch_size)
                enhancer = torch.from_numpy(windows.enhancer[windows.enhancer_row[rows]])
                promoter = torch.from_numpy(windows.promoter[windows.promoter_row[rows]])
                logits = self.network(enhancer.to(self.device), promoter.to(self.device))
                found[rows] = logits.double().cpu().numpy()
        return finite_logits(found)

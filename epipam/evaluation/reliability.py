"""How far probabilities are chances: of the pairs at 0.3, are three in ten positive?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_BINS = 10
_DRAWS = 200


@dataclass(frozen=True)
class ReliabilityBin:
    """Pairs whose probability lies in (low, high], in the first bin [low, high].

    Attributes
    ----------
    low, high
        The bin's ends.
    n_pairs
        Pairs in it.
    probability
        Their mean probability.
    share
        The share of positives among them.
    """

    low: float
    high: float
    n_pairs: int
    probability: float
    share: float


@dataclass(frozen=True)
class Calibration:
    """How the probabilities compare with the shares of positives.

    Attributes
    ----------
    bins
        `N_BINS` bins of equal width over 0 to 1, less the empty ones.
    brier_score
        Mean squared difference of probability and label (Brier 1950).
    expected_calibration_error
        Mean over the pairs of the difference, in their bin, of mean probability and share.
    error_by_chance
        What that error stays below 95 times in 100 where every probability is exactly the chance
        of its pair: with few pairs, the shares of a bin scatter (Bröcker and Smith 2007).
    """

    bins: tuple[ReliabilityBin, ...]
    brier_score: float
    expected_calibration_error: float
    error_by_chance: float

    def sentence(self, beats_coin: bool) -> str:
        """Say whether the probabilities can be read as chances.

        Parameters
        ----------
        beats_coin
            Whether the model is known to order pairs better than a coin does. One that is not
            may give every pair the share of positives: that is true, and tells nothing of a pair.
        """
        n_pairs = sum(each.n_pairs for each in self.bins)
        mean = sum(each.n_pairs * each.probability for each in self.bins) / n_pairs
        share = sum(each.n_pairs * each.share for each in self.bins) / n_pairs
        numbers = (
            f"on average {self.expected_calibration_error:.3f} from the share of positives "
            f"(chance alone: up to {self.error_by_chance:.3f}); their mean is {mean:.3f}, "
            f"the share {share:.3f}"
        )
        if self.expected_calibration_error <= self.error_by_chance and not beats_coin:
            return (
                "Its probabilities say no more than the share of positives: it is not known to "
                f"order pairs better than a coin, although they are {numbers}."
            )
        if self.expected_calibration_error <= self.error_by_chance:
            return f"Its probabilities can be read as chances on pairs like these: {numbers}."
        return f"Its probabilities order pairs, they are not chances: {numbers}."


def calibration(labels: np.ndarray, probabilities: np.ndarray, *, seed: int = 0) -> Calibration:
    """Compare probabilities with the shares of positives.

    Parameters
    ----------
    labels
        (n,) int, 1 or 0, at least one.
    probabilities
        (n,) float from 0 to 1.
    seed
        Of the draws behind `error_by_chance`.
    """
    edges = np.linspace(0, 1, N_BINS + 1)
    number = np.searchsorted(edges[1:-1], probabilities)
    n_pairs = np.bincount(number, minlength=N_BINS)
    filled = np.flatnonzero(n_pairs)
    count = n_pairs[filled]
    mean = np.bincount(number, probabilities, N_BINS)[filled] / count

    def shares(positive: np.ndarray) -> np.ndarray:
        return np.bincount(number, positive, N_BINS)[filled] / count

    def error(share: np.ndarray) -> float:
        return float(count @ np.abs(mean - share) / len(labels))

    share = shares(labels)
    generator = np.random.default_rng([seed, len(labels)])
    by_chance = [
        error(shares(generator.random(len(labels)) < probabilities)) for _ in range(_DRAWS)
    ]
    columns = (edges[filled], edges[filled + 1], count, mean, share)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return Calibration(
        bins=tuple(ReliabilityBin(*row) for row in rows),
        brier_score=float(np.mean((probabilities - labels) ** 2)),
        expected_calibration_error=error(share),
        error_by_chance=float(np.quantile(by_chance, 0.95)),
    )

"""How far a ROC or a precision-recall curve could lie elsewhere with other pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from epipam.evaluation.metrics import (
    LEAST_CLUSTERS,
    Ranking,
    effective_number,
    resampled,
    tail_of,
)

GRID = np.linspace(0.01, 1, 100)
"""(100,) float64, where along the horizontal axis a band is known."""


class Band(NamedTuple):
    """A pointwise confidence band: at each of `GRID`, the ends of the interval.

    Attributes
    ----------
    low, high
        (100,) float64.
    """

    low: np.ndarray
    high: np.ndarray


class CurveBands(NamedTuple):
    """The bands of one scorer.

    Attributes
    ----------
    roc
        Of the true positive rate at each false positive rate.
    precision_recall
        Of the precision at each recall: that of the strictest threshold which reaches it.
    """

    roc: Band
    precision_recall: Band


def curve_bands(
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    n_replicates: int = 1000,
    seed: int = 0,
) -> CurveBands | None:
    """Bootstrap both curves of a scorer, with the replicates of the metrics' bootstrap.

    Parameters
    ----------
    labels
        (n,) int, 1 or 0.
    scores
        (n,) float, larger for likelier pairs.
    groups
        (n,) what is resampled as a whole; by default each pair on its own.
    n_replicates, seed
        How many replicates, and the seed of the resampling.

    Returns
    -------
    CurveBands or None
        None where nothing can be resampled: no replicate asked for, one class only, or fewer than
        `LEAST_CLUSTERS` groups.
    """
    n_effective = effective_number(labels, groups)
    if n_effective < LEAST_CLUSTERS:
        return None
    ranking = Ranking.of(labels, scores)
    sensitivities, precisions = [], []
    for weights in resampled(labels, groups, n_replicates, seed):
        true, false = ranking.counts(weights)
        recall = true / true[-1]
        sensitivities.append(
            np.interp(GRID, np.append(0.0, false) / false[-1], np.append(0.0, recall))
        )
        reached = np.searchsorted(recall, GRID, side="left")
        precisions.append(true[reached] / (true[reached] + false[reached]))
    if not precisions:
        return None
    tail = tail_of(n_effective)
    return CurveBands(_band(sensitivities, tail), _band(precisions, tail))


def _band(replicates: list[np.ndarray], tail: float) -> Band:
    return Band(*np.quantile(np.array(replicates), [tail, 1 - tail], axis=0))

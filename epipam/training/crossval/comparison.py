"""Which scorer is better, and how surely: a paired bootstrap over chromosomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from epipam.evaluation.metrics import (
    METRICS,
    Interval,
    Ranking,
    Replicates,
    effective_number,
    resampled,
)

# A scorer that gives every pair the same.
CHANCE = "chance"


class FoldScores(NamedTuple):
    """The test part of one fold, as every scorer sees it.

    Attributes
    ----------
    contigs
        (n,) object.
    labels
        (n,) int64, 1 or 0; both occur.
    scores
        Scorer to (n,) float64.
    """

    contigs: np.ndarray
    labels: np.ndarray
    scores: Mapping[str, np.ndarray]


class Comparison(NamedTuple):
    """How much better one scorer is than another.

    Attributes
    ----------
    metric
        `AUROC` or `AUPRC`, with all negatives of each fold's test part.
    mean, other_mean
        Mean of the metric over folds, of the scorer and of the other.
    interval
        95% of the differences over the replicates; None with too few chromosomes.
    n_chromosomes
        How many of equal size the chromosomes count as.
    """

    scorer: str
    other: str
    metric: str
    mean: float
    other_mean: float
    interval: Interval | None
    n_chromosomes: float = np.inf

    @property
    def difference(self) -> float:
        """The scorer's mean less the other's."""
        return self.mean - self.other_mean

    def turned(self) -> Comparison:
        """Return the comparison of the other with the scorer."""
        turned = self.interval and Interval(-self.interval.high, -self.interval.low)
        return Comparison(
            self.other,
            self.scorer,
            self.metric,
            self.other_mean,
            self.mean,
            turned,
            self.n_chromosomes,
        )


def compare(
    parts: Sequence[FoldScores],
    rivals: Sequence[tuple[str, str]],
    *,
    n_replicates: int = 1000,
    seed: int = 0,
) -> list[Comparison]:
    """Compare scorers by their mean over folds, resampling chromosomes with replacement.

    A replicate draws as many chromosomes as there are, of all folds' together, and every scorer
    is measured on the same draws: in each fold with its chromosomes as often as they were drawn,
    then on average over the folds of which both classes were drawn, each counting as often as its
    chromosomes were. Folds are not pooled, since the models of two folds need not agree in what a
    score is worth.

    Parameters
    ----------
    parts
        Test parts; all hold the same scorers.
    rivals
        Which scorer to compare with which other.
    """
    means = fold_means(parts, n_replicates=n_replicates, seed=seed)
    once = np.ones(sum(len(part.labels) for part in parts), dtype=np.int64)
    observed = dict(_means(parts, _ranked(parts), once))
    return [
        Comparison(
            scorer,
            other,
            metric,
            observed[scorer, metric],
            observed[other, metric],
            means.difference(scorer, other, metric),
            means.n_effective,
        )
        for scorer, other in rivals
        for metric in METRICS
    ]


def fold_means(parts: Sequence[FoldScores], *, n_replicates: int, seed: int) -> Replicates:
    """Return each scorer's mean over folds on the same resampled chromosomes."""
    labels = np.concatenate([part.labels for part in parts])
    contigs = np.concatenate([part.contigs for part in parts])
    ranked = _ranked(parts)
    found: dict[tuple[str, str], list[float]] = {
        (scorer, metric): [] for scorer in parts[0].scores for metric in METRICS
    }
    draws = resampled(labels, groups=contigs, n_replicates=n_replicates, seed=seed)
    for weights in draws:
        for key, value in _means(parts, ranked, weights):
            found[key].append(value)
    return Replicates(
        {key: np.array(values) for key, values in found.items()}, effective_number(labels, contigs)
    )


def _ranked(parts: Sequence[FoldScores]) -> list[dict[str, Ranking]]:
    return [
        {scorer: Ranking.of(part.labels, scores) for scorer, scores in part.scores.items()}
        for part in parts
    ]


def _means(
    parts: Sequence[FoldScores], ranked: Sequence[Mapping[str, Ranking]], weights: np.ndarray
) -> Iterator[tuple[tuple[str, str], float]]:
    """Yield (scorer, metric) and its mean over the folds in which both classes count."""
    ends = np.cumsum([0, *(len(part.labels) for part in parts)])
    usable = []
    for (first, last), part, rankings in zip(pairwise(ends), parts, ranked, strict=True):
        own = weights[first:last]
        if 0 < int(own @ part.labels) < int(own.sum()):
            usable.append((own, rankings, _times_drawn(part.contigs, own)))
    if not usable:
        return
    for scorer in parts[0].scores:
        values = np.array([rankings[scorer].weighted(own) for own, rankings, _ in usable])
        times = np.array([drawn for *_, drawn in usable])
        for metric, mean in zip(METRICS, times @ values / times.sum(), strict=True):
            yield (scorer, metric), float(mean)


def _times_drawn(contigs: np.ndarray, weights: np.ndarray) -> float:
    """Return how often the chromosomes of a fold were drawn, on average."""
    first = np.unique(contigs, return_index=True)[1]
    return float(weights[first].mean())

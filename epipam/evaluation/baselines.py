"""Scores that need no sequence: what a model must beat before its sequence has told it anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# Names of the scorers of an evaluation: the model that is judged, and the baselines beside it.
MODEL, DISTANCE, FREQUENCY = "model", "distance", "frequency"
REGION = ("chrom", "start", "end")


def distance_scores(pairs: pd.DataFrame) -> np.ndarray:
    """Baseline: the nearer, the likelier. The sign is fixed, never fitted to the pairs.

    Returns
    -------
    numpy.ndarray
        (n_pairs,) float64: minus the distance in bp between the midpoints of the two regions;
        minus infinity for regions on different contigs.
    """
    middle = [
        (pairs[f"{anchor}_start"].to_numpy(np.float64) + pairs[f"{anchor}_end"].to_numpy()) / 2
        for anchor in ("enhancer", "promoter")
    ]
    same = pairs["enhancer_chrom"].to_numpy(object) == pairs["promoter_chrom"].to_numpy(object)
    return np.where(same, -np.abs(middle[0] - middle[1]), -np.inf)


def frequency_scores(pairs: pd.DataFrame, training_pairs: pd.DataFrame) -> np.ndarray | None:
    """Baseline: how often the pair's enhancer and promoter are positive in training.

    A region that is positive in p of its n labelled training pairs gets the rate
    (p + prior) / (n + 1), the prior being the share of positives in training; a region never
    seen gets the prior. Regions are the same where contig, start and end are. The two rates
    combine as independent evidence: logit(enhancer) + logit(promoter) - logit(prior).

    Returns
    -------
    numpy.ndarray or None
        (n_pairs,) float64; None where no training pair is labelled.
    """
    labels = training_pairs["label"].to_numpy(dtype=np.int64)
    known = training_pairs.loc[labels != -1]
    if len(known) == 0:
        return None
    # Half a pair of each class keeps the prior, and every rate, strictly between 0 and 1.
    prior = (float((labels == 1).sum()) + 0.5) / (len(known) + 1)
    score = np.full(len(pairs), -_logit(np.float64(prior)))
    for anchor in ("enhancer", "promoter"):
        columns = [f"{anchor}_{part}" for part in REGION]
        seen = known.groupby(columns, observed=True, sort=False)["label"].agg(["sum", "count"])
        rates = (seen["sum"] + prior) / (seen["count"] + 1)
        positions = rates.index.get_indexer(pairs.set_index(columns).index)
        rate = np.where(positions >= 0, rates.to_numpy(np.float64)[positions], prior)
        score += _logit(rate)
    return score


def _logit(rate: np.ndarray | np.float64) -> np.ndarray:
    return np.log(rate) - np.log1p(-rate)

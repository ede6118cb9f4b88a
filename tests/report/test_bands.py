"""Bands about curves against plain loops over resampled pairs and scikit-learn's curves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t
from sklearn.metrics import precision_recall_curve, roc_curve

from epipam.evaluation.metrics import resampled
from epipam.report.bands import GRID, curve_bands


@pytest.fixture
def scored():
    generator = np.random.default_rng(0)
    labels = (generator.random(120) < 0.3).astype(int)
    return labels, np.round(labels + generator.normal(size=120), 1)  # with ties


def test_bands_hold_the_middle_95_percent_of_the_curves_of_resampled_pairs(scored):
    labels, scores = scored
    found = curve_bands(labels, scores, n_replicates=60, seed=3)
    sensitivities, precisions = [], []
    for weights in resampled(labels, None, 60, 3):
        drawn_labels, drawn_scores = np.repeat(labels, weights), np.repeat(scores, weights)
        fpr, tpr, _ = roc_curve(drawn_labels, drawn_scores, drop_intermediate=False)
        sensitivities.append([_height(fpr, tpr, x) for x in GRID])
        precision, recall, _ = precision_recall_curve(drawn_labels, drawn_scores)
        # From the strictest threshold downwards, less the point (0, 1) that is none.
        precision, recall = precision[-2::-1], recall[-2::-1]
        precisions.append([precision[np.flatnonzero(recall >= x)[0]] for x in GRID])
    n = min(labels.sum(), (1 - labels).sum())
    tail = norm.cdf((n / (n - 1)) ** 0.5 * t.ppf(0.025, n - 1))
    for band, curves in ((found.roc, sensitivities), (found.precision_recall, precisions)):
        low, high = np.quantile(curves, [tail, 1 - tail], axis=0)
        np.testing.assert_allclose(band.low, low, atol=1e-9)
        np.testing.assert_allclose(band.high, high, atol=1e-9)


def _height(fpr, tpr, x):
    """The ROC curve's height at x; its highest where it rises straight up there."""
    before = np.flatnonzero(fpr <= x)[-1]
    if fpr[before] == x or before == len(fpr) - 1:
        return tpr[before]
    share = (x - fpr[before]) / (fpr[before + 1] - fpr[before])
    return tpr[before] + share * (tpr[before + 1] - tpr[before])


def test_whole_groups_are_resampled_together(scored):
    labels, scores = scored
    groups = np.arange(120) // 6
    by_group = curve_bands(labels, scores, groups=groups, n_replicates=200)
    alone = curve_bands(labels, scores, n_replicates=200)
    assert not np.allclose(by_group.roc.low, alone.roc.low)


def test_nothing_to_resample_makes_no_band(scored):
    labels, scores = scored
    assert curve_bands(labels, scores, n_replicates=0) is None
    assert curve_bands(np.ones(120, dtype=int), scores, n_replicates=10) is None
    assert curve_bands(labels, scores, groups=np.zeros(120), n_replicates=10) is None

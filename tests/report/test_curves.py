"""Curves keep their shape when thinned, and say what a reader is told of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from epipam.report.curves import precision_at_recall, scorer_curves, thin


def test_thinned_curves_keep_ends_and_shape():
    x = np.linspace(0, 1, 100_000)
    thin_x, thin_y = thin(x, x**2, 2000)
    assert len(thin_x) <= 2002
    assert (thin_x[0], thin_x[-1]) == (0, 1)
    assert np.abs(np.interp(x, thin_x, thin_y) - x**2).max() < 1e-5


def test_a_short_curve_is_left_as_it_is():
    x = np.array([0.0, 0.5, 1.0])
    thin_x, thin_y = thin(x, x, 3)
    assert thin_x is x
    assert thin_y is x


@pytest.mark.parametrize("wanted", [0.01, 0.5, 1.0])
def test_precision_at_a_recall_is_that_of_the_strictest_threshold_that_reaches_it(wanted):
    generator = np.random.default_rng(1)
    labels = (generator.random(500) < 0.2).astype(int)
    scores = labels + generator.normal(size=500)
    (found,) = scorer_curves(labels, {"model": scores})
    _, recall, thresholds = precision_recall_curve(labels, scores)
    reaching = thresholds[recall[:-1] >= wanted].max()
    called = scores >= reaching
    expected = labels[called].mean()
    assert precision_at_recall(found.points, wanted) == pytest.approx(expected, abs=1e-6)


def test_labels_of_one_class_have_no_curves():
    assert scorer_curves(np.ones(5, dtype=int), {"model": np.arange(5.0)}) == ()


def test_bands_are_there_where_replicates_are_asked_for():
    labels, scores = np.array([0, 1] * 20), {"model": np.arange(40.0)}
    assert scorer_curves(labels, scores)[0].bands is None
    assert scorer_curves(labels, scores, n_replicates=5)[0].bands is not None

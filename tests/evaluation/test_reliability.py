"""Reliability bins and scores against scikit-learn and a plain loop; when they are chances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from epipam.evaluation.reliability import N_BINS, calibration


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.floats(0, 1) | st.integers(0, 10).map(lambda n: n / 10)),
        min_size=1,
        max_size=60,
    )
)
def test_bins_and_brier_score_equal_scikit_learn(rows):
    labels, probabilities = (np.array(column) for column in zip(*rows, strict=True))
    found = calibration(labels, probabilities)
    share, mean = calibration_curve(labels, probabilities, n_bins=N_BINS)
    np.testing.assert_allclose([each.share for each in found.bins], share)
    np.testing.assert_allclose([each.probability for each in found.bins], mean)
    assert sum(each.n_pairs for each in found.bins) == len(labels)
    for each in found.bins:
        inside = (probabilities > each.low) | ((each.low == 0) & (probabilities == 0))
        assert each.n_pairs == (inside & (probabilities <= each.high)).sum()
    assert found.brier_score == pytest.approx(
        brier_score_loss(labels, probabilities, pos_label=1), abs=1e-12
    )


def test_the_expected_calibration_error_equals_a_loop_over_bins():
    generator = np.random.default_rng(0)
    probabilities = generator.random(500)
    labels = (generator.random(500) < probabilities**2).astype(int)
    expected = 0.0
    for number in range(N_BINS):
        inside = [i for i, p in enumerate(probabilities) if number < p * N_BINS <= number + 1]
        share = sum(labels[i] for i in inside) / len(inside)
        mean = sum(probabilities[i] for i in inside) / len(inside)
        expected += len(inside) / 500 * abs(share - mean)
    found = calibration(labels, probabilities).expected_calibration_error
    assert found == pytest.approx(expected, abs=1e-12)


def test_exact_chances_stay_below_the_error_by_chance_about_as_often_as_it_says():
    below = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        probabilities = generator.random(80)
        labels = (generator.random(80) < probabilities).astype(int)
        found = calibration(labels, probabilities, seed=seed)
        below += found.expected_calibration_error <= found.error_by_chance
    assert 88 <= below <= 99


def test_the_sentence_tells_chances_from_an_order():
    generator = np.random.default_rng(3)
    probabilities = generator.random(2000)
    labels = (generator.random(2000) < probabilities).astype(int)
    assert "can be read as chances" in calibration(labels, probabilities, seed=1).sentence(True)
    # The same order of pairs, so the same AUROC.
    lowered = probabilities**4
    sentence = calibration(labels, lowered, seed=1).sentence(True)
    assert "order pairs, they are not chances" in sentence
    assert (
        f"their mean is {(probabilities**4).mean():.3f}, the share {labels.mean():.3f}" in sentence
    )


def test_of_a_model_that_does_not_beat_a_coin_no_chances_are_spoken_of():
    labels = np.tile([1, 0, 0, 0], 200)
    sentence = calibration(labels, np.full(800, 0.25), seed=1).sentence(False)
    assert "read as chances" not in sentence
    assert "say no more than the share of positives" in sentence

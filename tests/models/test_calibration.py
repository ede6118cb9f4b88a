"""Calibrated probabilities, against scikit-learn's own predictions and Bayes' rule by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special
from sklearn.isotonic import IsotonicRegression

from epipam.errors import ModelError, RequestError
from epipam.models.calibration import (
    METHODS,
    IsotonicMap,
    PlattMap,
    ProbabilityMap,
    fit_isotonic,
    fit_platt,
    read_map,
    write_map,
)
from epipam.models.logits import logits_of, probabilities
from epipam.pairs.table import digest

pairs = st.lists(
    st.tuples(st.floats(-30, 30).map(lambda x: round(x, 3)), st.integers(0, 1)),
    min_size=2,
    max_size=40,
).filter(lambda rows: {label for _, label in rows} == {0, 1})


def columns(rows: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([logit for logit, _ in rows]), np.array([label for _, label in rows])


def drawn(n: int = 4_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, and labels whose odds are those of 0.5 * logit - 2."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, n)
    return logits, (generator.random(n) < probabilities(0.5 * logits - 2)).astype(int)


def a_map(logits: np.ndarray, labels: np.ndarray, weights: str = "") -> ProbabilityMap:
    return ProbabilityMap(
        fit_platt(logits, labels),
        fit_isotonic(logits, labels),
        len(labels),
        int(labels.sum()),
        ("chr4", "chr5"),
        False,
        {"pairs": {"sha256": "0"}},
        weights,
    )


def test_platt_finds_the_line_that_made_the_labels() -> None:
    found = fit_platt(*drawn(40_000))
    assert found.slope == pytest.approx(0.5, rel=0.05)
    assert found.intercept == pytest.approx(-2, rel=0.05)


@settings(max_examples=30)
@given(pairs)
def test_platt_is_the_least_loss_over_platt_s_targets(rows: list[tuple[float, int]]) -> None:
    logits, labels = columns(rows)
    n1, n0 = labels.sum(), (1 - labels).sum()
    target = np.where(labels == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))

    def loss(line: np.ndarray) -> float:
        z = line[0] * logits + line[1]
        return float(np.sum(np.logaddexp(0, z) - target * z))

    found = fit_platt(logits, labels)
    best = optimize.minimize(loss, [0.0, 0.0], bounds=[(0, None), (None, None)], tol=1e-12)
    assert loss(np.array(found)) <= best.fun + 1e-5
    assert found.slope >= 0


@given(pairs, st.lists(st.floats(-40, 40), max_size=20))
def test_isotonic_predicts_what_scikit_learn_does(
    rows: list[tuple[float, int]], asked: list[float]
) -> None:
    logits, labels = columns(rows)
    oracle = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(logits, labels)
    at = np.array([*asked, *logits])
    assert fit_isotonic(logits, labels).apply(at) == pytest.approx(oracle.predict(at), abs=1e-9)


@settings(max_examples=40)
@given(pairs, st.sampled_from(METHODS), st.one_of(st.none(), st.floats(0.001, 0.999)))
def test_probabilities_never_fall_and_stay_between_0_and_1(
    rows: list[tuple[float, int]], method: str, prior: float | None
) -> None:
    found = a_map(*columns(rows))
    values = found.apply(np.linspace(-60, 60, 301), method, prior)
    assert (np.diff(values) >= -1e-12).all()
    assert values.min() >= 0
    assert values.max() <= 1
    assert np.isnan(found.apply(np.array([np.nan]), method, prior)).all()


@settings(max_examples=40)
@given(pairs)
def test_a_map_survives_json(rows: list[tuple[float, int]]) -> None:
    found = a_map(*columns(rows))
    assert ProbabilityMap.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_mapped_logits_have_the_share_of_positives_that_they_say() -> None:
    found = a_map(*drawn())
    logits, labels = drawn(20_000, seed=1)
    for method in METHODS:
        mapped = found.apply(logits, method)
        for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6)):
            inside = (mapped >= low) & (mapped < high)
            assert labels[inside].mean() == pytest.approx(mapped[inside].mean(), abs=0.04)


def test_another_prior_is_that_of_a_list_with_fewer_negatives() -> None:
    found = a_map(*drawn())
    logits, labels = drawn(40_000, seed=2)
    kept = (labels == 1) | (np.random.default_rng(3).random(len(labels)) < 0.2)
    logits, labels = logits[kept], labels[kept]
    mapped = found.apply(logits, "platt", float(labels.mean()))
    assert mapped.mean() == pytest.approx(labels.mean(), abs=0.02)
    assert found.apply(logits, "platt", found.prior) == pytest.approx(found.apply(logits, "platt"))


def test_separable_and_reversed_logits_have_a_finite_line() -> None:
    logits = np.array([-3.0, -2.0, 2.0, 3.0])
    assert 0 < fit_platt(logits, np.array([0, 0, 1, 1])).slope < 10
    assert fit_platt(logits, np.array([1, 1, 0, 0])).slope == 0
    same = fit_platt(np.zeros(4), np.array([1, 0, 0, 0]))
    assert 0.2 < same.apply(np.zeros(1))[0] < 0.4


def test_a_prior_or_method_that_cannot_be_is_refused() -> None:
    found = a_map(*drawn(50))
    for prior in (0.0, 1.0, np.nan):
        with pytest.raises(RequestError, match="not between 0 and 1"):
            found.function("platt", prior)
    with pytest.raises(RequestError, match="platt or isotonic"):
        found.function("beta")


def test_logits_are_those_of_the_probabilities() -> None:
    logits = np.linspace(-300, 30, 1_000)
    # SciPy's sigmoid keeps its digits near 0, as torch's does.
    assert logits_of(special.expit(logits)) == pytest.approx(logits, abs=1e-2)
    assert np.isfinite(logits_of(np.array([0.0, 1.0]))).all()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_a_map_is_read_as_it_was_written(model: Path) -> None:
    found = a_map(*drawn(50), digest(model / "model.safetensors"))
    write_map(model, found)
    assert read_map(model) == found
    (model / "model.safetensors").write_bytes(b"others")
    with pytest.raises(ModelError, match="fitted to other weights"):
        read_map(model)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 9}, "schema version 9"),
        ({"platt": {"slope": -1, "intercept": 0}}, "is damaged: ValueError: platt"),
        ({"isotonic": {"logit": [1, 0], "probability": [0, 1]}}, "isotonic: falls"),
        ({"isotonic": {"logit": [0], "probability": [2]}}, "beyond 0 to 1"),
        ({"isotonic": {"logit": [0, 1], "probability": [0]}}, "as many"),
        ({"pairs": "many"}, "is damaged"),
        ({"store": None}, "is damaged"),
    ],
)
def test_a_damaged_map_is_one_error(model: Path, change: dict, said: str) -> None:
    found = a_map(*drawn(50), digest(model / "model.safetensors"))
    (model / "calibration.json").write_text(json.dumps({**found.to_json(), **change}))
    with pytest.raises(ModelError, match=said):
        read_map(model)
    (model / "calibration.json").write_text("{")
    with pytest.raises(ModelError, match="is damaged"):
        read_map(model)


def test_a_model_without_a_map_says_how_to_make_one(model: Path) -> None:
    with pytest.raises(ModelError, match=r"has no calibration\.json.*epipam calibrate"):
        read_map(model)


def test_the_maps_are_plain_arithmetic() -> None:
    assert PlattMap(2.0, -1.0).apply(np.array([0.5]))[0] == pytest.approx(0.5)
    line = IsotonicMap((0.0, 2.0), (0.1, 0.5))
    assert line.apply(np.array([-9, 1, 9])).tolist() == pytest.approx([0.1, 0.3, 0.5])

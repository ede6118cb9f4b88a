"""Metrics against counting pairs; baselines, draws, intervals and verdicts against plain loops."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from epipam.errors import EpipamError, RequestError
from epipam.evaluation.baselines import distance_scores, frequency_scores
from epipam.evaluation.distance_bins import distance_bins
from epipam.evaluation.evaluate import evaluate
from epipam.evaluation.metrics import auprc, auroc, bootstrap, curves
from epipam.evaluation.partners import NOBODY, PartnerScores, draw_partners

TOLERANCE = 1e-12


def _pairs(n=400, share=0.1, seed=0, contigs=("chr1", "chr2")):
    """Pairs whose labels follow nothing."""
    generator = np.random.default_rng(seed)
    enhancer = generator.integers(0, 10**7, n)
    promoter = generator.integers(0, 10**7, n)
    contig = generator.choice(contigs, n)
    return pd.DataFrame(
        {
            "enhancer_chrom": contig,
            "enhancer_start": enhancer,
            "enhancer_end": enhancer + 200,
            "enhancer_name": "",
            "promoter_chrom": contig,
            "promoter_start": promoter,
            "promoter_end": promoter + 1000,
            "promoter_name": "",
            "label": (generator.random(n) < share).astype(np.int8),
        }
    )


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-5, 5)), min_size=1, max_size=60))
def test_metrics_equal_plain_counting_ties_included(rows):
    labels, scores = np.array(rows).T
    if labels.min() == labels.max():
        assert auroc(labels, scores) is None
        assert auprc(labels, scores) is None
        assert curves(labels, scores) is None
    else:
        assert auroc(labels, scores) == pytest.approx(_counted_auroc(rows), abs=TOLERANCE)
        assert auprc(labels, scores) == pytest.approx(_counted_auprc(rows), abs=TOLERANCE)


def _counted_auroc(rows):
    """Share of (positive, negative) whose positive scores higher; a tie is half."""
    positive, negative = ([s for label, s in rows if label == kind] for kind in (1, 0))
    wins = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def _counted_auprc(rows):
    """Mean over the positives of the precision at the threshold that just calls each."""
    precisions = []
    for label, threshold in rows:
        if label == 1:
            called = [other for other, s in rows if s >= threshold]
            precisions.append(sum(called) / len(called))
    return sum(precisions) / len(precisions)


@pytest.mark.parametrize(("positives", "negatives"), [(1, 50_000), (50_000, 1), (2_000, 50_000)])
def test_metrics_hold_at_extreme_imbalance(positives, negatives):
    generator = np.random.default_rng(3)
    labels = np.repeat([1, 0], [positives, negatives])
    scores = generator.normal(size=len(labels)) + labels
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=TOLERANCE)
    expected = average_precision_score(labels, scores)
    assert auprc(labels, scores) == pytest.approx(expected, abs=TOLERANCE)


def test_metrics_depend_on_order_only():
    """Scores beyond 0 to 1 must not be squashed: these two tie after a float sigmoid."""
    labels = np.array([0, 1, 0])
    assert auroc(labels, np.array([-1e6, -10.0, -np.inf])) == 1.0
    assert auroc(labels, np.array([1000.0, 1001.0, 999.0])) == 1.0
    assert auroc(labels, np.array([0.5, np.nextafter(0.5, 1), 0.5])) == 1.0
    assert auroc(labels, np.array([-1.7e308, np.inf, -np.inf])) == 1.0
    assert auroc(labels, np.zeros(3)) == 0.5
    assert auprc(labels, np.zeros(3)) == pytest.approx(1 / 3)


def test_no_pairs_have_no_metric():
    assert auroc(np.array([], dtype=int), np.array([])) is None


def test_curves_equal_scikit_learn():
    generator = np.random.default_rng(5)
    labels, scores = generator.integers(0, 2, 300), generator.integers(0, 40, 300)
    points = curves(labels, scores)
    precision, recall, _ = precision_recall_curve(labels, scores)
    np.testing.assert_allclose(points.precision, precision, atol=TOLERANCE)
    np.testing.assert_allclose(points.recall, recall, atol=TOLERANCE)
    area = np.trapezoid(points.tpr, points.fpr)
    assert area == pytest.approx(roc_auc_score(labels, scores), abs=TOLERANCE)


def test_distance_baseline_prefers_the_nearer_pair_by_midpoints():
    pairs = _pairs(3)
    pairs["enhancer_start"], pairs["enhancer_end"] = [0, 0, 0], [10, 11, 10]
    pairs["promoter_start"], pairs["promoter_end"] = [100, 5, 0], [200, 6, 10]
    pairs["promoter_chrom"] = [*pairs["enhancer_chrom"][:2], "elsewhere"]
    np.testing.assert_array_equal(distance_scores(pairs), [-145.0, 0.0, -np.inf])


def test_frequency_baseline_equals_its_formula():
    training = _pairs(4)
    training["label"] = [1, 1, 0, -1]
    for column in ("enhancer_chrom", "enhancer_start", "enhancer_end"):
        training.loc[1, column] = training.loc[0, column]
    pairs = pd.concat([training.iloc[[0, 2]], _pairs(1, seed=9)], ignore_index=True)
    prior = (2 + 0.5) / (3 + 1)
    logit = lambda rate: math.log(rate / (1 - rate))  # noqa: E731
    twice, once, never = (2 + prior) / 3, (1 + prior) / 2, (0 + prior) / 2
    expected = [
        logit(twice) + logit(once) - logit(prior),
        logit(never) + logit(never) - logit(prior),
        logit(prior),
    ]
    np.testing.assert_allclose(frequency_scores(pairs, training), expected)


def test_frequency_baseline_knows_a_region_by_contig_start_and_end():
    training = _pairs(50, share=0.5)
    elsewhere = training.assign(enhancer_chrom="chrZ", promoter_chrom="chrZ")
    assert len(np.unique(frequency_scores(elsewhere, training))) == 1
    assert len(np.unique(frequency_scores(training, training))) > 1


def test_frequency_baseline_survives_training_of_one_class_and_none_labelled():
    training = _pairs(20, share=0.0)
    assert np.isfinite(frequency_scores(training, training)).all()
    assert frequency_scores(training, training.assign(label=-1)) is None
    assert frequency_scores(training, training.iloc[:0]) is None


def test_frequency_baseline_finds_the_leak_of_a_random_split():
    """Labels follow the promoter: no sequence is needed once the promoter was seen."""
    generator = np.random.default_rng(1)
    pairs = _pairs(2000)
    promoter = generator.integers(0, 50, len(pairs))
    pairs["promoter_start"], pairs["promoter_end"] = promoter * 1000, promoter * 1000 + 500
    pairs["promoter_chrom"] = "chr1"
    pairs["label"] = (promoter % 5 == 0).astype(int)
    result = evaluate(pairs[1000:], np.full(1000, 0.5), pairs[:1000], n_bootstrap=50)
    assert result.scorers["frequency"]["all"].auroc > 0.95
    assert result.verdicts[0].startswith("The model does not beat the best baseline")
    assert "frequency" in result.verdicts[0]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), min_size=4, max_size=30))
@settings(max_examples=30)
def test_bootstrap_replicates_equal_weighted_scikit_learn(rows):
    labels, scores = np.array(rows).T
    replicates = bootstrap(labels, {"model": scores.astype(float)}, n_replicates=5, seed=4)
    expected = {"AUROC": [], "AUPRC": []}
    if labels.min() != labels.max():
        generator = np.random.default_rng([4, len(labels)])
        for _ in range(5):
            drawn = generator.integers(0, len(labels), len(labels))
            if len(set(labels[drawn])) == 2:
                expected["AUROC"].append(roc_auc_score(labels[drawn], scores[drawn]))
                expected["AUPRC"].append(average_precision_score(labels[drawn], scores[drawn]))
    for metric, values in expected.items():
        np.testing.assert_allclose(replicates.values["model", metric], values, atol=1e-9)


def test_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    """Normal scores one standard deviation apart: AUROC is Phi(1 / sqrt 2) = 0.7602."""
    truth, covered = 0.5 * (1 + math.erf(0.5)), 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        labels = np.repeat([1, 0], [60, 60])
        scores = {"model": generator.normal(size=120) + labels}
        low, high = bootstrap(labels, scores, n_replicates=200, seed=seed).interval(
            "model", "AUROC"
        )
        covered += low <= truth <= high
    assert 50 <= covered <= 60


def test_bootstrap_over_groups_keeps_groups_whole():
    labels = np.array([1, 0, 1, 0, 0, 0])
    groups = np.array(["a", "a", "b", "b", "c", "c"])
    scores = {"model": np.array([0.9, 0.1, 0.2, 0.8, 0.5, 0.5])}
    values = bootstrap(labels, scores, groups=groups, n_replicates=200).values["model", "AUROC"]
    possible = set()
    for a in range(4):
        for b in range(4 - a):
            if a + b:
                rows = np.repeat(np.arange(6), np.repeat([a, b, 3 - a - b], 2))
                possible.add(round(roc_auc_score(labels[rows], scores["model"][rows]), 9))
    assert {round(value, 9) for value in values} <= possible
    assert bootstrap(labels, scores, groups=np.zeros(6)).interval("model", "AUROC") is None


def test_evaluation_reports_baselines_beside_the_model_at_every_ratio():
    pairs = _pairs(2000, share=0.05)
    generator = np.random.default_rng(2)
    probabilities = 1 / (1 + np.exp(-generator.normal(size=2000) - 2 * pairs["label"]))
    result = evaluate(pairs, probabilities, _pairs(100, seed=8), n_bootstrap=100)
    assert list(result.scorers) == ["model", "distance", "frequency"]
    for by_ratio in result.scorers.values():
        assert list(by_ratio) == ["1:1", "1:10", "all"]
    model, labels = result.scorers["model"], pairs["label"]
    assert model["all"].auroc == pytest.approx(roc_auc_score(labels, probabilities), abs=TOLERANCE)
    assert model["all"].auroc_interval.low < model["all"].auroc < model["all"].auroc_interval.high
    assert model["all"].n_draws == 1
    assert model["all"].auroc_sd is None
    assert model["1:10"].n_negatives == 10 * model["1:10"].n_positives
    assert model["1:1"].n_draws == 10
    assert model["1:1"].auprc_sd > 0
    assert model["1:1"].auprc > model["1:10"].auprc > model["all"].auprc
    assert result.scorers["frequency"]["all"].auroc == 0.5
    assert result.verdicts[0].startswith("The model beats the best baseline")


def test_a_ratio_draws_without_replacement_and_follows_the_seed():
    pairs = _pairs(600, share=0.2)
    probabilities = np.random.default_rng(0).random(600)
    first, again, other = (
        evaluate(pairs, probabilities, seed=seed, n_bootstrap=0) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.scorers["model"]["1:1"].auroc != other.scorers["model"]["1:1"].auroc
    assert first.scorers["model"]["all"] == other.scorers["model"]["all"]


def test_a_ratio_the_data_cannot_supply_is_said_not_faked():
    pairs = _pairs(100)
    pairs["label"] = np.repeat([1, 0], [20, 80])
    row = evaluate(pairs, np.linspace(1, 0, 100), n_bootstrap=0).scorers["model"]["1:10"]
    assert (row.auroc, row.auprc, row.n_draws) == (None, None, 0)
    assert row.unavailable == "20 positives at 1:10 need 200 negatives, there are 80"


def test_a_ratio_that_takes_all_negatives_is_one_draw():
    pairs = _pairs(40)
    pairs["label"] = np.repeat([1, 0], 20)
    row = evaluate(pairs, np.linspace(1, 0, 40), n_bootstrap=0).scorers["model"]["1:1"]
    assert (row.n_draws, row.auroc, row.auroc_sd) == (1, 1.0, None)


def test_unlabelled_pairs_are_left_out_and_counted():
    pairs = _pairs(200, share=0.3)
    probabilities = np.random.default_rng(0).random(200)
    pairs.loc[:49, "label"] = -1
    with_unlabelled = evaluate(pairs, probabilities, n_bootstrap=10)
    without = evaluate(pairs[50:], probabilities[50:], n_bootstrap=10)
    assert with_unlabelled.n_unlabelled == 50
    assert with_unlabelled.scorers == without.scorers


def test_a_chromosome_of_one_class_is_listed_without_numbers():
    pairs = _pairs(200, share=0.3, contigs=("chr1", "chr2", "chr3"))
    pairs.loc[pairs["enhancer_chrom"] == "chr2", "label"] = 0
    result = evaluate(pairs, np.random.default_rng(0).random(200), n_bootstrap=0)
    assert set(result.contigs) == {"chr1", "chr2", "chr3"}
    assert result.contigs["chr2"]["model"].auroc is None
    assert result.contigs["chr2"]["model"].n_negatives == (pairs["enhancer_chrom"] == "chr2").sum()
    assert result.contigs["chr1"]["distance"].auroc is not None


def test_pairs_of_one_class_give_a_sentence_instead_of_numbers():
    result = evaluate(_pairs(20, share=0.0), np.full(20, 0.5))
    assert result.verdicts == (
        "AUROC cannot be computed: no positive pair among the 20 labelled ones.",
        "AUPRC cannot be computed: no positive pair among the 20 labelled ones.",
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.1])
def test_a_probability_that_is_none_names_its_row(bad):
    pairs, probabilities = _pairs(30), np.full(30, 0.5)
    probabilities[17] = bad
    row = pairs.iloc[17]
    where = rf"row 17 .*{row['enhancer_chrom']}:{row['enhancer_start']}-{row['enhancer_end']}"
    with pytest.raises(EpipamError, match=where):
        evaluate(pairs, probabilities)


def test_controls_and_calibration_stand_beside_the_scorers():
    """The controls themselves are tested where they are made; here, which pairs they are given."""
    pairs = _pairs(300, share=0.3)
    pairs.loc[::10, "label"] = -1
    known = (pairs["label"] != -1).to_numpy()
    probabilities = np.random.default_rng(0).random(300)
    partners = draw_partners(pairs)
    moved = partners.rows != NOBODY
    swapped = PartnerScores(partners, np.where(moved, probabilities[partners.rows], np.nan))
    result = evaluate(
        pairs,
        probabilities,
        partners=swapped,
        n_bootstrap=20,
        groups=np.arange(300) // 10,
    )
    control = result.controls.permuted_partners
    assert control.n_pairs == moved.sum()
    assert control.auroc == result.scorers["model"]["all"].auroc == control.permuted_auroc
    assert control.fall_interval is not None
    labels = result.controls.permuted_labels
    assert labels.n_bins == len(np.unique(distance_bins(pairs[known])))
    assert labels.auroc == pytest.approx(0.5, abs=0.05)
    found = result.calibration
    difference = probabilities[known] - pairs["label"][known]
    assert found.brier_score == pytest.approx((difference**2).mean())
    assert result.verdicts[2:] == (
        labels.sentence(),
        control.sentence(),
        found.sentence(beats_coin=False),
    )


def test_without_a_network_the_partner_control_says_so():
    pairs = _pairs(100, share=0.3)
    result = evaluate(pairs, np.random.default_rng(0).random(100), n_bootstrap=0)
    assert result.controls.permuted_partners.auroc is None
    assert result.controls.permuted_labels.auroc is not None
    text = "\n".join(result.lines())
    assert "not available: only probabilities were given, and no network" in text


def test_unusable_requests_are_refused():
    with pytest.raises(RequestError, match=r"shape \(3,\) but must have shape \(30,\)"):
        evaluate(_pairs(30), np.full(3, 0.5))
    others = PartnerScores(draw_partners(_pairs(40)), np.full(40, 0.5))
    with pytest.raises(RequestError, match=r"of \(40,\) pairs but must be of the \(30,\)"):
        evaluate(_pairs(30), np.full(30, 0.5), partners=others)
    with pytest.raises(RequestError, match="none of the 30 pairs is labelled"):
        evaluate(_pairs(30).assign(label=-1), np.full(30, 0.5))


def test_the_result_is_json_without_nan_and_prints_every_row():
    pairs = _pairs(200, share=0.3)
    result = evaluate(pairs, np.random.default_rng(0).random(200), n_bootstrap=20)
    plain = result.to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["scorers"]["model"]["all"]["auroc"] == result.scorers["model"]["all"].auroc
    assert plain["scorers"]["frequency"]["all"]["auroc"] is None
    text = "\n".join(result.lines())
    assert plain["controls"]["permuted_labels"]["auroc"] is not None
    assert plain["calibration"]["bins"][0]["n_pairs"] == result.calibration.bins[0].n_pairs
    for word in ("model", "distance", "frequency", "1:10", "chr1", "chr2", *result.verdicts):
        assert word in text
    assert "not available: no labelled training pairs" in text

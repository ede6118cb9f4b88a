"""The paired bootstrap over chromosomes, against a plain loop and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t
from sklearn.metrics import average_precision_score, roc_auc_score

from epipam.evaluation.metrics import Interval
from epipam.training.crossval.comparison import CHANCE, Comparison, FoldScores, compare


def parts(n_folds: int = 3, seed: int = 0) -> list[FoldScores]:
    """Folds of two chromosomes each; scorer `good` tells something, `bad` nothing."""
    rng = np.random.default_rng(seed)
    found = []
    for fold in range(n_folds):
        n = 30 + 10 * fold
        labels = rng.integers(0, 2, n)
        contigs = np.array([f"chr{2 * fold + 1 + half}" for half in rng.integers(0, 2, n)], object)
        scores = {
            "good": np.round(labels + rng.normal(size=n), 1),
            "bad": rng.normal(size=n),
            CHANCE: np.zeros(n),
        }
        found.append(FoldScores(contigs, labels, scores))
    return found


def plain_means(folds, times_of_contig, scorer):
    """Mean over folds of both metrics, every pair repeated as often as its chromosome was drawn.

    A fold counts as often as its chromosomes were drawn.
    """
    values, drawn = [], []
    for fold in folds:
        times = [times_of_contig.get(contig, 0) for contig in fold.contigs]
        labels = np.repeat(fold.labels, times)
        scores = np.repeat(fold.scores[scorer], times)
        if len(set(labels.tolist())) == 2:
            values.append([roc_auc_score(labels, scores), average_precision_score(labels, scores)])
            drawn.append(np.mean([times_of_contig.get(c, 0) for c in set(fold.contigs)]))
    return np.average(values, axis=0, weights=drawn)


def test_differences_and_intervals_are_those_of_a_plain_loop():
    folds = parts(8)
    contigs = sorted({contig for fold in folds for contig in fold.contigs})
    n_replicates, seed = 40, 3
    generator = np.random.default_rng([seed, len(contigs)])
    differences = []
    for _ in range(n_replicates):
        drawn = generator.integers(0, len(contigs), len(contigs))
        times = {contig: int((drawn == number).sum()) for number, contig in enumerate(contigs)}
        differences.append(plain_means(folds, times, "good") - plain_means(folds, times, "bad"))
    labels, of_pair = (
        np.concatenate([getattr(f, name) for f in folds]) for name in ("labels", "contigs")
    )
    sizes = [[((of_pair == c) & (labels == k)).sum() for c in contigs] for k in (0, 1)]
    n_effective = min(sum(n) ** 2 / sum(x**2 for x in n) for n in sizes)
    tail = norm.cdf((n_effective / (n_effective - 1)) ** 0.5 * t.ppf(0.025, n_effective - 1))
    low, high = np.quantile(differences, [tail, 1 - tail], axis=0)
    once = dict.fromkeys(contigs, 1)
    found = compare(folds, [("good", "bad")], n_replicates=n_replicates, seed=seed)
    assert [one.metric for one in found] == ["AUROC", "AUPRC"]
    for index, one in enumerate(found):
        assert one.mean == pytest.approx(plain_means(folds, once, "good")[index])
        assert one.other_mean == pytest.approx(plain_means(folds, once, "bad")[index])
        assert one.difference == pytest.approx(one.mean - one.other_mean)
        assert one.interval == pytest.approx((low[index], high[index]))


def test_chance_is_a_half_and_the_share_of_positives():
    folds = parts()
    auroc, auprc = compare(folds, [("good", CHANCE)], n_replicates=20)
    assert auroc.other_mean == 0.5
    assert auprc.other_mean == pytest.approx(np.mean([fold.labels.mean() for fold in folds]))


def test_a_scorer_does_not_differ_from_itself():
    for one in compare(parts(8), [("good", "good")], n_replicates=20):
        assert one.difference == 0
        assert one.interval == (0, 0)


def test_few_chromosomes_have_no_interval_and_say_how_many_they_count_as():
    for one in compare(parts(), [("good", "bad")], n_replicates=20):
        assert one.interval is None
        assert 3 < one.n_chromosomes < 6


def test_one_chromosome_alone_says_nothing_of_the_spread():
    fold = parts(1)[0]
    alone = fold._replace(contigs=np.full(len(fold.labels), "chr1", object))
    for one in compare([alone], [("good", "bad")], n_replicates=20):
        assert one.interval is None


def test_a_fold_that_a_replicate_does_not_draw_is_left_out_of_its_mean():
    # As many folds as chromosomes: most replicates lack some of them.
    folds = [
        fold._replace(contigs=np.full(len(fold.labels), f"chr{number}", object))
        for number, fold in enumerate(parts(16))
    ]
    auroc = compare(folds, [("good", "bad")], n_replicates=400)[0]
    of_folds = [
        roc_auc_score(f.labels, f.scores["good"]) - roc_auc_score(f.labels, f.scores["bad"])
        for f in folds
    ]
    assert auroc.interval is not None
    assert min(of_folds) - 1e-9 <= auroc.interval.low <= auroc.interval.high
    assert auroc.interval.high <= max(of_folds) + 1e-9


def test_the_order_of_two_can_be_turned():
    one = Comparison("a", "b", "AUROC", 0.7, 0.6, Interval(0.05, 0.2))
    assert one.turned() == Comparison("b", "a", "AUROC", 0.6, 0.7, Interval(-0.2, -0.05))
    assert one.turned().difference == pytest.approx(-0.1)

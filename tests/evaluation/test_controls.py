"""Controls of models made by hand, of which it is known what they read."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t
from sklearn.metrics import roc_auc_score

from epipam.evaluation.controls import (
    NOT_SCORED,
    Controls,
    PermutedLabels,
    PermutedPartners,
    permute_labels,
    permute_partners,
)
from epipam.evaluation.metrics import Interval
from epipam.evaluation.partners import NOBODY, Partners, PartnerScores, draw_partners

N_PAIRS = 600


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


class World:
    """Pairs of 60 enhancers and 40 promoters, each region with a number that a model may read."""

    def __init__(self, label_of, seed=0, n_pairs=N_PAIRS):
        generator = np.random.default_rng(seed)
        enhancer, promoter = generator.integers(0, 60, n_pairs), generator.integers(0, 40, n_pairs)
        self.enhancer = generator.normal(size=60)[enhancer]
        self.promoter = generator.normal(size=40)[promoter]
        self.pairs = pd.DataFrame(
            {
                "enhancer_chrom": "chr1",
                "enhancer_start": 1_000 * enhancer,
                "enhancer_end": 1_000 * enhancer + 500,
                "promoter_chrom": "chr1",
                "promoter_start": 400 + 1_700 * promoter,
                "promoter_end": 900 + 1_700 * promoter,
                "label": label_of(self.enhancer, self.promoter, generator).astype(np.int64),
            }
        )

    def judge(self, logit_of, **options):
        """Evaluate a model whose logit is a function of both numbers."""
        partners = draw_partners(self.pairs, seed=1)
        moved = partners.rows != NOBODY
        other = np.full(len(self.pairs), np.nan)
        promoter = self.promoter[partners.rows[moved]]
        other[moved] = sigmoid(logit_of(self.enhancer[moved], promoter))
        return permute_partners(
            self.pairs["label"].to_numpy(),
            sigmoid(logit_of(self.enhancer, self.promoter)),
            PartnerScores(partners, other),
            n_bootstrap=300,
            **options,
        )


def noisy(rule):
    """Labels by a rule, one in five at random."""

    def label_of(enhancer, promoter, generator):
        labels = rule(enhancer, promoter)
        return np.where(generator.random(len(labels)) < 0.2, generator.integers(0, 2), labels)

    return label_of


@pytest.mark.parametrize(
    "reads",
    [lambda e, p: 2 * e + 0 * p, lambda e, p: 3 * p + 0 * e],
    ids=["enhancer only", "promoter only"],
)
def test_a_model_of_one_anchor_keeps_its_auroc_exactly(reads):
    world = World(noisy(lambda e, p: (reads(e, p) > 0).astype(int)))
    found = world.judge(reads)
    assert found.auroc > 0.8
    assert found.permuted_auroc == found.auroc
    assert found.fall == 0
    assert found.permuted_separation == pytest.approx(found.separation, abs=1e-9)
    assert "so it does not use the pairing" in found.sentence()


def test_a_model_that_reads_one_anchor_by_the_other_falls():
    world = World(noisy(lambda e, p: (e * p > 0).astype(int)))
    found = world.judge(lambda e, p: 3 * e * p)
    assert found.auroc > 0.8
    assert found.permuted_auroc == pytest.approx(0.5, abs=0.08)
    assert found.fall_interval.low > 0.2
    assert found.fall_interval.low < found.fall < found.fall_interval.high
    assert abs(found.permuted_separation) < found.separation / 4
    assert found.sentence().endswith("so it uses the pairing.")


def test_a_model_that_adds_up_both_anchors_keeps_its_mean_logits_though_its_auroc_falls():
    """Both high or one of them: of a negative pair, each anchor tells what the other is."""
    world = World(lambda e, p, _: e > 0)
    one_high = world.enhancer * world.promoter < 0
    world.pairs["label"] = np.where(one_high, 0, np.where(world.enhancer > 0, 1, -1))
    found = world.judge(lambda e, p: 4.0 * (e > 0) + 4.0 * (p > 0) - 6)
    assert found.auroc == 1
    assert found.fall_interval.low > 0.05
    assert found.permuted_separation == pytest.approx(found.separation, abs=1e-9)
    assert found.separation_fall_interval.low < 0 < found.separation_fall_interval.high
    assert "so it uses the pairing, if only by adding up what each anchor tells" in found.sentence()


def test_promoters_swapped_across_labels_would_take_a_promoter_model_for_one_of_pairs():
    """Why partners share the label: the same model, with any other promoter, is at chance."""
    world = World(noisy(lambda e, p: (p > 0).astype(int)))
    rows = np.random.default_rng(0).permutation(N_PAIRS)
    labels = world.pairs["label"].to_numpy()
    assert roc_auc_score(labels, world.promoter) > 0.8
    assert roc_auc_score(labels, world.promoter[rows]) == pytest.approx(0.5, abs=0.06)
    assert world.judge(lambda e, p: p).fall == 0


def test_the_numbers_are_those_of_scikit_learn_on_the_pairs_that_moved():
    labels = np.tile([1, 0, 1, 0, -1, 1, 0, 0], 5)
    rows = np.tile([2, 3, 0, 6, NOBODY, NOBODY, 7, 1], 5)
    generator = np.random.default_rng(0)
    own, other = generator.random(40), generator.random(40)
    other[rows == NOBODY] = np.nan
    scores = PartnerScores(Partners(rows, n_bins=1, n_stuck=5, n_contacts=0), other)
    found = permute_partners(labels, own, scores, n_bootstrap=200, seed=3)
    moved = rows != NOBODY
    assert (found.n_pairs, found.n_stuck) == (30, 5)
    assert found.auroc == pytest.approx(roc_auc_score(labels[moved], own[moved]), abs=1e-6)
    assert found.permuted_auroc == pytest.approx(
        roc_auc_score(labels[moved], other[moved]), abs=1e-6
    )
    falls, separations = [], []
    logit = np.log(own / (1 - own)) - np.log(other / (1 - other))
    generator = np.random.default_rng([3, 30])
    for _ in range(200):
        drawn = np.flatnonzero(moved)[generator.integers(0, 30, 30)]
        if len(set(labels[drawn])) == 2:
            aurocs = [roc_auc_score(labels[drawn], values[drawn]) for values in (own, other)]
            falls.append(aurocs[0] - aurocs[1])
            means = [logit[drawn][labels[drawn] == label].mean() for label in (1, 0)]
            separations.append(means[0] - means[1])
    # Of ten positive pairs, as many of equal size: Student's t has nine degrees of freedom.
    tail = norm.cdf((10 / 9) ** 0.5 * t.ppf(0.025, 9))
    np.testing.assert_allclose(found.fall_interval, np.quantile(falls, [tail, 1 - tail]))
    np.testing.assert_allclose(
        found.separation_fall_interval, np.quantile(separations, [tail, 1 - tail])
    )


def test_groups_are_resampled_as_a_whole():
    world = World(noisy(lambda e, p: (e * p > 0).astype(int)))
    one_group = world.judge(lambda e, p: e * p, groups=np.zeros(N_PAIRS))
    assert one_group.fall_interval is None
    assert "how surely is not known" in one_group.sentence()
    twenty = world.judge(lambda e, p: e * p, groups=np.arange(N_PAIRS) % 20)
    assert twenty.fall_interval is not None


def test_certain_probabilities_have_finite_logits():
    labels = np.array([1, 0, 1, 0])
    scores = PartnerScores(Partners(np.array([2, 3, 0, 1]), 1, 0, 0), np.array([0.0, 1, 1, 0]))
    found = permute_partners(labels, np.array([1.0, 0, 1, 0]), scores, n_bootstrap=20)
    assert np.isfinite([found.separation, found.permuted_separation]).all()


def test_what_cannot_be_computed_says_why():
    labels, own = np.array([1, 1, 0, -1]), np.full(4, 0.5)
    assert permute_partners(labels, own, None).unavailable == NOT_SCORED
    scores = PartnerScores(Partners(np.array([1, 0, -1, -1]), 1, 1, 0), own)
    found = permute_partners(labels, own, scores)
    assert found.unavailable == "no negative pair among 2, of those with another promoter to take"
    assert (found.n_pairs, found.n_stuck, found.auroc) == (2, 1, None)
    assert permute_labels(np.zeros(5, int), np.zeros(5), np.zeros(5)).unavailable == (
        "no positive pair among 5"
    )
    for control in (found, PermutedLabels(unavailable="why not")):
        assert control.sentence() is None


def test_labels_permuted_within_bins_give_half_where_scores_do_not_follow_the_bins():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 2_000)
    # A model that knows the labels well.
    scores = labels + generator.normal(size=2_000)
    found = permute_labels(labels, scores, generator.integers(0, 10, 2_000))
    assert found.auroc == pytest.approx(0.5, abs=0.01)
    assert 0.005 < found.auroc_sd < 0.03
    assert found.is_chance
    assert found.sentence().startswith("With labels permuted within 10 distance bins its AUROC")


def test_permuted_labels_equal_the_mean_over_every_permutation():
    """Two bins with other shares of positives; scores follow the bins in part."""
    labels = np.array([1, 1, 0, 1, 0, 0, 0])
    bins = np.array([0, 0, 0, 1, 1, 1, 1])
    scores = np.array([5, 4, 1, 6, 3, 2, 0])
    every = [
        roc_auc_score([*first, *second], scores)
        for first in itertools.permutations(labels[:3])
        for second in itertools.permutations(labels[3:])
    ]
    drawn = [permute_labels(labels, scores, bins, seed=seed) for seed in range(100)]
    mean = np.mean([each.auroc for each in drawn])
    assert mean == pytest.approx(np.mean(every), abs=5 * np.std(every) / 2_000**0.5)
    assert np.mean([each.auroc_sd for each in drawn]) == pytest.approx(np.std(every), rel=0.1)


def test_scores_that_follow_the_distance_are_warned_of():
    generator = np.random.default_rng(0)
    bins = generator.integers(0, 5, 1_000)
    labels = (generator.random(1_000) < (5 - bins) / 6).astype(int)
    found = permute_labels(labels, -bins + generator.normal(size=1_000), bins)
    assert found.auroc > 0.6
    assert not found.is_chance
    assert found.sentence().startswith("Warning: with labels permuted within 5 distance bins")


def test_a_small_deviation_or_a_noisy_one_is_chance():
    assert PermutedLabels(20, 4, 0.515, 0.001).is_chance
    assert not PermutedLabels(20, 4, 0.525, 0.001).is_chance
    assert PermutedLabels(20, 1, 0.58, 0.15).is_chance


def swapped(auroc, permuted, fall_interval, **changes):
    return PermutedPartners(
        100,
        auroc=auroc,
        auroc_interval=Interval(auroc - 0.1, auroc + 0.1),
        permuted_auroc=permuted,
        permuted_auroc_interval=Interval(permuted - 0.1, permuted + 0.1),
        fall=auroc - permuted,
        fall_interval=Interval(*fall_interval),
        separation=2.0,
        permuted_separation=1.0,
        separation_fall_interval=Interval(0.5, 1.5),
        **changes,
    )


@pytest.mark.parametrize(
    ("auroc", "permuted", "interval", "expected"),
    [
        (0.9, 0.6, (0.2, 0.4), "so it uses the pairing."),
        (0.9, 0.89, (-0.03, 0.05), "so it does not use the pairing: what it knows"),
        (0.9, 0.92, (-0.3, 0.2), "so it does not use the pairing: what it knows"),
        (0.9, 0.8, (-0.05, 0.25), "too few pairs to tell"),
        (0.58, 0.4, (0.05, 0.3), "which tells nothing: with their own promoters it is not clearly"),
    ],
)
def test_the_sentence_follows_the_interval_of_the_fall(auroc, permuted, interval, expected):
    sentence = swapped(auroc, permuted, interval).sentence()
    assert expected in sentence
    assert f"{auroc:.3f}" in sentence
    assert f"{permuted:.3f}" in sentence


def test_the_table_shows_both_controls_and_what_was_left_out():
    controls = Controls(
        PermutedLabels(20, 4, 0.51, 0.02), swapped(0.9, 0.6, (0.2, 0.4), n_stuck=3, n_contacts=2)
    )
    text = "\n".join(controls.lines())
    for part in (
        "0.510 (sd 0.020 over 20 permutations)",
        "0.900 (0.800 to 1.000)",
        "0.600 (0.500 to 0.700)",
        "3 pairs left out: no other promoter for them",
        "2 swapped pairs are known contacts all the same",
    ):
        assert part in text
    assert len(list(controls.sentences())) == 2
    without = Controls(PermutedLabels(unavailable="this"), PermutedPartners(unavailable="that"))
    text = "\n".join(without.lines())
    assert "not available: this" in text
    assert "not available: that" in text
    assert list(without.sentences()) == []

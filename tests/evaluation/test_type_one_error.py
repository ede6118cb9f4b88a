"""How often what knows nothing is said to beat something, on pairs that share regions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from epipam.evaluation.clusters import resampling_groups
from epipam.evaluation.metrics import LEAST_CLUSTERS, bootstrap, effective_number
from epipam.pairs.table import COLUMNS

N_TRIALS = 60


def clustered_null(n_clusters: int, generator: np.random.Generator):
    """Pairs of promoters that differ in their share of positives, and a score of the promoter.

    Whatever the score knows, it knows of the promoter, and nothing of the label.
    """
    size = generator.integers(4, 12, n_clusters)
    promoter = np.repeat(np.arange(n_clusters), size)
    share = generator.beta(0.6, 1.4, n_clusters)
    labels = (generator.random(len(promoter)) < share[promoter]).astype(int)
    scores = generator.normal(0, 1, n_clusters)[promoter] + generator.normal(0, 0.3, len(promoter))
    start = 100_000 * promoter
    rows = {
        "enhancer_chrom": "chr1",
        "enhancer_start": start + 1_000 * np.arange(len(promoter)) + 10**8,
        "enhancer_end": start + 1_000 * np.arange(len(promoter)) + 10**8 + 500,
        "enhancer_name": "",
        "promoter_chrom": "chr1",
        "promoter_start": start,
        "promoter_end": start + 2_000,
        "promoter_name": "",
        "label": labels,
    }
    return pd.DataFrame(rows)[list(COLUMNS)], scores


def false_alarms(resample: str, n_clusters: int) -> float:
    """Share of trials whose interval of the AUROC leaves out 0.5."""
    generator = np.random.default_rng(n_clusters)
    alarms = []
    for trial in range(N_TRIALS):
        pairs, scores = clustered_null(n_clusters, generator)
        labels = pairs["label"].to_numpy()
        _, groups = resampling_groups(pairs, resample)
        found = bootstrap(labels, {"score": scores}, groups=groups, n_replicates=100, seed=trial)
        interval = found.interval("score", "AUROC")
        if interval is not None:
            alarms.append(not interval.low <= 0.5 <= interval.high)
    assert len(alarms) > N_TRIALS / 2
    return float(np.mean(alarms))


def test_resampling_clusters_keeps_false_alarms_near_five_in_a_hundred():
    # Twice the standard error of 60 trials is 6 in 100.
    assert false_alarms("clusters", 40) <= 0.11


def test_resampling_pairs_as_if_they_were_independent_does_not():
    assert false_alarms("pairs", 40) >= 0.2


def test_what_a_clustered_score_knows_is_found():
    generator = np.random.default_rng(7)
    found = 0
    for trial in range(20):
        pairs, scores = clustered_null(40, generator)
        labels = pairs["label"].to_numpy()
        _, groups = resampling_groups(pairs, "clusters")
        known = {"score": scores + 1.5 * labels}
        interval = bootstrap(labels, known, groups=groups, n_replicates=100, seed=trial).interval(
            "score", "AUROC"
        )
        found += interval is not None and interval.low > 0.5
    assert found >= 18


@pytest.mark.parametrize("n_groups", [1, 2, LEAST_CLUSTERS - 1])
def test_of_too_few_there_is_no_interval(n_groups):
    generator = np.random.default_rng(1)
    labels, groups = np.tile([0, 1], 180), np.arange(360) // 2 % n_groups
    found = bootstrap(labels, {"score": generator.random(360)}, groups=groups, n_replicates=50)
    assert found.n_effective == pytest.approx(n_groups)
    assert found.interval("score", "AUROC") is None


def test_the_effective_number_is_that_of_the_class_that_has_fewer():
    labels = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    groups = np.array([0, 0, 0, 1, 0, 1, 2, 3])
    assert effective_number(labels, groups) == pytest.approx(16 / 10)
    assert effective_number(labels, None) == 4

"""Distance bins: near pairs together, both classes with a say, enough of each."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from epipam.evaluation.distance_bins import MOST_BINS, PAIRS_PER_BIN, distance_bins


def pairs_at(distances, labels, promoter_chrom="chr1"):
    middle = np.asarray(distances, dtype=np.int64)
    return pd.DataFrame(
        {
            "enhancer_chrom": "chr1",
            "enhancer_start": 0,
            "enhancer_end": 100,
            "promoter_chrom": promoter_chrom,
            "promoter_start": middle,
            "promoter_end": middle + 100,
            "label": labels,
        }
    )


rows = st.lists(st.tuples(st.integers(0, 3000), st.sampled_from([-1, 0, 1])), max_size=150)


@given(rows)
def test_bins_are_ranges_of_distance_in_order_and_none_is_empty(rows):
    distances, labels = (
        (np.array(c, dtype=int) for c in zip(*rows, strict=True))
        if rows
        else 2 * [np.array([], dtype=int)]
    )
    bins = distance_bins(pairs_at(distances, labels))
    assert set(bins) == set(range(len(set(bins))))
    assert len(set(bins)) <= max(1, min((labels == 0).sum(), (labels == 1).sum()) // PAIRS_PER_BIN)
    assert len(set(bins)) <= MOST_BINS
    for one in range(len(bins)):
        for other in range(one):
            if distances[one] < distances[other]:
                assert bins[one] <= bins[other]
            elif distances[one] == distances[other]:
                assert bins[one] == bins[other]


def test_matched_classes_get_quantiles():
    distances = np.tile(np.arange(1, 101) ** 2, 2)
    bins = distance_bins(pairs_at(distances, np.repeat([0, 1], 100)))
    assert np.bincount(bins).tolist() == [20] * MOST_BINS


def test_a_rare_class_that_lies_nearer_gets_half_of_the_edges():
    """Pooled quantiles would leave all of it in one bin."""
    near, far = np.arange(100), 10_000 + np.arange(5_000)
    pairs = pairs_at(np.append(near, far), np.repeat([1, 0], [100, 5_000]))
    bins = distance_bins(pairs)
    assert np.bincount(bins[:100]).tolist() == [20] * 5
    assert np.bincount(bins[100:])[5:].tolist() == [1_000] * 5


def test_few_pairs_share_one_bin():
    labels = np.repeat([0, 1], [500, 2 * PAIRS_PER_BIN - 1])
    assert set(distance_bins(pairs_at(np.arange(len(labels)), labels))) == {0}
    assert len(distance_bins(pairs_at([], []))) == 0


def test_unlabelled_pairs_have_no_say():
    labels = np.repeat([0, 1], 40)
    distances = np.tile(np.arange(40), 2)
    alone = distance_bins(pairs_at(distances, labels))
    beside = pairs_at(np.append(distances, np.zeros(1000)), np.append(labels, np.full(1000, -1)))
    np.testing.assert_array_equal(distance_bins(beside)[:80], alone)


def test_pairs_across_chromosomes_are_farthest():
    labels = np.tile([0, 1], 40)
    chrom = np.where(np.arange(80) < 20, "chr2", "chr1")
    bins = distance_bins(pairs_at(np.arange(80), labels, chrom))
    assert len(set(bins[:20])) == 1
    assert bins[:20].min() == bins.max()

"""Whose promoter each enhancer is given, against plain loops and SciPy's assignment."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from epipam.evaluation.distance_bins import distance_bins
from epipam.evaluation.partners import NOBODY, draw_partners, region_numbers


def table(enhancers, promoters, labels):
    """Pairs of numbered regions; the same number is the same region."""
    enhancers, promoters = np.asarray(enhancers, dtype=int), np.asarray(promoters, dtype=int)
    return pd.DataFrame(
        {
            "enhancer_chrom": "chr1",
            "enhancer_start": 100 * enhancers,
            "enhancer_end": 100 * enhancers + 50,
            "promoter_chrom": "chr1",
            "promoter_start": 10_000 + 100 * promoters,
            "promoter_end": 10_000 + 100 * promoters + 50,
            "label": np.asarray(labels, dtype=np.int8),
        }
    )


def check(pairs, partners):
    """Every promise of `draw_partners`, pair by pair."""
    bins = distance_bins(pairs)
    region = list(zip(pairs["promoter_start"], pairs["promoter_end"], strict=True))
    enhancer = pairs["enhancer_start"].tolist()
    label = pairs["label"].tolist()
    known = {(e, r) for e, r, y in zip(enhancer, region, label, strict=True) if y == 1}
    moved = [row for row in range(len(pairs)) if partners.rows[row] != NOBODY]
    contacts = 0
    for row in moved:
        other = int(partners.rows[row])
        assert label[row] == label[other] != -1
        assert bins[row] == bins[other]
        assert region[row] != region[other]
        contacts += (enhancer[row], region[other]) in known
    assert sorted(partners.rows[moved]) == moved
    assert partners.n_contacts == contacts
    assert partners.n_bins == len(set(bins))
    groups = Counter()
    for row, y in enumerate(label):
        if y != -1:
            groups[int(bins[row]), y, region[row]] += 1
    stuck = 0
    for group in {key[:2] for key in groups}:
        counts = [count for key, count in groups.items() if key[:2] == group]
        stuck += max(0, 2 * max(counts) - sum(counts))
    # No more than any permutation must leave where they are.
    assert partners.n_stuck == stuck == sum(y != -1 for y in label) - len(moved)


regions = st.integers(0, 12)


@given(
    st.lists(st.tuples(regions, regions, st.sampled_from([-1, 0, 0, 1])), max_size=90),
    st.integers(0, 3),
)
def test_partners_keep_label_bin_and_multiplicity_and_nobody_keeps_its_promoter(rows, seed):
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    pairs = table(*columns)
    check(pairs, draw_partners(pairs, seed=seed))


def test_a_list_like_the_real_ones_is_taken_apart_in_many_bins():
    generator = np.random.default_rng(0)
    size = 3_000
    promoter = np.minimum(generator.geometric(0.02, size), 400)
    labels = generator.random(size) < 0.05
    pairs = table(generator.integers(0, 900, size), promoter, labels)
    partners = draw_partners(pairs)
    check(pairs, partners)
    assert partners.n_bins == 10
    assert partners.n_stuck == 0
    assert partners.n_contacts < 10


def test_the_seed_decides():
    generator = np.random.default_rng(1)
    pairs = table(generator.integers(0, 50, 200), generator.integers(0, 50, 200), [0, 1] * 100)
    first, again, other = (draw_partners(pairs, seed=seed).rows for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_every_permitted_partner_is_about_as_likely():
    pairs = table(range(8), [0, 0, 1, 2, 3, 4, 5, 6], np.zeros(8))
    drawn = np.array([draw_partners(pairs, seed=seed).rows for seed in range(200)])
    counts = np.array([np.bincount(column, minlength=8) for column in drawn.T])
    assert (counts[[0, 0, 1, 1], [0, 1, 0, 1]] == 0).all()
    # Rows 0 and 1 take each of the six others; binomial, five standard deviations.
    np.testing.assert_allclose(counts[:2, 2:], 200 / 6, atol=5 * (200 * 5 / 36) ** 0.5)


@pytest.mark.parametrize("seed", range(20))
def test_known_contacts_are_avoided_as_far_as_can_be(seed):
    """The least number of contacts is that of SciPy's optimal assignment."""
    generator = np.random.default_rng(seed)
    size = int(generator.integers(4, 30))
    n_regions = max(3, size // 2)
    enhancer, promoter = (generator.integers(0, n_regions, size) for _ in range(2))
    pairs = table(enhancer, promoter, np.ones(size))
    pairs.loc[: size // 2, "label"] = 0
    partners = draw_partners(pairs, seed=seed)
    check(pairs, partners)
    known = set(zip(enhancer[pairs["label"] == 1], promoter[pairs["label"] == 1], strict=True))
    least = 0
    for label in (0, 1):
        rows = np.flatnonzero((pairs["label"] == label) & (partners.rows != NOBODY))
        own = promoter[rows][:, None] == promoter[rows]
        contact = [[(enhancer[i], promoter[j]) in known for j in rows] for i in rows]
        cost = 1000 * own + np.array(contact, dtype=int).reshape(own.shape)
        least += int(cost[linear_sum_assignment(cost)].sum())
    assert partners.n_contacts == least


def test_regions_are_numbered_by_contig_start_and_end():
    pairs = table([1, 1, 2, 1], [5, 5, 5, 5], [0, 0, 0, 0])
    pairs["enhancer_chrom"] = ["chr1", "chr1", "chr1", "chr2"]
    pairs.loc[3, "promoter_end"] += 1
    assert region_numbers(pairs, "enhancer").tolist() == [0, 0, 1, 2]
    assert region_numbers(pairs, "promoter").tolist() == [0, 0, 0, 1]

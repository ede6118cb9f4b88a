"""Clusters of pairs against a search through every pair of pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import RequestError
from epipam.evaluation.clusters import Resampling, merged_regions, resampling_groups
from epipam.pairs.table import COLUMNS

REGION = st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 60), st.integers(0, 8))


def table(rows):
    """Pairs of (contig, start, length) and (contig, start, length)."""
    columns = [
        (e[0], e[1], e[1] + e[2], "", p[0], p[1], p[1] + p[2], "", i % 2)
        for i, (e, p) in enumerate(rows)
    ]
    return pd.DataFrame(columns, columns=list(COLUMNS))


def overlap(one, other):
    """Whether two regions share a base; one of no length has its first."""
    ends = [region[1] + max(region[2], 1) for region in (one, other)]
    return one[0] == other[0] and one[1] < ends[1] and other[1] < ends[0]


def classes(n, linked):
    """Number what hangs together, by spreading the smallest number."""
    number = list(range(n))
    for _ in range(n):
        for i in range(n):
            for j in range(n):
                if linked(i, j):
                    number[i] = number[j] = min(number[i], number[j])
    return number


def same_parts(one, other):
    return len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


@given(st.lists(st.tuples(REGION, REGION), min_size=1, max_size=9))
def test_regions_that_overlap_are_one(rows):
    found = merged_regions(table(rows), "enhancer").tolist()
    expected = classes(len(rows), lambda i, j: overlap(rows[i][0], rows[j][0]))
    assert same_parts(found, expected)


def test_an_enhancer_of_two_promoters_joins_their_pairs():
    spread = [(("chr1", 1_000 * i, 10), ("chr2", 1_000 * i, 10)) for i in range(40)]
    joined = [(("chr1", 5, 10), ("chr2", 1_000, 10)), (("chr1", 1_005, 10), ("chr2", 9, 10))]
    unit, groups = resampling_groups(table(spread + joined), "clusters")
    assert unit == "clusters"
    assert len(set(groups.tolist())) == 39
    assert len(set(groups[[0, 1, 40, 41]].tolist())) == 1


def test_where_all_hangs_together_promoters_are_resampled():
    rows = [(("chr1", 0, 10), ("chr2", 1_000 * (i // 2), 10)) for i in range(60)]
    unit, groups = resampling_groups(table(rows), "clusters")
    assert unit == "promoters"
    assert len(set(groups.tolist())) == 30


def test_chromosomes_and_pairs_are_what_they_say():
    rows = [(("chr1", i, 1), (f"chr{i % 3}", i, 1)) for i in range(12)]
    assert len(np.unique(resampling_groups(table(rows), "chromosomes")[1])) == 3
    assert len(np.unique(resampling_groups(table(rows), "pairs")[1])) == 12


def test_another_word_is_refused():
    with pytest.raises(RequestError, match="must be one of clusters, promoters, chromosomes"):
        resampling_groups(table([(("chr1", 0, 1), ("chr1", 0, 1))]), "genes")


def test_the_effective_number_stands_in_the_sentence():
    assert (
        "(300, which count as 84.3 of equal size)" in Resampling("clusters", 300, 84.3).sentence()
    )
    too_few = Resampling("chromosomes", 3, 2.5).sentence()
    assert too_few.startswith("No intervals: there are too few chromosomes")
    assert "10 are needed" in too_few

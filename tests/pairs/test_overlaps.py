"""Overlaps of two lists of regions, against plain loops."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from epipam.pairs.overlaps import Places, count_overlapping, meetings, overlapping

region = st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(-20, 60), st.integers(0, 15))
regions = st.lists(region, max_size=12)
contacts = st.lists(st.tuples(region, region), max_size=6)


def places(rows):
    start, length = (np.array([row[i] for row in rows], dtype=np.int64) for i in (1, 2))
    return Places(np.array([row[0] for row in rows], dtype=object), start, start + length)


def shared(one, other):
    """Count the bases of two regions; one of no width is the base at its start."""
    if one[0] != other[0]:
        return 0
    both = [set(range(start, start + max(length, 1))) for _, start, length in (one, other)]
    return len(both[0] & both[1])


@settings(max_examples=40)
@given(regions, regions)
def test_overlaps_are_those_of_a_double_loop(first, second):
    expected = [
        (i, j)
        for i, one in enumerate(first)
        for j, other in enumerate(second)
        if shared(one, other)
    ]
    of_first, of_second = overlapping(places(first), places(second))
    assert list(zip(of_first.tolist(), of_second.tolist(), strict=True)) == expected


@settings(max_examples=40)
@given(regions, regions)
def test_counts_are_those_of_a_double_loop(first, second):
    expected = [sum(shared(one, other) > 0 for other in second) for one in first]
    assert count_overlapping(places(first), places(second)).tolist() == expected


@settings(max_examples=40)
@given(regions, regions, contacts, st.integers(1, 8))
def test_meetings_are_those_of_a_triple_loop(enhancers, promoters, contacts, least):
    def meet(one, end):
        return shared(one, end) >= min(least, max(one[2], 1), max(end[2], 1))

    expected = [
        (e, p, c)
        for e, enhancer in enumerate(enhancers)
        for p, promoter in enumerate(promoters)
        for c, (left, right) in enumerate(contacts)
        if (meet(enhancer, left) and meet(promoter, right))
        or (meet(enhancer, right) and meet(promoter, left))
    ]
    ends = tuple(places([ends[i] for ends in contacts]) for i in (0, 1))
    found = meetings(places(enhancers), places(promoters), ends, least)
    assert list(zip(*(rows.tolist() for rows in found), strict=True)) == expected


def test_thousands_of_contigs_are_one_search():
    many = places([(f"contig{i}", 5, 10) for i in range(20_000)])
    assert count_overlapping(many, many).tolist() == [1] * 20_000
    assert overlapping(many, many)[0].tolist() == list(range(20_000))

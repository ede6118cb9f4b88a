"""Overlaps of two lists of regions, against a double loop."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from epipam.pairs.overlaps import Places, overlapping

regions = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 60), st.integers(0, 15)),
    max_size=15,
)


def places(rows):
    start, length = (np.array([row[i] for row in rows], dtype=np.int64) for i in (1, 2))
    return Places(np.array([row[0] for row in rows], dtype=object), start, start + length)


@given(regions, regions)
def test_overlaps_are_those_of_a_double_loop(first, second):
    expected = {
        (i, j)
        for i, (chrom, start, length) in enumerate(first)
        for j, (other, begin, reach) in enumerate(second)
        # A region of no width is the base at its start.
        if chrom == other and start < begin + max(reach, 1) and begin < start + max(length, 1)
    }
    of_first, of_second = overlapping(places(first), places(second))
    found = list(zip(of_first.tolist(), of_second.tolist(), strict=True))
    assert len(found) == len(set(found))
    assert set(found) == expected

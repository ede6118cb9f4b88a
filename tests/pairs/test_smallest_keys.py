"""The streamed sample is the one that sorting everything gives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from epipam.pairs.smallest_keys import SmallestKeys

rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=60)
blocks = st.lists(st.integers(0, 20), min_size=1, max_size=5)


@given(rows, st.lists(st.integers(0, 6), min_size=3, max_size=3), blocks, st.integers(0, 10))
def test_the_smallest_keys_of_each_stratum_stay_in_their_order(rows, wanted, blocks, room):
    stratum = np.array([s for s, _ in rows], dtype=np.int64)
    key = np.array([k for _, k in rows], dtype=np.float64)
    sample = SmallestKeys(np.array(wanted), columns=1, room=room)
    first = 0
    for size in [*blocks, len(rows)]:
        part = slice(first, first + size)
        value = np.arange(len(rows), dtype=np.int64)[part, None]
        sample.add(stratum[part], key[part], value)
        first += size
    expected = set()
    for s, number in enumerate(wanted):
        own = sorted((k, i) for i, (other, k) in enumerate(rows) if other == s)
        expected |= {i for _, i in own[:number]}
    kept = sample.kept()
    assert kept.value[:, 0].tolist() == sorted(expected)
    assert kept.stratum.tolist() == [rows[i][0] for i in sorted(expected)]

"""Attention put together by base, against a list of values for every base of a contig."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.interpret import attention_sums as subject
from epipam.interpret.attention_sums import AttentionSums, segments
from epipam.interpret.attention_tiles import Tiles

CONTIGS = {"chr2": 90, "chr10": 60, "chrM": 7}
TILES = (Tiles(4, 3, 5, 9), Tiles(3, 1, 4, 6))

windows = st.tuples(st.sampled_from(list(CONTIGS)), st.integers(-30, 95), st.integers(0, 2**32))


def plain_values(tiles, pairs, combine):
    """All values that lie on each base, put together."""
    at_base: dict[tuple[str, int], list[float]] = {}
    for each, anchor in zip(tiles, pairs, strict=True):
        for contig, start, scores in anchor:
            for position, score in enumerate(scores):
                for offset in range(each.stride):
                    base = start + each.first + position * each.stride + offset
                    if 0 <= base < CONTIGS[contig]:
                        at_base.setdefault((contig, base), []).append(score)
    put = max if combine == "max" else lambda values: sum(values) / len(values)
    return {base: put(values) for base, values in at_base.items()}


@pytest.mark.parametrize("combine", ["max", "mean"])
@given(st.lists(st.lists(windows, max_size=12), min_size=2, max_size=2), st.integers(1, 3))
def test_each_base_has_what_lies_on_it(combine, drawn, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "_WINDOWS_AT_ONCE", at_once)
        patch.setattr(subject, "_FIRST_ROWS", 2)
        sums, pairs = [], []
        for tiles, anchor in zip(TILES, drawn, strict=True):
            scored = [
                # Whole numbers, so that neighbours are sometimes equal and sums are exact.
                (contig, start, np.random.default_rng(seed).integers(0, 3, tiles.positions))
                for contig, start, seed in anchor
            ]
            each = AttentionSums(tiles, combine)
            for some in (scored[:5], scored[5:]):
                if some:
                    names, starts, scores = zip(*some, strict=True)
                    each.add(names, np.array(starts), np.array(scores, dtype=float))
            assert len(each) == len({(contig, start) for contig, start, _ in scored})
            sums.append(each)
            pairs.append(scored)
        found = list(segments(sums, CONTIGS))
    assert [contig for contig, _ in found] == sorted(contig for contig, _ in found)
    values: dict[tuple[str, int], float] = {}
    end_of = dict.fromkeys(CONTIGS, 0)
    for contig, piece in found:
        for start, end, value in zip(*map(np.ndarray.tolist, piece), strict=True):
            assert end_of[contig] <= start < end
            end_of[contig] = end
            values |= {(contig, base): value for base in range(start, end)}
    assert values == {
        base: np.float32(value) for base, value in plain_values(TILES, pairs, combine).items()
    }


def test_neighbours_of_one_value_are_one_stretch():
    sums = AttentionSums(Tiles(4, 0, 5, 5), "max")
    sums.add(["chr2"], np.array([10]), np.array([[1.0, 1.0, 2.0, 2.0]]))
    ((contig, piece),) = segments([sums], CONTIGS)
    assert contig == "chr2"
    assert [column.tolist() for column in piece] == [[10, 20], [20, 30], [1, 2]]

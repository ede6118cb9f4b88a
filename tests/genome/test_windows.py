"""Windows and the augmentation plan, against the formulas of the design."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.genome.windows import (
    REASONS,
    keyed_draw,
    keyed_integers,
    plan_windows,
    resize,
    unusable_reason,
)

coordinates = st.integers(0, 3_000_000_000)
# In the order in which they apply.
NO_CONTIG, TRANS, REVERSED, OUTSIDE = 1, 2, 3, 4


def resized_by_formula(start: int, end: int, window: int) -> int:
    """docs/architecture.md, `Windows`, in whole numbers: ceil(x / 2) is -(-x // 2)."""
    length = end - start
    if length > window:
        return start - (-(length - window) // 2)
    return start + (-(window - length) // 2)


@given(coordinates, st.integers(0, 20_000), st.integers(1, 5_000))
def test_a_region_is_resized_as_the_formulas_say(start, length, window):
    found = resize(np.array([start]), np.array([start + length]), window)
    assert found.tolist() == [resized_by_formula(start, start + length, window)]


@pytest.mark.parametrize(
    ("start", "end", "window", "expected"),
    [
        (1_000, 1_200, 200, 1_000),  # as long as the window
        (1_000, 1_201, 200, 1_001),  # ceil(1 / 2) to the right
        (1_000, 1_203, 200, 1_002),
        (1_000, 1_199, 200, 999),  # ceil(1 / 2) to the left
        (1_000, 1_197, 200, 998),
        (1_000, 1_000, 200, 900),  # an empty region is its point
        (1_000, 1_000, 201, 899),
        (0, 0, 2_000, -1_000),  # what sticks out on the left begins below zero
    ],
)
def test_resizing_rounds_half_up_on_either_side(start, end, window, expected):
    assert resize(np.array([start]), np.array([end]), window).tolist() == [expected]


def test_no_regions_have_no_windows():
    empty = np.zeros(0, dtype=np.int64)
    assert resize(empty, empty, 3_000).tolist() == []


def anchors(
    enhancer: tuple[str, int, int] = ("chr1", 10, 20), promoter=("chr1", 30, 40)
) -> pd.DataFrame:
    values = {}
    for anchor, (chrom, start, end) in (("enhancer", enhancer), ("promoter", promoter)):
        values |= {f"{anchor}_chrom": chrom, f"{anchor}_start": start, f"{anchor}_end": end}
    return pd.DataFrame([values])


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (anchors(), 0),
        (anchors(("chrZ", 10, 20)), NO_CONTIG),
        (anchors(promoter=("chrZ", 10, 20)), NO_CONTIG),
        (anchors(promoter=("chr2", 10, 20)), TRANS),
        (anchors(("chr1", 20, 19)), REVERSED),
        (anchors(promoter=("chr1", 20, 19)), REVERSED),
        (anchors(("chr1", -1, 20)), OUTSIDE),
        (anchors(promoter=("chr1", 30, 101)), OUTSIDE),
        (anchors(("chr1", 0, 100)), 0),  # the whole contig
        (anchors(("chr1", 20, 20)), 0),  # zero width is a point
        (anchors(("chr1", 0, 0), ("chr1", 100, 100)), 0),  # also at both ends
        # The first reason that applies:
        (anchors(("chrZ", 9, 1), ("chr1", 0, 999)), NO_CONTIG),
        (anchors(("chr1", 9, 1), ("chr2", 0, 999)), TRANS),
        (anchors(("chr1", 0, 999), ("chr1", 9, 1)), REVERSED),
        (anchors(("chr1", 999, -1)), REVERSED),
    ],
)
def test_a_pair_has_the_first_reason_that_applies(frame, expected):
    assert unusable_reason(frame, {"chr1": 100, "chr2": 50}).tolist() == [expected]


def test_anchors_on_two_contigs_are_usable_where_that_is_allowed():
    frame = anchors(promoter=("chr2", 10, 20))
    assert unusable_reason(frame, {"chr1": 100, "chr2": 50}, allow_trans=True).tolist() == [0]
    assert unusable_reason(frame, {"chr1": 100, "chr2": 15}, allow_trans=True).tolist() == [OUTSIDE]


def reason_by_rule(row: tuple[str, int, int, str, int, int], lengths: dict[str, int]) -> int:
    chrom_1, start_1, end_1, chrom_2, start_2, end_2 = row
    if chrom_1 not in lengths or chrom_2 not in lengths:
        return NO_CONTIG
    if chrom_1 != chrom_2:
        return TRANS
    if start_1 > end_1 or start_2 > end_2:
        return REVERSED
    inside = min(start_1, start_2) >= 0 and max(end_1, end_2) <= lengths[chrom_1]
    return 0 if inside else OUTSIDE


small = st.integers(-3, 23)
anchor = st.tuples(st.sampled_from(["1", "2", "other"]), small, small)


@given(st.lists(st.builds(lambda a, b: (*a, *b), anchor, anchor), max_size=8))
def test_reasons_equal_a_plain_rule_applied_row_by_row(rows):
    columns = [f"{a}_{c}" for a in ("enhancer", "promoter") for c in ("chrom", "start", "end")]
    lengths = {"1": 20, "2": 5}
    frame = pd.DataFrame(rows, columns=columns)
    assert unusable_reason(frame, lengths).tolist() == [reason_by_rule(r, lengths) for r in rows]


def test_the_seven_reasons_are_told_in_words():
    assert list(REASONS) == [1, 2, 3, 4, 5, 6, 7]
    assert REASONS[5] == "enhancer window all N"
    assert REASONS[6] == "promoter window all N"
    assert REASONS[7] == "pair with both labels"


def plan(pair, label, **settings):
    settings = {"augment": 10, "max_shift": 100, "seed": 7} | settings
    return plan_windows(
        np.asarray(pair, dtype=np.int64), np.asarray(label, dtype=np.int8), **settings
    )


def shifts(windows) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the two shifts by (pair, copy)."""
    keys = zip(windows.pair.tolist(), windows.copy.tolist(), strict=True)
    values = zip(windows.enhancer_shift.tolist(), windows.promoter_shift.tolist(), strict=True)
    return dict(zip(keys, values, strict=True))


labels = st.lists(st.sampled_from([1, 0, -1]), max_size=12)


@given(labels, st.integers(0, 12), st.integers(0, 100), st.integers(0, 2**63))
def test_positives_have_all_copies_and_the_others_only_the_unshifted_window(
    label, augment, max_shift, seed
):
    pair = [3 * i + 1 for i in range(len(label))]
    windows = plan(pair, label, augment=augment, max_shift=max_shift, seed=seed)
    copies = {1: range(augment + 1), 0: range(1), -1: range(1)}
    expected = [(p, copy) for p, value in zip(pair, label, strict=True) for copy in copies[value]]
    found = shifts(windows)
    assert len(windows) == len(expected)
    assert sorted(found) == sorted(expected)
    assert all(found[p, 0] == (0, 0) for p in pair)
    assert all(
        abs(value) <= max_shift for pair_of_shifts in found.values() for value in pair_of_shifts
    )


@given(labels, st.randoms(use_true_random=False))
def test_a_pair_is_shifted_alike_whatever_other_pairs_there_are_and_in_any_order(label, generator):
    whole = shifts(plan(range(len(label)), label))
    some = generator.sample(range(len(label)), k=len(label) // 2)
    part = shifts(plan(some, [label[i] for i in some]))
    assert part == {key: value for key, value in whole.items() if key[0] in some}


def test_more_copies_leave_the_first_ones_as_they_were():
    few, many = shifts(plan([5], [1], augment=4)), shifts(plan([5], [1], augment=10))
    assert few.items() <= many.items()


def test_another_seed_shifts_otherwise():
    assert shifts(plan([5], [1], seed=1)) != shifts(plan([5], [1], seed=2))


@pytest.fixture(scope="module")
def many_shifts() -> np.ndarray:
    """Return the shifts of 20,000 copies, int (20,000, 2)."""
    windows = plan(np.arange(2_000), np.ones(2_000))
    copies = windows[windows.copy > 0]
    return np.stack([copies.enhancer_shift, copies.promoter_shift], axis=1)


def chi_square(values: np.ndarray, low: int, high: int) -> float:
    counts = np.array([np.sum(values == value) for value in range(low, high + 1)])
    expected = len(values) / len(counts)
    return float(np.sum((counts - expected) ** 2) / expected)


def test_shifts_span_the_range_evenly(many_shifts):
    for values in many_shifts.T:
        assert (values.min(), values.max()) == (-100, 100)
        # 200 degrees of freedom: mean 200, standard deviation 20.
        assert 120 < chi_square(values, -100, 100) < 280


def test_enhancer_and_promoter_are_shifted_independently(many_shifts):
    enhancer, promoter = many_shifts.T
    correlation = np.corrcoef(enhancer, promoter)[0, 1]
    assert abs(correlation) < 4 / np.sqrt(len(enhancer))
    # 36 cells of the joint table: 25 degrees of freedom once the margins are even.
    joint = (enhancer + 100) * 6 // 201 * 6 + (promoter + 100) * 6 // 201
    assert chi_square(joint, 0, 35) < 80
    assert not np.array_equal(enhancer, promoter)


def test_copies_of_a_pair_and_neighbouring_pairs_are_shifted_independently(many_shifts):
    enhancer = many_shifts[:, 0].reshape(2_000, 10)
    for one, other in ((enhancer[:, 0], enhancer[:, 1]), (enhancer[:-1, 0], enhancer[1:, 0])):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(one))


def test_rows_of_a_plan_are_taken_by_slice_mask_or_number():
    windows = plan([4, 9], [1, 0], augment=1)
    assert windows[1:].pair.tolist() == [9, 4]
    assert windows[windows.copy == 1].pair.tolist() == [4]
    assert windows[np.array([2, 0])].copy.tolist() == [1, 0]


def test_a_draw_by_one_key_is_the_published_splitmix64():
    # First value after seeding with 1234567: rosettacode.org, Pseudo-random numbers/Splitmix64.
    assert keyed_draw(1234567).tolist() == [6457827717110365317]


def splitmix_by_loop(*keys: int) -> int:
    state = 0
    for key in keys:
        state = (state + key + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
    return state


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4))
def test_a_draw_equals_plain_whole_numbers_modulo_2_to_the_64(keys):
    assert keyed_draw(*keys).tolist() == [splitmix_by_loop(*keys)]


def test_a_draw_for_many_rows_is_the_draw_for_each():
    rows = np.arange(50)
    assert keyed_draw(3, 1, rows).tolist() == [splitmix_by_loop(3, 1, row) for row in range(50)]


@pytest.mark.parametrize(
    "keys", [(np.arange(10_000),), (0, 0, np.arange(10_000)), (5, np.arange(10_000), 2)]
)
def test_keyed_integers_are_uniform_whichever_key_varies(keys):
    values = keyed_integers(-7, 8, *keys)
    assert values.dtype == np.int64
    # 15 degrees of freedom: mean 15, standard deviation 5.5.
    assert chi_square(values, -7, 8) < 37


def test_keyed_integers_of_one_value_are_that_value():
    assert keyed_integers(4, 4, np.arange(3)).tolist() == [4, 4, 4]


def test_draws_are_the_same_in_another_process():
    code = (
        "import numpy as np; from epipam.genome.windows import keyed_draw;"
        "print(keyed_draw(11, 3, np.arange(4)).tolist())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(keyed_draw(11, 3, np.arange(4)).tolist())

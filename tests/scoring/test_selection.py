"""Choosing scored pairs while they stream gives what sorting all of them gives."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.pairs.formats import Layout
from epipam.pairs.table import COLUMNS, PairTable
from epipam.scoring.selection import ScoredPairs, Selection, take

scores = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0, float("nan")]))
rows = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), scores), max_size=40)
LAYOUT = Layout("table", "\t", {name: i for i, name in enumerate(COLUMNS)}, COLUMNS)


def pairs_of(rows, first=0):
    columns = {
        "enhancer_chrom": "chr1",
        "enhancer_start": range(first, first + len(rows)),
        "enhancer_end": 10_000,
        "enhancer_name": "",
        "promoter_chrom": "chr1",
        "promoter_start": [start for start, _, _ in rows],
        "promoter_end": 10,
        "promoter_name": [name for _, name, _ in rows],
        "label": -1,
    }
    frame = pd.DataFrame(columns, index=range(len(rows)))
    probability = np.array([score for _, _, score in rows], dtype=float)
    fields = [[str(i)] for i in frame["enhancer_start"]]
    line = np.arange(first + 1, first + len(rows) + 1)
    return ScoredPairs(PairTable(Path("p"), frame, line, LAYOUT, fields), probability, probability)


def chosen(rows, piece, **settings):
    selection = Selection(waiting=3, **settings)
    found = []
    for first in range(0, len(rows), piece):
        found += selection.add(pairs_of(rows[first : first + piece], first))
    found += selection.rest()
    for pairs in found:
        numbers = pairs.table.frame["enhancer_start"].tolist()
        assert [int(fields[0]) for fields in pairs.table.fields] == numbers
        assert (pairs.table.line - 1).tolist() == numbers
        expected = [rows[i][2] for i in numbers]
        assert np.array_equal(pairs.probability, expected, equal_nan=True)
    return [int(fields[0]) for pairs in found for fields in pairs.table.fields]


@given(rows, st.integers(1, 9))
def test_without_a_wish_all_pairs_pass_as_they_come(rows, piece):
    assert chosen(rows, piece) == list(range(len(rows)))


@given(rows, st.integers(1, 9), st.one_of(st.none(), st.floats(0, 1)), st.integers(1, 4))
def test_the_best_of_each_promoter_are_those_of_the_sorted_table(rows, piece, least, top):
    kept = [i for i, (_, _, p) in enumerate(rows) if p >= (least or 0)]
    best = []
    for promoter in {rows[i][:2] for i in kept}:
        of_it = [i for i in kept if rows[i][:2] == promoter]
        best += sorted(of_it, key=lambda i: (-rows[i][2], i))[:top]
    assert chosen(rows, piece, min_score=least, top=top) == sorted(best)


@given(rows, st.integers(1, 9), st.floats(0, 1))
def test_pairs_below_the_score_or_without_one_are_left_out(rows, piece, least):
    expected = [i for i, (_, _, p) in enumerate(rows) if p >= least]
    assert chosen(rows, piece, min_score=least) == expected


@pytest.mark.parametrize("n", [10, 400])
def test_few_pairs_wait_however_many_come(n):
    selection = Selection(top=1, waiting=20)
    for i in range(n):
        list(selection.add(pairs_of([(j % 4, "a", (i * j) % 7 / 7) for j in range(10)], 10 * i)))
        assert sum(len(pairs.table) for pairs in selection._waiting) <= 20 + 2 * 4


def test_rows_are_taken_whole():
    part = take(pairs_of([(0, "a", 0.1), (1, "b", 0.2), (2, "a", 0.3)]), np.array([2, 0]))
    assert part.table.frame["promoter_start"].tolist() == [2, 0]
    assert part.table.frame.index.tolist() == [0, 1]
    assert part.table.fields == [["2"], ["0"]]
    assert part.probability.tolist() == [0.3, 0.1]

"""Finding the pairs that an edit changes: as looking at every window of every pair."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.interpret.edits import Edit, touches
from epipam.interpret.window_sweep import Hit, Pair, Place, SortedWindows, WindowSweep

ENHANCER, PROMOTER = 9, 6
places = st.builds(Place, st.integers(0, 2), st.integers(-3, 60))
pairs = st.lists(st.tuples(places, places), max_size=12).map(
    lambda rows: [Pair(i, e, p, f"pair\t{i}") for i, (e, p) in enumerate(rows)]
)
edits = st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(0, 9)).map(
    lambda e: (e[0], Edit(e[1], e[1] + e[2], "x"))
)


def every_hit(rows, contig, edit):
    found = []
    for pair in rows:
        inside = [
            place.contig == contig and touches(edit, place.start, place.start + length)
            for place, length in ((pair.enhancer, ENHANCER), (pair.promoter, PROMOTER))
        ]
        if any(inside):
            found.append(Hit(pair, *inside))
    return found


def sweep_of(folder, rows):
    windows = SortedWindows(Path(folder), ENHANCER, PROMOTER)
    for pair in rows:
        windows.add(pair)
    windows.finish()
    return WindowSweep(windows)


@pytest.mark.parametrize("in_order", [True, False])
@given(rows=pairs, wanted=st.lists(edits, max_size=20))
def test_hits_are_those_of_a_search_through_everything(in_order, rows, wanted):
    if in_order:
        wanted = sorted(wanted, key=lambda e: (e[0], e[1].start))
    with tempfile.TemporaryDirectory() as folder:
        sweep = sweep_of(folder, rows)
        try:
            for contig, edit in wanted:
                assert sweep.hits(contig, edit.start, edit) == every_hit(rows, contig, edit)
        finally:
            sweep.close()


def test_only_windows_near_the_variant_are_held(tmp_path):
    rows = [Pair(i, Place(0, 20 * i), Place(1, 20 * i), "") for i in range(500)]
    sweep = sweep_of(tmp_path, rows)
    for position in range(0, 10_000, 7):
        sweep.hits(0, position, Edit(position, position + 1, "x"))
        assert len(sweep._held) <= 1
    sweep.close()


def test_an_edit_that_begins_behind_its_record_loses_no_window(tmp_path):
    sweep = sweep_of(tmp_path, [Pair(0, Place(0, 0), Place(0, 40), "")])
    assert sweep.hits(0, 8, Edit(20, 20, "x")) == []
    assert [hit.pair.number for hit in sweep.hits(0, 8, Edit(8, 9, "x"))] == [0]
    sweep.close()

"""Regions of a list, each once."""

from pathlib import Path

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from epipam.pairs.overlaps import places_of
from epipam.pairs.region_pool import (
    distinct_regions,
    listed_regions,
    places,
    positions,
    spelled_as,
)
from epipam.pairs.regions import Region, gather
from epipam.pairs.table import COLUMNS

regions = st.lists(
    st.tuples(st.sampled_from(["chr1", "2", "chrM"]), st.integers(0, 5), st.integers(0, 3)),
    min_size=1,
    max_size=20,
)


def pairs_of(rows):
    table = [(c, s, s + n, f"e{i}", c, s + 10, s + 11, "", -1) for i, (c, s, n) in enumerate(rows)]
    return pd.DataFrame(table, columns=list(COLUMNS))


@given(regions)
def test_each_region_of_a_list_is_there_once_by_its_first_name(rows):
    found = listed_regions(Path("list"), pairs_of(rows), "enhancer")
    expected = {}
    for i, row in enumerate(rows):
        expected.setdefault(row, f"e{i}")
    chrom, start, end = (column.tolist() for column in places(found))
    listed = zip(chrom, start, [e - s for s, e in zip(start, end, strict=True)], strict=True)
    assert list(listed) == list(expected)
    assert found.names == list(expected.values())
    assert positions(found, places_of(pairs_of(rows), "enhancer")).tolist() == [
        list(expected).index(row) for row in rows
    ]


def test_a_place_that_is_no_region_has_no_position():
    found = listed_regions(Path("list"), pairs_of([("chr1", 0, 3)]), "enhancer")
    others = pairs_of([("chr2", 0, 3), ("chr1", 1, 2), ("chr1", 0, 2), ("chr1", 0, 3)])
    assert positions(found, places_of(others, "enhancer")).tolist() == [-1, -1, -1, 0]


def test_contigs_are_spelled_as_the_list_spells_them():
    rows = [("1", 5), ("chr2", 6), ("MT", 7), ("chr1", 8), ("chr1", 5)]
    given_ = gather(Path("bed"), [Region(c, s, s + 1, f"r{s}", "+") for c, s in rows])
    found = spelled_as(given_, ["chr1", "2", "chrM", "chrX"])
    assert found.contigs == ["chr1", "2", "chrM"]
    assert places(found).chrom.tolist() == ["chr1", "2", "chrM", "chr1", "chr1"]
    assert distinct_regions(found).start.tolist() == [5, 6, 7, 8]
    assert spelled_as(given_, ["9"]).contigs == given_.contigs

"""Sorting beyond memory gives what sorting in memory gives; the index finds every row."""

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.runtime import sorted_rows
from epipam.runtime.sorted_rows import Columns, SortedRows, index_suffix, write_index

BED = Columns(key=(0, 1, 2))

rows = st.lists(
    st.tuples(
        st.sampled_from([b"chr1", b"chr10", b"chr2", b"\xff"]),
        st.integers(0, 30),
        st.integers(0, 30),
        st.integers(0, 10**6),
    ),
    max_size=60,
)


def line(contig, start, end, number):
    return b"%b\t%d\t%d\t%d\n" % (contig, start, start + end, number)


@given(rows, st.integers(1, 2000), st.integers(2, 5))
def test_rows_are_sorted_stably_however_many_runs_there_are(
    tmp_path_factory, rows, run_bytes, most_runs
):
    folder = tmp_path_factory.mktemp("runs")
    before = sorted_rows._MOST_RUNS
    sorted_rows._MOST_RUNS = most_runs
    try:
        table = SortedRows(folder, BED.of, run_bytes)
        for first in range(0, len(rows), 7):
            table.add(line(*row) for row in rows[first : first + 7])
        found = list(table.merged())
    finally:
        sorted_rows._MOST_RUNS = before
    expected = sorted(rows, key=lambda row: (row[0], row[1], row[1] + row[2]))
    assert found == [line(*row) for row in expected]
    assert len(list(folder.iterdir())) <= most_runs + 1


def test_the_key_reads_contigs_as_bytes_and_positions_as_numbers():
    columns = Columns(key=(0, 1, 3, 4), contigs=(0, 3))
    assert columns.of(b"chr2\t10\t20\tchr1\t5\t6\tname\n") == (b"chr2", 10, b"chr1", 5)


@pytest.mark.parametrize("csi", [False, True])
def test_the_index_finds_what_overlaps(tmp_path, csi):
    path, index = tmp_path / "rows.partial", tmp_path / "rows.index"
    with pysam.BGZFile(str(path), "w", None) as handle:
        handle.write(b"name start end\n#comment\n")
        handle.write(b"".join(line(b"chr1", start, 5, start) for start in range(0, 1000, 10)))
    write_index(path, index, BED, csi=csi, headers=1)
    with pysam.TabixFile(str(path), index=str(index)) as rows:
        assert [row.split("\t")[1] for row in rows.fetch("chr1", 104, 121)] == ["100", "110", "120"]
        assert not list(rows.fetch("chr1", 105, 110))


def test_long_contigs_take_the_other_index():
    assert index_suffix(248_956_422) == ".tbi"
    assert index_suffix(2**29 + 1) == ".csi"

"""Lists of pairs, checked whole: coordinates, repeats, contradictions."""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import PairTableError
from epipam.genome.lengths import ContigLengths
from epipam.pairs.checks import check_places
from epipam.pairs.pair_lists import (
    RepeatFinder,
    find_repeats,
    mark_contradictions,
    read_pair_list,
    require_consistent,
)
from epipam.pairs.spellings import Spellings
from epipam.pairs.table import COLUMNS, read_pairs

rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([-1, 0, 1])))


def table(rows):
    found = [
        ("1", e, e + 1, f"e{i}", "1", p, p + 1, "", label) for i, (e, p, label) in enumerate(rows)
    ]
    kinds = {name: np.int64 for name in COLUMNS if name.endswith(("start", "end"))}
    return pd.DataFrame(found, columns=list(COLUMNS)).astype(kinds)


@given(rows, st.integers(0, 10))
def test_repeats_are_those_of_a_loop_however_the_list_is_cut(rows, cut):
    labels = defaultdict(set)
    for e, p, label in rows:
        labels[e, p].add(label)
    both = {place for place, found in labels.items() if {0, 1} <= found}
    finder = RepeatFinder()
    for piece in (rows[:cut], rows[cut:]):
        finder.add(table(piece))
    for found in (finder.found(), find_repeats(table(rows))):
        assert found.repeated == sum(n - 1 for n in Counter(rows).values())
        assert found.contradictory == len(both)
        expected = [i for i, (e, p, _) in enumerate(rows) if (e, p) in both]
        assert found.contradictory_rows.tolist() == expected


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "pairs.tsv"
        path.write_text(text)
        return path

    return write


HEADER = (
    "enhancer_chrom enhancer_start enhancer_end promoter_chrom promoter_start promoter_end label"
)
HEADER = HEADER.replace(" ", "\t") + "\n"
BAD = "1\t1\t2\t1\t5\t6\n1\t9\t2\t1\t5\t6\n1\t-1\t2\t1\t5\t6\n1\tx\t2\t1\t5\t6\n1\t1\t2\t2\t5\t6\n"


def test_rows_that_cannot_be_used_are_named_or_left_out(write):
    path = write(BAD)
    with pytest.raises(PairTableError) as caught:
        read_pair_list(path)
    said = str(caught.value).split("\n")
    assert "3 of 5 pairs cannot be used" in said[0]
    assert "1 start after end, 1 coordinates outside the contig" in said[0]
    assert said[1:] == [
        f"{path}:2: enhancer_start: start 9 lies after end 2",
        f"{path}:3: enhancer_start: -1 lies outside 1 (from 0 on)",
        f"{path}:4: enhancer_start: 'x' is not a whole number",
    ]
    kept = read_pair_list(path, bad_pairs="skip")
    assert len(kept.frame) == 2
    assert sum(kept.skipped.values()) == 3


def test_with_a_genome_pairs_lie_inside_their_contigs_and_bear_its_names(write, tmp_path):
    spellings = Spellings(ContigLengths(tmp_path / "sizes", {"chr1": 6}))
    path = write("1\t1\t2\tchr1\t5\t6\n1\t1\t2\t1\t5\t7\n3\t1\t2\t3\t5\t6\n")
    found = read_pair_list(path, spellings, bad_pairs="skip")
    assert found.frame["enhancer_chrom"].tolist() == ["chr1"]
    assert found.skipped == {"contig not in the genome": 1, "coordinates outside the contig": 1}
    with pytest.raises(PairTableError, match=r"pairs.tsv:2: promoter_end: 7 lies outside 1 \(0 to"):
        read_pair_list(path, spellings)


def test_contradictions_are_an_error_or_left_out_and_spellings_do_not_hide_them(write):
    row = "{0}\t1\t2\t{0}\t5\t6\t{1}\n"
    path = write(HEADER + row.format("1", 1) + row.format("chr1", 0) + row.format("chr2", 1))
    found = read_pair_list(path)
    with pytest.raises(PairTableError, match="1 pairs have both labels, in 2 rows; --bad-pairs"):
        require_consistent(found, "fail")
    kept = require_consistent(found, "skip")
    assert kept.frame["enhancer_chrom"].tolist() == ["chr2"]
    assert kept.skipped == {"pair with both labels": 2}
    assert require_consistent(kept, "fail").frame.equals(kept.frame)


def test_a_table_s_contradictions_are_found_among_its_usable_pairs(write):
    row = "{0}\t1\t{1}\t{0}\t5\t6\t{2}\n"
    rows = [("1", 2, 1), ("chr1", 2, 0), ("1", 0, 0), ("1", 0, 1), ("2", 2, 1), ("chr2", 2, 1)]
    table = read_pairs(write(HEADER + "".join(row.format(*fields) for fields in rows)))
    contigs = {"1": "chr1", "chr1": "chr1", "2": "chr2", "chr2": "chr2"}
    check = check_places(table, None, contigs, allow_trans=False)
    with pytest.raises(PairTableError) as caught:
        mark_contradictions(table, check, "fail")
    assert str(caught.value).split("\n") == [
        f"{table.path}: 1 rows repeat a pair with the same label; 1 pairs have both labels, in "
        "2 rows; --bad-pairs skip leaves the latter out:",
        f"{table.path}:2: label: 1 here, but another label in another row of this pair",
        f"{table.path}:3: label: 0 here, but another label in another row of this pair",
    ]
    check = check_places(table, None, contigs, allow_trans=False)
    assert mark_contradictions(table, check, "skip").repeated == 1
    # Rows 3 and 4 end before they begin, and are no contradiction.
    assert check.skipped == {"start after end": 2, "pair with both labels": 2}

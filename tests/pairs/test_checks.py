"""Which pairs can be windowed on a genome, against a plain rule and real counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import PairTableError
from epipam.genome.fasta import Genome
from epipam.pairs import checks
from epipam.pairs.checks import PairCheck, check_pairs, require_usable, rows_by_contig
from epipam.pairs.table import PairTable, read_pairs

NO_CONTIG = "contig not in the genome"
TRANS = "different contigs"
REVERSED = "start after end"
OUTSIDE = "coordinates outside the contig"
ENHANCER_N = "enhancer window all N"
PROMOTER_N = "promoter window all N"
MALFORMED = "row that cannot be read"

# 100 bp: bases at 0-9 and 60-69, soft-masked ones at 30-39, IUPAC letters at 80-89, else N.
LETTERS = "ACGTACGTAC" + "N" * 20 + "acgtacgtac" + "n" * 20 + "GGGGGGGGGG" + "N" * 10 + "RYKMSWRYKM"
CONTIGS = {"chr1": LETTERS + "N" * 10, "chr2": "ACGT" * 10}


@pytest.fixture
def genome(write_genome) -> Genome:
    return Genome(write_genome(CONTIGS))


def write_table(path: Path, *rows: str) -> PairTable:
    """Write and read a BEDPE; blanks in `rows` stand for tabs."""
    path.write_text("".join(row.replace(" ", "\t") + "\n" for row in rows))
    return read_pairs(path, malformed="skip")


def check(table: PairTable, genome: Genome, enhancer=6, promoter=4, **settings) -> PairCheck:
    return check_pairs(table, genome, enhancer, promoter, **settings)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("chr1 0 10 chr1 60 70", None),
        ("chr1 5 5 chr1 65 65", None),  # zero width is that point
        ("chr1 0 0 chr1 60 60", None),  # also at the contig's edge
        ("chr1 30 40 chr1 60 70", None),  # soft-masked bases are bases
        ("chr1 24 30 chr1 60 70", ENHANCER_N),
        ("chr1 25 31 chr1 60 70", None),  # one base is enough
        ("chr1 0 10 chr1 44 54", PROMOTER_N),
        ("chr1 0 10 chr1 40 60", PROMOTER_N),
        ("chr1 24 30 chr1 44 54", ENHANCER_N),  # of both the enhancer is named
        ("chr1 83 87 chr1 60 70", ENHANCER_N),  # IUPAC letters have no bits
        ("chr1 100 100 chr1 60 70", ENHANCER_N),  # half of it lies beyond the end
        ("chr1 0 101 chr1 60 70", OUTSIDE),
        ("chr1 0 10 chr1 -1 70", OUTSIDE),
        ("chr1 10 9 chr1 60 70", REVERSED),
        ("chr1 0 10 chr2 0 10", TRANS),
        ("chr9 0 10 chr1 60 70", NO_CONTIG),
        ("chr1 0 10 chr9 60 70", NO_CONTIG),
        ("1 0 10 1 60 70", None),  # a stated alias
        ("chr9 10 9 chr1 -5 999", NO_CONTIG),  # the first reason that applies
        ("chr1 24 30 chr1 60 999", OUTSIDE),
    ],
)
def test_each_pair_is_usable_or_has_its_reason(tmp_path, genome, row, reason):
    found = check(write_table(tmp_path / "pairs.bedpe", row), genome)
    assert found.skipped == ({} if reason is None else {reason: 1})
    assert found.usable.tolist() == [reason is None]


def test_anchors_on_two_contigs_are_checked_each_on_its_own_where_that_is_allowed(tmp_path, genome):
    rows = ["chr1 0 10 chr2 0 10", "chr1 0 10 chr2 41 41", "chr1 24 30 chr2 0 10"]
    table = write_table(tmp_path / "pairs.bedpe", *rows)
    assert check(table, genome).skipped == {TRANS: 3}
    found = check(table, genome, allow_trans=True)
    assert found.usable.tolist() == [True, False, False]
    assert found.skipped == {OUTSIDE: 1, ENHANCER_N: 1}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1 0 10 chr1 60 70", None),
        ("chr1 0 10 1 60 70", None),
        ("chr1 24 30 1 60 70", ENHANCER_N),
        ("1 0 10 chr1 60 101", OUTSIDE),
        ("1 0 10 chr2 0 10", TRANS),
        ("1 0 10 2 0 10", TRANS),
        ("8 0 10 chr9 0 10", NO_CONTIG),
    ],
)
def test_two_spellings_of_one_contig_are_one_contig(tmp_path, genome, row, reason):
    found = check(write_table(tmp_path / "pairs.bedpe", row), genome)
    assert found.skipped == ({} if reason is None else {reason: 1})


def test_contigs_whose_names_differ_by_chr_alone_stay_two_contigs(tmp_path, write_genome):
    both = Genome(write_genome({"chr1": LETTERS, "1": LETTERS}))
    found = check(write_table(tmp_path / "pairs.bedpe", "1 0 10 chr1 60 70"), both)
    assert found.skipped == {TRANS: 1}


def test_names_read_as_another_are_told(tmp_path, genome):
    found = check(write_table(tmp_path / "p.bedpe", "1 0 10 1 60 70", "chr2 0 9 chr2 9 9"), genome)
    assert found.contigs == {"1": "chr1", "chr2": "chr2"}
    assert found.renamed == {"1": "chr1"}


def test_rows_that_cannot_be_read_are_counted_beside_the_reasons(tmp_path, genome):
    rows = ["chr1 0 10 chr1 60 70", "chr1 x 10 chr1 60 70", ". -1 -1 chr1 60 70"]
    found = check(write_table(tmp_path / "pairs.bedpe", *rows), genome)
    assert found.malformed == 2
    assert found.skipped == {MALFORMED: 2}
    assert found.usable.tolist() == [True]


def window_by_rule(start: int, end: int, window: int) -> tuple[int, int]:
    """docs/architecture.md, `Windows`."""
    excess = end - start - window
    start = start - (-excess // 2) if excess > 0 else start + (excess // 2)
    return start, start + window


def is_all_n_by_rule(sequence: str, start: int, end: int, window: int) -> bool:
    low, high = window_by_rule(start, end, window)
    inside = sequence[max(low, 0) : max(high, 0)]
    return not set(inside.upper()) & set("ACGT")


region = st.tuples(st.integers(0, 120), st.integers(0, 120)).map(sorted)


@pytest.fixture(scope="module", params=["one line", "lines of 7", "compressed"])
def patchy_genome(tmp_path_factory, request) -> Genome:
    folder = tmp_path_factory.mktemp("patchy")
    sequence = f"{LETTERS}{'N' * 30}"
    width = 7 if request.param == "lines of 7" else len(sequence)
    lines = [sequence[first : first + width] for first in range(0, len(sequence), width)]
    text = "\n".join([">c", *lines, ""])
    if request.param == "compressed":
        path = folder / "genome.fa.gz"
        with pysam.BGZFile(str(path), "w") as handle:
            handle.write(text.encode())
    else:
        path = folder / "genome.fa"
        path.write_text(text)
    return Genome(path)


@given(
    rows=st.lists(st.tuples(region, region), min_size=1, max_size=12),
    enhancer=st.integers(1, 25),
    promoter=st.integers(1, 25),
    block=st.sampled_from([1, 7, 64, 8_000_000]),
)
def test_all_n_windows_are_found_by_looking_at_each_whatever_the_size_of_blocks(
    tmp_path_factory, patchy_genome, rows, enhancer, promoter, block
):
    sequence = f"{LETTERS}{'N' * 30}"
    path = tmp_path_factory.mktemp("blocks") / "pairs.bedpe"
    table = write_table(path, *(f"c {a} {b} c {d} {e}" for (a, b), (d, e) in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "_BLOCK", block)
        found = check(table, patchy_genome, enhancer, promoter)
    expected = [
        not is_all_n_by_rule(sequence, *e, enhancer)
        and not is_all_n_by_rule(sequence, *p, promoter)
        for e, p in rows
    ]
    assert found.usable.tolist() == expected


@pytest.mark.parametrize(
    ("cell_line", "usable", "no_contig", "outside", "all_n"),
    [("NHEK", 13, 26_183, 668, 27), ("K562", 12, 40_325, 1_084, 56)],
)
def test_real_pairs_over_the_real_megabase_are_counted_by_reason(
    shared_data, cell_line, usable, no_contig, outside, all_n
):
    genome = Genome(shared_data / "genome/hg19_chr20_2Mb.fa.gz")
    table = read_pairs(shared_data / f"pairs/targetfinder_{cell_line}.tsv.gz")
    found = check_pairs(table, genome, 3_000, 2_000)
    assert int(found.usable.sum()) == usable
    skipped = dict(found.skipped)
    assert skipped.pop(ENHANCER_N) + skipped.pop(PROMOTER_N) == all_n
    assert skipped == {NO_CONTIG: no_contig, OUTSIDE: outside}
    assert len(table) == usable + no_contig + outside + all_n


# What is raised.


def raised(table: PairTable, genome: Genome, bad_pairs: str) -> PairTableError:
    with pytest.raises(PairTableError) as caught:
        require_usable(table, check(table, genome), genome, bad_pairs)
    assert caught.value.exit_code == 2
    return caught.value


GOOD = "chr1 0 10 chr1 60 70"


def test_usable_pairs_pass_in_both_modes(tmp_path, genome):
    table = write_table(tmp_path / "pairs.bedpe", GOOD, GOOD)
    for bad_pairs in ("fail", "skip"):
        require_usable(table, check(table, genome), genome, bad_pairs)


def test_skip_lets_bad_pairs_pass_where_any_is_usable(tmp_path, genome):
    table = write_table(tmp_path / "p.bedpe", "chr9 0 10 chr9 60 70", "chr1 x 1 chr1 2 3", GOOD)
    require_usable(table, check(table, genome), genome, "skip")


def test_fail_names_line_column_and_what_is_wrong_with_each_bad_pair(tmp_path, genome):
    path = tmp_path / "odd:7:name.bedpe"
    table = write_table(
        path,
        "# a comment",
        GOOD,
        "chr1 24 30 chr1 60 70",
        "",
        "chr1 0 10 chr1 60 170",
        "chr1 0 10 chr1 -6 70",
        "chr1 0 10 chr1 y 70",
        "chr1 12 9 chr1 60 70",
        "chr1 0 10 chr2 0 10",
        "chr1 0 10 chr9 60 70",
    )
    error = raised(table, genome, "fail")
    assert error.summary == (
        f"{path}: 7 of 8 pairs cannot be used on {genome.path} (1 {NO_CONTIG}, 1 {TRANS}, "
        f"1 {REVERSED}, 2 {OUTSIDE}, 1 {ENHANCER_N}, 1 {MALFORMED}); "
        "--bad-pairs skip leaves them out:"
    )
    assert error.rows == [
        f"{path}:3: row: enhancer window all N",
        f"{path}:5: promoter_end: 170 lies outside chr1 (0 to 100)",
        f"{path}:6: promoter_start: -6 lies outside chr1 (0 to 100)",
        f"{path}:7: promoter_start: 'y' is not a whole number",
        f"{path}:8: enhancer_start: start 12 lies after end 9",
        f"{path}:9: promoter_chrom: the anchors lie on chr1 and chr2",
        f"{path}:10: promoter_chrom: 'chr9' is not in the genome",
    ]


def test_fail_lists_the_first_twenty_by_line_then_the_count(tmp_path, genome):
    # Bad rows of both kinds in turn, on lines 2 to 51.
    rows = ["chr1 0 10 chr9 60 70", "chr1 x 10 chr1 60 70"] * 25
    error = raised(write_table(tmp_path / "pairs.bedpe", GOOD, *rows), genome, "fail")
    assert error.n_rows == 50
    lines = [int(row.removeprefix(f"{tmp_path}/pairs.bedpe:").split(":")[0]) for row in error.rows]
    assert lines == list(range(2, 22))
    assert str(error).splitlines()[-1] == "... and 30 more"


@pytest.mark.parametrize("bad_pairs", ["fail", "skip"])
@pytest.mark.parametrize(
    "row", ["chr1 0 10 chr9 60 70", "chr1 10 9 chr1 60 70", "chr1 x 9 chr1 1 2"]
)
def test_no_usable_pair_is_an_error_in_both_modes(tmp_path, genome, row, bad_pairs):
    table = write_table(tmp_path / "pairs.bedpe", row)
    error = raised(table, genome, bad_pairs)
    assert str(error).startswith(f"{table.path}: ")
    assert str(genome.path) in error.summary
    assert "--bad-pairs skip" not in error.summary  # it would not help
    assert "is it the genome of these coordinates?" not in error.summary


@pytest.mark.parametrize("bad_pairs", ["fail", "skip"])
def test_a_table_without_any_name_of_the_genome_gets_a_hint(tmp_path, genome, bad_pairs):
    row = "NC_000001.11 0 10 NC_000001.11 60 70"
    error = raised(write_table(tmp_path / "pairs.bedpe", row), genome, bad_pairs)
    assert error.summary.endswith(
        "; the table says NC_000001.11, the genome chr1, chr2: "
        "is it the genome of these coordinates?"
    )


def test_the_verdict_on_no_pairs_is_empty(tmp_path, genome):
    found = check(write_table(tmp_path / "pairs.bedpe", "chr1 x 9 chr1 1 2"), genome)
    assert found.reason.dtype == np.int8
    assert found.reason.size == 0


@given(st.lists(st.sampled_from(["chr2", "chr1", "10", None]), max_size=30))
def test_rows_are_grouped_in_the_order_in_which_their_contigs_appear(names):
    expected: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        if name is not None:
            expected.setdefault(name, []).append(row)
    groups = rows_by_contig(pd.Series(names, dtype=object))
    assert list(groups) == list(expected)
    assert {name: rows.tolist() for name, rows in groups.items()} == expected

"""Candidate pairs: exactly those within the distances, in a documented order, in flat memory."""

import gzip
import tracemalloc

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import RegionError, RequestError
from epipam.pairs import candidates as candidates_module
from epipam.pairs.candidates import (
    candidates,
    check_candidates,
    iter_candidates,
    shared_contigs,
)
from epipam.pairs.genes import GeneFeatures
from epipam.pairs.regions import Region, gather
from epipam.pairs.table import read_pairs
from epipam.scoring.merging.tables import merge_tables

regions = st.lists(
    st.tuples(st.sampled_from(["chr2", "chr1", "chr10"]), st.integers(0, 300), st.integers(0, 9)),
    min_size=1,
    max_size=25,
)


def table(rows):
    return gather(None, [Region(c, s, s + n, f"r{i}", ".") for i, (c, s, n) in enumerate(rows)])


def every_pair(enhancers, promoters, most, least):
    """Return (enhancer, promoter) as a double loop finds them, sorted as documented."""
    order = list(dict.fromkeys(c for c, _, _ in enhancers))
    found = []
    for i, (c, s, n) in enumerate(enhancers):
        for j, (d, t, m) in enumerate(promoters):
            if c == d and least <= abs((s + n / 2) - (t + m / 2)) <= most:
                found.append((order.index(c), s, s + n, i, t, t + m, j))
    return [(row[3], row[6]) for row in sorted(found)]


@pytest.fixture
def write(tmp_path):
    def write(text, name):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@given(regions, regions, st.integers(0, 60), st.integers(0, 60), st.integers(1, 40))
def test_the_window_join_is_the_double_loop(enhancers, promoters, one, other, block):
    most, least = max(one, other), min(one, other)
    left, right = table(enhancers), table(promoters)
    try:
        shared = shared_contigs(left, right)
    except RequestError:
        assert not {c for c, _, _ in enhancers} & {c for c, _, _ in promoters}
        return
    before = candidates_module._BLOCK_PAIRS
    candidates_module._BLOCK_PAIRS = block
    try:
        pieces = list(iter_candidates(left, right, shared, most, least))
    finally:
        candidates_module._BLOCK_PAIRS = before
    found = [pair for p in pieces for pair in zip(*(c.tolist() for c in p[:2]), strict=True)]
    assert found == every_pair(enhancers, promoters, most, least)
    for piece in pieces:
        middles = [(r.start + r.end) / 2 for r in (left, right)]
        apart = np.abs(middles[0][piece.enhancer] - middles[1][piece.promoter])
        assert piece.distance.tolist() == apart.tolist()


def test_both_limits_are_included_and_halves_are_not_rounded(write):
    enhancers = write("c\t100\t101\te\n", "e.bed")  # midpoint 100.5
    promoters = write("c\t110\t111\tat10\nc\t110\t112\tat10.5\nc\t120\t121\tat20\n", "p.bed")

    def names(**limits):
        out = enhancers.with_name("out.bedpe")
        candidates(enhancers, promoters, out, overwrite=True, **limits)
        rows = [line.split("\t") for line in out.read_text().splitlines()[1:]]
        return [(row[6], row[10]) for row in rows]

    assert names(max_distance=10) == [("e::at10", "10")]
    assert names(max_distance=11) == [("e::at10", "10"), ("e::at10.5", "10.5")]
    assert names(max_distance=20, min_distance=11) == [("e::at20", "20")]


def test_the_bedpe_says_all_there_is_to_say(write, tmp_path):
    enhancers = write("chr1\t100\t200\nchr1\t5\t9\tMAX::MYC\t0\t-\n", "e.narrowPeak")
    genes = write('chr1\tX\tgene\t3001\t4000\t.\t-\t.\tgene_name "TP53";\n', "genes.gtf")
    result = candidates(enhancers, genes, tmp_path / "out.bedpe")
    header, *rows = [r.split("\t") for r in (tmp_path / "out.bedpe").read_text().splitlines()]
    assert header == [
        "#chrom1", "start1", "end1", "chrom2", "start2", "end2",
        "name", "score", "strand1", "strand2", "distance",
    ]  # fmt: skip
    assert rows == [
        ["chr1", "5", "9", "chr1", "3500", "5500", "MAX::MYC::TP53", ".", "-", "-", "4493"],
        ["chr1", "100", "200", "chr1", "3500", "5500", "chr1:100-200::TP53", ".", ".", "-", "4350"],
    ]
    assert (result.pairs, result.enhancers, result.promoters) == (2, 2, 1)


def test_the_output_is_a_pair_table_and_can_be_indexed(write, tmp_path):
    rows = [("chr2", 50), ("chr1", 90), ("chr2", 10), ("chr1", 20)]
    enhancers = write("".join(f"{c}\t{s}\t{s + 10}\n" for c, s in rows), "e.bed")
    promoters = write("".join(f"{c}\t{s + 500}\t{s + 600}\n" for c, s in rows), "p.bed")
    out = tmp_path / "out.bedpe.gz"
    candidates(enhancers, promoters, out)
    frame = read_pairs(out).frame
    assert frame["enhancer_chrom"].tolist() == ["chr2"] * 4 + ["chr1"] * 4
    pysam.tabix_index(str(out), seq_col=0, start_col=1, end_col=2, zerobased=True)
    with pysam.TabixFile(str(out)) as index:
        assert len(list(index.fetch("chr1", 25, 26))) == 2
    with pysam.BGZFile(str(out)) as handle:
        assert handle.readline().startswith(b"#chrom1")


def test_parts_end_to_end_are_the_whole(write, tmp_path):
    enhancers = write(
        "".join(f"chr{c}\t{10 * i}\t{10 * i + 5}\n" for i in range(9) for c in "213"), "e"
    )
    promoters = write(
        "".join(f"{c}\t{8 * i}\t{8 * i + 5}\n" for i in range(9) for c in "1243"), "p"
    )
    options = {"max_distance": 30}
    candidates(enhancers, promoters, tmp_path / "whole.bedpe", **options)
    parts = [tmp_path / f"{i}.bedpe" for i in range(2)]
    first = candidates(enhancers, promoters, parts[0], contigs=["2", "4"], **options)
    candidates(enhancers, promoters, parts[1], contigs=["chr3", "chr1"], **options)
    merge_tables(parts, tmp_path / "merged.bedpe")
    assert (tmp_path / "merged.bedpe").read_text() == (tmp_path / "whole.bedpe").read_text()
    assert (first.without_promoter, first.without_enhancer) == ([], ["4"])


def test_a_part_must_name_contigs_that_are_there_and_have_pairs(write, tmp_path):
    enhancers = write("chr1\t1\t5\nchr2\t1\t5\n", "e.bed")
    promoters = write("chr1\t11\t15\nchr3\t1\t5\n", "p.bed")
    out = tmp_path / "out.bedpe"
    with pytest.raises(RequestError, match=r"nothing on chrX; they have chr1, chr2, chr3"):
        candidates(enhancers, promoters, out, contigs=["chr1", "chrX"])
    with pytest.raises(RequestError, match=r"from any enhancer on chr2, chr3; --max-distance"):
        candidates(enhancers, promoters, out, contigs=["chr2", "chr3"])
    assert candidates(enhancers, promoters, out, contigs=["1", "chr2"]).pairs == 1


@pytest.mark.parametrize("most", [1_000_000, 2_000_000])
def test_the_real_regions_have_the_known_number_of_pairs(shared_data, tmp_path, most):
    expected = {1_000_000: 586_520, 2_000_000: 1_064_870}  # issue 5
    folder = shared_data / "regions"
    files = [folder / f"HUVEC_{kind}.bed.gz" for kind in ("enhancers", "promoters")]
    out = tmp_path / "out.bedpe.gz"
    written = []
    result = candidates(*files, out, max_distance=most, on_pairs=written.append)
    assert result.pairs == sum(written) == expected[most]
    with gzip.open(out, "rt") as handle:
        assert sum(not line.startswith("#") for line in handle) == expected[most]


def test_memory_does_not_grow_with_the_number_of_pairs(write, tmp_path):
    enhancers = write("".join(f"c\t{i}\t{i + 1}\n" for i in range(2000)), "e.bed")
    promoters = write("".join(f"c\t{i}\t{i + 1}\n" for i in range(0, 2000, 10)), "p.bed")
    pairs, peaks = [], []
    for most in (500, 2000):
        tracemalloc.start()
        result = candidates(enhancers, promoters, tmp_path / f"{most}.bedpe.gz", max_distance=most)
        pairs.append(result.pairs)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert pairs[1] - pairs[0] > 200_000
    assert peaks[1] - peaks[0] < 1e6


def test_files_without_a_common_contig_are_an_error(write, tmp_path):
    enhancers, promoters = write("chr1\t1\t2\n", "e.bed"), write("contig_7\t1\t2\n", "p.bed")
    with pytest.raises(RequestError) as caught:
        candidates(enhancers, promoters, tmp_path / "out.bedpe")
    assert str(caught.value) == (
        f"{enhancers} and {promoters} have no contig in common: chr1 against contig_7; "
        "are they of one assembly? --aliases takes a file of the names that mean one contig"
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.bed", "p.bed"]


def test_names_that_differ_by_chr_are_one_contig_in_the_spelling_that_came_first(write, tmp_path):
    enhancers = write("chr1\t1\t2\nchrM\t1\t2\n", "e.bed")
    promoters = write("1\t3\t4\nMT\t3\t4\n2\t1\t2\n", "p.bed")
    out = tmp_path / "out.bedpe"
    result = candidates(enhancers, promoters, out)
    assert result.renamed == {"1": "chr1", "MT": "chrM"}
    assert result.without_enhancer == ["2"]
    rows = [line.split("\t") for line in out.read_text().splitlines()[1:]]
    assert [(row[0], row[3]) for row in rows] == [("chr1", "chr1"), ("chrM", "chrM")]


def test_one_contig_in_two_spellings_is_one_contig(write, tmp_path):
    enhancers, promoters = write("chr1\t1\t2\n", "e.bed"), write("1\t9\t9\nchr1\t3\t3\n", "p.bed")
    out = tmp_path / "out.bedpe"
    assert candidates(enhancers, promoters, out).pairs == 2
    assert [r.split("\t")[3:5] for r in out.read_text().splitlines()[1:]] == [
        ["chr1", "3"], ["chr1", "9"],
    ]  # fmt: skip


def test_contigs_of_one_file_only_are_reported(write, tmp_path):
    enhancers = write("chr1\t1\t2\nchrY\t1\t2\n", "e.bed")
    promoters = write("chr1\t3\t4\nchrM\t1\t2\n", "p.bed")
    result = candidates(enhancers, promoters, tmp_path / "out.bedpe")
    assert (result.without_promoter, result.without_enhancer) == (["chrY"], ["chrM"])


def test_no_pair_at_all_is_an_error_and_leaves_nothing(write, tmp_path):
    enhancers, promoters = write("c\t1\t2\n", "e.bed"), write("c\t5000001\t5000002\n", "p.bed")
    with pytest.raises(RequestError, match="lies 0 to 1,000,000 bp from any enhancer"):
        candidates(enhancers, promoters, tmp_path / "out.bedpe")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.bed", "p.bed"]


def test_swapped_inputs_are_refused(write, tmp_path):
    bed = write("chr1\t1\t2\n", "e.bed")
    genes = write("chr1\tX\tgene\t1\t2\t.\t+\t.\tID=a\n", "genes.gff3")
    with pytest.raises(RegionError, match="takes the enhancers first"):
        candidates(genes, bed, tmp_path / "out.bedpe", genes=GeneFeatures())


def test_what_cannot_be_written_is_refused_before_any_work(tmp_path):
    (tmp_path / "there.bedpe").write_text("old")
    cases = {"out.bed": "the ending", "there.bedpe": "exists already", "": "is a folder"}
    for name, what in cases.items():
        with pytest.raises(RequestError, match=what):
            check_candidates(tmp_path / name, 10, 0, overwrite=False)
    check_candidates(tmp_path / "there.bedpe", 10, 0, overwrite=True)
    with pytest.raises(RequestError, match="at least 11 and at most 10 bp"):
        check_candidates(tmp_path / "out.bedpe", 10, 11, overwrite=False)

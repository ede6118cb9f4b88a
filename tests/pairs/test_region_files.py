"""Region files: BED and its kin, whatever their line ends, comments and compression."""

import gzip
import os
import threading

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import RegionError
from epipam.pairs.genes import GeneFeatures
from epipam.pairs.region_files import parse_bed, read_regions

ROWS = [("chr1", 10, 20, "a"), ("chr2", 0, 5, "b"), ("chr1", 3, 3, "c")]
TEXT = "".join(f"{c}\t{s}\t{e}\t{n}\n" for c, s, e, n in ROWS)

contigs = st.text("chr12XYM_-.*", min_size=1).filter(lambda name: name != ".")
places = st.tuples(st.integers(0, 10**9), st.integers(0, 10**5))
words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@pytest.fixture
def write(tmp_path):
    def write(content, name="regions.bed"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows_of(regions):
    named = [regions.contigs[code] for code in regions.contig]
    columns = (named, regions.start.tolist(), regions.end.tolist(), regions.names)
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(TEXT, id="LF"),
        pytest.param(TEXT.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(TEXT.replace("\t", " "), id="blanks"),
        pytest.param("\ufeff" + TEXT, id="BOM"),
        pytest.param(TEXT.rstrip("\n"), id="no last LF"),
        pytest.param(f"browser x\ntrack name=x\n# a comment\n\n{TEXT}\n  \n", id="comments"),
        pytest.param(f"#chrom\tstart\tend\tname\n{TEXT}", id="commented header"),
        pytest.param(f"chrom\tstart\tend\tname\n{TEXT}", id="header"),
        pytest.param(f"Chr\tchromStart\tchromEnd\tname\n{TEXT}", id="header of UCSC"),
        pytest.param(gzip.compress(TEXT.encode()), id="gzip"),
    ],
)
def test_bed_is_read_however_it_is_written(write, content):
    regions = read_regions(write(content))
    assert rows_of(regions) == ROWS
    assert regions.contigs == ["chr1", "chr2"]
    assert len(regions) == 3


def test_bgzip_is_read(tmp_path):
    path = tmp_path / "regions.bed.gz"
    with pysam.BGZFile(str(path), "w", None) as handle:
        handle.write(TEXT.encode())
    assert rows_of(read_regions(path)) == ROWS


def test_a_pipe_is_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(gzip.compress(TEXT.encode())))
    writer.start()
    assert rows_of(read_regions(pipe)) == ROWS
    writer.join()


def test_peaks_are_whole_regions_named_by_their_place(write):
    narrow = "chr1\t16118\t16362\t.\t110\t.\t17.29\t-1\t4.96\t122\n"
    broad = "chr1\t100\t900\tpeak_1\t110\t+\t17.29\t-1\t4.96\n"
    regions = read_regions(write(narrow + broad))
    assert rows_of(regions) == [
        ("chr1", 16118, 16362, "chr1:16118-16362"),
        ("chr1", 100, 900, "peak_1"),
    ]
    assert regions.strands == [".", "+"]


def test_rows_that_are_no_regions_are_named_by_line_and_column(write):
    path = write("# comment\nchr1\t1\t2\nchr1\tx\t2\n.\t1\t2\nchr1\t5\t2\nchr1\t-1\t2\nchr1\t1\n")
    with pytest.raises(RegionError) as caught:
        read_regions(path)
    assert str(caught.value).split("\n") == [
        f"{path}: 5 rows cannot be read (1 not a whole number, 1 no chromosome, 1 start after end, "
        "1 start before the contig's start, 1 too few columns):",
        f"{path}:3: chromStart: 'x' is not a whole number",
        f"{path}:4: chrom: no chromosome",
        f"{path}:5: chromStart: start 5 lies after end 2",
        f"{path}:6: chromStart: -1 lies before the contig's start",
        f"{path}:7: row: 2 columns where BED has at least 3",
    ]


def test_twenty_bad_rows_are_shown_and_all_are_counted(write):
    with pytest.raises(RegionError) as caught:
        read_regions(write("chr1\t1\t2\n" + "chr1\tx\ty\n" * 50))
    first, *rows, more = str(caught.value).split("\n")
    assert "50 rows cannot be read" in first
    assert len(rows) == 20
    assert more == "... and 30 more"


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n", "chrom\tstart\tend\n"])
def test_a_file_without_rows_is_an_error(write, content):
    with pytest.raises(RegionError, match="no regions"):
        read_regions(write(content))


def test_what_is_no_file_is_an_error(tmp_path):
    with pytest.raises(RegionError, match="is a folder"):
        read_regions(tmp_path)
    with pytest.raises(RegionError, match="no such file"):
        read_regions(tmp_path / "absent.bed")


def test_damaged_gzip_is_an_error(write):
    with pytest.raises(RegionError, match="damaged gzip file after line"):
        read_regions(write(gzip.compress(TEXT.encode() * 1000)[:-20], "regions.bed.gz"))


def test_an_annotation_is_read_as_promoters_only_where_asked_for(write):
    path = write('chr1\tX\tgene\t5001\t6000\t.\t+\t.\tgene_id "g";\n', "genes.bed")
    with pytest.raises(RegionError, match=r"genes\.bed:1: a gene annotation"):
        read_regions(path)
    assert rows_of(read_regions(path, GeneFeatures())) == [("chr1", 3500, 5500, "g")]


@given(st.lists(st.tuples(contigs, places, words), min_size=1, max_size=20), st.booleans())
def test_what_is_written_is_read(tmp_path_factory, rows, crlf):
    path = tmp_path_factory.mktemp("regions") / "regions.bed"
    rows = [(c, start, start + n, name) for c, (start, n), name in rows]
    end = "\r\n" if crlf else "\n"
    lines = (f"{c}\t{start}\t{stop}\t{name}{end}" for c, start, stop, name in rows)
    path.write_bytes("".join(lines).encode())
    spelled = {}  # chr1 and 1 are one contig, which is called as it was first
    for c, *_ in rows:
        key = c.removeprefix("chr") or c
        spelled[c] = spelled.setdefault(("key", "M" if key == "MT" else key), c)
    expected = [
        (spelled[c], s, e, f"{spelled[c]}:{s}-{e}" if n in (".", "NA") else n)
        for c, s, e, n in rows
    ]
    assert rows_of(read_regions(path)) == expected


@given(st.text())
def test_any_line_is_a_region_or_an_error_that_names_the_column(text):
    said = None
    try:
        region = parse_bed(text)
    except ValueError as error:
        said = str(error)
    if said is None:
        assert 0 <= region.start <= region.end
        assert region.contig
        assert region.name
    else:
        assert said.split(":")[0] in ("row", "chrom", "chromStart", "chromEnd")


@given(st.binary())
def test_any_file_is_regions_or_one_of_our_errors(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("regions") / "regions.bed"
    path.write_bytes(content)
    said = None
    try:
        regions = read_regions(path, GeneFeatures())
    except RegionError as error:
        said = str(error)
    if said is None:
        assert len(regions) > 0
    else:
        assert said.startswith(str(path))


def test_real_regions_and_peaks_are_read(shared_data):
    sizes = {
        "regions/HUVEC_enhancers.bed.gz": 65_358,
        "regions/HUVEC_promoters.bed.gz": 8_180,
    }
    for name, n in sizes.items():
        assert len(read_regions(shared_data / name)) == n
    peaks = shared_data / "peaks/K562_CTCF.narrowPeak.gz"
    with gzip.open(peaks, "rt") as handle:
        fields = [line.split("\t") for line in handle]
    regions = read_regions(peaks)
    assert regions.start.tolist() == [int(row[1]) for row in fields]
    assert regions.end.tolist() == [int(row[2]) for row in fields]

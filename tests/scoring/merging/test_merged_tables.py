"""Tables end to end: their rows in the order given, and nothing that does not belong together."""

from __future__ import annotations

import gzip

import pandas as pd
import pysam
import pytest

from epipam.errors import RequestError, TableError
from epipam.scoring.merging.tables import merge_tables

BEDPE_HEADER = "#chrom1\tstart1\tend1\tchrom2\tstart2\tend2\n"
TSV_HEADER = "enhancer_name\tenhancer_chrom\tprobability\n"


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        if name.endswith(".gz"):
            with pysam.BGZFile(str(path), "w", None) as handle:
                handle.write(text.encode())
        else:
            path.write_text(text)
        return path

    return write


def bedpe(*chroms):
    return "".join(f"{chrom}\t{i}\t9\t{chrom}\t1\t9\n" for i, chrom in enumerate(chroms))


def test_rows_come_in_the_order_of_the_parts_below_one_header(write, tmp_path):
    parts = [
        write("b.bedpe.gz", BEDPE_HEADER + bedpe("chr2", "chr2")),
        write("a.bedpe", BEDPE_HEADER + bedpe("chr1", "chr3", "chr1")),
        write("none.bedpe", BEDPE_HEADER),
    ]
    out = tmp_path / "out.bedpe.gz"
    counts = []
    assert merge_tables(parts, out, on_rows=counts.append).rows == sum(counts) == 5
    with gzip.open(out, "rt") as handle:
        text = handle.read()
    assert text == BEDPE_HEADER + bedpe("chr2", "chr2") + bedpe("chr1", "chr3", "chr1")
    assert out.read_bytes()[12:14] == b"BC"  # bgzip


def test_a_bedpe_without_a_header_and_a_last_line_without_an_end_are_whole(write, tmp_path):
    parts = [write("a.bedpe", bedpe("chr1")[:-1]), write("b.bedpe", bedpe("chr2"))]
    merge_tables(parts, tmp_path / "out.bedpe")
    assert (tmp_path / "out.bedpe").read_text() == bedpe("chr1") + bedpe("chr2")


def test_a_tsv_has_its_contigs_where_its_header_says(write, tmp_path):
    parts = [
        write("a.tsv", TSV_HEADER + "e\tchr1\t0.5\n"),
        write("b.tsv", TSV_HEADER + "e\tchr2\t0.5\n"),
        write("c.tsv", TSV_HEADER + "e\tchr1\t0.5\n"),
    ]
    merge_tables(parts[:2], tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text() == TSV_HEADER + "e\tchr1\t0.5\ne\tchr2\t0.5\n"
    with pytest.raises(RequestError, match=r"a.tsv and .*c.tsv: both hold chr1; give each"):
        merge_tables(parts, tmp_path / "again.tsv")
    assert not (tmp_path / "again.tsv").exists()


def test_rows_of_variants_belong_to_the_contig_of_the_variant(write, tmp_path):
    header = "chrom\tpos\tenhancer_chrom\n"
    parts = [
        write("a.tsv", f"{header}chr1\t5\tchr1\nchr1\t6\tchr2\n"),
        write("b.tsv", f"{header}chr2\t5\tchr1\n"),
    ]
    assert merge_tables(parts, tmp_path / "out.tsv").rows == 3


def test_parquet_keeps_its_rows_and_its_types(tmp_path):
    frames = [
        pd.DataFrame({"enhancer_chrom": [c] * 3, "probability": [0.1, None, 1 / 3]})
        for c in ("chr1", "chr2")
    ]
    parts = [tmp_path / f"{i}.parquet" for i in range(2)]
    for frame, part in zip(frames, parts, strict=True):
        frame.to_parquet(part, row_group_size=2)
    assert merge_tables(parts, tmp_path / "out.parquet").rows == 6
    merged = pd.read_parquet(tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(merged, pd.concat(frames, ignore_index=True))

    frames[1].rename(columns={"probability": "p"}).to_parquet(parts[1])
    with pytest.raises(RequestError, match=r"1.parquet: its columns are not those of .*0.parquet"):
        merge_tables(parts, tmp_path / "other.parquet")
    parts[1].write_text("no Parquet")
    with pytest.raises(TableError, match=r"1.parquet: is no Parquet file"):
        merge_tables(parts, tmp_path / "other.parquet")
    assert not (tmp_path / "other.parquet").exists()


def test_a_header_of_another_table_is_refused(write, tmp_path):
    parts = [
        write("a.tsv", TSV_HEADER + "e\tchr1\t1\n"),
        write("b.tsv", "x\tenhancer_chrom\ny\t2\n"),
    ]
    with pytest.raises(RequestError, match=r"b.tsv: its header is not that of .*a.tsv"):
        merge_tables(parts, tmp_path / "out.tsv")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("b.tsv", "", "b.tsv: the file is empty"),
        ("b.tsv", "x\ty\n1\t2\n", "b.tsv:1: no column chrom or enhancer_chrom"),
        ("b.tsv", TSV_HEADER + "e\tchr2\t1\ne\n", "b.tsv:3: row: too few columns"),
        ("b.bedpe", bedpe("chr1"), "b.bedpe: is no .tsv as .*out.tsv is; --pairs makes any format"),
        ("b.interact", bedpe("chr1"), "b.interact: is a browser track; merge tables"),
    ],
)
def test_a_part_that_cannot_be_read_is_named(name, text, message, write, tmp_path):
    with pytest.raises(RequestError, match=message):
        merge_tables([write(name, text)], tmp_path / "out.tsv")
    assert not (tmp_path / "out.tsv").exists()


def test_a_part_that_is_cut_short_is_named(write, tmp_path):
    part = write("a.tsv.gz", TSV_HEADER + "e\tchr1\t0.5\n" * 9)
    part.write_bytes(part.read_bytes()[:60])
    with pytest.raises(TableError, match=r"a.tsv.gz: damaged gzip file"):
        merge_tables([part], tmp_path / "out.tsv")


def test_a_part_is_not_overwritten_by_the_whole(write, tmp_path):
    part = write("a.tsv", TSV_HEADER + "e\tchr1\t0.5\n")
    with pytest.raises(RequestError, match="is a part as well"):
        merge_tables([part], part, overwrite=True)
    assert part.read_text().startswith(TSV_HEADER)


def test_an_index_of_an_earlier_file_goes(write, tmp_path):
    part = write("a.bedpe", bedpe("chr1"))
    out, index = tmp_path / "out.bedpe.gz", tmp_path / "out.bedpe.gz.tbi"
    out.touch()
    index.touch()
    merge_tables([part], out, overwrite=True)
    assert not index.exists()


def test_one_contig_in_two_spellings_is_one_contig(write, tmp_path):
    parts = [write("a.bedpe", bedpe("chr1")), write("b.bedpe", bedpe("2", "1"))]
    with pytest.raises(RequestError, match=r"a.bedpe and .*b.bedpe: both hold 1; give each"):
        merge_tables(parts, tmp_path / "out.bedpe")

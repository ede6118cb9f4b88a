"""Reading variants: each allele once, whatever the format; what has no sequence is counted."""

import gzip
import io
import math
import os
import sys
import threading

import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epipam.interpret.variant_files import (
    BREAKEND,
    MISSING,
    NOT_BASES,
    OVERLAPPING,
    SAME,
    SYMBOLIC,
    VariantError,
    VariantReader,
)

HEADER = """\
##fileformat=VCFv4.2
##contig=<ID=chr1,length=1000>
##INFO=<ID=AF,Number=A,Type=Float,Description="frequency">
##INFO=<ID=AC,Number=1,Type=Integer,Description="count">
##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
"""
RECORDS = """\
chr1\t11\trs1\tA\tG\t.\tPASS\tAF=0.25
chr1\t20\t.\tCAA\tC,CA\t.\t.\tAF=0.5,0.125
chr1\t30\t.\tg\tt\t.\t.\tAC=3
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="variants.vcf"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def formats(plain, folder):
    """Yield the file itself, and what htslib makes of it."""
    yield plain
    bgzip = folder / "b.vcf.gz"
    pysam.tabix_compress(str(plain), str(bgzip))
    yield bgzip
    plain_gzip = folder / "g.vcf.gz"
    plain_gzip.write_bytes(gzip.compress(plain.read_bytes()))
    yield plain_gzip
    for name, mode in (("c.bcf", "wb"), ("d.bcf", "wb0")):
        with (
            pysam.VariantFile(str(plain)) as given,
            pysam.VariantFile(str(folder / name), mode, header=given.header) as out,
        ):
            for record in given:
                out.write(record)
        yield folder / name


def test_every_format_gives_the_same_alleles(write, tmp_path):
    for path in formats(write(HEADER + RECORDS), tmp_path):
        reader = VariantReader(path)
        found = [tuple(allele)[:5] for allele in reader]
        assert found == [
            ("chr1", 11, "rs1", "A", "G"),
            ("chr1", 20, "", "CAA", "C"),
            ("chr1", 20, "", "CAA", "CA"),
            ("chr1", 30, "", "g", "t"),
        ]
        assert (reader.records, reader.alleles, sum(reader.skipped.values())) == (3, 4, 0)


def test_each_allele_has_its_own_frequency(write):
    found = [allele.frequency for allele in VariantReader(write(HEADER + RECORDS))]
    assert found[:3] == [0.25, 0.5, 0.125]
    assert math.isnan(found[3])


def test_edits_are_trimmed_and_count_from_zero(write):
    found = [tuple(allele.edit) for allele in VariantReader(write(HEADER + RECORDS))]
    assert found == [(10, 11, "G"), (20, 22, ""), (20, 21, ""), (29, 30, "T")]


def test_alleles_without_a_sequence_are_counted_by_reason(write):
    alts = ["<DEL>", "*", ".", "A[chr1:50[", "R", "A", "a", "G,<INS:ME:ALU>,*"]
    rows = "".join(f"chr1\t{5 + i}\t.\tA\t{alt}\t.\t.\t.\n" for i, alt in enumerate(alts))
    reader = VariantReader(write(HEADER + rows))
    assert [(allele.pos, allele.alt) for allele in reader] == [(12, "G")]
    assert reader.skipped == {
        SYMBOLIC: 2, OVERLAPPING: 2, MISSING: 1, BREAKEND: 1, NOT_BASES: 1, SAME: 2,
    }  # fmt: skip
    assert (reader.records, reader.alleles) == (8, 10)


@pytest.mark.parametrize("value", ["AF=0.5", "AF=x,y", "."])
def test_a_frequency_that_does_not_fit_is_none(write, value):
    header = HEADER.replace("ID=AF,Number=A,Type=Float", "ID=AF,Number=.,Type=String")
    text = header + f"chr1\t5\t.\tA\tC,G\t.\t.\t{value}\n"
    assert all(math.isnan(allele.frequency) for allele in VariantReader(write(text)))


def test_a_header_without_contigs_or_definitions_will_do(write, capfd):
    text = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + RECORDS
    found = list(VariantReader(write(text)))
    assert [allele.pos for allele in found] == [11, 20, 20, 30]
    assert found[0].frequency == 0.25
    assert capfd.readouterr() == ("", "")


def test_genotypes_are_not_read(write):
    header = HEADER.replace("INFO\n", "INFO\tFORMAT\ts1\ts2\n")
    rows = "chr1\t11\t.\tA\tG\t.\tPASS\tAF=0.25\tGT\t0/1\t1/1\n"
    assert len(list(VariantReader(write(header + rows)))) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chr1\t1\t.\tA\tG\n", "is no VCF or BCF"),
        ("", "is no VCF or BCF"),
        (HEADER + "chr1\t11\t.\tA\tG\t.\t.\t.\nchr1\tx\n", "the record after chr1:11 cannot be"),
    ],
)
def test_what_is_no_vcf_is_one_line(write, text, said, capfd):
    path = write(text)
    with pytest.raises(VariantError) as caught:
        list(VariantReader(path))
    assert str(caught.value).startswith(f"{path}: {said}")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_file_cut_short_is_an_error(write, tmp_path):
    rows = "".join(f"chr1\t{i}\t.\tA\tG\t.\t.\t.\n" for i in range(1, 9_000))
    whole = tmp_path / "whole.vcf.gz"
    pysam.tabix_compress(str(write(HEADER + rows)), str(whole))
    content = whole.read_bytes()
    blocks = content.split(content[:16])  # each begins alike
    assert len(blocks) > 4
    between = len(content[:16].join(blocks[:3]))
    cut = tmp_path / "cut.vcf.gz"
    for size in (between, between + 100, len(content) - 28):
        cut.write_bytes(content[:size])
        with pytest.raises(VariantError, match="is cut short"):
            list(VariantReader(cut))


def test_damage_within_a_file_is_an_error(write, tmp_path):
    rows = "".join(f"chr1\t{i}\t.\tA\tG\t.\t.\t.\n" for i in range(1, 9_000))
    path = tmp_path / "whole.vcf.gz"
    pysam.tabix_compress(str(write(HEADER + rows)), str(path))
    content = bytearray(path.read_bytes())
    content[-500:-400] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(VariantError, match=r"the record after chr1:\d+ cannot be read"):
        list(VariantReader(path))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(VariantError, match="no such file"):
        VariantReader(tmp_path / "absent.vcf").require()
    with pytest.raises(VariantError, match="is a folder"):
        VariantReader(tmp_path).require()


FOUND = [("chr1", 11), ("chr1", 20), ("chr1", 20), ("chr1", 30)]


def test_each_format_is_read_from_a_pipe_that_is_opened_once(write, tmp_path):
    for number, path in enumerate(formats(write(HEADER + RECORDS), tmp_path)):
        pipe = tmp_path / f"pipe{number}"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(path.read_bytes(),))
        writer.start()
        reader = VariantReader(pipe)
        reader.require()
        assert [(allele.chrom, allele.pos) for allele in reader] == FOUND
        writer.join()
        with pytest.raises(VariantError, match="is a pipe, which was read already"):
            list(reader)


def test_a_dash_is_standard_input(monkeypatch):
    given = io.TextIOWrapper(io.BufferedReader(io.BytesIO((HEADER + RECORDS).encode())))
    monkeypatch.setattr(sys, "stdin", given)
    reader = VariantReader("-")
    reader.require()
    assert [(allele.chrom, allele.pos) for allele in reader] == FOUND


@pytest.mark.parametrize("cut", [-9, 2_000, 20])
def test_plain_gzip_that_was_cut_short_is_an_error(tmp_path, cut):
    rows = "".join(f"chr1\t{i}\t.\tA\tG\t.\t.\t.\n" for i in range(1, 9_000))
    path = tmp_path / "v.vcf.gz"
    path.write_bytes(gzip.compress((HEADER + rows).encode())[:cut])
    with pytest.raises(VariantError, match=r"damaged or cut short|no VCF") as caught:
        list(VariantReader(path))
    assert "\n" not in str(caught.value)


def test_a_bgzip_stream_that_was_cut_between_blocks_is_an_error(write, tmp_path):
    whole, pipe = tmp_path / "whole.vcf.gz", tmp_path / "pipe"
    pysam.tabix_compress(str(write(HEADER + RECORDS)), str(whole))
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(whole.read_bytes()[:-28],))
    writer.start()
    with pytest.raises(VariantError, match="is cut short"):
        list(VariantReader(pipe))
    writer.join()


def test_a_reader_that_stops_early_leaves_no_thread(tmp_path):
    rows = "".join(f"chr1\t{i}\t.\tA\tG\t.\t.\t.\n" for i in range(1, 90_000))
    path = tmp_path / "v.vcf.gz"
    path.write_bytes(gzip.compress((HEADER + rows).encode()))
    before = set(threading.enumerate())
    alleles = iter(VariantReader(path))
    assert next(alleles).pos == 1
    alleles.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=60)
    assert set(threading.enumerate()) <= before


def test_latin_1_in_a_header_does_no_harm_and_in_a_record_is_named(tmp_path):
    path = tmp_path / "v.vcf"
    header = HEADER.replace("frequency", "fr\u00e9quence").encode("latin-1")
    path.write_bytes(header + RECORDS.encode())
    assert [(allele.chrom, allele.pos) for allele in VariantReader(path)] == FOUND
    path.write_bytes(header + RECORDS.replace("rs1", "r\u00e91").encode("latin-1"))
    with pytest.raises(VariantError, match=r"record at or after chr1:11 holds .* not UTF-8"):
        list(VariantReader(path))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_sample_twice_is_named(tmp_path, pack):
    path = tmp_path / "v.vcf"
    header = HEADER.replace("INFO\n", "INFO\tFORMAT\ts1\ts2\ts1\n")
    path.write_bytes(pack((header + "chr1\t1\t.\tA\tG\t.\t.\t.\tGT\t0/1\t0/1\t0/1\n").encode()))
    with pytest.raises(VariantError, match="has two samples that are called s1"):
        list(VariantReader(path))


def test_an_index_of_another_file_is_not_used(write, tmp_path):
    path = tmp_path / "v.vcf.gz"
    pysam.tabix_compress(str(write(HEADER)), str(path))
    pysam.tabix_index(str(path), preset="vcf", force=True)
    pysam.tabix_compress(str(write(HEADER + RECORDS)), str(path), force=True)
    assert [(allele.chrom, allele.pos) for allele in VariantReader(path)] == FOUND


@settings(max_examples=50)
@given(st.binary(max_size=300), st.sampled_from([bytes, gzip.compress]))
def test_any_bytes_are_variants_or_one_line_that_names_the_file(tmp_path_factory, content, pack):
    path = tmp_path_factory.mktemp("variants") / "v.vcf"
    path.write_bytes(pack(HEADER.encode() + content))
    message = f"{path}: "
    try:
        n_alleles = len(list(VariantReader(path)))
    except VariantError as error:
        message, n_alleles = str(error), 0
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert n_alleles <= 2 * content.count(b"\n") + 150

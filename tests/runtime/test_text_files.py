"""Text read from anything that holds it, and files that hold none named for what they are."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import sqlite3
import threading
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import EpipamError, PairTableError
from epipam.runtime import text_files
from epipam.runtime.text_files import (
    MOST_LINE,
    Reading,
    is_pipe,
    keep_pipes,
    open_bytes,
    open_lines,
    open_text,
    read_head,
)

PAIRS = Reading("a pair table", PairTableError)
TEXT = "chr1\t1\t2\nchr2\t3\t4\n"
LINES = [(1, "chr1\t1\t2"), (2, "chr2\t3\t4")]


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def lines_of(path: Path, reading: Reading = PAIRS) -> list[tuple[int, str]]:
    with open_lines(path, reading) as lines:
        return list(lines)


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(PairTableError) as caught:
        lines_of(path)
    assert caught.value.exit_code == 2
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


COMPRESSIONS = {
    "plain": bytes,
    "gzip": gzip.compress,
    "two gzip members": lambda content: gzip.compress(content[:7]) + gzip.compress(content[7:]),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": lambda content: zipped({"folder/pairs.tsv": content}),
    "zip of a Mac": lambda content: zipped({"pairs.tsv": content, "__MACOSX/._pairs.tsv": b"\0"}),
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n"), TEXT.removesuffix("\n")])
def test_text_is_read_however_it_is_compressed(tmp_path, compression, text):
    path = tmp_path / "pairs"
    path.write_bytes(COMPRESSIONS[compression](text.encode()))
    assert lines_of(path) == LINES


@given(text=st.text(max_size=50), block=st.integers(1, 9))
def test_lines_are_those_of_pythons_own_reader(tmp_path_factory, text, block):
    path = tmp_path_factory.mktemp("lines") / "pairs"
    path.write_bytes(b"x" + text.encode("utf-8", "surrogatepass"))
    with path.open(encoding="utf-8-sig", errors="replace") as handle:
        expected = [line.removesuffix("\n") for line in handle]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "_BLOCK", block)
        try:
            found = lines_of(path)
        except PairTableError:
            assert "\0" in text
            return
    assert found == list(enumerate(expected, start=1))


def test_bytes_that_are_no_utf8_are_kept_where_asked_for(tmp_path):
    path = tmp_path / "pairs"
    path.write_bytes(b"caf\xe9\n")
    assert lines_of(path) == [(1, "caf\N{REPLACEMENT CHARACTER}")]
    ((_, kept),) = lines_of(path, PAIRS._replace(keep_bytes=True))
    assert kept.encode("utf-8", "surrogateescape") == b"caf\xe9"


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), buffer)
    return buffer.getvalue()


def sqlite(folder: Path) -> bytes:
    with sqlite3.connect(folder / "database") as database:
        database.execute("create table pairs (a int)")
    database.close()
    return (folder / "database").read_bytes()


def numpy_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    return buffer.getvalue()


def numpy_archive() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.arange(3))
    return buffer.getvalue()


WORKBOOK = {"[Content_Types].xml": b"<Types/>", "xl/worksheets/sheet1.xml": b"<worksheet/>"}


@pytest.mark.parametrize(
    ("content", "name", "way_out"),
    [
        (TEXT.encode("utf-16"), "UTF-16", "iconv"),
        (TEXT.encode("utf-16-be"), "UTF-16", "iconv"),
        (TEXT.encode("utf-16-le"), "UTF-16", "iconv"),
        (zipped(WORKBOOK), "Excel", "CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Excel", "CSV"),
        (b'[{"enhancer_chrom": "chr1"}]', "JSON", "read_json"),
        (b'{"a": 1}\n{"a": 2}\n', "JSON", "read_json"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5", "contacts, not loops"),
        (b"HIC\0\x08\0\0\0", ".hic", "contacts, not loops"),
        (b"## pairs format v1.0\n#columns: readID chr1 pos1\n", "4DN", "contacts, not loops"),
        (b"\x43\x27\x41\x1a" + bytes(12), "2bit", "twoBitToFa"),
        (b">chr1\nACGT\n", "FASTA", "genome"),
        (b">chr1 some words\r\nACGT\r\n", "FASTA", "genome"),
        (b'chr1\tx\tgene\t1\t9\t.\t+\t.\tgene_id "A";\n', "GTF", "candidates"),
        (b"##gff-version 3\nchr1\tx\tgene\t1\t9\t.\t?\t.\tID=a\n", "GFF3", "candidates"),
        (b"# a remark\nchr1\tx\tgene\t1\t9\t.\t?\t.\tID=a\n", "GFF3", "candidates"),
        (b"##fileformat=VCFv4.2\n", "VCF", "variants"),
        (b"%PDF-1.7\n", "PDF", "table"),
        (parquet(), "Parquet", "read_parquet"),
        (numpy_file(), "NumPy", "TSV"),
        (numpy_archive(), "NumPy", "TSV"),
        (pickle.dumps([1]), "pickle", "TSV"),
        (b"X\n\0\0\0\x03", "an R object", "write.table"),
        (b"<!DOCTYPE html><html>404</html>", "HTML", "download"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
        (b"@HD\tVN:1.6\n", "BAM", "peaks or loops"),
        (b"\x28\xb5\x2f\xfd", "zstd", "zstd -d"),
        (bytes(257) + b"ustar\x0000", "tar", "unpack"),
        (bytes(range(256)), "binary data", "text"),
        (zipped({"a": b"x", "b": b"y"}), "2 files", "unpack"),
        (zipped({}), "0 files", "unpack"),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_what_is_no_table_is_named_with_the_way_out(tmp_path, content, name, way_out, compress):
    if compress is gzip.compress and content.startswith(b"PK"):
        compress = bytes  # an archive within another is binary data like any
    text = refusal(tmp_path / "file", compress(content))
    assert name in text
    assert way_out in text
    assert "a pair table" in text


def test_an_sqlite_database_is_named(tmp_path):
    assert "SQLite" in refusal(tmp_path / "file", sqlite(tmp_path))


def test_what_a_caller_reads_itself_is_not_refused(tmp_path):
    path = tmp_path / "genes.gff3"
    path.write_text("##gff-version 3\nx\n")
    regions = PAIRS._replace(reads=frozenset({"annotation"}))
    assert lines_of(path, regions) == [(1, "##gff-version 3"), (2, "x")]


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("end", ["", "\nchr1\t1\t2\n"])
def test_a_line_over_a_megabyte_is_refused_by_its_number(tmp_path, before, end):
    path = tmp_path / "pairs"
    path.write_text("chr1\t1\t2\n" * before + "x" * (MOST_LINE + 1) + end)
    with pytest.raises(PairTableError, match="line of more than 1,000,000 characters") as caught:
        lines_of(path)
    assert str(caught.value).startswith(f"{path}:{before + 1}: ")


def test_a_line_of_a_megabyte_is_read(tmp_path):
    path = tmp_path / "pairs"
    path.write_text("a\n" + "x" * MOST_LINE + "\nb\n")
    assert [len(text) for _, text in lines_of(path)] == [1, MOST_LINE, 1]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_what_expands_beyond_measure_is_refused(tmp_path, monkeypatch, compress):
    monkeypatch.setattr(text_files, "_EXPANSION_FREE", 1 << 16)
    text = refusal(tmp_path / "bomb", compress(b"\n" * (1 << 21)))
    assert "300 times its size" in text


@pytest.mark.parametrize(
    ("compress", "name"),
    [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")],
)
def test_damaged_data_are_one_clear_error(tmp_path, compress, name):
    rows = "".join(f"chr1\t{i}\t{i * i}\n" for i in range(20_000)).encode()
    content = compress(rows)
    assert f"damaged {name} file after line" in refusal(
        tmp_path / "pairs", content[: len(content) // 2]
    )


def test_a_damaged_zip_archive_is_one_clear_error(tmp_path):
    content = zipped({"pairs.tsv": TEXT.encode() * 100})
    assert "zip" in refusal(tmp_path / "cut", content[:40])
    swapped = bytearray(content)
    swapped[60] ^= 0xFF
    assert "zip" in refusal(tmp_path / "changed", bytes(swapped))


@given(
    st.binary(max_size=100),
    st.sampled_from([bytes, gzip.compress, bz2.compress, b"PK\3\4".__add__]),
)
def test_any_bytes_are_lines_or_one_error(tmp_path_factory, content, wrap):
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(wrap(content))
    try:
        lines_of(path)
    except EpipamError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017 (one of two outcomes)


def feed(path: Path, content: bytes) -> threading.Thread:
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(content,))
    thread.start()
    return thread


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_pipe_is_opened_once_and_read(tmp_path, compression):
    pipe = tmp_path / "pipe"
    writer = feed(pipe, COMPRESSIONS[compression](TEXT.encode()))
    assert is_pipe(pipe)
    assert lines_of(pipe) == LINES
    writer.join()


def test_within_a_block_pipes_are_read_as_often_as_files(tmp_path):
    pipe = tmp_path / "pipe"
    writer = feed(pipe, gzip.compress(TEXT.encode()))
    with keep_pipes(), keep_pipes():
        assert lines_of(pipe) == lines_of(pipe) == LINES
        assert read_head(pipe, PAIRS)[:2] == b"\x1f\x8b"
        with open_bytes(pipe, PAIRS) as handle:
            assert gzip.decompress(handle.read()) == TEXT.encode()
    writer.join()


def test_a_dash_is_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    with keep_pipes():
        assert lines_of(Path("-")) == lines_of(Path("-")) == LINES


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(PairTableError) as caught, open_text(tmp_path / "absent", PAIRS):
        pass
    assert str(caught.value) == f"{tmp_path / 'absent'}: no such file"
    with pytest.raises(PairTableError) as caught, open_text(tmp_path, PAIRS):
        pass
    assert str(caught.value) == f"{tmp_path}: is a folder, not a pair table"
    assert not is_pipe(tmp_path)
    assert not is_pipe(tmp_path / "absent")

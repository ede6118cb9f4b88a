"""MEME files: a round trip, what published files hold, and which line is wrong."""

import gzip
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import memelite.io
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import MotifError
from epipam.interpret.motif_files import Motif, meme_text, read_meme

HEADER = "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
MATRIX = "letter-probability matrix: alength= 4 w= 2 nsites= 7 E= 0\n"
ROWS = "0.1 0.2 0.3 0.4\n1 0 0 0\n"

words = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12)
rows = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any)
motifs = st.builds(
    lambda identifier, name, counts, sites: Motif(
        identifier, name, np.array(counts) / np.sum(counts, axis=1, keepdims=True), float(sites)
    ),
    words,
    words | st.just(""),
    st.lists(rows, min_size=1, max_size=30),
    st.integers(0, 10**9),
)


@given(st.lists(motifs, min_size=1, max_size=4), rows)
def test_what_is_written_is_read_again(tmp_path_factory, written, counts):
    path = tmp_path_factory.mktemp("meme") / "m.meme"
    background = np.array(counts) / np.sum(counts)
    path.write_text(meme_text(written, background), encoding="utf-8")
    found = read_meme(path)
    assert [(m.identifier, m.name, m.sites) for m in found.motifs] == [
        (m.identifier, m.name, m.sites) for m in written
    ]
    for read, motif in zip(found.motifs, written, strict=True):
        np.testing.assert_allclose(read.probabilities, motif.probabilities, atol=2e-6)
        np.testing.assert_allclose(read.probabilities.sum(axis=1), 1)
    assert found.background is not None
    np.testing.assert_allclose(found.background, background, atol=2e-6)


def write(folder: Path, text: str) -> Path:
    path = folder / "m.meme"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_the_format_leaves_open_is_read(tmp_path):
    text = (
        "MEME version 5.5.7\nBackground letter frequencies (from somewhere):\nA 0.3 C 0.2\n"
        "G 0.2 T 0.3\nMOTIF  one\tCTCF \n\nletter-probability matrix:\n"
        " 0.25 0.25 0.25 0.25\n\t1 0\t0 0\nURL https://example.org\n"
        "MOTIF two\nlog-odds matrix: alength= 4 w= 1 n= 3 bayes= 0 E= 1\n12 -3 -3 -3\n"
        "letter-probability matrix: w= 1\n0.33 0.33 0.33 0.0\n"
    )
    one, two = read_meme(write(tmp_path, text.replace("\n", "\r\n"))).motifs
    assert (one.identifier, one.name, one.sites) == ("one", "CTCF", 20)
    assert one.probabilities.tolist() == [[0.25] * 4, [1, 0, 0, 0]]
    np.testing.assert_allclose(two.probabilities, [[1 / 3, 1 / 3, 1 / 3, 0]])


def test_a_motif_may_follow_the_rows_of_one_without_a_width(tmp_path):
    text = f"{HEADER}MOTIF a\nletter-probability matrix:\n1 0 0 0\nMOTIF b\n{MATRIX}{ROWS}"
    assert [len(m.probabilities) for m in read_meme(write(tmp_path, text)).motifs] == [1, 2]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no MEME file"),
        (">seq\nACGT\n", "is no MEME file"),
        (f"MOTIF a\n{MATRIX}{ROWS}", "is no MEME file"),
        (HEADER, "holds no motif"),
        (HEADER.replace("ACGT", "ACDEFGHIKLMNPQRSTVWY"), ":3: the alphabet is ACDEF"),
        (f"{HEADER}MOTIF\n", ":7: a motif without a name"),
        (f"{HEADER}{MATRIX}{ROWS}", ":7: a matrix without a MOTIF line"),
        (f"{HEADER}MOTIF a\nMOTIF b\n", ":8: a ends without a letter-probability matrix"),
        (f"{HEADER}MOTIF a\n", ":7: a ends without a letter-probability matrix"),
        (f"{HEADER}MOTIF a\n{MATRIX}1 0 0 0\nURL x\n", ":10: a has 1 rows and w= 2"),
        (f"{HEADER}MOTIF a\n{MATRIX}1 0 0 0\n", ":9: a has 1 rows and w= 2"),
        (f"{HEADER}MOTIF a\n{MATRIX}1 0 0\n1 0 0 0\n", ":9: a row of 3 numbers"),
        (f"{HEADER}MOTIF a\n{MATRIX}0.5 0.6 0 0\n", ":9: probabilities 0.5 0.6 0 0 do not sum"),
        (f"{HEADER}MOTIF a\n{MATRIX}1.5 -0.5 0 0\n", ":9: probabilities 1.5 -0.5 0 0 do not"),
        (f"{HEADER}MOTIF a\n{MATRIX}1 0 0 x\n", ":9: a probability is 'x', which is no number"),
        (f"{HEADER}MOTIF a\n{MATRIX}1 0 0 nan\n", ":9: a probability is 'nan'"),
        (f"{HEADER}MOTIF a\n{MATRIX.replace('= 4', '= 20')}", ":8: alength is 20: not a motif"),
        (f"{HEADER}MOTIF a\n{MATRIX.replace('w= 2', 'w= two')}", ":8: w is 'two'"),
        (f"{HEADER}Background letter frequencies\nA 1 C 0\n", ":8: background frequencies that"),
        (f"{HEADER}Background letter frequencies\nA 1 C 0 G 0 U 0\n", ":8: .*A C G U"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, complaint):
    with pytest.raises(MotifError, match=rf"m\.meme:? ?{complaint}"):
        read_meme(write(tmp_path, text))


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(MotifError, match=r"none: no such file"):
        read_meme(tmp_path / "none")
    with pytest.raises(MotifError, match="is a folder"):
        read_meme(tmp_path)
    path = tmp_path / "m.meme.gz"
    path.write_bytes(gzip.compress(f"{HEADER}MOTIF a\n{MATRIX}{ROWS}".encode() * 50)[:-20])
    with pytest.raises(MotifError, match=r"m\.meme\.gz: is damaged"):
        read_meme(path)
    path.write_bytes(b"MEME version 4\n\xff\xfe\n")
    with pytest.raises(MotifError, match=r"m\.meme\.gz:2: is not text"):
        read_meme(path)


def test_motifs_come_through_a_pipe(tmp_path):
    text = f"{HEADER}MOTIF a\n{MATRIX}{ROWS}".encode()
    for number, content in enumerate((text, gzip.compress(text))):
        pipe = tmp_path / f"pipe{number}"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(content,))
        writer.start()
        assert [motif.identifier for motif in read_meme(pipe).motifs] == ["a"]
        writer.join()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (">MA0139.1 CTCF\nA [ 87 167 ]\nC [ 291 145 ]\n", "JASPAR's format; `jaspar2meme"),
        (">MA0139.1\tCTCF\n87 167 281 56 8\n291 145 49 800 903\n", "JASPAR's format"),
        (">CCACTAGG\tCTCF(Zf)\t6.1\t-4e4\n0.1 0.2 0.3 0.4\n", "HOMER's format; read_homer"),
        (">chr1\nACGTACGT\n", "FASTA of sequences"),
        ("AC  M00001\nXX\nID  V$MYOD\n", "TRANSFAC's format; `transfac2meme`"),
        ('<?xml version="1.0"?>\n<MEME version="5">\n', "XML or HTML; .* meme.txt"),
    ],
)
def test_a_file_of_another_format_is_named_with_what_converts_it(tmp_path, text, what):
    with pytest.raises(MotifError, match=rf"m\.meme: is no MEME file: it is .*{what}") as caught:
        read_meme(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_line_without_end_is_refused_before_it_is_read_whole(tmp_path):
    path = tmp_path / "m.meme"
    for content in (b"MEME version 4\n" + b"x" * 2_000_000, b"\0" * 50_000_000):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(MotifError, match=r"m\.meme:[12]: is a line of more than 1,000,000"):
            read_meme(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_motifs_or_one_line_that_names_the_file(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("meme") / "m.meme"
    path.write_bytes(f"{HEADER}MOTIF a\n{MATRIX}".encode() + content)
    with suppress_and_note(MotifError) as errors:
        assert read_meme(path).motifs
    for error in errors:
        assert str(error).startswith(f"{path}:")
        assert "\n" not in str(error)


@contextmanager
def suppress_and_note(kind: type[Exception]) -> Iterator[list[Exception]]:
    """Yield a list, to which an error of this kind is added instead of being raised."""
    noted: list[Exception] = []
    try:
        yield noted
    except kind as error:
        noted.append(error)


@pytest.mark.parametrize(("name", "n_motifs"), [("H12CORE.meme.gz", 1443), ("MA0139.1.meme", 1)])
def test_published_collections_are_read_as_memelite_reads_them(
    shared_data, tmp_path, name, n_motifs
):
    path = shared_data / "motifs" / name
    found = read_meme(path).motifs
    plain = tmp_path / "plain.meme"
    packed = name.endswith(".gz")
    plain.write_bytes(gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    expected = memelite.io.read_meme(plain)
    assert [str(motif) for motif in found] == list(expected)
    assert len(found) == n_motifs
    for motif, matrix in zip(found, expected.values(), strict=True):
        np.testing.assert_allclose(motif.probabilities, matrix.T, atol=1e-5)

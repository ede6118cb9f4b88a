"""FASTA access, against strings and against what other tools are known to give."""

from __future__ import annotations

import errno
import gc
import gzip
import hashlib
import multiprocessing
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epipam.errors import EpipamWarning, GenomeError
from epipam.genome import fasta_index
from epipam.genome.fasta import Genome, upper_case

SMALL = {"chr1": "ACGTNacgtnRYKM" * 20 + "TTG", "chr2": "GATTACA"}
LONG = "".join(random.Random(1).choices("ACGTacgtN", k=30_000))
# Longer than any buffer, so that reading it here and there moves the place in the file.
LONGER = "".join(random.Random(2).choices("ACGT", k=1_000_000))


def letters_by_loop(sequence: str, start: int, end: int) -> str:
    """Return [start, end) of a sequence that lies in N without end."""
    return "".join(sequence[i] if 0 <= i < len(sequence) else "N" for i in range(start, end))


@pytest.fixture(scope="module")
def small_genomes(tmp_path_factory) -> list[Genome]:
    """Return the same genome thrice: plain, bgzip, and with CRLF and no last line end."""
    folder = tmp_path_factory.mktemp("genomes")
    lines = [
        f">{name} some text\n" + "".join(f"{s[i : i + 50]}\n" for i in range(0, len(s), 50))
        for name, s in SMALL.items()
    ]
    plain, crlf = folder / "plain.fa", folder / "crlf.fa"
    plain.write_text("".join(lines), encoding="ascii")
    crlf.write_bytes("".join(lines).replace("\n", "\r\n").rstrip().encode("ascii"))
    bgzip = folder / "genome.fa.gz"
    pysam.tabix_compress(str(plain), str(bgzip))
    return [Genome(path) for path in (plain, bgzip, crlf)]


def test_contigs_have_the_lengths_of_their_sequences_in_file_order(small_genomes):
    for genome in small_genomes:
        assert list(genome.contigs.items()) == [(name, len(s)) for name, s in SMALL.items()]


@given(st.sampled_from(list(SMALL)), st.integers(-400, 700), st.integers(0, 800))
def test_fetching_equals_slicing_and_is_n_beyond_both_ends(small_genomes, contig, start, length):
    expected = letters_by_loop(SMALL[contig], start, start + length)
    for genome in small_genomes:
        assert genome.fetch(contig, start, start + length) == expected


def test_lower_case_and_iupac_letters_come_as_they_are_written(small_genomes):
    assert small_genomes[0].fetch("chr1", 4, 14) == "NacgtnRYKM"


@pytest.mark.parametrize("size", [1, 7, 60, 283, 10_000])
def test_blocks_are_the_whole_contig_in_order(small_genomes, size):
    blocks = list(small_genomes[1].blocks("chr1", size))
    assert [start for start, _ in blocks] == list(range(0, len(SMALL["chr1"]), size))
    assert b"".join(letters for _, letters in blocks) == SMALL["chr1"].encode("ascii")


@given(
    sequence=st.text("ACGTacgtNn*-", min_size=1, max_size=90),
    width=st.integers(1, 30),
    size=st.integers(1, 100),
    line_end=st.sampled_from(["\n", "\r\n", "  \n"]),
    end_of_file=st.booleans(),
)
def test_blocks_are_the_letters_whatever_the_lines(
    tmp_path_factory, sequence, width, size, line_end, end_of_file
):
    lines = [sequence[i : i + width] for i in range(0, len(sequence), width)]
    text = line_end.join([">first", "ACGT", ">second words", *lines])
    path = tmp_path_factory.mktemp("lines") / "genome.fa"
    path.write_bytes((text + line_end * end_of_file).encode())
    genome = Genome(path)
    blocks = list(genome.blocks("second", size))
    assert [start for start, _ in blocks] == list(range(0, len(sequence), size))
    assert b"".join(letters.tobytes() for _, letters in blocks) == sequence.encode()


def test_blocks_of_a_file_that_was_cut_short_are_refused(write_genome):
    genome = Genome(write_genome({"chr1": LONGER}))
    assert genome.fetch("chr1", 0, 4) == LONGER[:4]
    os.truncate(genome.path, 500_000)
    with pytest.raises(GenomeError, match="cannot read chr1:0-1000000: the file is damaged"):
        list(genome.blocks("chr1"))


@given(st.binary(max_size=60))
def test_upper_case_is_that_of_ascii_letters_and_leaves_all_else(letters):
    found = upper_case(np.frombuffer(letters, dtype=np.uint8))
    assert found.tobytes() == letters.upper()


@pytest.mark.parametrize("letters", [b"acgt", b"ACGT", b"ACgtn`", b"a{c|", b"ac*gt-", b""])
def test_upper_case_of_letters_and_of_what_lies_beside_them_in_ascii(letters):
    assert upper_case(np.frombuffer(letters, dtype=np.uint8)).tobytes() == letters.upper()


def test_the_digest_is_the_md5_of_the_upper_case_letters(small_genomes):
    for genome in small_genomes:
        for contig, sequence in SMALL.items():
            expected = hashlib.md5(sequence.upper().encode("ascii")).hexdigest()
            assert genome.digest(contig) == expected


def test_the_digest_of_acgt_is_the_one_that_refget_gives(write_genome):
    # GA4GH refget specification, section on checksums: MD5 of ACGT.
    genome = Genome(write_genome({"chr1": "acGT"}))
    assert genome.digest("chr1") == "f1f8f4bf413b16ad135722aa4591043e"


def test_a_real_contig_has_its_length_digest_and_letters(shared_data, real_sequence):
    genome = Genome(shared_data / "genome/hg19_chr20_2Mb.fa.gz")
    assert genome.contigs == {"chr20": 2_000_000}
    assert genome.digest("chr20") == hashlib.md5(real_sequence.upper().encode()).hexdigest()
    for start in (-50, 0, 999_990, 1_500_000, 1_999_950):
        found = genome.fetch("chr20", start, start + 100)
        assert found == letters_by_loop(real_sequence, start, start + 100)


@pytest.mark.parametrize(
    "name", ["1", "NC_000001.11", "HLA-A*01:01:01:01", "scaffold_17|x", "chrUn_KI270742v1"]
)
def test_contigs_nobody_has_heard_of_are_read_by_their_names(write_genome, name):
    genome = Genome(write_genome({name: "ACGTA", "other": "GG"}))
    assert genome.contigs == {name: 5, "other": 2}
    assert genome.fetch(name, 1, 7) == "CGTANN"


MITOCHONDRION = ["chrM", "M", "MT", "chrMT"]


@pytest.mark.parametrize(
    ("contigs", "asked", "found"),
    [
        (["chr1"], ["chr1", "1", "chr2", "2"], {"chr1": "chr1", "1": "chr1"}),
        (["1", "X"], ["chr1", "1", "chrX"], {"chr1": "1", "1": "1", "chrX": "X"}),
        (["chrM"], MITOCHONDRION, dict.fromkeys(MITOCHONDRION, "chrM")),
        (["MT"], MITOCHONDRION, dict.fromkeys(MITOCHONDRION, "MT")),
        (["1", "chr1"], ["1", "chr1"], {"1": "1", "chr1": "chr1"}),  # exact before alias
        (["NC_000001.11"], ["NC_000001.11", "chr1"], {"NC_000001.11": "NC_000001.11"}),
        (["chr10"], ["chr1", "1", "chr", "", "CHR10"], {}),
    ],
)
def test_names_are_taken_exactly_or_by_a_stated_alias(write_genome, contigs, asked, found):
    genome = Genome(write_genome(dict.fromkeys(contigs, "ACGT")))
    assert genome.resolve(asked) == found


# Which index is read.


def index_of(path: Path) -> Path:
    return Path(f"{path}.fai")


def built_again(path: Path) -> pytest.WarningsRecorder:
    """Return what checks that a note says that the index beside a FASTA was built again."""
    return pytest.warns(EpipamWarning, match=rf"{index_of(path)}: is not the index of {path}: ")


@pytest.mark.parametrize("name", ["genome.fa", "genome.fa.gz"])
def test_a_missing_index_is_built_beside_the_file_and_read_again(write_genome, name):
    path = write_genome({"chr1": LONG}, name)
    assert Genome(path).fetch("chr1", 20_000, 20_100) == LONG[20_000:20_100]
    made = {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()}
    expected = {name, f"{name}.fai"} | ({f"{name}.gzi"} if name.endswith(".gz") else set())
    assert set(made) == expected
    Genome(path)
    assert {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()} == made


@pytest.mark.parametrize("name", ["genome.fa", "genome.fa.gz"])
@pytest.mark.parametrize("age", [-1_000, 0, 1_000])
def test_the_index_of_another_genome_is_built_again_whatever_its_age(write_genome, name, age):
    """As after `cp -p`, `rsync -a`, `tar x`."""
    path = write_genome({"chr1": LONG}, name)
    Genome(path)
    write_genome({"padding": "G" * 100, "chr1": LONG[::-1]}, name)
    changed = index_of(path).stat().st_mtime + age
    os.utime(path, (changed, changed))
    with built_again(path):
        genome = Genome(path)
    assert genome.contigs == {"padding": 100, "chr1": len(LONG)}
    assert genome.fetch("chr1", 29_990, 30_001) == f"{LONG[9::-1]}N"
    assert Genome(path).contigs == genome.contigs


@pytest.mark.parametrize("name", ["genome.fa", "genome.fa.gz"])
def test_an_index_that_fits_is_kept_whatever_its_age(write_genome, name):
    path = write_genome({"chr1": LONG}, name)
    Genome(path)
    os.utime(index_of(path), (1_000_000_000, 1_000_000_000))
    assert Genome(path).fetch("chr1", 20_000, 20_100) == LONG[20_000:20_100]
    assert index_of(path).stat().st_mtime == 1_000_000_000


def test_a_link_that_is_switched_to_another_genome_is_read_by_its_index(tmp_path, write_genome):
    one = write_genome({"chr1": LONG, "chr2": "ACGT"}, "one.fa")
    other = write_genome({"chr2": LONG, "chr1": "ACGT"}, "other.fa")
    link = tmp_path / "genome.fa"
    link.symlink_to(one)
    assert Genome(link).fetch("chr1", 100, 110) == LONG[100:110]
    link.unlink()
    link.symlink_to(other)
    with built_again(link):
        assert Genome(link).fetch("chr2", 100, 110) == LONG[100:110]


def test_lines_of_another_width_are_told_by_their_ends(write_genome):
    """Names, lengths and places are the same, and so is the size of the file."""
    path = write_genome({"chr1": LONG[:100]}, width=60)
    Genome(path)
    write_genome({"chr1": LONG[:100]}, width=70)
    with built_again(path):
        assert Genome(path).fetch("chr1", 50, 100) == LONG[50:100]


@pytest.mark.parametrize("name", ["genome.fa", "genome.fa.gz"])
def test_an_index_that_lacks_a_contig_is_built_again(write_genome, name):
    path = write_genome({"chr1": LONG, "chr2": "ACGT", "chr3": LONG}, name)
    whole = Genome(path).contigs
    lines = index_of(path).read_text().splitlines(keepends=True)
    for number in range(3):
        index_of(path).write_text("".join(lines[:number] + lines[number + 1 :]))
        with built_again(path):
            assert Genome(path).contigs == whole


def test_headers_without_letters_are_no_contigs(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text("\n>empty\n>chr1 words\nACGT\n\n> \n>chr2\nGG\n")
    assert Genome(path).contigs == {"chr1": 4, "chr2": 2}
    assert Genome(path).fetch("chr2", 0, 3) == "GGN"


def test_a_bgzip_index_without_its_gzi_is_completed(write_genome):
    path = write_genome({"chr1": LONG}, "genome.fa.gz")
    Genome(path)
    Path(f"{path}.gzi").unlink()
    assert Genome(path).fetch("chr1", 20_000, 20_100) == LONG[20_000:20_100]


MANY = {f"contig{i}": random.Random(i).choice(["ACGT", "AC" * 60, "G" * 121]) for i in range(40)}


@pytest.fixture(scope="module", params=["genome.fa", "genome.fa.gz"])
def many_contigs(request, tmp_path_factory) -> Path:
    """Return a FASTA of many contigs, and several blocks where it is bgzip, with its index."""
    path = tmp_path_factory.mktemp("many") / request.param
    content = "".join(f">{name}\n{letters}\n" for name, letters in MANY.items()).encode()
    if path.suffix == ".gz":
        with pysam.BGZFile(str(path), "wb", None) as handle:
            for start in range(0, len(content), 300):
                handle.write(content[start : start + 300])
                handle.flush()
    else:
        path.write_bytes(content)
    Genome(path)
    return path


@settings(max_examples=50)
@given(data=st.data())
def test_a_damaged_index_gives_the_right_letters(many_contigs, data):
    """Bits flipped, bytes replaced, cut, doubled: it is built again, or does no harm."""
    index = index_of(many_contigs)
    if many_contigs.suffix == ".gz" and data.draw(st.booleans()):
        index = Path(f"{many_contigs}.gzi")
    whole = index.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    harm = data.draw(st.binary(max_size=9) | st.just(bytes([whole[at] ^ 1])))
    more = data.draw(st.integers(0, 9) | st.just(len(whole)))
    index.write_bytes(whole[:at] + harm + whole[at + more :])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EpipamWarning)
            genome = Genome(many_contigs)
            assert {
                name: genome.fetch(name, 0, length) for name, length in genome.contigs.items()
            } == MANY
    finally:
        index.write_bytes(whole)


def test_what_was_checked_at_length_is_remembered_until_a_file_changes(
    many_contigs, monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(fasta_index, "_MANY", 40)
    checked = []
    check = fasta_index.check_index
    monkeypatch.setattr(fasta_index, "check_index", lambda *all: checked.append(1) or check(*all))
    for _ in range(3):
        assert Genome(many_contigs).fetch("contig0", 0, 4) == MANY["contig0"][:4]
    assert len(checked) == 1
    os.utime(many_contigs)
    Genome(many_contigs)
    assert len(checked) == 2
    (remembered,) = tmp_path.rglob("*.json")
    for damaged in (b"", b"{", b"[" * 100_000, b"\xff"):
        remembered.write_bytes(damaged)
        Genome(many_contigs)
    assert len(checked) == 6


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_that_build_an_index_at_once_both_read_by_it(write_genome):
    path = write_genome({"chr1": LONG}, "genome.fa.gz")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.starmap(_fetch_anew, [(path, 20_000)] * 4, chunksize=1)
    assert found == [LONG[20_000:20_100]] * 4
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "genome.fa.gz",
        "genome.fa.gz.fai",
        "genome.fa.gz.gzi",
    ]


def _fetch_anew(path: Path, start: int) -> str:
    return Genome(path).fetch("chr1", start, start + 100)


def test_a_full_disk_where_the_index_is_built_is_named(write_genome, monkeypatch):
    path = write_genome({"chr1": "ACGT"})

    def fail(*arguments: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fasta_index.pysam, "faidx", fail)
    with pytest.raises(GenomeError, match=r"cannot be indexed: .*No space left .* TMPDIR"):
        Genome(path)


@pytest.fixture
def unwritable_beside(monkeypatch, tmp_path) -> Path:
    """Make every folder but the cache say it is read-only; return the cache folder."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    real_access = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: (
            real_access(path, mode) and not (mode & os.W_OK and cache not in Path(path).parents)
        ),
    )
    return cache


@pytest.mark.parametrize("name", ["genome.fa", "genome.fa.gz"])
def test_where_the_folder_is_read_only_the_index_goes_to_the_cache(
    write_genome, unwritable_beside, name
):
    path = write_genome({"chr1": LONG}, name)
    assert Genome(path).fetch("chr1", 20_000, 20_100) == LONG[20_000:20_100]
    assert [file.name for file in path.parent.glob("genome*")] == [name]
    cached = sorted((unwritable_beside / "epipam").rglob("*.fai"))
    assert len(cached) == 1
    before = cached[0].stat().st_mtime_ns
    assert Genome(path).fetch("chr1", 20_000, 20_100) == LONG[20_000:20_100]
    assert cached[0].stat().st_mtime_ns == before


def test_a_stale_index_in_a_read_only_folder_gives_way_to_the_cache(
    write_genome, unwritable_beside
):
    path = write_genome({"new": LONG})
    index_of(path).write_text("old\t4\t5\t4\t5\n")
    with built_again(path):
        assert Genome(path).contigs == {"new": len(LONG)}
    assert Genome(path).contigs == {"new": len(LONG)}
    assert index_of(path).read_text() == "old\t4\t5\t4\t5\n"


def test_the_cache_tells_two_genomes_of_one_name_apart(write_genome, unwritable_beside):
    path = write_genome({"one": "ACGT"})
    assert Genome(path).contigs == {"one": 4}
    write_genome({"two": "ACGT"})  # of the same size
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert Genome(path).contigs == {"two": 4}


_AS_NOBODY = """
import os, sys
from epipam.errors import EpipamError
from epipam.genome.fasta import Genome, upper_case
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    print(Genome(sys.argv[1]).fetch("chr1", 2, 6))
except EpipamError as error:
    print(error)
"""


@pytest.fixture
def read_only_genome():
    """Yield a FASTA in a folder that only root could write to, and an open cache folder."""
    folder = Path(tempfile.mkdtemp(prefix="epipam-test-"))
    path, cache = folder / "genome.fa", folder / "cache"
    path.write_text(">chr1\nACGTACGT\n")
    cache.mkdir()
    cache.chmod(0o777)
    folder.chmod(0o555)
    yield path, cache
    folder.chmod(0o755)
    shutil.rmtree(folder)


def run_as_nobody(path: Path, cache: Path) -> str:
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-c", _AS_NOBODY, str(path)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_a_user_who_may_not_write_beside_the_file_reads_by_the_cache(read_only_genome):
    path, cache = read_only_genome
    assert run_as_nobody(path, cache) == "GTAC"
    assert not index_of(path).exists()
    assert len(list(cache.rglob("*.fai"))) == 1


def test_where_the_cache_is_read_only_too_the_error_names_the_way_out(read_only_genome):
    path, _ = read_only_genome
    error = run_as_nobody(path, path.parent)
    assert error.startswith(f"{path}: no index, and none can be written beside it or in")
    assert error.endswith("set XDG_CACHE_HOME to a folder that can be written to")


# What is refused.


def assert_refused(path: Path, *parts: str) -> str:
    """Check that a FASTA is refused in one line that names it; return the line."""
    with pytest.raises(GenomeError) as caught:
        Genome(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert "\\n" not in message
    assert caught.value.exit_code == 2
    for part in parts:
        assert part in message
    return message


@pytest.mark.parametrize("name", ["genome.fa.gz", "gzip without the ending.fa"])
def test_gzip_is_refused_with_the_command_that_converts_it(tmp_path, name):
    if shutil.which("gunzip") is None:
        pytest.skip("no gunzip on this machine")
    path = tmp_path / name
    path.write_bytes(gzip.compress(f">chr1\n{LONG}\n".encode()))
    message = assert_refused(path, "is gzip", "bgzip")
    assert sorted(file.name for file in tmp_path.iterdir()) == [name]

    # htslib's bgzip need not be installed here: one made of pysam stands in for it.
    stand_in = tmp_path / "bin" / "bgzip"
    stand_in.parent.mkdir()
    stand_in.write_text(
        f"#!{sys.executable}\nimport sys, pysam\n"
        "handle = pysam.BGZFile('-', 'w', None)\n"
        "handle.write(sys.stdin.buffer.read())\nhandle.close()\n"
    )
    stand_in.chmod(0o755)
    environment = os.environ | {"PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
    command = message.partition("convert it to bgzip: ")[2]
    subprocess.run(command, shell=True, env=environment, check=True)
    (converted,) = tmp_path.glob("*.bgz")
    assert Genome(converted).fetch("chr1", 20_000, 20_100) == LONG[20_000:20_100]


def test_a_missing_file_or_a_folder_is_refused(tmp_path):
    assert_refused(tmp_path / "absent.fa", "no such FASTA file")
    assert_refused(tmp_path, "no such FASTA file")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"chr1\t10\t20\tchr1\t30\t40\n", "is no FASTA"),
        (b"@read\nACGT\n+\nIIII\n", "is no FASTA"),
        (bytes(range(256)), "is no FASTA"),
        (b">chr1\n", "no bases"),
        (b">chr1\nACGT\nAC\nACGT\n", "differ in length"),
    ],
)
def test_what_is_no_fasta_is_refused_and_leaves_nothing(tmp_path, capfd, content, what):
    plain, bgzip = tmp_path / "plain.fa", tmp_path / "bgzip.fa.gz"
    plain.write_bytes(content)
    with pysam.BGZFile(str(bgzip), "w", None) as handle:
        handle.write(content)
    for path in (plain, bgzip):
        assert_refused(path, what)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bgzip.fa.gz", "plain.fa"]
    assert capfd.readouterr().err == ""  # the error is the only line a user sees


def test_a_bgzip_fasta_that_was_cut_between_two_blocks_is_refused(tmp_path):
    path = tmp_path / "genome.fa.gz"
    with pysam.BGZFile(str(path), "w", None) as handle:
        handle.write(b">chr1\nACGT\n")
        handle.flush()
    whole = path.read_bytes()
    assert Genome(path).contigs == {"chr1": 4}
    for file in tmp_path.iterdir():
        file.unlink()
    path.write_bytes(whole[:-28])  # without the empty block that ends it
    assert_refused(path, "truncated", "download it again")
    assert [file.name for file in tmp_path.iterdir()] == ["genome.fa.gz"]


def test_a_truncated_bgzip_fasta_is_refused_and_leaves_nothing(write_genome, capfd):
    path = write_genome({"chr1": LONG * 10}, "genome.fa.gz")
    path.write_bytes(path.read_bytes()[:-2_000])
    assert_refused(path, "truncated")
    assert [file.name for file in path.parent.iterdir()] == ["genome.fa.gz"]
    assert capfd.readouterr().err == ""


def test_a_genome_that_is_replaced_while_it_is_used_is_refused(write_genome):
    genome = Genome(write_genome({"chr1": LONG}))
    write_genome({"chr1": LONG[1:]})
    with built_again(genome.path), pytest.raises(GenomeError, match=r"was replaced .* run again"):
        genome.fetch("chr1", 20_000, 20_100)


def test_a_genome_that_is_copied_over_itself_while_it_is_used_is_read_on(write_genome):
    genome = Genome(write_genome({"chr1": LONG}))
    write_genome({"chr1": LONG})
    assert genome.fetch("chr1", 20_000, 20_100) == LONG[20_000:20_100]


@pytest.mark.parametrize("name", ["genome.fa", "genome.fa.gz"])
@pytest.mark.parametrize("between", [{}, {"chr2": "ACGT"}])
def test_a_name_twice_is_refused_by_name(tmp_path, name, between):
    path, one = tmp_path / name, "chr1 first"
    contigs = [(one, LONG), *between.items(), ("chr1", "GGGG"), ("chr3", "AC")]
    content = "".join(f">{name}\n{letters}\n" for name, letters in contigs).encode()
    path.write_bytes(content)
    if path.suffix == ".gz":
        with pysam.BGZFile(str(path), "wb", None) as handle:
            handle.write(content)
    assert_refused(path, "has two contigs that are called chr1; remove or rename one of them")
    pysam.faidx(str(path))  # which passes the second over
    assert_refused(path, "has two contigs that are called chr1")


@pytest.mark.parametrize(
    ("header", "what"),
    [
        (b">chr\xe9\n", r"a contig whose name, 'chr\udce9', is not UTF-8; rename it"),
        (b">chr\x011\n", r"a contig whose name, 'chr\x011', has a control character"),
        (b">chr\x001\n", r"a contig whose name, 'chr\x001', has a control character"),
        (b">\n", "a contig whose name, '', is empty"),
    ],
)
def test_names_that_no_contig_can_have_are_refused(tmp_path, header, what):
    path = tmp_path / "genome.fa"
    path.write_bytes(b">first\nACGT\n" + header + b"ACGT\n")
    assert_refused(path, what)
    assert [file.name for file in tmp_path.iterdir()] == ["genome.fa"]


def test_a_name_that_is_not_ascii_is_a_name(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(">größer\nACGT\n", encoding="utf-8")
    assert Genome(path).fetch("größer", 1, 5) == "CGTN"


@pytest.mark.parametrize("lines", ["AC GT\nTT AA\nG\n", "AC\u00e9T\n", "A\tC\n", "ACGT\nA C\n"])
def test_lines_with_what_is_no_letter_are_refused(tmp_path, lines):
    """Samtools passes it over when it counts letters, and then looks for them at wrong places."""
    path = tmp_path / "genome.fa"
    path.write_text(f">c\n{lines}>d\nACGT\n", encoding="latin-1")
    assert_refused(path, "its letters cannot be counted", "blanks or what is no letter")


@pytest.mark.parametrize(
    ("start", "parts"),
    [
        (b"\xef\xbb\xbf>c\nACGT\n", ["a byte order mark", "tail -c +4"]),
        (">c\nACGT\n".encode("utf-16"), ["is UTF-16 text", "iconv -f utf-16"]),
        (b"BZh91AY", ["is bzip2", "bunzip2"]),
        (b"\xfd7zXZ\0", ["is xz", "xz -dk"]),
        (b"PK\x03\x04", ["is zip", "unzip"]),
        (b"\x43\x27\x41\x1a", ["is 2bit", "twoBitToFa"]),
    ],
)
def test_other_kinds_of_files_are_named_with_what_makes_a_fasta_of_them(tmp_path, start, parts):
    path = tmp_path / "genome.fa"
    path.write_bytes(start)
    assert_refused(path, *parts)


def test_a_pipe_is_refused_as_one(tmp_path):
    os.mkfifo(tmp_path / "genome.fa")
    assert_refused(tmp_path / "genome.fa", "is a pipe", "write it to a file first")


# Threads.


def fetch_in_threads(genome: Genome, places: list[tuple[str, int, int]], n: int) -> list[list[str]]:
    """Fetch the same places in each of some threads that begin at once; return what each has."""
    begin = threading.Barrier(n)

    def fetch(number: int) -> list[str]:
        begin.wait()
        return [genome.fetch(*place) for place in places[number:] + places[:number]]

    with ThreadPoolExecutor(n) as pool:
        return [
            found[len(found) - number :] + found[: len(found) - number]
            for number, found in enumerate(pool.map(fetch, range(n)))
        ]


@pytest.mark.parametrize("n_threads", [2, 4, 8])
@pytest.mark.parametrize("name", ["genome.fa", "genome.fa.gz"])
def test_threads_that_share_a_genome_read_the_same_letters(write_genome, windows, n_threads, name):
    genome = Genome(write_genome({"chr1": LONGER}, name))
    places, letters = (some[:400] for some in windows)
    genome.fetch(*places[0])
    assert fetch_in_threads(genome, places, n_threads) == [letters] * n_threads


def test_handles_are_closed_with_the_genome_and_with_their_threads(write_genome):
    genome = Genome(write_genome({"chr1": LONG}))
    gc.collect()
    before = open_files()
    fetch_in_threads(genome, [("chr1", 0, 10)], 4)
    assert open_files() == before
    genome.fetch("chr1", 0, 10)
    assert open_files() == before + 1
    del genome
    gc.collect()
    assert open_files() == before


def open_files() -> int:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("this system does not show a process's open files")
    return len(list(folder.iterdir()))


def _threads_are_right(
    genome: Genome, places: list[tuple[str, int, int]], letters: list[str]
) -> bool:
    return fetch_in_threads(genome, places, 4) == [letters] * 4


# Processes.


@pytest.fixture(scope="module")
def windows() -> tuple[list[tuple[str, int, int]], list[str]]:
    """Return 2,000 windows here and there in LONGER, and their letters."""
    starts = [random.Random(i).randrange(-100, len(LONGER)) for i in range(2_000)]
    letters = [letters_by_loop(LONGER, start, start + 150) for start in starts]
    return [("chr1", start, start + 150) for start in starts], letters


def test_a_genome_pickles_after_it_was_read(write_genome):
    genome = Genome(write_genome({"chr1": LONG}))
    genome.fetch("chr1", 0, 10)
    copy = pickle.loads(pickle.dumps(genome))
    assert copy.contigs == genome.contigs
    assert copy.fetch("chr1", 100, 110) == LONG[100:110]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12, threads
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("name", ["genome.fa", "genome.fa.gz"])
def test_workers_and_their_parent_read_at_once_after_the_parent_has_read(
    write_genome, windows, method, name
):
    genome = Genome(write_genome({"chr1": LONGER}, name))
    places, letters = (some[:300] for some in windows)
    fetch_in_threads(genome, places, 2)
    pool = multiprocessing.get_context(method).Pool(2)
    try:
        in_threads = pool.apply_async(_threads_are_right, (genome, places, letters))
        fetched = pool.starmap_async(genome.fetch, places, chunksize=100)
        assert _threads_are_right(genome, places, letters)
        assert fetched.get(timeout=60) == letters
        assert in_threads.get(timeout=60)
    finally:
        pool.terminate()
        pool.join()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_move_its_parents_place_in_the_file(write_genome):
    """Unlike a pool's tasks, a plain fork hands over the open handle itself."""
    genome = Genome(write_genome({"chr1": LONGER}))
    genome.fetch("chr1", 0, 150)
    child = os.fork()
    if child == 0:
        right = False
        try:
            right = genome.fetch("chr1", 900_000, 900_150) == LONGER[900_000:900_150]
        finally:
            os._exit(0 if right else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    # Begins in what the parent has in its buffer, and goes on from its place in the file.
    assert genome.fetch("chr1", 0, 500_000) == LONGER[:500_000]

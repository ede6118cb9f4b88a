"""FASTA access, against strings and against what other tools are known to give."""

from __future__ import annotations

import gzip
import hashlib
import mmap
import multiprocessing
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import GenomeError
from epipam.genome import fasta as genome_module
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


def test_lines_with_blanks_between_letters_are_read_as_pysam_reads_them(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(">c\nAC GT\nTT AA\nG\n")
    ((_, letters),) = Genome(path).blocks("c")
    with pysam.FastaFile(str(path)) as fasta:
        assert letters.tobytes() == fasta.fetch("c").encode()


def test_blocks_of_a_file_that_was_cut_short_are_refused(write_genome):
    path = write_genome({"chr1": "ACGT" * 100})
    genome = Genome(path)
    os.truncate(path, 200)
    with pytest.raises(GenomeError, match="cannot read chr1:0-400: the file is damaged"):
        list(genome.blocks("chr1"))


@given(st.lists(st.integers(0, 84), max_size=9), st.integers(1, 16), st.integers(1, 40))
def test_a_glimpse_shows_letters_from_its_position_on_and_line_ends(
    tmp_path_factory, positions, size, width
):
    sequence = "".join(random.Random(width).choices("ACGTN", k=100))
    lines = "\n".join(sequence[i : i + width] for i in range(0, 100, width))
    path = tmp_path_factory.mktemp("glimpses") / "genome.fa"
    path.write_text(f">other\nAC\n>c\n{lines}\n")
    found = Genome(path).glimpses("c", np.array(positions, dtype=np.int64), size)
    assert found is not None
    assert found.shape == (len(positions), size)
    for position, letters in zip(positions, found, strict=True):
        shown = letters.tobytes().decode().replace("\n", "")
        assert sequence[position:].startswith(shown)
        assert size - len(shown) <= size // width + 1


def test_glimpses_at_all_parts_of_a_long_file_are_its_letters_in_the_order_asked(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(genome_module, "_STRETCH", 64 * mmap.ALLOCATIONGRANULARITY)
    path = tmp_path / "genome.fa"
    path.write_text(f">c\n{LONGER}\n")
    positions = [random.Random(3).randrange(999_984) for _ in range(500)]
    positions += [999_984, 0, *range(262_130, 262_150)]
    found = Genome(path).glimpses("c", np.array(positions), 16)
    assert found is not None
    assert [letters.tobytes().decode() for letters in found] == [
        LONGER[position : position + 16] for position in positions
    ]


def test_glimpses_beyond_the_end_of_the_file_are_none(write_genome):
    genome = Genome(write_genome({"c": "ACGT" * 50}))
    assert genome.glimpses("c", np.array([3, 190]), 16) is None


def test_a_compressed_genome_is_not_glimpsed_at(write_genome):
    genome = Genome(write_genome({"c": "ACGT" * 50}, name="genome.fa.gz"))
    assert genome.glimpses("c", np.array([3]), 4) is None


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
def test_an_index_older_than_its_fasta_is_built_again(write_genome, name):
    path = write_genome({"old": "ACGT"}, name)
    Genome(path)
    write_genome({"padding": "G" * 100, "new": LONG}, name)
    os.utime(index_of(path), (1_000_000_000, 1_000_000_000))
    genome = Genome(path)
    assert list(genome.contigs) == ["padding", "new"]
    assert genome.fetch("new", 29_990, 30_001) == f"{LONG[29_990:]}N"
    assert index_of(path).stat().st_mtime >= path.stat().st_mtime


def test_a_bgzip_index_without_its_gzi_is_completed(write_genome):
    path = write_genome({"chr1": LONG}, "genome.fa.gz")
    Genome(path)
    Path(f"{path}.gzi").unlink()
    assert Genome(path).fetch("chr1", 20_000, 20_100) == LONG[20_000:20_100]


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
    os.utime(index_of(path), (1_000_000_000, 1_000_000_000))
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


def test_a_fasta_unlike_its_index_is_an_error_never_n(write_genome):
    path = write_genome({"chr1": LONG})
    Genome(path)
    path.write_bytes(path.read_bytes()[:10_000])
    os.utime(path, (1_000_000_000, 1_000_000_000))  # as `cp -p` would: the index looks fresh
    with pytest.raises(GenomeError, match=r"cannot read chr1:20000-20100: .* remove .*\.fai"):
        Genome(path).fetch("chr1", 20_000, 20_100)


def test_an_index_that_is_none_is_named(write_genome):
    path = write_genome({"chr1": "ACGT"})
    index_of(path).write_text("chr1\tfour\n")
    with pytest.raises(GenomeError, match=r"genome\.fa\.fai: is no FASTA index; remove it"):
        Genome(path)


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
    places, letters = windows
    genome.fetch(*places[0])
    pool = multiprocessing.get_context(method).Pool(2)
    try:
        fetched = pool.starmap_async(genome.fetch, places, chunksize=100)
        assert [genome.fetch(*place) for place in places] == letters
        assert fetched.get(timeout=60) == letters
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

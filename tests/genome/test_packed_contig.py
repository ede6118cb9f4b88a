"""Windows of a packed contig, against letters cut out of the contig one by one."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.genome import packed_contig
from epipam.genome.fasta import Genome
from epipam.genome.packed_contig import ContigMemory, PackedContig

NIBBLE = {"A": 8, "C": 4, "G": 2, "T": 1}
MARGIN = 33


def window_by_loop(sequence: str, start: int, length: int) -> list[int]:
    """Two bases to a byte, base by base; what lies outside is N: docs/architecture.md."""
    packed = [0] * ((length + 1) // 2)
    for i in range(length):
        if 0 <= start + i < len(sequence):
            nibble = NIBBLE.get(sequence[start + i].upper(), 0)
            packed[i // 2] += nibble * (16 if i % 2 == 0 else 1)
    return packed


def random_letters(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("ACGTacgtNnRy", k=length))


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> tuple[Genome, dict[str, str]]:
    sequences = {"even": random_letters(240, 1), "odd": random_letters(241, 2), "one": "g"}
    path: Path = tmp_path_factory.mktemp("packed") / "genome.fa"
    lines = (
        f">{name}\n" + "".join(f"{letters[i : i + 7]}\n" for i in range(0, len(letters), 7))
        for name, letters in sequences.items()
    )
    path.write_text("".join(lines))
    return Genome(path), sequences


@given(
    name=st.sampled_from(["even", "odd", "one"]),
    places=st.lists(st.integers(-MARGIN, 10**6), max_size=20),
    length=st.integers(1, 40),
    moved_at_once=st.sampled_from([1, 3, 128]),
)
def test_windows_equal_a_loop_over_letters_wherever_they_begin_and_however_long_they_are(
    genome, name, places, length, moved_at_once
):
    found, sequences = genome
    sequence = sequences[name]
    # From a margin before the contig to a margin behind it, and what is all outside.
    span = max(1, len(sequence) + 2 * MARGIN + 1 - length)
    starts = [-MARGIN + (place + MARGIN) % span for place in places]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_contig, "_MOVED_AT_ONCE", moved_at_once)
        contig = PackedContig(found, name, MARGIN)
        windows = contig.windows(np.array(starts, dtype=np.int64), min(length, len(sequence) + 60))
    length = min(length, len(sequence) + 60)
    assert windows.dtype == np.uint8
    assert windows.shape == (len(starts), (length + 1) // 2)
    assert windows.tolist() == [window_by_loop(sequence, start, length) for start in starts]


@pytest.mark.parametrize("hash_apart", [True, False])
@pytest.mark.parametrize("block", [2, 6, 64, 1 << 19])
def test_neither_the_size_of_blocks_nor_who_hashes_them_changes_anything(
    genome, monkeypatch, block, hash_apart
):
    found, sequences = genome
    blocks = Genome.blocks
    monkeypatch.setattr(Genome, "blocks", lambda self, contig: blocks(self, contig, block))
    for name, sequence in sequences.items():
        contig = PackedContig(found, name, MARGIN, hash_apart=hash_apart)
        starts = np.arange(-MARGIN, len(sequence))
        expected = [window_by_loop(sequence, start, 5) for start in starts.tolist()]
        assert contig.windows(starts, 5).tolist() == expected
        assert contig.md5 == hashlib.md5(sequence.upper().encode()).hexdigest()


def test_nothing_is_left_of_the_contigs_that_were_packed_in_the_same_memory(genome):
    found, sequences = genome
    memory = ContigMemory()
    for name in ("odd", "one", "even", "one", "odd"):
        contig = PackedContig(found, name, MARGIN, memory)
        starts = np.arange(-MARGIN, len(sequences[name]) + MARGIN - 4)
        expected = [window_by_loop(sequences[name], start, 5) for start in starts.tolist()]
        assert contig.windows(starts, 5).tolist() == expected


def test_two_threads_have_memory_of_their_own(genome):
    found, sequences = genome
    memory = ContigMemory()
    odd = PackedContig(found, "odd", MARGIN, memory)
    with ThreadPoolExecutor(1) as other:
        even = other.submit(PackedContig, found, "even", MARGIN, memory).result()
    for name, contig in (("odd", odd), ("even", even)):
        expected = [window_by_loop(sequences[name], start, 5) for start in range(200)]
        assert contig.windows(np.arange(200), 5).tolist() == expected


@pytest.mark.parametrize("length", [2_000, 2_999, 3_000])
def test_windows_of_real_sequence_equal_a_loop(shared_data, real_sequence, length):
    genome = Genome(shared_data / "genome/hg19_chr20_2Mb.fa.gz")
    contig = PackedContig(genome, "chr20", 3_100)
    drawn = random.Random(length).choices(range(990_000, 2_000_000 - length), k=12)
    starts = [-3_100, -1, 0, 1_999_999, 2_000_100 - length, *drawn]
    windows = contig.windows(np.array(starts), length)
    assert windows.tolist() == [window_by_loop(real_sequence, start, length) for start in starts]


@pytest.mark.parametrize("start", [-MARGIN - 4, 240 + MARGIN])
def test_windows_beyond_the_margins_are_refused(genome, start):
    contig = PackedContig(genome[0], "even", MARGIN)
    with pytest.raises(ValueError, match="20 bp sticks out of the contig and its margins"):
        contig.windows(np.array([5, start]), 20)


def test_the_share_of_n_is_that_of_all_windows_together(write_genome):
    genome = Genome(write_genome({"c": "ACGT" * 25 + "N" * 100 + "A"}))
    contig = PackedContig(genome, "c", MARGIN)
    assert contig.share_of_n() == 0
    contig.windows(np.array([0]), 100)
    contig.windows(np.array([100, 50]), 100)
    assert contig.share_of_n() == pytest.approx((0 + 100 + 50) / 300)


def test_an_n_between_bases_counts_as_any_other(write_genome):
    genome = Genome(write_genome({"c": "ACGTN" * 40}))
    contig = PackedContig(genome, "c", MARGIN)
    contig.windows(np.array([0, 1, 3]), 55)
    assert contig.share_of_n() == pytest.approx(0.2)

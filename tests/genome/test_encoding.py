"""Packing of bases, against plain loops over letters."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.genome.encoding import (
    decode,
    encode,
    encode_packed,
    pack,
    pack_letters,
    pack_onehot,
    packed_length,
    reverse_complement,
    shift,
    unpack,
    unpack_onehot,
)

NIBBLE = {"A": 8, "C": 4, "G": 2, "T": 1}
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}
# Bases, soft-masked bases, N, IUPAC letters of more than one base, and what is no letter.
LETTERS = "ACGTacgtNnRYSWKMBDHVryswkmbdhvUuXx-*. "

sequences = st.text(alphabet=LETTERS, max_size=70)


def packed_by_loop(sequence: str) -> list[int]:
    """Two bases to a byte, high nibble first, bits A C G T: docs/architecture.md, `Store`."""
    packed = []
    for i in range(0, len(sequence), 2):
        high = NIBBLE.get(sequence[i].upper(), 0)
        low = NIBBLE.get(sequence[i + 1].upper(), 0) if i + 1 < len(sequence) else 0
        packed.append(16 * high + low)
    return packed


def onehot_by_loop(sequence: str) -> list[list[int]]:
    return [[int(letter.upper() == base) for letter in sequence] for base in "ACGT"]


def known_by_loop(sequence: str) -> str:
    """Return the sequence as a store remembers it: upper case, N for all that is no base."""
    return "".join(letter.upper() if letter.upper() in NIBBLE else "N" for letter in sequence)


def reverse_complement_by_loop(sequence: str) -> str:
    mirrored = ""
    for letter in sequence:
        mirrored = COMPLEMENT.get(letter.upper(), "N") + mirrored
    return mirrored


@given(sequences)
def test_packing_equals_a_loop_over_the_letters(sequence):
    assert encode_packed([sequence], len(sequence)).tolist() == [packed_by_loop(sequence)]
    assert pack(encode(sequence.encode("ascii"))).tolist() == packed_by_loop(sequence)
    letters = np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)
    assert pack_letters(letters).tolist() == packed_by_loop(sequence)
    assert pack_letters(letters[::-1]).tolist() == packed_by_loop(sequence[::-1])
    out = np.full(packed_length(len(letters)), 255, dtype=np.uint8)
    assert pack_letters(letters, out=out) is out
    assert out.tolist() == packed_by_loop(sequence)


@given(st.integers(0, 41), st.integers(0, 5), st.randoms(use_true_random=False))
def test_many_sequences_are_packed_row_by_row(length, n_sequences, generator):
    rows = ["".join(generator.choices(LETTERS, k=length)) for _ in range(n_sequences)]
    packed = encode_packed(rows, length)
    assert packed.shape == (n_sequences, packed_length(length))
    assert packed.dtype == np.uint8
    assert packed.tolist() == [packed_by_loop(row) for row in rows]


def test_only_the_four_bases_in_either_case_have_a_bit():
    codes = encode(bytes(range(256)))
    expected = [NIBBLE.get(chr(letter).upper(), 0) if letter < 128 else 0 for letter in range(256)]
    assert codes.tolist() == expected


def test_any_two_letters_pack_as_each_of_them_does():
    pairs = np.stack(np.divmod(np.arange(1 << 16), 256), axis=1).astype(np.uint8)
    high, low = encode(pairs).T
    assert pack_letters(pairs.reshape(-1)).tolist() == (16 * high.astype(int) + low).tolist()


def test_the_layout_is_the_one_written_in_the_design():
    # A is the most significant bit; the first base is in the high nibble; padding is zero.
    assert encode_packed(["ACGTN"], 5).tolist() == [[0b1000_0100, 0b0010_0001, 0b0000_0000]]
    assert packed_length(3_000) == 1_500


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 2_999, 3_000, 3_001])
def test_real_sequence_is_packed_as_a_loop_packs_it(real_sequence, length):
    generator = random.Random(length)
    starts = [generator.randrange(990_000, 2_000_000 - length) for _ in range(20)]
    windows = [real_sequence[start : start + length] for start in starts]
    packed = encode_packed(windows, length)
    assert packed.tolist() == [packed_by_loop(window) for window in windows]
    assert decode(packed, length) == [known_by_loop(window) for window in windows]


def test_a_real_megabase_with_its_gaps_is_packed_as_a_loop_packs_it(real_sequence):
    assert set(real_sequence.upper()) == set("ACGTN")
    part = real_sequence[900_001:]
    assert pack(encode(part.encode("ascii"))).tolist() == packed_by_loop(part)
    letters = np.frombuffer(part.encode("ascii"), dtype=np.uint8)
    assert pack_letters(letters).tolist() == packed_by_loop(part)


@given(st.lists(st.sampled_from([0, 1, 2, 4, 8, 15]), max_size=40), st.integers(1, 3))
def test_unpacking_undoes_packing(codes, rows):
    array = np.tile(np.array(codes, dtype=np.uint8), (rows, 1))
    assert unpack(pack(array), len(codes)).tolist() == [codes] * rows


def test_any_leading_dimensions_are_kept():
    codes = np.array([8, 4, 2], dtype=np.uint8).repeat(8).reshape(2, 3, 4)
    assert pack(codes).shape == (2, 3, 2)
    assert unpack(pack(codes), 4).tolist() == codes.tolist()
    assert reverse_complement(pack(codes), 4).shape == (2, 3, 2)


@given(sequences)
def test_onehot_equals_a_loop_over_letters_and_bases(sequence):
    onehot = unpack_onehot(encode_packed([sequence], len(sequence)), len(sequence))
    assert onehot.dtype == np.uint8
    assert onehot.tolist() == [onehot_by_loop(sequence)]


@pytest.mark.parametrize("length", [0, 1, 5, 8])
def test_no_sequences_make_empty_arrays(length):
    none = np.zeros((0, packed_length(length)), dtype=np.uint8)
    assert encode_packed([], length).shape == none.shape
    assert unpack_onehot(none, length).shape == (0, 4, length)
    assert reverse_complement(none, length).shape == none.shape
    assert shift(none, length, np.zeros(0, dtype=np.int64)).shape == none.shape
    assert decode(none, length) == []


@given(sequences, st.sampled_from([np.float32, np.uint8, bool]))
def test_packing_onehot_undoes_unpacking(sequence, dtype):
    packed = encode_packed([sequence, sequence[::-1]], len(sequence))
    onehot = unpack_onehot(packed, len(sequence)).astype(dtype)
    assert pack_onehot(onehot).tolist() == packed.tolist()


@given(sequences)
def test_decoding_gives_upper_case_and_n_for_all_that_is_no_base(sequence):
    packed = encode_packed([sequence], len(sequence))
    assert decode(packed, len(sequence)) == [known_by_loop(sequence)]


@given(sequences)
def test_the_reverse_complement_equals_a_loop_over_the_letters(sequence):
    length = len(sequence)
    mirrored = reverse_complement(encode_packed([sequence], length), length)
    assert mirrored.tolist() == [packed_by_loop(reverse_complement_by_loop(sequence))]


@pytest.mark.parametrize("length", [1, 2, 1_999, 2_000])
def test_the_reverse_complement_of_real_sequence_equals_a_loop(real_sequence, length):
    sequence = real_sequence[1_234_567 : 1_234_567 + length]
    mirrored = reverse_complement(encode_packed([sequence], length), length)
    assert decode(mirrored, length) == [reverse_complement_by_loop(sequence)]


@given(sequences, st.integers(-90, 90))
def test_a_shift_equals_slicing_letters_out_of_n(sequence, offset):
    length = len(sequence)
    surrounded = "N" * 100 + sequence + "N" * 100
    expected = surrounded[100 + offset : 100 + offset + length]
    moved = shift(encode_packed([sequence], length), length, np.array([offset]))
    assert moved.tolist() == [packed_by_loop(expected)]


def test_each_row_has_its_own_shift():
    packed = encode_packed(["ACGTA", "ACGTA", "ACGTA"], 5)
    assert decode(shift(packed, 5, np.array([0, 2, -1])), 5) == ["ACGTA", "GTANN", "NACGT"]


@given(st.integers(1, 33), st.integers(1, 3), st.randoms(use_true_random=False))
def test_the_models_unpack_to_the_same_onehot(length, rows, generator):
    torch = pytest.importorskip("torch")
    from epipam.models import unpack as unpack_tensor

    packed = encode_packed(
        ["".join(generator.choices(LETTERS, k=length)) for _ in range(rows)], length
    )
    onehot = unpack_tensor(torch.from_numpy(packed), length)
    assert onehot.shape == (rows, 4, length)
    assert onehot.tolist() == unpack_onehot(packed, length).tolist()


@pytest.mark.parametrize("sequences", [["ACG", "A"], ["ACGT"], ["A", "AC"]])
def test_sequences_of_another_length_are_refused_even_where_their_sum_fits(sequences):
    with pytest.raises(ValueError, match="must all have 2"):
        encode_packed(sequences, 2)


@pytest.mark.parametrize("function", [unpack, unpack_onehot, reverse_complement])
def test_bytes_of_another_length_are_refused_with_their_shape(function):
    with pytest.raises(ValueError, match=r"shape \(1, 2\) but 5 bases take 3 bytes"):
        function(np.zeros((1, 2), dtype=np.uint8), 5)

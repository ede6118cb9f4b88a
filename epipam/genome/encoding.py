"""Bases and one-hot bits: packing two bases to a byte, unpacking, reverse complement.

A base is four bits in the order A C G T from the most significant; N and any other letter is
four zeros; lower case counts as upper case. Two bases share a byte, the first in the high
nibble; in a sequence of odd length the last low nibble is zero.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BASES = "ACGT"
CODES = {"A": 0b1000, "C": 0b0100, "G": 0b0010, "T": 0b0001}

LETTER_CODE = np.zeros(256, dtype=np.uint8)
for _base, _code in CODES.items():
    LETTER_CODE[[ord(_base), ord(_base.lower())]] = _code
_TABLE = LETTER_CODE.tobytes()

# Two letters at once: the packed byte of any two, by the number that they make in memory.
_TWO = np.arange(1 << 16, dtype="<u2").view(np.uint8).reshape(-1, 2)
_PACKED_LETTERS = LETTER_CODE[_TWO[:, 0]] << 4 | LETTER_CODE[_TWO[:, 1]]
# NumPy makes eight bytes of each number before it looks it up: so many stay in the core's cache.
_TWOS_AT_ONCE = 1 << 15
_COUNTED_AT_ONCE = 1 << 18

# A and T, C and G are mirror images in bit order, so the complement of a base is its nibble
# reversed, and the reverse complement of two bases is their byte reversed.
_REVERSED_BYTE = np.array([int(f"{byte:08b}"[::-1], 2) for byte in range(256)], dtype=np.uint8)


def packed_length(length: int) -> int:
    """Return how many bytes `length` bases take."""
    return (length + 1) // 2


def count_bases(packed: np.ndarray) -> int:
    """Return how many of the letters of packed sequences, uint8 of any shape, are a base, not N."""
    flat = packed.reshape(-1)
    found = 0
    for first in range(0, flat.size, _COUNTED_AT_ONCE):  # each copy stays in the core's cache
        here = flat[first : first + _COUNTED_AT_ONCE]
        found += int(np.count_nonzero(here & 0xF0)) + int(np.count_nonzero(here & 0x0F))
    return found


def encode(letters: bytes | np.ndarray) -> np.ndarray:
    """Return one code of four one-hot bits per letter, uint8, same shape."""
    shape = (len(letters),) if isinstance(letters, bytes) else letters.shape
    # NumPy's own look-up makes eight bytes of each letter first.
    return np.frombuffer(bytearray(letters).translate(_TABLE), dtype=np.uint8).reshape(shape)


def pack(codes: np.ndarray) -> np.ndarray:
    """Pack codes two to a byte: uint8 (..., length) to uint8 (..., ceil(length / 2))."""
    length = codes.shape[-1]
    packed = np.zeros((*codes.shape[:-1], packed_length(length)), dtype=np.uint8)
    np.left_shift(codes[..., 0::2], 4, out=packed)
    packed[..., : length // 2] |= codes[..., 1::2]
    return packed


def pack_letters(letters: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Encode and pack letters, two at a time: uint8 (length,) to uint8 (ceil(length / 2),)."""
    packed = np.empty(packed_length(len(letters)), dtype=np.uint8) if out is None else out
    n_twos = len(letters) // 2
    twos = np.ascontiguousarray(letters[: 2 * n_twos]).view("<u2")
    for first in range(0, n_twos, _TWOS_AT_ONCE):
        here = slice(first, min(first + _TWOS_AT_ONCE, n_twos))
        # No number is out of range; `clip` spares the check.
        _PACKED_LETTERS.take(twos[here], mode="clip", out=packed[here])
    if len(letters) % 2:
        packed[-1] = LETTER_CODE[letters[-1]] << 4
    return packed


def unpack(packed: np.ndarray, length: int) -> np.ndarray:
    """Undo `pack`: uint8 (..., ceil(length / 2)) to codes, uint8 (..., length)."""
    _check_width(packed, length)
    codes = np.empty((*packed.shape[:-1], length), dtype=np.uint8)
    codes[..., 0::2] = packed >> 4
    codes[..., 1::2] = packed[..., : length // 2] & 15
    return codes


def encode_packed(sequences: list[str], length: int) -> np.ndarray:
    """Encode sequences of `length` letters each: uint8 (n_sequences, ceil(length / 2))."""
    if lengths := {len(sequence) for sequence in sequences} - {length}:
        raise ValueError(f"sequences have lengths {sorted(lengths)} but must all have {length}")
    letters = np.frombuffer("".join(sequences).encode("ascii", "replace"), dtype=np.uint8)
    return pack(encode(letters).reshape(len(sequences), length))


def unpack_onehot(packed: np.ndarray, length: int, dtype: npt.DTypeLike = np.uint8) -> np.ndarray:
    """Unpack to one-hot: uint8 (n, ceil(length / 2)) to `dtype` (n, 4, length), rows A C G T."""
    codes = unpack(packed, length)
    onehot = np.empty((len(packed), 4, length), dtype=dtype)
    for row in range(4):
        onehot[:, row] = codes >> (3 - row) & 1
    return onehot


def pack_onehot(onehot: np.ndarray) -> np.ndarray:
    """Undo `unpack_onehot`: (n, 4, length), ones and zeros, to uint8 (n, ceil(length / 2))."""
    bits = np.asarray(onehot, dtype=bool).view(np.uint8)
    return pack(bits[:, 0] << 3 | bits[:, 1] << 2 | bits[:, 2] << 1 | bits[:, 3])


def decode(packed: np.ndarray, length: int) -> list[str]:
    """Return the letters of packed sequences, upper case, N where no bit is set."""
    letters = np.full(16, ord("N"), dtype=np.uint8)
    for base, code in CODES.items():
        letters[code] = ord(base)
    return [row.tobytes().decode("ascii") for row in letters[unpack(packed, length)]]


def reverse_complement(packed: np.ndarray, length: int) -> np.ndarray:
    """Reverse-complement packed sequences, uint8 (..., ceil(length / 2)), same shape."""
    _check_width(packed, length)
    mirrored = _REVERSED_BYTE[packed[..., ::-1]]
    if length % 2 == 0:
        return mirrored
    # The padding nibble came first; move every base one nibble up.
    shifted = mirrored << 4
    shifted[..., :-1] |= mirrored[..., 1:] >> 4
    return shifted


def shift(packed: np.ndarray, length: int, offset: np.ndarray) -> np.ndarray:
    """Move each window by `offset` bp within its stored bases; what is not stored is N.

    Parameters
    ----------
    packed
        uint8 (n, ceil(length / 2)).
    length
        Window length in bp.
    offset
        int (n,): base i of the result is base i + offset of the stored window.

    Returns
    -------
    uint8 (n, ceil(length / 2)).
    """
    codes = unpack(packed, length)
    source = np.arange(length) + np.asarray(offset)[:, None]
    inside = (source >= 0) & (source < length)
    moved = np.take_along_axis(codes, np.clip(source, 0, length - 1), axis=1)
    return pack(np.where(inside, moved, np.uint8(0)))


def _check_width(packed: np.ndarray, length: int) -> None:
    if packed.shape[-1] != packed_length(length):
        raise ValueError(
            f"packed has shape {packed.shape} but {length} bases take {packed_length(length)} bytes"
        )

"""Packed bytes to one-hot numbers or to numbered bases, on the device where the model is."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from epipam.genome.encoding import CODES, packed_length


def unpack(packed: Tensor, length: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Unpack one-hot bits: uint8 (N, ceil(length / 2)) to `dtype` (N, 4, length), rows A C G T.

    The result is channels-last in memory, which is how the bits lie and what the first
    convolution wants.
    """
    _check_width(packed, length)
    bits = _bits_of_bytes(dtype, packed.device).index_select(0, packed.flatten().int())
    return bits.view(dtype).view(len(packed), 2 * packed.shape[1], 4)[:, :length].transpose(1, 2)


def base_digits(packed: Tensor, length: int) -> Tensor:
    """Number the bases of packed windows: 0 for none and 1 to 4 for A C G T, int32 (N, length).

    Parameters
    ----------
    packed
        uint8 (N, ceil(length / 2)).
    """
    _check_width(packed, length)
    table = _digits_of_bytes(packed.device)
    return F.embedding(packed.int(), table).flatten(1)[:, :length]


def opposite_strand(windows: Tensor, length: int) -> Tensor:
    """Return the reverse complement of windows: packed, uint8 (N, ceil(length / 2)), or one-hot."""
    if windows.dim() != 2:
        return windows.flip((1, 2))
    # The bits of a base, and of two, read backwards are those of their reverse complement.
    mirrored = _mirrored_bytes(windows.device)[windows.flip(1).int()]
    if length % 2 == 0:
        return mirrored
    # The padding nibble came first; move every base one nibble up.
    following = F.pad(mirrored[:, 1:], (0, 1))
    return mirrored << 4 | following >> 4


def _check_width(packed: Tensor, length: int) -> None:
    if packed.shape[-1] != packed_length(length):
        raise ValueError(
            f"packed has shape {tuple(packed.shape)} but must have shape "
            f"(-1, {packed_length(length)})"
        )


@cache
def _mirrored_bytes(device: torch.device) -> Tensor:
    """Return each byte with its bits in opposite order: uint8 (256,)."""
    byte = torch.arange(256, device=device).unsqueeze(1)
    place = torch.arange(8, device=device)
    return ((byte >> place & 1) << (7 - place)).sum(dim=1).to(torch.uint8)


@cache
def _digits_of_bytes(device: torch.device) -> Tensor:
    """Return the two bases of each byte: int32 (256, 2)."""
    digits = np.zeros(16, dtype=np.int32)
    for number, code in enumerate(CODES.values(), 1):
        digits[code] = number
    byte = np.arange(256)
    return torch.from_numpy(np.stack([digits[byte >> 4], digits[byte & 15]], axis=1)).to(device)


@cache
def _bits_of_bytes(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the bits of every byte, most significant first, (256, 8) of `dtype`.

    Where eight of them are eight bytes they are one number, which is quicker to look up.
    """
    byte = torch.arange(256, device=device).unsqueeze(1)
    bits = (byte >> torch.arange(7, -1, -1, device=device) & 1).to(dtype)
    return bits.view(torch.int64).flatten() if dtype.itemsize == 1 else bits

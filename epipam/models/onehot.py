"""Packed bytes to one-hot numbers, on the device where the model is."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


def unpack(packed: Tensor, length: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Unpack one-hot bits: uint8 (N, ceil(length / 2)) to `dtype` (N, 4, length), rows A C G T.

    The result is channels-last in memory, which is how the bits lie and what the first
    convolution wants.
    """
    if packed.shape[-1] != (length + 1) // 2:
        raise ValueError(
            f"packed has shape {tuple(packed.shape)} but must have shape (-1, {(length + 1) // 2})"
        )
    bits = _bits_of_bytes(dtype, packed.device).index_select(0, packed.flatten().int())
    return bits.view(dtype).view(len(packed), 2 * packed.shape[1], 4)[:, :length].transpose(1, 2)


@cache
def _bits_of_bytes(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the bits of every byte, most significant first, (256, 8) of `dtype`.

    Where eight of them are eight bytes they are one number, which is quicker to look up.
    """
    byte = torch.arange(256, device=device).unsqueeze(1)
    bits = (byte >> torch.arange(7, -1, -1, device=device) & 1).to(dtype)
    return bits.view(torch.int64).flatten() if dtype.itemsize == 1 else bits

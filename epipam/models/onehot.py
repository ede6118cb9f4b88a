"""Packed bytes to one-hot floats, on the device where the model is."""

from __future__ import annotations

import torch
from torch import Tensor

_SHIFTS = torch.tensor([7, 6, 5, 4, 3, 2, 1, 0], dtype=torch.uint8)


def unpack(packed: Tensor, length: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Unpack one-hot bits: uint8 (N, ceil(length / 2)) to `dtype` (N, 4, length), rows A C G T.

    The result is channels-last in memory, which is how the bits lie and what the first
    convolution wants.
    """
    if packed.shape[-1] != (length + 1) // 2:
        raise ValueError(
            f"packed has shape {tuple(packed.shape)} but must have shape (-1, {(length + 1) // 2})"
        )
    bits = (packed.unsqueeze(-1) >> _SHIFTS.to(packed.device)) & 1
    return bits.to(dtype).view(len(packed), 2 * packed.shape[1], 4)[:, :length].transpose(1, 2)

"""Dropout whose random numbers do not take longer than the layer before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEVELS = 2**16


class Dropout(nn.Dropout):
    """`nn.Dropout`; on the processor each entry is drawn with 16 random bits.

    There the probability is the nearest multiple of 2^-16, and what is kept is scaled by exactly
    its inverse.
    """

    def forward(self, features: Tensor) -> Tensor:
        if not self.training or self.p == 0 or features.device.type != "cpu":
            return F.dropout(features, self.p, self.training)
        dropped = min(round(self.p * _LEVELS), _LEVELS - 1)
        # Four draws to a number: drawing is what takes the time.
        bits = torch.empty(-(-features.numel() // 4), dtype=torch.int64)
        draws = bits.random_(-(2**63), None).view(torch.int16)[: features.numel()]
        # Which draw an entry gets is of no matter: they are taken as the features lie in memory.
        kept = torch.empty_like(features)
        lying = kept.as_strided((features.numel(),), (1,))
        torch.mul(draws >= dropped - _LEVELS // 2, _LEVELS / (_LEVELS - dropped), out=lying)
        return features * kept

"""Mixed precision: which parts of a network are computed in float32 all the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Module)


def in_full_precision(
    method: Callable[[Layer, Tensor], Tensor],
) -> Callable[[Layer, Tensor], Tensor]:
    """Make a method of a network compute in float32 under autocast, or as it does without.

    Convolutions take the time and bear bfloat16. A batch norm does not: a mean over a batch keeps
    eight bits of it, and where it norms the logit itself, nothing of a small difference is left.
    """

    @wraps(method)
    def in_float32(self: Layer, features: Tensor) -> Tensor:
        if features.dtype in (torch.bfloat16, torch.float16):
            features = features.float()
        with torch.autocast(features.device.type, enabled=False):
            return method(self, features)

    return in_float32

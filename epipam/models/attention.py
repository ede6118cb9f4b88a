"""The position attention mechanism (PAM) of EPIPAM.

Source: Liu, Zhu, Zhang, Comput Biomed 2026;1:202525, equations 1 to 3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class PositionAttention(NamedTuple):
    """What one PAM computes.

    Attributes
    ----------
    enhancer, promoter
        float (N, c, n), (N, c, m): the features, reweighted by position.
    relation
        float (N, n, m): every enhancer position against every promoter position.
    enhancer_score, promoter_score
        float (N, n), (N, m): attention over positions; each row sums to one.
    """

    enhancer: Tensor
    promoter: Tensor
    relation: Tensor
    enhancer_score: Tensor
    promoter_score: Tensor


def position_attention(enhancer: Tensor, promoter: Tensor) -> PositionAttention:
    """Compare all positions of an enhancer with all of a promoter, and reweight both.

    `R = Me^T Mp / c`; the attention of an enhancer position is the softmax, over positions, of
    its largest relation to any promoter position, and the other way round;
    `M' = M + M * A`.

    Parameters
    ----------
    enhancer, promoter
        float (N, c, n) and (N, c, m): c channels at n and m positions.

    Returns
    -------
    PositionAttention
    """
    channels = enhancer.shape[1]
    relation = torch.bmm(enhancer.transpose(1, 2), promoter) / channels
    enhancer_score = torch.softmax(relation.amax(dim=2), dim=1)
    promoter_score = torch.softmax(relation.amax(dim=1), dim=1)
    return PositionAttention(
        enhancer=enhancer * (1 + enhancer_score.unsqueeze(1)),
        promoter=promoter * (1 + promoter_score.unsqueeze(1)),
        relation=relation,
        enhancer_score=enhancer_score,
        promoter_score=promoter_score,
    )


def strongest_relations(relation: Tensor, count: int) -> Tensor:
    """Return the `count` largest entries of each relation matrix, float (N, count), descending."""
    return relation.flatten(start_dim=1).topk(count, dim=1).values

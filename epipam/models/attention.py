"""The position attention mechanism (PAM) of EPIPAM.

Source: Liu, Zhu, Zhang, Comput Biomed 2026;1:202525, equations 1 to 3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from epipam.models.relations import relation_maxima


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


def position_attention(
    enhancer: Tensor, promoter: Tensor, divisor: float | None = None
) -> PositionAttention:
    """Compare all positions of an enhancer with all of a promoter, and reweight both.

    `R = Me^T Mp / c`; the attention of an enhancer position is the softmax, over positions, of
    its largest relation to any promoter position, and the other way round;
    `M' = M + M * A`.

    Parameters
    ----------
    enhancer, promoter
        float (N, c, n) and (N, c, m): c channels at n and m positions.
    divisor
        Of the relations; None is c, as published.

    Returns
    -------
    PositionAttention
    """
    relation = torch.bmm(enhancer.transpose(1, 2), promoter) / (divisor or enhancer.shape[1])
    enhancer_score, promoter_score = position_scores(relation)
    return PositionAttention(
        enhancer=_reweighted(enhancer, enhancer_score),
        promoter=_reweighted(promoter, promoter_score),
        relation=relation,
        enhancer_score=enhancer_score,
        promoter_score=promoter_score,
    )


def position_scores(relation: Tensor) -> tuple[Tensor, Tensor]:
    """Return the attention over enhancer and over promoter positions of relation matrices.

    Parameters
    ----------
    relation
        float (..., n, m), divided already.

    Returns
    -------
    float (..., n) and (..., m).
    """
    return (
        torch.softmax(relation.amax(dim=-1), dim=-1),
        torch.softmax(relation.amax(dim=-2), dim=-1),
    )


def split_heads(features: Tensor, heads: int) -> Tensor:
    """Give each head its share of the channels: float (N, c, n) to (N * heads, c / heads, n)."""
    return features if heads == 1 else features.unflatten(1, (heads, -1)).flatten(0, 1)


def merge_heads(features: Tensor, heads: int) -> Tensor:
    """Undo `split_heads`: float (N * heads, c, ...) to (N, heads * c, ...)."""
    return features if heads == 1 else features.unflatten(0, (-1, heads)).flatten(1, 2)


def over_heads(each: PositionAttention, heads: int) -> PositionAttention:
    """Return what heads compute together: all their features, the mean of the rest."""
    relation, enhancer_score, promoter_score = (
        values.unflatten(0, (-1, heads)).mean(dim=1)
        for values in (each.relation, each.enhancer_score, each.promoter_score)
    )
    return PositionAttention(
        merge_heads(each.enhancer, heads),
        merge_heads(each.promoter, heads),
        relation,
        enhancer_score,
        promoter_score,
    )


class Attended(NamedTuple):
    """What training needs of one PAM: the reweighted features and the strongest relations."""

    enhancer: Tensor
    promoter: Tensor
    strongest: Tensor


def attend(
    enhancer: Tensor, promoter: Tensor, count: int, divisor: float | None = None
) -> Attended:
    """Reweight features as `position_attention` does, and find the `count` strongest relations.

    Parameters
    ----------
    enhancer, promoter
        float (N, c, n) and (N, c, m).
    divisor
        As for `position_attention`.

    Returns
    -------
    Attended
        Features of the same shapes, and float (N, count), descending.
    """
    if enhancer.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        attention = position_attention(enhancer, promoter, divisor)
        strongest = strongest_relations(attention.relation, count)
        return Attended(attention.enhancer, attention.promoter, strongest)
    compared = enhancer if divisor is None else enhancer * (enhancer.shape[1] / divisor)
    maxima = relation_maxima(compared.transpose(1, 2), promoter.transpose(1, 2), count)
    return Attended(
        _reweighted(enhancer, torch.softmax(maxima.row, dim=1)),
        _reweighted(promoter, torch.softmax(maxima.column, dim=1)),
        maxima.strongest,
    )


def _reweighted(features: Tensor, score: Tensor) -> Tensor:
    """Return M' = M + M * A."""
    return features * (1 + score.unsqueeze(1))


def strongest_relations(relation: Tensor, count: int) -> Tensor:
    """Return the `count` largest entries of each relation matrix, float (N, count), descending."""
    return relation.flatten(start_dim=1).topk(count, dim=1).values

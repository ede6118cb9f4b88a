"""What training reads of a relation matrix, without keeping the matrix.

Of the 58,509 relations of a 3,000 by 2,000 bp pair, a PAM reads the largest of each row and of
each column and the auxiliary head 585 more. So the matrices are made a few at a time, in the
processor's cache, and the gradient, which is zero but for those entries, is a sparse sum.
"""

from __future__ import annotations

from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_MATRICES_AT_ONCE = 10


class RelationMaxima(NamedTuple):
    """The entries of relation matrices that training reads.

    Attributes
    ----------
    row, column
        float (N, n) and (N, m): the largest relation of each enhancer and promoter position.
    strongest
        float (N, count): the largest of all, descending.
    """

    row: Tensor
    column: Tensor
    strongest: Tensor


def relation_maxima(enhancer: Tensor, promoter: Tensor, count: int) -> RelationMaxima:
    """Return what training reads of `R = Me^T Mp / c`, on the processor.

    Parameters
    ----------
    enhancer, promoter
        float (N, n, c) and (N, m, c): features by position.
    count
        How many of the largest entries.
    """
    return RelationMaxima(
        *_RelationMaxima.apply(enhancer.contiguous(), promoter.contiguous(), count)
    )


class _RelationMaxima(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, enhancer: Tensor, promoter: Tensor, count: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        n_pairs, n, channels = enhancer.shape
        m = promoter.shape[1]
        # Entries of the largest come from the groups with the largest maxima; groups of this
        # height leave the fewest numbers to select from.
        height = max(1, min(n, isqrt(n * m // max(1, count))))
        groups = -(-n // height)
        sizes = (n, m, count)
        values = [enhancer.new_empty((n_pairs, size)) for size in sizes]
        places = [torch.empty((n_pairs, size), dtype=torch.int64) for size in sizes]
        for start in range(0, n_pairs, _MATRICES_AT_ONCE):
            here = slice(start, start + _MATRICES_AT_ONCE)
            partners = promoter[here].transpose(1, 2)
            relation = enhancer.new_empty((len(partners), groups * height, m))
            relation[:, n:] = -torch.inf
            torch.bmm(enhancer[here] / channels, partners, out=relation[:, :n])
            for kept, found in zip(places, _places(relation, n, height, count), strict=True):
                kept[here] = found
            for kept, where in zip(values, places, strict=True):
                torch.gather(relation.flatten(1), 1, where[here], out=kept[here])
        ctx.save_for_backward(enhancer, promoter, *places)
        return values[0], values[1], values[2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        enhancer, promoter, *places = ctx.saved_tensors
        n_pairs, n, channels = enhancer.shape
        m = promoter.shape[1]
        place = torch.cat(places, dim=1)
        gradient = (torch.cat(gradients, dim=1) / channels).flatten()
        pair = torch.arange(n_pairs).unsqueeze(1)
        i = (pair * n + place // m).flatten()
        j = (pair * m + place % m).flatten()
        return (
            _sparse_product(i, j, gradient, promoter, n).view_as(enhancer),
            _sparse_product(j, i, gradient, enhancer, m).view_as(promoter),
            None,
        )


def _places(relation: Tensor, n: int, height: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return where each row's, each column's and the `count` largest entries are.

    Parameters
    ----------
    relation
        float (s, groups * height, m); rows from `n` on are -inf.

    Returns
    -------
    int64 (s, n), (s, m), (s, count): entry (i, j) is number i * m + j.
    """
    size, rows, m = relation.shape
    row = torch.from_numpy(relation[:, :n].numpy().argmax(axis=2)) + torch.arange(n) * m
    # A max-pool is the quickest way to maxima with their places over an axis that is not the last.
    image = relation.unsqueeze(1).permute(0, 3, 1, 2)  # channels-last in memory
    maxima, where = F.max_pool2d(image, (1, height), return_indices=True)
    _, group = F.max_pool2d(maxima, (1, rows // height), return_indices=True)
    column = where.gather(3, group).view(size, m) * m + torch.arange(m)
    maxima = maxima.squeeze(2).transpose(1, 2)  # (s, groups, m)
    # NumPy selects many times faster than PyTorch does.
    chosen = _largest(maxima.reshape(size, -1), count)
    first = chosen // m * (height * m) + chosen % m
    candidates = (first.unsqueeze(2) + torch.arange(height) * m).flatten(1)
    values = relation.flatten(1).gather(1, candidates)
    best = _largest(values, count)
    order = np.argsort(-values.gather(1, best).numpy(), axis=1)
    best = best.gather(1, torch.from_numpy(order))
    return row, column, candidates.gather(1, best)


def _largest(values: Tensor, count: int) -> Tensor:
    """Return where the `count` largest of each row are, in no order; all where there are fewer."""
    n_values = values.shape[1]
    if count >= n_values:
        return torch.arange(n_values).expand_as(values)
    places = np.argpartition(values.numpy(), n_values - count - 1, axis=1)
    return torch.from_numpy(places[:, n_values - count :])


def _sparse_product(
    row: Tensor, column: Tensor, value: Tensor, features: Tensor, rows_per_pair: int
) -> Tensor:
    """Return S @ features for the sparse matrix S of entries (row, column, value)."""
    order = torch.from_numpy(np.argsort(row.numpy()))
    n_rows = len(features) * rows_per_pair
    counts = torch.bincount(row, minlength=n_rows)
    begins = torch.cumsum(counts, dim=0) - counts
    return F.embedding_bag(
        column[order],
        features.flatten(0, 1),
        begins,
        mode="sum",
        per_sample_weights=value[order],
    )

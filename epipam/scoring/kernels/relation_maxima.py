"""The largest relations of every position of two windows, without keeping the relations."""

from __future__ import annotations

from functools import cache, reduce
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from epipam.scoring.kernels.vector_code import (
    FLOAT_BYTES,
    INT_BYTES,
    Kernel,
    Value,
    Values,
    VectorCode,
    address,
    processor,
)

# Neighbouring enhancer positions of a block, in vectors.
_COLUMN_VECTORS = 2


class Maxima(NamedTuple):
    """The largest relation of each enhancer and each promoter position.

    Attributes
    ----------
    enhancer, promoter
        float (n_pairs, n) and (n_pairs, m).
    """

    enhancer: Tensor
    promoter: Tensor


def relation_maxima(
    enhancers: Tensor, promoters: Tensor, enhancer: np.ndarray, promoter: np.ndarray
) -> Maxima:
    """Return the maxima of `Me^T Mp`, by row and by column, for some pairs of windows.

    Parameters
    ----------
    enhancers, promoters
        float32 (a, n, c) and (b, m, c): features by position, none of them NaN; those of
        promoters contiguous.
    enhancer, promoter
        int64 (n_pairs,): which of them each pair compares; at least one pair.
    """
    n, channels = enhancers.shape[1:]
    m = promoters.shape[1]
    width = _COLUMN_VECTORS * processor().lanes
    panels = _panels(enhancers, width)
    largest = enhancers.new_empty((len(enhancer), panels.shape[1] * width))
    smaller = enhancers.new_empty((len(promoter), m))
    room = enhancers.new_empty((m, processor().lanes))
    _kernel(panels.shape[1], m, channels)(
        len(enhancer),
        address(panels),
        address(promoters),
        address(torch.from_numpy(enhancer), torch.int64),
        address(torch.from_numpy(promoter), torch.int64),
        address(largest),
        address(smaller),
        address(room),
    )
    return Maxima(largest[:, :n], smaller)


def _panels(features: Tensor, width: int) -> Tensor:
    """Return float (a, panels, c, width): the channels of `width` positions side by side.

    The last position is repeated to the end of the last panel, which changes no maximum.
    """
    a, n, channels = features.shape
    n_panels = -(-n // width)
    position = torch.arange(n_panels * width).clamp_(max=n - 1)
    panels = features[:, position].view(a, n_panels, width, channels)
    return panels.transpose(2, 3).contiguous()


@cache
def _kernel(n_panels: int, m: int, channels: int) -> Kernel:
    """Compile the loops: pairs, panels of enhancer positions, blocks of promoter positions.

    The relations of a panel with a block are summed over channels in registers. The largest of
    each enhancer position stays there from block to block; those of promoter positions, a vector
    each, lie in `room` from panel to panel.
    """
    lanes, vectors = processor().lanes, _COLUMN_VECTORS
    code = VectorCode(lanes, 8)
    n_pairs, enhancers, promoters, enhancer, promoter, by_row, by_column, room = code.arguments
    rows = _rows_at_once(m)
    vector_bytes = lanes * FLOAT_BYTES
    width_bytes = vectors * vector_bytes
    row_bytes = channels * FLOAT_BYTES
    panel_bytes = channels * width_bytes

    def pair(x: Value, _: Values) -> None:
        panels = code.at(
            enhancers,
            (code.load_integer(code.at(enhancer, (x, INT_BYTES))), n_panels * panel_bytes),
        )
        window = code.at(
            promoters, (code.load_integer(code.at(promoter, (x, INT_BYTES))), m * row_bytes)
        )

        def forget(j: Value, _: Values) -> None:
            code.store(code.constant(float("-inf")), code.at(room, (j, vector_bytes)))

        def panel(q: Value, _: Values) -> None:
            columns = code.at(panels, (q, panel_bytes))

            def block(y: Value, largest: Values) -> Values:
                # The last block begins early rather than end late.
                first = code.smaller(code.at(code.integer(0), (y, rows)), m - rows)
                above = code.at(window, (first, row_bytes))

                def channel(k: Value, sums: Values) -> Values:
                    here = code.at(columns, (k, width_bytes))
                    column = [code.load(code.at(here, (v, vector_bytes))) for v in range(vectors)]
                    added = []
                    for j in range(rows):
                        row = code.broadcast(code.at(above, (k, FLOAT_BYTES), (j, row_bytes)))
                        for v in range(vectors):
                            total = sums[j * vectors + v]
                            added.append(code.multiply_add(column[v], row, total))
                    return added

                relation = code.repeat(channels, channel, [code.constant(0.0)] * (rows * vectors))
                for j in range(rows):
                    entries = relation[j * vectors : (j + 1) * vectors]
                    place = code.at(room, (first, vector_bytes), (j, vector_bytes))
                    code.store(reduce(code.larger, entries, code.load(place)), place)
                    largest = [code.larger(*both) for both in zip(largest, entries, strict=True)]
                return largest

            nothing = [code.constant(float("-inf"))] * vectors
            largest = code.repeat(-(-m // rows), block, nothing)
            out = code.at(by_row, (x, n_panels * width_bytes), (q, width_bytes))
            for v in range(vectors):
                code.store(largest[v], code.at(out, (v, vector_bytes)))

        def finish(j: Value, _: Values) -> None:
            best = code.load(code.at(room, (j, vector_bytes)))
            code.store_largest(best, code.at(by_column, (x, m * FLOAT_BYTES), (j, FLOAT_BYTES)))

        code.repeat(m, forget)
        code.repeat(n_panels, panel)
        code.repeat(m, finish)

    code.repeat(n_pairs, pair)
    return code.compiled()


def _rows_at_once(m: int) -> int:
    """Return how many promoter positions a block has: as many as fit, and waste least."""
    # Beside a block's relations: what is read for it, and the largest so far.
    others = 2 * _COLUMN_VECTORS + 1
    most = min(m, (processor().registers - others) // _COLUMN_VECTORS)
    return min(range(1, most + 1), key=lambda rows: (-(-m // rows) * (rows + 1), -rows))

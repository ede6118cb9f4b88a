"""The second block of one anchor for many partners, without keeping what it pools.

After the first PAM the features of a window are `M * (1 + A)` with A one number per position, so
the convolution is a sum over its taps of `(1 + A[i + k]) * P[k, :, i + k]`, whose second factor
reads one window only.
"""

from __future__ import annotations

from functools import cache
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
    common_lanes,
    processor,
)

# Pairs of one window that are worked on at once: what is read of the window serves all.
_PARTNERS = 3


class TapShape(NamedTuple):
    """The sizes of a second block.

    Attributes
    ----------
    positions
        Of a window's features.
    channels
        Of the block's output.
    taps
        Of its kernel.
    pool
        Of the max-pool.
    outputs
        Positions that the pool leaves.
    """

    positions: int
    channels: int
    taps: int
    pool: int
    outputs: int


class Partners(NamedTuple):
    """The pairs of each window, `_PARTNERS` at a time.

    Attributes
    ----------
    windows
        int64 (n_windows,): the distinct windows.
    begins
        int64 (n_windows + 1,): where in `pairs` each one's rows begin.
    pairs
        int64 (n, _PARTNERS): the last of a window is repeated where fewer are left.
    """

    windows: np.ndarray
    begins: np.ndarray
    pairs: np.ndarray

    @classmethod
    def of(cls, window: np.ndarray) -> Partners:
        """Put pairs of one window together, given the window of each, int64 (n_pairs,)."""
        order = np.argsort(window, kind="stable")
        windows, firsts, n_pairs = np.unique(window[order], return_index=True, return_counts=True)
        n_rows = -(-n_pairs // _PARTNERS)
        begins = np.r_[0, np.cumsum(n_rows)]
        row = np.arange(begins[-1]) - np.repeat(begins[:-1], n_rows)
        place = row[:, None] * _PARTNERS + np.arange(_PARTNERS)
        place = np.minimum(place, np.repeat(n_pairs - 1, n_rows)[:, None])
        return cls(windows, begins, order[place + np.repeat(firsts, n_rows)[:, None]])

    def alone(self, x: int) -> Partners:
        """Return the pairs of one of the windows, as if it were the first there is."""
        return Partners(np.zeros(1, np.int64), self.begins[x : x + 2], self.pairs)


def tap_maxima(
    shape: TapShape, products: Tensor, partners: Partners, weights: Tensor, out: Tensor
) -> None:
    """Write the pooled convolution, without bias, of each pair.

    Parameters
    ----------
    shape
        The sizes.
    products
        float32 (n_windows, positions, taps * channels), contiguous, none of them NaN.
    partners
        Which pairs read which window.
    weights
        float32 (n_pairs, positions), contiguous: `1 + A`.
    out
        float32 (n_pairs, outputs, channels), contiguous.
    """
    _kernel(shape)(
        len(partners.windows),
        address(products),
        *(address(torch.from_numpy(numbers), torch.int64) for numbers in partners),
        address(weights),
        address(out),
    )


@cache
def _kernel(shape: TapShape) -> Kernel:
    """Compile the loops: windows, outputs, partners, channels, positions of the pool, taps."""
    lanes = common_lanes(shape.channels)
    # Sums and maxima of every partner, what is read of the window, and a weight, in registers.
    most = (processor().registers - 1) // (2 * _PARTNERS + 1)
    vectors = max(v for v in range(1, most + 1) if shape.channels // lanes % v == 0)
    code = VectorCode(lanes, 7)
    n_windows, products, windows, rows, pairs, weights, out = code.arguments
    vector_bytes = lanes * FLOAT_BYTES
    group_bytes = vectors * vector_bytes
    tap_bytes = shape.channels * FLOAT_BYTES
    position_bytes = shape.taps * tap_bytes
    accumulators = [(p, v) for p in range(_PARTNERS) for v in range(vectors)]

    def window(x: Value, _: Values) -> None:
        here = code.load_integer(code.at(windows, (x, INT_BYTES)))
        features = code.at(products, (here, shape.positions * position_bytes))
        first, last = (
            code.load_integer(code.at(rows, (x, INT_BYTES), (n, INT_BYTES))) for n in (0, 1)
        )
        n_rows = code.at(last, (first, -1))

        # All partners read what one output reads of the window before the next output's turn:
        # it stays in the innermost cache.
        def output(o: Value, _: Values) -> None:
            def partners(y: Value, _: Values) -> None:
                row = code.at(pairs, (first, _PARTNERS * INT_BYTES), (y, _PARTNERS * INT_BYTES))
                pair = [code.load_integer(code.at(row, (p, INT_BYTES))) for p in range(_PARTNERS)]
                weight = [code.at(weights, (each, shape.positions * FLOAT_BYTES)) for each in pair]
                result = [
                    code.at(out, (each, shape.outputs * tap_bytes), (o, tap_bytes)) for each in pair
                ]

                def group(g: Value, _: Values) -> None:
                    def position(t: Value, largest: Values) -> Values:
                        i = code.at(t, (o, shape.pool))
                        read = code.at(features, (i, position_bytes), (g, group_bytes))
                        sums = [code.constant(0.0)] * len(accumulators)
                        for k in range(shape.taps):
                            ahead = code.at(read, (1, k * (position_bytes + tap_bytes)))
                            product = [
                                code.load(code.at(ahead, (v, vector_bytes))) for v in range(vectors)
                            ]
                            factor = [
                                code.broadcast(code.at(each, (i, FLOAT_BYTES), (k, FLOAT_BYTES)))
                                for each in weight
                            ]
                            sums = [
                                code.multiply_add(product[v], factor[p], total)
                                for (p, v), total in zip(accumulators, sums, strict=True)
                            ]
                        return [code.larger(*both) for both in zip(largest, sums, strict=True)]

                    nothing = [code.constant(float("-inf"))] * len(accumulators)
                    largest = code.repeat(shape.pool, position, nothing)
                    for (p, v), best in zip(accumulators, largest, strict=True):
                        place = code.at(result[p], (g, group_bytes), (v, vector_bytes))
                        code.store(best, place)

                code.repeat(shape.channels // (vectors * lanes), group)

            code.repeat(n_rows, partners)

        code.repeat(shape.outputs, output)

    code.repeat(n_windows, window)
    return code.compiled()

"""The first block of packed windows by look-up, without keeping what it pools."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from epipam.scoring.kernels.vector_code import (
    FLOAT_BYTES,
    SHORT_BYTES,
    Kernel,
    Value,
    Values,
    VectorCode,
    address,
    common_lanes,
    processor,
)


class KmerShape(NamedTuple):
    """The sizes of a first block that is made of k-mer tables.

    Attributes
    ----------
    span
        K-mer codes of a window.
    kmer
        Positions from one table's k-mer to the next one's.
    tables
        How many rows are added up.
    channels
        Of a row.
    pool
        Of the max-pool.
    outputs
        Positions that the pool leaves.
    """

    span: int
    kmer: int
    tables: int
    channels: int
    pool: int
    outputs: int


def kmer_maxima(shape: KmerShape, codes: Tensor, rows: Tensor, bias: Tensor) -> Tensor:
    """Return convolution, max-pool, bias and ReLU, float32 (n, outputs, channels).

    Parameters
    ----------
    shape
        The sizes.
    codes
        int32 (n, span), contiguous: the k-mer that begins at each position.
    rows
        float32 (k-mers * tables, channels), contiguous: what each k-mer adds by each table.
    bias
        float32 (channels,).
    """
    out = rows.new_empty((len(codes), shape.outputs, shape.channels))
    if len(codes):
        _kernel(shape)(
            len(codes),
            address(codes, torch.int32),
            address(rows),
            address(bias),
            address(out),
        )
    return out


@cache
def _kernel(shape: KmerShape) -> Kernel:
    """Compile the loops: windows, outputs, channels, positions of the pool, tables."""
    lanes = common_lanes(shape.channels)
    most = processor().registers // 4
    vectors = max(v for v in range(1, most + 1) if shape.channels // lanes % v == 0)
    code = VectorCode(lanes, 5)
    n_windows, codes, rows, bias, out = code.arguments
    vector_bytes = lanes * FLOAT_BYTES
    group_bytes = vectors * vector_bytes
    row_bytes = shape.channels * FLOAT_BYTES

    def window(x: Value, _: Values) -> None:
        of_window = code.at(codes, (x, shape.span * SHORT_BYTES))

        def output(o: Value, _: Values) -> None:
            first = code.at(of_window, (o, shape.pool * SHORT_BYTES))

            def group(g: Value, _: Values) -> None:
                def position(t: Value, largest: Values) -> Values:
                    sums: Values | None = None
                    for table in range(shape.tables):
                        kmer = code.load_short(
                            code.at(first, (t, SHORT_BYTES), (table, shape.kmer * SHORT_BYTES))
                        )
                        row = code.at(
                            rows,
                            (kmer, shape.tables * row_bytes),
                            (table, row_bytes),
                            (g, group_bytes),
                        )
                        found = [code.load(code.at(row, (v, vector_bytes))) for v in range(vectors)]
                        if sums is not None:
                            found = [code.add(*two) for two in zip(sums, found, strict=True)]
                        sums = found
                    assert sums is not None
                    return [code.larger(*both) for both in zip(largest, sums, strict=True)]

                nothing = [code.constant(float("-inf"))] * vectors
                largest = code.repeat(shape.pool, position, nothing)
                place = code.at(
                    out, (x, shape.outputs * row_bytes), (o, row_bytes), (g, group_bytes)
                )
                for v, best in enumerate(largest):
                    added = code.load(code.at(bias, (g, group_bytes), (v, vector_bytes)))
                    value = code.larger(code.add(best, added), code.constant(0.0))
                    code.store(value, code.at(place, (v, vector_bytes)))

            code.repeat(shape.channels // (vectors * lanes), group)

        code.repeat(shape.outputs, output)

    code.repeat(n_windows, window)
    return code.compiled()

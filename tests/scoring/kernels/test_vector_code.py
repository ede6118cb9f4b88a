"""Loops over vectors, written and compiled."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from llvmlite import ir

from epipam.scoring.kernels.vector_code import (
    FLOAT_BYTES,
    VectorCode,
    address,
    common_lanes,
    processor,
)


def test_a_processor_has_whole_vectors() -> None:
    lanes, registers = processor()
    assert lanes in {4, 8, 16}
    assert registers in {16, 32}


@pytest.mark.parametrize("numbers", [1, 6, 64, 100, 65])
def test_common_lanes_make_up_whole_vectors(numbers: int) -> None:
    lanes = common_lanes(numbers)
    assert numbers % lanes == 0
    assert processor().lanes % lanes == 0


@pytest.mark.parametrize(
    "values",
    [torch.zeros(3, dtype=torch.float64), torch.zeros(3, 4).T, torch.zeros(3, device="meta")],
)
def test_what_a_kernel_cannot_read_has_no_address(values: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="contiguous"):
        address(values)


@pytest.mark.parametrize("lanes", [1, 2, 16])
def test_nested_loops_carry_what_they_sum(lanes: int) -> None:
    """Sums of the columns of a matrix of `lanes` columns, some rows apart."""
    code = VectorCode(lanes, 4)
    n_blocks, n_rows, matrix, out = code.arguments
    row_bytes = lanes * FLOAT_BYTES

    def block(y: ir.Value, total: list[ir.Value]) -> list[ir.Value]:
        def row(x: ir.Value, total: list[ir.Value]) -> list[ir.Value]:
            place = code.at(matrix, (code.at(x, (y, 3)), row_bytes))
            return [code.add(total[0], code.load(place))]

        return code.repeat(n_rows, row, total)

    (total,) = code.repeat(n_blocks, block, [code.constant(0.5)])
    code.store(total, out)
    code.store_largest(total, code.at(out, (1, row_bytes)))
    kernel = code.compiled()
    values = np.random.default_rng(0).integers(0, 9, (12, lanes)).astype(np.float32)
    found = np.empty(lanes + 1, dtype=np.float32)
    kernel(4, 2, values.ctypes.data, found.ctypes.data)
    expected = 0.5 + sum(values[3 * y + x] for y in range(4) for x in range(2))
    np.testing.assert_array_equal(found[:-1], expected)
    assert found[-1] == expected.max()


def test_threads_may_compile_and_run_at_once() -> None:
    found: list[float] = []

    def double(number: float) -> None:
        code = VectorCode(4, 1)
        (place,) = code.arguments
        value = code.load(place)
        code.store(code.multiply_add(value, code.constant(2.0), code.constant(0.0)), place)
        values = np.full(4, number, dtype=np.float32)
        code.compiled()(values.ctypes.data)
        found.extend(values.tolist())

    threads = [threading.Thread(target=double, args=(float(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted([2.0 * n for n in range(4)] * 4)

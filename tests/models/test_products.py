"""Matrix products by either library are those of NumPy in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from epipam.models import products
from epipam.models.products import row_products


@pytest.fixture(params=[True, False], ids=["MKL", "oneDNN"], autouse=True)
def maker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this processor for one of Intel's, and for another."""
    monkeypatch.setattr(products, "_is_intel", lambda: request.param)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (297, 197, 64)])
def test_every_row_times_every_row(shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    n, m, c = shape
    left, right = torch.randn(n, c, dtype=dtype), torch.randn(m, c, dtype=dtype)
    expected = left.double().numpy() @ right.double().numpy().T
    found = row_products(left, right)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_it_does_without_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    left, right = torch.randn(4, 3), torch.randn(5, 3)
    torch.testing.assert_close(row_products(left, right), left @ right.T)

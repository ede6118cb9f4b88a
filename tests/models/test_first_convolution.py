"""The first block on packed windows against PyTorch's own convolution, pool and ReLU."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from epipam.genome.encoding import pack
from epipam.models import unpack
from epipam.models.first_convolution import convolve_and_pool

CODES = np.array([0, 8, 4, 2, 1], dtype=np.uint8)


def windows(n: int, length: int) -> torch.Tensor:
    letters = np.random.default_rng(length).integers(0, 5, (n, length))
    return torch.from_numpy(pack(CODES[letters]))


@pytest.mark.parametrize(
    ("n", "length", "kernel", "pool"),
    [
        (12, 140, 25, 10),
        (3, 101, 13, 5),
        (2, 60, 7, 3),
        (1, 30, 25, 6),
        (9, 33, 5, 29),
        (2, 40, 3, 1),
    ],
)
def test_values_and_gradients_are_those_of_convolution_pool_and_relu(n, length, kernel, pool):
    torch.manual_seed(length)
    packed = windows(n, length)
    weight = torch.randn(6, 4, kernel, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(6, dtype=torch.float64, requires_grad=True)
    onehot = unpack(packed, length, torch.float64)
    plain = F.max_pool1d(F.relu(F.conv1d(onehot, weight, bias)), pool)
    found = convolve_and_pool(packed, length, weight, bias, pool)
    torch.testing.assert_close(found.transpose(1, 2), plain, rtol=0, atol=1e-12)
    gradient = torch.randn_like(plain)
    expected = torch.autograd.grad(plain, (weight, bias), gradient)
    gradients = torch.autograd.grad(found, (weight, bias), gradient.transpose(1, 2))
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_gradients_are_the_derivatives():
    torch.manual_seed(1)
    packed = windows(3, 31)
    weight = torch.randn(2, 4, 7, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *parameters: convolve_and_pool(packed, 31, *parameters, 4), (weight, bias)
    )


def test_no_windows_make_no_features():
    packed = torch.zeros(0, 50, dtype=torch.uint8)
    weight, bias = torch.randn(3, 4, 25), torch.randn(3)
    assert convolve_and_pool(packed, 100, weight, bias, 10).shape == (0, 7, 3)

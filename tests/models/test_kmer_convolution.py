"""Convolution by look-up against PyTorch's own."""

import numpy as np
import pytest
import torch
from torch import nn

from epipam.genome.encoding import pack
from epipam.models import unpack
from epipam.models.first_convolution import KMER, KmerConvolution, kmer_codes

CODES = np.array([0, 8, 4, 2, 1], dtype=np.uint8)


def windows(rng: np.random.Generator, n: int, length: int) -> tuple[np.ndarray, torch.Tensor]:
    """Return numbers of letters, 0 for N and 1 to 4 for A C G T, and the packed windows."""
    letters = rng.integers(0, 5, (n, length))
    return letters, torch.from_numpy(pack(CODES[letters]))


@pytest.mark.parametrize(("length", "span"), [(9, 5), (9, 12), (12, 8), (5, 1)])
def test_codes_number_the_kmers_and_nothing_lies_beyond_the_window(length, span):
    letters, packed = windows(np.random.default_rng(0), 3, length)
    codes = kmer_codes(packed, length, span)
    assert codes.shape == (3, span)
    for row, found in zip(letters.tolist(), codes.tolist(), strict=True):
        for position, code in enumerate(found):
            expected = 0
            for offset in range(KMER):
                inside = position + offset < length
                expected = 5 * expected + (row[position + offset] if inside else 0)
            assert code == expected


def test_packed_windows_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 4\) but must have shape \(-1, 5\)"):
        kmer_codes(torch.zeros(2, 4, dtype=torch.uint8), 9, 5)


@pytest.mark.parametrize(("length", "width"), [(140, 25), (101, 13), (60, 7), (9, 9), (30, 1)])
def test_a_convolution_by_look_up_is_the_convolution_without_its_bias(length, width):
    torch.manual_seed(width)
    _, packed = windows(np.random.default_rng(width), 4, length)
    conv = nn.Conv1d(4, 6, width).double()
    with torch.no_grad():
        expected = conv(unpack(packed, length, torch.float64)).transpose(1, 2) - conv.bias
    found = KmerConvolution(conv)(packed, length)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)

"""The convolution of one-hot sequence by look-up: five bases at a time choose a row to add."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from epipam.encoding import BASES, CODES

_K = 5
_N = len(BASES)
_DIGITS = _N + 1


class KmerConvolution:
    """What a convolution makes of packed one-hot sequence, without multiplying.

    A kernel of 25 positions on 4 channels is 100 multiplications per base and output channel;
    every run of five bases has 5^5 values, N included, so five rows of tables give the same sum.

    Parameters
    ----------
    conv
        Convolution of one-hot input, 4 channels, no padding; its weights are read once, here.
    """

    def __init__(self, conv: nn.Conv1d) -> None:
        weight = conv.weight.detach()
        self.width = weight.shape[2]
        self.n_tables = -(-self.width // _K)
        self.table = _tables(F.pad(weight, (0, self.n_tables * _K - self.width)))
        if conv.bias is not None:
            self.table[: _DIGITS**_K] += conv.bias.detach()
        self.first_rows = torch.arange(self.n_tables, dtype=torch.int32) * _DIGITS**_K
        self.first_rows = self.first_rows.to(weight.device)
        self.digits = _byte_digits().to(weight.device)

    def __call__(self, packed: Tensor, length: int) -> Tensor:
        """Convolve windows of `length` bp.

        Parameters
        ----------
        packed
            uint8 (n, ceil(length / 2)): one-hot bits, as `epipam.encoding.pack` gives them.

        Returns
        -------
        float (n, length - width + 1, channels).
        """
        positions = length - self.width + 1
        digits = self.digits[packed.int()].view(len(packed), -1)[:, :length]
        digits = F.pad(digits, (0, self.n_tables * _K - self.width), value=_N)
        n_kmers = digits.shape[1] - _K + 1
        kmers = digits[:, :n_kmers]
        for i in range(1, _K):
            kmers = torch.add(digits[:, i : n_kmers + i], kmers, alpha=_DIGITS)
        shape = (len(packed), positions, self.n_tables)
        rows = torch.empty(shape, dtype=torch.int32, device=packed.device)
        torch.add(kmers.as_strided(shape, (n_kmers, 1, _K)), self.first_rows, out=rows)
        found = F.embedding_bag(rows.view(-1, self.n_tables), self.table, mode="sum")
        return found.view(len(packed), positions, -1)


def _tables(weight: Tensor) -> Tensor:
    """Return one row of sums per table and run of five bases: (tables * 5^5, channels)."""
    runs = torch.cartesian_prod(*[torch.arange(_DIGITS, device=weight.device)] * _K)
    by_base = F.pad(weight, (0, 0, 0, 1)).permute(2, 1, 0)  # (width, base, channels); N is zeros
    tables = [
        torch.stack([by_base[first + i][runs[:, i]] for i in range(_K)]).sum(dim=0)
        for first in range(0, len(by_base), _K)
    ]
    return torch.cat(tables)


def _byte_digits() -> Tensor:
    """Return the two bases of each packed byte as digits, int32 (256, 2)."""
    digit = torch.full((16,), _N, dtype=torch.int32)
    for number, base in enumerate(BASES):
        digit[CODES[base]] = number
    byte = torch.arange(256)
    return torch.stack([digit[byte >> 4], digit[byte & 15]], dim=1)

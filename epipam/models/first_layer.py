"""The convolution that a network reads sequence with: what its kernels answer to, base by base."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from epipam.models.embedding import KMER, KmerEmbedding
from epipam.models.first_convolution import KmerConvolution


class FirstLayer(NamedTuple):
    """The first convolution of one anchor's branch; a ReLU follows it in every network.

    Attributes
    ----------
    conv
        Without padding or stride.
    embedding
        What makes its input of 6-mers; None where it reads one-hot bases.
    """

    conv: nn.Conv1d
    embedding: KmerEmbedding | None = None

    @property
    def kernels(self) -> int:
        """How many kernels it has."""
        return self.conv.out_channels

    @property
    def width(self) -> int:
        """How many bases a kernel sees, bp."""
        return self.conv.kernel_size[0] + (KMER - 1 if self.embedding is not None else 0)


class KernelActivations:
    """What the kernels of a first layer make of windows.

    Parameters
    ----------
    layer
        Its weights are read once, here.
    """

    def __init__(self, layer: FirstLayer) -> None:
        self.layer = layer
        self._bases = KmerConvolution(layer.conv) if layer.embedding is None else None

    def __call__(self, packed: Tensor, length: int) -> Tensor:
        """Return the activations, after bias and ReLU, float (N, length - width + 1, kernels).

        Parameters
        ----------
        packed
            uint8 (N, ceil(length / 2)).
        length
            Window length in bp.
        """
        bias = self.layer.conv.bias
        assert bias is not None
        if self._bases is not None:
            convolved = self._bases(packed, length)
        else:
            assert self.layer.embedding is not None
            vectors = self.layer.embedding(packed, length)
            convolved = F.conv1d(vectors, self.layer.conv.weight).transpose(1, 2)
        return convolved.add_(bias).relu_()

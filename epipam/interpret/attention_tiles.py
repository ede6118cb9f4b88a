"""Which bases a position of a PAM stands for.

A position after a block's pool sees a stretch of bases, its field; the next position's begins a
stride further and overlaps it. Each position stands for the stride in the middle of its field, so
that every base of a window, but for its edges, belongs to one position.
"""

from __future__ import annotations

from typing import NamedTuple

from epipam.errors import ModelError, RequestError
from epipam.models import Epipam, EpipamConfig, Network
from epipam.models.network import NO_ATTENTION


class Tiles(NamedTuple):
    """The bases that the positions of one anchor stand for.

    Attributes
    ----------
    positions
        How many positions there are.
    first
        Where the first one's bases begin, from the window's start, bp.
    stride
        How many bases each stands for, bp.
    field
        How many bases each sees, bp.
    """

    positions: int
    first: int
    stride: int
    field: int


def attentive(network: Network) -> Epipam:
    """Return the network, if it has position attention.

    Raises
    ------
    ModelError
        Where it has none.
    """
    if isinstance(network, Epipam) and network.config.position_attention:
        return network
    raise ModelError(NO_ATTENTION)


def attention_tiles(config: EpipamConfig, length: int, layer: int) -> Tiles:
    """Return the tiles of a window of `length` bp in the PAM after block `layer`, from 1.

    With the published shape the first PAM has fields of 34 bp every 10 bp, the second of 244 bp
    every 100, the third of 1,244 bp every 500.

    Raises
    ------
    RequestError
        For a block that the network does not have.
    """
    n_layers = len(config.kernels)
    if not 1 <= layer <= n_layers:
        raise RequestError(f"the model has {n_layers} PAMs; there is no layer {layer}")
    # The window, or what is left of it, in positions; a 6-mer is a position that sees six bases.
    positions = length - config.overhang
    field, stride = 1 + config.overhang, 1
    blocks = zip(config.kernels, config.pools, config.positions(length), strict=True)
    for kernel, pool, left in list(blocks)[:layer]:
        pool = min(pool, positions - kernel + 1)
        field += (kernel - 1 + pool - 1) * stride
        stride *= pool
        positions = left
    return Tiles(positions, (field - stride) // 2, stride, field)

"""The compiled loops as functions of tensors."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from epipam.scoring.native.library import library

# As in `maxima.c`: vectors of enhancer positions in a panel, pairs worked on at once.
_PANEL = 2
_PARTNERS = 3
_LANES = (16, 8, 4)


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


class PairsByWindow(NamedTuple):
    """The pairs that read each window, `_PARTNERS` at a time.

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
    def of(cls, window: np.ndarray) -> PairsByWindow:
        """Put pairs of one window together, given the window of each, int64 (n_pairs,)."""
        order = np.argsort(window, kind="stable")
        windows, firsts, n_pairs = np.unique(window[order], return_index=True, return_counts=True)
        n_rows = -(-n_pairs // _PARTNERS)
        begins = np.r_[0, np.cumsum(n_rows)]
        row = np.arange(begins[-1]) - np.repeat(begins[:-1], n_rows)
        place = row[:, None] * _PARTNERS + np.arange(_PARTNERS)
        place = np.minimum(place, np.repeat(n_pairs - 1, n_rows)[:, None])
        return cls(windows, begins, order[place + np.repeat(firsts, n_rows)[:, None]])

    def alone(self, x: int) -> PairsByWindow:
        """Return the pairs of one of the windows, as if it were the first there is."""
        return PairsByWindow(np.zeros(1, np.int64), self.begins[x : x + 2], self.pairs)


def lanes_for(channels: int) -> int | None:
    """Return how many floats a vector has that this processor computes so many channels in.

    None where the loops were not compiled, or no vector is as narrow as the channels.
    """
    loops = library()
    if loops is None:
        return None
    most = loops.most_lanes()
    return next((lanes for lanes in _LANES if lanes <= min(most, channels)), None)


def kmer_maxima(lanes: int, shape: KmerShape, codes: Tensor, rows: Tensor, bias: Tensor) -> Tensor:
    """Return convolution by look-up, max-pool, bias and ReLU, float32 (n, outputs, channels).

    Parameters
    ----------
    lanes
        As `lanes_for` gives them; so in the other functions.
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
    _call(
        "kmer_maxima",
        lanes,
        len(codes),
        _sizes(shape),
        _address(codes, torch.int32),
        _address(rows),
        _address(bias),
        _address(out),
    )
    return out


def position_maxima(
    lanes: int, enhancers: Tensor, promoters: Tensor, enhancer: np.ndarray, promoter: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Return the largest entry of each row and each column of `Me^T Mp`, for pairs of windows.

    Parameters
    ----------
    enhancers, promoters
        float32 (a, n, c) and (b, m, c): features by position; those of promoters contiguous.
    enhancer, promoter
        int64 (n_pairs,): which of them each pair compares.

    Returns
    -------
    float32 (n_pairs, n) and (n_pairs, m).
    """
    n, channels = enhancers.shape[1:]
    m = promoters.shape[1]
    panels = _panels(enhancers, _PANEL * lanes)
    by_enhancer = enhancers.new_empty((len(enhancer), panels.shape[1] * panels.shape[3]))
    by_promoter = enhancers.new_empty((len(promoter), m))
    room = enhancers.new_empty((m, lanes))
    _call(
        "position_maxima",
        lanes,
        len(enhancer),
        panels.shape[1],
        m,
        channels,
        _address(panels),
        _address(promoters),
        _address(torch.from_numpy(enhancer), torch.int64),
        _address(torch.from_numpy(promoter), torch.int64),
        _address(by_enhancer),
        _address(by_promoter),
        _address(room),
    )
    return by_enhancer[:, :n], by_promoter


def tap_maxima(
    lanes: int,
    shape: TapShape,
    products: Tensor,
    pairs: PairsByWindow,
    weights: Tensor,
    out: Tensor,
) -> None:
    """Write the pooled convolution, without bias, of each pair's reweighted window.

    After the first PAM the features of a window are `M * (1 + A)` with A one number per position,
    so the convolution is a sum over its taps of `(1 + A[i + k]) * P[k, :, i + k]`, whose second
    factor reads one window only.

    Parameters
    ----------
    shape
        The sizes.
    products
        float32 (n_windows, positions, taps * channels), contiguous.
    pairs
        Which pairs read which window.
    weights
        float32 (n_pairs, positions), contiguous: `1 + A`.
    out
        float32 (n_pairs, outputs, channels), contiguous.
    """
    _call(
        "tap_maxima",
        lanes,
        len(pairs.windows),
        _sizes(shape),
        _address(products),
        *(_address(torch.from_numpy(numbers), torch.int64) for numbers in pairs),
        _address(weights),
        _address(out),
    )


def _call(
    function: str, lanes: int, n: int, *arguments: int | ctypes.Array[ctypes.c_int64]
) -> None:
    loops = library()
    assert loops is not None
    passed = (ctypes.c_int64(a) if isinstance(a, int) else a for a in (lanes, n, *arguments))
    getattr(loops, function)(*passed)


def _sizes(shape: tuple[int, ...]) -> ctypes.Array[ctypes.c_int64]:
    return (ctypes.c_int64 * len(shape))(*shape)


def _address(values: Tensor, dtype: torch.dtype = torch.float32) -> int:
    """Return where numbers lie, for a function that trusts its caller.

    Raises
    ------
    ValueError
        Where they are of another type, have gaps between them or lie on another device.
    """
    if values.dtype != dtype or not values.is_contiguous() or values.device.type != "cpu":
        raise ValueError(
            f"a compiled loop reads contiguous {dtype} on the processor, not {values.dtype} on "
            f"{values.device} with strides {values.stride()}"
        )
    return values.data_ptr()


def _panels(features: Tensor, width: int) -> Tensor:
    """Return float (a, panels, c, width): the channels of `width` positions side by side.

    The last position is repeated to the end of the last panel, which changes no maximum.
    """
    a, n, channels = features.shape
    n_panels = -(-n // width)
    position = torch.arange(n_panels * width).clamp_(max=n - 1)
    panels = features[:, position].view(a, n_panels, width, channels)
    return panels.transpose(2, 3).contiguous()

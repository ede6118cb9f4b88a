"""The rows of a batch, and of the blocks that batches are cut from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from epipam.genome.encoding import packed_length
from epipam.store import Rows
from epipam.store.schema import WINDOW_COLUMNS

PAIR, COPY = WINDOW_COLUMNS.index("pair"), WINDOW_COLUMNS.index("copy")


class Batch(NamedTuple):
    """A batch of window pairs, packed.

    Attributes
    ----------
    enhancer, promoter
        uint8 (N, ceil(L / 2)): packed one-hot; `models.unpack` makes (N, 4, L) of it.
    label
        int8 (N,): 1, 0, or -1 where unknown.
    contig
        int32 (N,): index into the loader's chromosomes.
    pair
        int64 (N,): number of the pair in its table.
    """

    enhancer: Tensor
    promoter: Tensor
    label: Tensor
    contig: Tensor
    pair: Tensor


class ChunkRows(NamedTuple):
    """A chunk's rows, and which of them count."""

    contig: int
    start: int
    rows: Rows
    counted: np.ndarray


class BatchArrays(NamedTuple):
    """Memory for a batch's columns, which are as `Batch` has them, with room for all its rows."""

    enhancer: np.ndarray
    promoter: np.ndarray
    label: np.ndarray
    contig: np.ndarray
    pair: np.ndarray


class Column(NamedTuple):
    """Type and shape of what a batch has of each row."""

    dtype: torch.dtype
    row_shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * prod(self.row_shape)


def batch_columns(enhancer_length: int, promoter_length: int) -> list[Column]:
    """Return what the columns of a batch are, in the order of `Batch`, for lengths in bp."""
    return [
        Column(torch.uint8, (packed_length(enhancer_length),)),
        Column(torch.uint8, (packed_length(promoter_length),)),
        Column(torch.int8, ()),
        Column(torch.int32, ()),
        Column(torch.int64, ()),
    ]


class Block(NamedTuple):
    """Rows of a block as they were read, and the order in which batches are cut from them.

    A batch's windows are copied once, from here to where the batch is.

    Attributes
    ----------
    enhancer, promoter, label, contig, pair
        As in `Batch`, (n, ...).
    key
        int64 (n,): number of each row within the whole store, for what is drawn per row.
    order
        int64 (n,): the rows, in the order of the batches.
    """

    enhancer: np.ndarray
    promoter: np.ndarray
    label: np.ndarray
    contig: np.ndarray
    pair: np.ndarray
    key: np.ndarray
    order: np.ndarray

    @classmethod
    def join(
        cls, parts: Sequence[ChunkRows], order_of: Callable[[np.ndarray], np.ndarray] | None
    ) -> Block:
        """Put the counted rows of chunks into one block; `order_of` orders them by their keys."""
        ends = np.cumsum([len(part.counted) for part in parts])

        def joined(name: str) -> np.ndarray:
            first: np.ndarray = getattr(parts[0].rows, name)
            column = np.empty((ends[-1], *first.shape[1:]), dtype=first.dtype)
            for part, place in zip(parts, np.split(column, ends[:-1]), strict=True):
                _take(getattr(part.rows, name), part.counted, place)
            return column

        window = joined("window")
        key = (window[:, PAIR] << 16) + window[:, COPY]
        contig = np.array([part.contig for part in parts], dtype=np.int32)
        return cls(
            enhancer=joined("enhancer"),
            promoter=joined("promoter"),
            label=joined("label"),
            contig=np.repeat(contig, [len(part.counted) for part in parts]),
            pair=window[:, PAIR].copy(),
            key=key,
            order=np.arange(len(key)) if order_of is None else order_of(key),
        )

    def copy_to(self, batch: BatchArrays, start: int, stop: int) -> np.ndarray:
        """Write rows [start, stop) of the order to the beginning of a batch; return their keys."""
        rows = self.order[start:stop]
        for name, column in batch._asdict().items():
            _take(getattr(self, name), rows, column[: len(rows)])
        keys: np.ndarray = self.key[rows]
        return keys


def _take(rows: np.ndarray, which: np.ndarray, place: np.ndarray) -> None:
    """Copy rows to their place, once: without `clip`, NumPy copies twice in case one is absent."""
    np.take(rows, which, axis=0, out=place, mode="clip")

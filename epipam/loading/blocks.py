"""The rows of a batch, and of the blocks that batches are cut from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """The columns of a batch, as `Batch` has them, before torch gets them."""

    enhancer: np.ndarray
    promoter: np.ndarray
    label: np.ndarray
    contig: np.ndarray
    pair: np.ndarray

    def as_tensors(self) -> Batch:
        """Return the same memory as tensors."""
        return Batch(*map(torch.from_numpy, self))


def bytes_per_row(enhancer_length: int, promoter_length: int) -> int:
    """Return how many bytes a row of a batch takes, for windows of lengths in bp."""
    others = np.int8, np.int32, np.int64
    n_others = sum(np.dtype(kind).itemsize for kind in others)
    return packed_length(enhancer_length) + packed_length(promoter_length) + n_others


class Block(NamedTuple):
    """Rows of a block as they were read, and the order in which batches are cut from them.

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

    def cut(self, start: int, stop: int) -> tuple[BatchArrays, np.ndarray]:
        """Return rows [start, stop) of the order as a batch of its own memory, and their keys."""
        rows = self.order[start:stop]
        columns = (getattr(self, name) for name in BatchArrays._fields)
        return BatchArrays(*(np.take(column, rows, axis=0) for column in columns)), self.key[rows]


def _take(rows: np.ndarray, which: np.ndarray, place: np.ndarray) -> None:
    """Copy rows to their place, once: without `clip`, NumPy copies twice in case one is absent."""
    np.take(rows, which, axis=0, out=place, mode="clip")

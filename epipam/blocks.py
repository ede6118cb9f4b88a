"""The rows of a batch, and of the blocks that batches are cut from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

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


class Block(NamedTuple):
    """Rows of a block; `key` numbers a row within the whole store, for what is drawn per row."""

    enhancer: np.ndarray
    promoter: np.ndarray
    label: np.ndarray
    contig: np.ndarray
    pair: np.ndarray
    key: np.ndarray

    @classmethod
    def join(
        cls, parts: Sequence[ChunkRows], order_of: Callable[[np.ndarray], np.ndarray] | None
    ) -> Block:
        """Put the counted rows of chunks into one block, in the order of their keys."""
        window = np.concatenate([part.rows.window[part.counted] for part in parts])
        key = (window[:, PAIR] << 16) + window[:, COPY]
        order = np.arange(len(key)) if order_of is None else order_of(key)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        places = np.split(place, np.cumsum([len(part.counted) for part in parts])[:-1])
        first = parts[0].rows

        def gathered(name: str) -> np.ndarray:
            source: np.ndarray = getattr(first, name)
            column = np.empty((len(key), *source.shape[1:]), dtype=source.dtype)
            for part, to in zip(parts, places, strict=True):
                column[to] = getattr(part.rows, name)[part.counted]
            return column

        contig = np.empty(len(key), dtype=np.int32)
        for part, to in zip(parts, places, strict=True):
            contig[to] = part.contig
        return cls(
            enhancer=gathered("enhancer"),
            promoter=gathered("promoter"),
            label=gathered("label"),
            contig=contig,
            pair=window[order, PAIR],
            key=key[order],
        )

    def part(self, start: int, stop: int) -> Block:
        return Block(*(column[start:stop] for column in self))

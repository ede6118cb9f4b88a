"""The order of an epoch: which rows a role reads, which rank reads them, in which batches.

Training
    An epoch lists the chunks of its chromosomes in an order drawn from (seed, epoch), and each of
    R ranks takes an equal, contiguous part of the rows of that list: floor(rows / (R * batch
    size)) whole batches. The rows that are left over, others in each epoch, are not seen. A
    rank's part is cut into blocks; the batches of `LANES` blocks at a time are dealt in turn.
    Each block is shuffled by itself, so a batch mixes the rows of a block, several chunks of any
    chromosomes.
Evaluation
    Every unshifted window exactly once, in stored order; the last batch of a rank may be smaller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from epipam.genome.windows import keyed_draw

LANES = 24


class Draw(IntEnum):
    """What is drawn for an epoch, kept apart by a number of its own."""

    CHUNK_ORDER = 0
    ROW_ORDER = 1
    STRAND = 2
    ENHANCER_SHIFT = 3
    PROMOTER_SHIFT = 4


class Chunks(NamedTuple):
    """Chunks of a store, int (n_chunks,) each.

    Attributes
    ----------
    contig
        Index of the contig.
    start, stop
        Its rows [start, stop); the last chunk's may end earlier.
    eligible
        How many of them count.
    """

    contig: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    eligible: np.ndarray

    def take(self, order: np.ndarray) -> Chunks:
        """Return the chunks in another order."""
        return Chunks(*(column[order] for column in self))


class Piece(NamedTuple):
    """Rows [start, stop) of a contig, and of those that count among them, [low, high)."""

    contig: int
    start: int
    stop: int
    low: int
    high: int


class Epoch(NamedTuple):
    """One epoch of one rank.

    Attributes
    ----------
    number
        Number of the epoch.
    chunks, ends
        The epoch's chunks in order, and the rows that count up to the end of each.
    order
        int64 (n_batches, 2): block of each batch, and its number within the block.
    """

    number: int
    chunks: Chunks
    ends: np.ndarray
    order: np.ndarray


def eligible(
    label: np.ndarray,
    copy: np.ndarray,
    *,
    training: bool,
    augmented: bool,
    chosen: np.ndarray | None = None,
) -> np.ndarray:
    """Return which rows a role reads, bool (n,).

    Parameters
    ----------
    label, copy
        (n,): 1, 0 or -1; and 0 for the unshifted window.
    training
        Training reads shifted copies of positives and unshifted negatives; evaluation reads
        every unshifted window.
    augmented
        Whether the store holds shifted copies; where it does not, training reads the unshifted
        windows of positives.
    chosen
        bool (n,): whether the row's pair is to be read at all; None where every one is.
    """
    rows = copy == 0
    if training and not augmented:
        rows = rows & (label >= 0)
    elif training:
        rows = np.where(label == 1, ~rows, rows & (label == 0))
    return rows if chosen is None else rows & chosen


@dataclass(frozen=True)
class EpochOrder:
    """The order of any epoch of one rank, as a function of the epoch's number.

    Attributes
    ----------
    chunks
        All chunks, in stored order.
    training
        Whether chunks are shuffled and ranks make the same number of whole batches.
    batch_size
        Rows of a batch.
    buffer_rows
        Rows of the blocks that are open at one time; one batch where that is more.
    seed
        Seed of the order.
    rank, world_size
        Whose part of the rows.
    """

    chunks: Chunks
    training: bool
    batch_size: int
    buffer_rows: int
    seed: int
    rank: int
    world_size: int

    @cached_property
    def n_rows(self) -> int:
        """Rows that count, over all ranks."""
        return int(self.chunks.eligible.sum())

    @property
    def n_batches(self) -> int:
        """Batches of this rank in an epoch."""
        first, last = self.share
        return -(-(last - first) // self.batch_size)

    @property
    def block_rows(self) -> int:
        """Rows of one block: a whole number of batches."""
        return max(1, self.buffer_rows // LANES // self.batch_size) * self.batch_size

    @property
    def lanes(self) -> int:
        """Blocks that are open at one time."""
        return max(1, min(LANES, self.buffer_rows // self.block_rows))

    @property
    def share(self) -> tuple[int, int]:
        """Range of an epoch's rows that this rank reads."""
        rank, world_size = self.rank, self.world_size
        if self.training:
            rows = self.n_rows // (self.batch_size * world_size) * self.batch_size
            return rank * rows, (rank + 1) * rows
        return self.n_rows * rank // world_size, self.n_rows * (rank + 1) // world_size

    def epoch(self, number: int) -> Epoch:
        """Return the order of an epoch."""
        chunks = self.chunks
        block, turn = np.divmod(np.arange(self.n_batches), self._block_batches)
        order = np.stack([block, turn], axis=1)
        if self.training:
            keys = keyed_draw(self.seed, number, Draw.CHUNK_ORDER, np.arange(len(chunks.contig)))
            chunks = chunks.take(np.argsort(keys, kind="stable"))
            order = order[np.lexsort((block, turn, block // self.lanes))]
        return Epoch(number, chunks, np.cumsum(chunks.eligible), order)

    def batches_together(self, workers: int) -> int:
        """Return how many neighbouring batches are best asked of a worker at a time."""
        return -(-self.lanes // workers) if self.training else self._block_batches

    def requests(self, workers: int, most: int) -> Iterator[range]:
        """Yield the batches to ask for at a time, in order; workers are asked in turn.

        A block's batches are asked of one worker, so that no other reads the block as well. That
        may leave a worker nothing to do in its turn: a range may be empty.

        Parameters
        ----------
        workers
            How many there are.
        most
            Batches that may be asked for at a time. In evaluation, more in a block are asked of
            several workers.
        """
        size = self._block_batches
        n_blocks = -(-self.n_batches // size)
        start = 0
        for first in range(0, n_blocks, self.lanes):
            lanes = min(self.lanes, n_blocks - first)
            if not self.training:
                # Blocks follow each other, and none is open beside another.
                for block in range(first, first + lanes):
                    stop = min((block + 1) * size, self.n_batches)
                    for begin in range(block * size, stop, most):
                        yield range(begin, min(begin + most, stop))
                continue
            n_parts = workers * -(-lanes // (workers * most))
            edges = [-(-lanes * part // n_parts) for part in range(n_parts + 1)]
            for turn in range(size):
                # The last block may have fewer batches.
                dealt = lanes - ((first + lanes - 1) * size + turn >= self.n_batches)
                for low, high in pairwise(min(edge, dealt) for edge in edges):
                    yield range(start + low, start + high)
                start += dealt

    @property
    def _block_batches(self) -> int:
        return self.block_rows // self.batch_size

    def pieces(self, epoch: Epoch, block: int) -> Iterator[Piece]:
        """Yield where the rows of a block lie, in order."""
        first = self.share[0] + block * self.block_rows
        last = min(first + self.block_rows, self.share[1])
        chunk = int(np.searchsorted(epoch.ends, first, side="right"))
        while first < last:
            contig, start, stop, count = (int(column[chunk]) for column in epoch.chunks)
            if count:
                begin = int(epoch.ends[chunk]) - count
                high = min(last - begin, count)
                yield Piece(contig, start, stop, first - begin, high)
                first = begin + high
            chunk += 1

"""How batches get from a worker process to the one that asked: through memory that both see.

Sending a tensor costs more than reading a batch, and most of that is fresh memory. So a loader
shares one piece of memory with its workers from the beginning, cut into slots. A worker writes
the batches of a request into the slot that the request names, and this process copies them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from math import prod
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from epipam.blocks import Batch, Block
from epipam.encoding import packed_length

# No column begins at an address that its type does not like.
_ALIGNED = 8
# Shared memory may be scarce: containers have 64 MB of it unless told otherwise.
_SLOT_BYTES = 4_000_000


class Request(NamedTuple):
    """Batches [start, stop) of an epoch, and the slot to write them into."""

    epoch: int
    start: int
    stop: int
    slot: int


class Answer(NamedTuple):
    """The slot that was written, and how many rows each of its batches has."""

    slot: int
    rows: list[int]


class Source(Protocol):
    """What batches come from, as `epipam.loader.PairBatches`."""

    def rows(self, number: int, batch_number: int) -> Block:
        """Return the rows of a batch of an epoch."""

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        """Return a batch of an epoch."""


class Exchange(Dataset[Answer | list[Batch]]):
    """Slots of shared memory, and who writes and reads them.

    Parameters
    ----------
    source
        What batches come from.
    batch_size, enhancer_length, promoter_length
        Most rows of a batch, and lengths of the windows in bp.
    blocks
        Open blocks of each worker: neighbouring batches are of so many blocks, in turn.
    slots
        How many requests may be under way or being taken out at one time.
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        enhancer_length: int,
        promoter_length: int,
        blocks: int,
        slots: int,
    ) -> None:
        self.source = source
        self.slots = slots
        self._columns = {
            "pair": (torch.int64, ()),
            "contig": (torch.int32, ()),
            "label": (torch.int8, ()),
            "enhancer": (torch.uint8, (packed_length(enhancer_length),)),
            "promoter": (torch.uint8, (packed_length(promoter_length),)),
        }
        sizes = [
            -(-batch_size * dtype.itemsize * prod(shape) // _ALIGNED) * _ALIGNED
            for dtype, shape in self._columns.values()
        ]
        *self._starts, self._batch_bytes = accumulate(sizes, initial=0)
        # Most batches of a request; a whole share of the blocks, so that each keeps its worker.
        self.together = max(
            number
            for number in range(1, blocks + 1)
            if number == 1 or (blocks % number == 0 and number * self._batch_bytes <= _SLOT_BYTES)
        )
        self._memory: Tensor | None = None

    def open(self) -> None:
        """Share the memory; before the workers start, which then share it too."""
        if self._memory is None:
            shape = (self.slots, self.together, self._batch_bytes)
            self._memory = torch.empty(shape, dtype=torch.uint8).share_memory_()

    def __getitem__(self, request: Request) -> Answer | list[Batch]:
        """Read the batches of a request; where no memory is shared, hand them out themselves."""
        numbers = range(request.start, request.stop)
        if self._memory is None:
            return [self.source[request.epoch, number] for number in numbers]
        rows = []
        for number, memory in zip(numbers, self._memory[request.slot], strict=False):
            block = self.source.rows(request.epoch, number)
            for name, column in self._batch(memory, len(block.label))._asdict().items():
                column.numpy()[...] = getattr(block, name)
            rows.append(len(block.label))
        return Answer(request.slot, rows)

    def take(self, answer: Answer | list[Batch]) -> Iterator[Batch]:
        """Yield the batches of an answer; its slot is free when all were taken."""
        if isinstance(answer, list):
            yield from answer
            return
        assert self._memory is not None
        for n_rows, memory in zip(answer.rows, self._memory[answer.slot], strict=False):
            yield self._batch(memory.clone(), n_rows)

    def _batch(self, memory: Tensor, n_rows: int) -> Batch:
        """Return the columns of a batch as views of the memory it lies in."""
        columns = {}
        for (name, (dtype, shape)), start in zip(self._columns.items(), self._starts, strict=True):
            size = n_rows * dtype.itemsize * prod(shape)
            columns[name] = memory[start : start + size].view(dtype).view(n_rows, *shape)
        return Batch(**columns)

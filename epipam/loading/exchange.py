"""How batches get from a worker process to the one that asked: through memory that both see.

Sending a tensor costs more than reading a batch, and most of that is fresh memory. So a loader
shares one piece of memory with its workers from the beginning, cut into slots. A worker writes
the batches of a request into the slot that the request names, and this process hands them out
where they lie. A slot is written into again when nobody holds a batch of it any more.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from epipam.loading.blocks import Batch, BatchArrays, batch_columns

# No column begins at an address that its type does not like.
_ALIGNED = 8
# Shared memory may be scarce: containers have 64 MB of it unless told otherwise.
_SLOT_BYTES = 4_000_000
# Slots that may be lent: whoever takes a batch of one may still hold the one before.
_MOST_LENT = 2


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
    """What batches come from, as `epipam.loading.loader.PairBatches`."""

    def read(self, number: int, batch_number: int, batch: BatchArrays) -> int:
        """Write a batch of an epoch to memory; return how many rows it has."""

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        """Return a batch of an epoch."""


class Exchange(Dataset[Answer | list[Batch]]):
    """Slots of shared memory, and what workers write into them.

    Parameters
    ----------
    source
        What batches come from.
    batch_size, enhancer_length, promoter_length
        Most rows of a batch, and lengths of the windows in bp.
    together
        Batches of a request, if they fit into a slot.
    slots
        How many there are.
    """

    def __init__(
        self,
        source: Source,
        *,
        batch_size: int,
        enhancer_length: int,
        promoter_length: int,
        together: int,
        slots: int,
    ) -> None:
        self.source = source
        self.n_slots = slots
        columns = batch_columns(enhancer_length, promoter_length)
        sizes = [batch_size * column.row_bytes for column in columns]
        *starts, self._batch_bytes = accumulate(map(_aligned, sizes), initial=0)
        self._columns = list(zip(columns, starts, strict=True))
        self.together = max(1, min(together, _SLOT_BYTES // self._batch_bytes))
        self._batch_size = batch_size
        self._memory: Tensor | None = None

    @property
    def is_open(self) -> bool:
        """Whether memory is shared."""
        return self._memory is not None

    def open(self) -> None:
        """Share the memory; before the workers start, which then share it too."""
        if self._memory is None:
            shape = (self.n_slots, self.together, self._batch_bytes)
            self._memory = torch.empty(shape, dtype=torch.uint8).share_memory_()

    def __getitem__(self, request: Request) -> Answer | list[Batch]:
        """Read the batches of a request; where no memory is shared, hand them out themselves."""
        numbers = range(request.start, request.stop)
        if not self.is_open:
            return [self.source[request.epoch, number] for number in numbers]
        rows = []
        columns = self.columns(torch.from_numpy(self.slot(request.slot)))
        for number, *batch in zip(numbers, *columns, strict=False):
            arrays = BatchArrays(*(column.numpy() for column in batch))
            rows.append(self.source.read(request.epoch, number, arrays))
        return Answer(request.slot, rows)

    def slot(self, number: int) -> np.ndarray:
        """Return a slot's memory, uint8 (together, bytes of a batch): a new array each time."""
        assert self._memory is not None
        return self._memory[number].numpy()

    def columns(self, slot: Tensor) -> list[Tensor]:
        """Return the columns of a slot's batches as views of it, (together, batch size, ...)."""
        shape = (self.together, self._batch_size)
        return [
            slot[:, start : start + self._batch_size * column.row_bytes]
            .view(column.dtype)
            .view(*shape, *column.row_shape)
            for column, start in self._columns
        ]


class Slots:
    """Which slots are whose, as the process sees that asks for batches.

    Batches are handed out where they lie, and their slot is written into again when nobody holds
    any of their windows. Somebody may hold many, so few slots are lent at a time; the batches of
    others are copied, and their slots are free at once.

    Parameters
    ----------
    exchange
        What has the slots.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        # Slots that were asked for and not handed out yet; and those that are lent.
        self._asked: set[int] = set()
        self._lent: dict[int, weakref.ref[np.ndarray]] = {}

    @staticmethod
    def needed(requests: int) -> int:
        """Return how many slots let so many requests be under way, one being handed out."""
        return requests + 1 + _MOST_LENT

    def begin_pass(self) -> None:
        """Forget what an earlier pass asked for and did not take."""
        self._asked.clear()

    def claim(self) -> int:
        """Return a slot to ask for."""
        if not self.exchange.is_open:
            return 0
        taken = self._asked | self._still_lent()
        slot = next(slot for slot in range(self.exchange.n_slots) if slot not in taken)
        self._asked.add(slot)
        return slot

    def take(self, answer: Answer | list[Batch]) -> Iterator[Batch]:
        """Yield the batches of an answer."""
        if isinstance(answer, list):
            yield from answer
            return
        memory = self.exchange.slot(answer.slot)
        lend = len(self._still_lent()) < _MOST_LENT
        if lend:
            # The tensors made of this array are what keeps it.
            self._lent[answer.slot] = weakref.ref(memory)
            self._asked.discard(answer.slot)
        enhancers, promoters, *others = self.exchange.columns(torch.from_numpy(memory))
        del memory
        # Who keeps the labels of many batches does not keep their windows.
        columns = [enhancers, promoters, *(column.clone() for column in others)]
        del enhancers, promoters
        for n_rows, *batch in zip(answer.rows, *columns, strict=False):
            rows = [column[:n_rows] for column in batch]
            yield Batch(*rows) if lend else Batch(*(column.clone() for column in rows))
        self._asked.discard(answer.slot)

    def _still_lent(self) -> set[int]:
        self._lent = {slot: memory for slot, memory in self._lent.items() if memory() is not None}
        return set(self._lent)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED

"""Streaming a store to a network: whole batches, in an order that is a function of its keys.

`epipam.loading.epoch_plan` says which rows make up an epoch's batches; here they are read,
shuffled, augmented and handed out. Memory is that of the blocks that are open at
one time, which hold `buffer_rows` rows.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from epipam.errors import RequestError
from epipam.genome.encoding import reverse_complement, shift
from epipam.genome.windows import keyed_draw, keyed_integers
from epipam.loading.blocks import COPY, PAIR, Batch, BatchArrays, Block, ChunkRows, bytes_per_row
from epipam.loading.epoch_plan import Chunks, Draw, Epoch, EpochOrder, eligible
from epipam.loading.workers import MESSAGE_BYTES, Crew, Request
from epipam.store import Store

BATCH_SIZE = 100
BUFFER_ROWS = 24_000

__all__ = ["Batch", "LoaderSettings", "PairBatches", "PairLoader", "require_contigs"]


@dataclass(frozen=True)
class LoaderSettings:
    """How rows are drawn from a store.

    Attributes
    ----------
    training
        Whether rows are those of training (shuffled, shifted positives) or of evaluation.
    batch_size
        Window pairs per batch.
    buffer_rows
        Rows held for shuffling, over all lanes; what bounds memory.
    seed
        Seed of order and augmentation.
    reverse_complement
        Whether, in training, each pair is read from a strand drawn at random.
    max_shift
        In training, each window moves by up to so many bp within its stored bases.
    """

    training: bool
    batch_size: int = BATCH_SIZE
    buffer_rows: int = BUFFER_ROWS
    seed: int = 0
    reverse_complement: bool = False
    max_shift: int = 0


class PairBatches(Dataset[Batch]):
    """The batches of some chromosomes of a store, addressed by (epoch, number of the batch).

    An item is a whole batch, the same in whichever process or thread it is read. A thread keeps the
    blocks whose batches it is reading, and no more.

    Parameters
    ----------
    store
        The store, or its path.
    contigs
        Chromosomes to read.
    settings
        How to draw.
    pairs
        int64: numbers of the pairs to read, of all that these chromosomes have; None reads all.
    rank, world_size
        This process's share of the rows.

    Raises
    ------
    RequestError
        For no chromosome or one the store does not have, and in training where no pair has a
        label or there are too few rows for one batch on each rank.
    """

    def __init__(
        self,
        store: Store,
        contigs: Sequence[str],
        settings: LoaderSettings,
        *,
        pairs: np.ndarray | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        require_contigs(store, contigs)
        self.store = store
        self.contigs = tuple(contigs)
        self.settings = settings
        # A byte for each pair of the table: what a row costs to look up does not grow with them.
        self._chosen: np.ndarray | None = None
        if pairs is not None:
            self._chosen = np.zeros(store.attributes["pairs"]["rows"], dtype=bool)
            self._chosen[pairs] = True
        chunks = self._count_eligible()
        if settings.training and not np.any(chunks.eligible):
            raise RequestError(
                f"{store.path}: no labelled pairs on {', '.join(contigs)}; for a BEDPE, "
                f"epipam build-store --label-column names the column of labels"
            )
        self.order = EpochOrder(
            chunks,
            training=settings.training,
            batch_size=settings.batch_size,
            buffer_rows=settings.buffer_rows,
            seed=settings.seed,
            rank=rank,
            world_size=world_size,
        )
        if settings.training and len(self) == 0:
            shared = f" on each of {world_size} ranks" if world_size > 1 else ""
            raise RequestError(
                f"{store.path}: {self.order.n_rows} training rows on {', '.join(contigs)} are "
                f"fewer than one batch of {settings.batch_size}{shared}: make the batch smaller"
            )
        self._open = _Open()

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_open"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open = _Open()

    def __len__(self) -> int:
        """Return the number of this rank's batches in an epoch."""
        return self.order.n_batches

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        return self.read(*key).as_tensors()

    def read(self, number: int, batch_number: int) -> BatchArrays:
        """Return a batch of epoch `number` as NumPy arrays."""
        opened = self._open
        if opened.epoch is None or opened.epoch.number != number:
            opened.epoch = self.order.epoch(number)
            opened.blocks = {}
        block, turn = opened.epoch.order[batch_number].tolist()
        # Blocks of earlier rounds are done with: batches are asked for in order.
        lanes = self.order.lanes
        for old in [other for other in opened.blocks if other // lanes != block // lanes]:
            del opened.blocks[old]
        if block not in opened.blocks:
            opened.blocks[block] = self._read_block(opened.epoch, block)
        size = self.settings.batch_size
        batch, keys = opened.blocks[block].cut(turn * size, (turn + 1) * size)
        return self._augmented(opened.epoch, keys, batch) if self.settings.training else batch

    def _count_eligible(self) -> Chunks:
        """Count the rows that this role reads in each chunk, streaming what decides it only."""
        parts = []
        for index, contig in enumerate(self.contigs):
            size, offset = self.store.chunk_rows(contig), 0
            for rows in self.store.read_plan(contig):
                first = np.arange(0, len(rows.label), size)
                counts = np.add.reduceat(self._eligible(*rows), first, dtype=np.int64)
                where = np.full(len(first), index, dtype=np.int32)
                parts.append(Chunks(where, offset + first, offset + first + size, counts))
                offset += len(rows.label)
        return Chunks(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _eligible(self, label: np.ndarray, copy: np.ndarray, pair: np.ndarray) -> np.ndarray:
        return eligible(
            label,
            copy,
            training=self.settings.training,
            augmented=self.store.attributes["augmentation"]["copies"] > 0,
            chosen=None if self._chosen is None else self._chosen[pair],
        )

    def _read_block(self, epoch: Epoch, number: int) -> Block:
        """Read the chunks that a block's rows lie in; shuffle them in training."""
        parts = []
        for piece in self.order.pieces(epoch, number):
            chunk = self._read_chunk(piece.contig, piece.start, piece.stop)
            parts.append(chunk._replace(counted=chunk.counted[piece.low : piece.high]))
        return Block.join(parts, self._shuffled(epoch) if self.settings.training else None)

    def _read_chunk(self, contig: int, start: int, stop: int) -> ChunkRows:
        """Read a chunk, unless it is the last one that was read: neighbouring blocks share one."""
        chunk = self._open.chunk
        if chunk is None or (chunk.contig, chunk.start) != (contig, start):
            rows = self.store.read(self.contigs[contig], start, stop)
            counted = self._eligible(rows.label, rows.window[:, COPY], rows.window[:, PAIR])
            chunk = ChunkRows(contig, start, rows, np.flatnonzero(counted))
            self._open.chunk = chunk
        return chunk

    def _shuffled(self, epoch: Epoch) -> Callable[[np.ndarray], np.ndarray]:
        """Return what orders the rows of a block, from their keys."""

        def order(key: np.ndarray) -> np.ndarray:
            drawn = keyed_draw(self.settings.seed, epoch.number, Draw.ROW_ORDER, key)
            return np.argsort(drawn, kind="stable")

        return order

    def _augmented(self, epoch: Epoch, keys: np.ndarray, batch: BatchArrays) -> BatchArrays:
        """Shift and turn the windows of a batch, by its rows' keys."""
        settings, store = self.settings, self.store
        drawn_by = (settings.seed, epoch.number)
        enhancer, promoter = batch.enhancer, batch.promoter
        if limit := settings.max_shift:
            moves = keyed_integers(-limit, limit, *drawn_by, Draw.ENHANCER_SHIFT, keys)
            enhancer = shift(enhancer, store.enhancer_length, moves)
            moves = keyed_integers(-limit, limit, *drawn_by, Draw.PROMOTER_SHIFT, keys)
            promoter = shift(promoter, store.promoter_length, moves)
        if settings.reverse_complement:
            turned = keyed_draw(*drawn_by, Draw.STRAND, keys) % np.uint64(2) == 1
            enhancer[turned] = reverse_complement(enhancer[turned], store.enhancer_length)
            promoter[turned] = reverse_complement(promoter[turned], store.promoter_length)
        return batch._replace(enhancer=enhancer, promoter=promoter)


class _Open(threading.local):
    """What a thread has in memory of the epoch that it reads."""

    def __init__(self) -> None:
        self.epoch: Epoch | None = None
        self.blocks: dict[int, Block] = {}
        self.chunk: ChunkRows | None = None


@dataclass
class _Pass:
    """One epoch as it is handed out: its number, and how many of its batches were."""

    epoch: int
    served: int


class PairLoader:
    """Iterates over the batches of `PairBatches`; every pass is an epoch of its own.

    Passes are numbered from 0, or by `set_epoch`. Several may be under way at one time, in several
    threads too; each has its own workers. The loader's state is that of the pass that was begun
    last: its epoch and how many of its batches were handed out. The pass after `load_state_dict`
    begins there.

    Parameters
    ----------
    batches
        What to load.
    workers
        Worker processes; 0 loads in this one. The batches are the same.
    start_method
        `fork`, `spawn` or `forkserver` for the workers; None is Python's default.
    pin_memory
        Whether batches lie in memory from which a GPU copies faster.
    """

    # Lightning asks a loader that has a sampler for this as well.
    batch_sampler = None

    def __init__(
        self,
        batches: PairBatches,
        workers: int = 0,
        *,
        start_method: str | None = None,
        pin_memory: bool = False,
    ) -> None:
        self.batches = batches
        self.num_workers = workers
        self.start_method = start_method
        self.pin_memory = pin_memory
        self._pass = _Pass(0, 0)
        self._begun = False
        self._beginning = threading.Lock()
        self._idle: list[Crew] = []

    def __getstate__(self) -> dict[str, object]:
        return {key: v for key, v in self.__dict__.items() if key not in ("_beginning", "_idle")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._beginning = threading.Lock()
        self._idle = []

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the next epoch, which is begun with the first of them.

        Raises
        ------
        StoreError
            Where files of the store are missing or damaged.
        EpipamError
            Where a worker died.
        """
        # Not before: Lightning resumes a run by asking for an iterator first, and saying which
        # epoch it is for afterwards.
        begun = self._begin_pass()
        for arrays in self._from_workers(begun) if self.num_workers else self._from_here(begun):
            begun.served += 1
            batch = arrays.as_tensors()
            yield Batch(*(c.pin_memory() for c in batch)) if self.pin_memory else batch

    @property
    def sampler(self) -> PairLoader:
        """What Lightning numbers the epochs of a DataLoader by."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Number the next pass; Lightning calls this at the start of every epoch.

        The number of a pass that is under way, or was just gone back to, changes nothing.
        """
        if epoch != self._pass.epoch or self._pass.served >= len(self):
            self._go_on(epoch, 0)

    def state_dict(self) -> dict[str, int]:
        """Return where this loader stands: plain integers."""
        begun = self._pass
        if begun.served >= len(self):
            return {"epoch": begun.epoch + 1, "served": 0}
        return {"epoch": begun.epoch, "served": begun.served}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state_dict` was taken."""
        self._go_on(int(state["epoch"]), int(state["served"]))

    def close(self) -> None:
        """End the workers that wait for the next pass; they end by themselves with the loader."""
        self._idle.clear()

    def _begin_pass(self) -> _Pass:
        with self._beginning:
            if self._begun:
                self._pass = _Pass(self._pass.epoch + 1, 0)
            self._begun = True
            return self._pass

    def _go_on(self, epoch: int, served: int) -> None:
        with self._beginning:
            self._pass, self._begun = _Pass(epoch, served), False

    def _from_here(self, begun: _Pass) -> Iterator[BatchArrays]:
        batches = copy.copy(self.batches)  # whose open blocks are those of this pass
        for number in range(begun.served, len(self)):
            yield batches.read(begun.epoch, number)

    def _from_workers(self, begun: _Pass) -> Iterator[BatchArrays]:
        try:
            crew = self._idle.pop()
        except IndexError:
            crew = Crew(
                self.batches, str(self.batches.store.path), self.num_workers, self.start_method
            )
        yield from crew.read(self._requests(begun))
        self._idle.append(crew)

    def _requests(self, begun: _Pass) -> Iterator[Request]:
        """Yield what a pass still has to ask for."""
        store, order = self.batches.store, self.batches.order
        row_bytes = bytes_per_row(store.enhancer_length, store.promoter_length)
        most = MESSAGE_BYTES // (row_bytes * self.batches.settings.batch_size)
        together = max(1, min(most, order.batches_together(self.num_workers)))
        epoch, served = begun.epoch, begun.served
        for asked in order.requests(self.num_workers, together):
            if asked.stop > served:
                yield Request(epoch, max(asked.start, served), asked.stop)


def require_contigs(store: Store, contigs: Sequence[str]) -> None:
    """Raise a RequestError for no chromosome, or one the store does not have."""
    if not contigs:
        raise RequestError(f"{store.path}: no chromosome to read")
    if missing := [contig for contig in contigs if contig not in store.contigs]:
        raise RequestError(
            f"{store.path}: has no chromosome {', '.join(missing)}; "
            f"it has {', '.join(store.contigs)}"
        )

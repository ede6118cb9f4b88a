"""Streaming a store to a network: whole batches, in an order that is a function of its keys.

`epipam.loading.epoch_plan` says which rows make up an epoch's batches; here they are read,
shuffled, augmented and handed out. Memory is that of the blocks that are open at
one time, which hold `buffer_rows` rows.

A worker is asked for several neighbouring batches at a time, those of its share of the open blocks,
and writes them into memory that it shares with this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from epipam.errors import RequestError
from epipam.genome.encoding import reverse_complement, shift
from epipam.genome.windows import keyed_draw, keyed_integers
from epipam.loading.blocks import COPY, PAIR, Batch, BatchArrays, Block, ChunkRows, batch_columns
from epipam.loading.epoch_plan import Chunks, Draw, Epoch, EpochOrder, eligible
from epipam.loading.exchange import Exchange, Request, Slots
from epipam.runtime.memory import keep_freed_memory
from epipam.store import Store
from epipam.store.chunks import ChunkReader

BATCH_SIZE = 100
BUFFER_ROWS = 24_000

__all__ = ["Batch", "LoaderSettings", "PairBatches", "PairLoader", "require_contigs"]

# Requests under way for each worker.
_PREFETCHED = 2


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

    An item is a whole batch, the same in whichever process it is read. A process keeps the blocks
    whose batches it is reading, and no more.

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
        self._reader = ChunkReader(store)
        self._epoch: Epoch | None = None
        self._blocks: dict[int, Block] = {}
        self._chunk: ChunkRows | None = None

    def __getstate__(self) -> dict[str, object]:
        kept = {key: value for key, value in self.__dict__.items() if key != "_reader"}
        return {**kept, "_epoch": None, "_blocks": {}, "_chunk": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reader = ChunkReader(self.store)

    def __len__(self) -> int:
        """Return the number of this rank's batches in an epoch."""
        return self.order.n_batches

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        store, size = self.store, self.settings.batch_size
        columns = batch_columns(store.enhancer_length, store.promoter_length)
        batch = Batch(*(torch.empty((size, *c.row_shape), dtype=c.dtype) for c in columns))
        n_rows = self.read(*key, BatchArrays(*(column.numpy() for column in batch)))
        return Batch(*(column[:n_rows] for column in batch))

    def read(self, number: int, batch_number: int, batch: BatchArrays) -> int:
        """Write a batch of epoch `number` to memory; return how many rows it has."""
        if self._epoch is None or self._epoch.number != number:
            self._epoch = self.order.epoch(number)
            self._blocks = {}
        block, turn = self._epoch.order[batch_number].tolist()
        # Blocks of earlier rounds are done with: batches are asked for in order.
        lanes = self.order.lanes
        for old in [other for other in self._blocks if other // lanes != block // lanes]:
            del self._blocks[old]
        if block not in self._blocks:
            self._blocks[block] = self._read_block(self._epoch, block)
        size = self.settings.batch_size
        keys = self._blocks[block].copy_to(batch, turn * size, (turn + 1) * size)
        if self.settings.training:
            self._augment(self._epoch, keys, batch)
        return len(keys)

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
        if self._chunk is None or (self._chunk.contig, self._chunk.start) != (contig, start):
            rows = self._reader.read(self.contigs[contig], start, stop)
            counted = self._eligible(rows.label, rows.window[:, COPY], rows.window[:, PAIR])
            self._chunk = ChunkRows(contig, start, rows, np.flatnonzero(counted))
        return self._chunk

    def _shuffled(self, epoch: Epoch) -> Callable[[np.ndarray], np.ndarray]:
        """Return what orders the rows of a block, from their keys."""

        def order(key: np.ndarray) -> np.ndarray:
            drawn = keyed_draw(self.settings.seed, epoch.number, Draw.ROW_ORDER, key)
            return np.argsort(drawn, kind="stable")

        return order

    def _augment(self, epoch: Epoch, keys: np.ndarray, batch: BatchArrays) -> None:
        """Shift and turn the windows of a batch, by its rows' keys."""
        settings, store = self.settings, self.store
        drawn_by = (settings.seed, epoch.number)
        enhancer, promoter = batch.enhancer[: len(keys)], batch.promoter[: len(keys)]
        if limit := settings.max_shift:
            moves = keyed_integers(-limit, limit, *drawn_by, Draw.ENHANCER_SHIFT, keys)
            enhancer[...] = shift(enhancer, store.enhancer_length, moves)
            moves = keyed_integers(-limit, limit, *drawn_by, Draw.PROMOTER_SHIFT, keys)
            promoter[...] = shift(promoter, store.promoter_length, moves)
        if settings.reverse_complement:
            turned = keyed_draw(*drawn_by, Draw.STRAND, keys) % np.uint64(2) == 1
            enhancer[turned] = reverse_complement(enhancer[turned], store.enhancer_length)
            promoter[turned] = reverse_complement(promoter[turned], store.promoter_length)


class PairLoader(DataLoader[Any]):
    """A DataLoader over `PairBatches` that numbers its passes and can be gone on with.

    Every pass is an epoch of its own, numbered from 0 or by `set_epoch`. Its state is the epoch
    and how many of its batches were handed out; the pass after `load_state_dict` begins there.

    Parameters
    ----------
    batches
        What to load.
    workers
        Worker processes; 0 loads in this one. The batches are the same.
    start_method
        `fork`, `spawn` or `forkserver` for the workers; None is Python's default.
    """

    def __init__(
        self,
        batches: PairBatches,
        workers: int = 0,
        *,
        start_method: str | None = None,
        pin_memory: bool = False,
    ) -> None:
        self.batches = batches
        self.position = _Position()
        self.pinned = pin_memory
        self.exchange = Exchange(
            batches,
            batch_size=batches.settings.batch_size,
            enhancer_length=batches.store.enhancer_length,
            promoter_length=batches.store.promoter_length,
            together=batches.order.batches_together(workers) if workers else 1,
            slots=Slots.needed(_PREFETCHED * workers),
        )
        self.slots = Slots(self.exchange)
        super().__init__(
            self.exchange,
            batch_size=None,
            sampler=_Numbers(batches.order, max(1, workers), self.slots, self.position),
            collate_fn=_as_it_is,
            num_workers=workers,
            prefetch_factor=_PREFETCHED if workers else None,
            multiprocessing_context=start_method if workers else None,
            persistent_workers=workers > 0,
            worker_init_fn=_prepare_worker,
            # Of its own: a DataLoader draws from it at every start, and drawing from the global one
            # would move the dropout of a resumed run.
            generator=torch.Generator(),
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        # All of it happens at the first batch: Lightning resumes a run by asking for an iterator
        # first, and saying which epoch it is for afterwards.
        self.position.begin_pass()
        if self.num_workers:
            self.exchange.open()
        self.slots.begin_pass()
        for message in super().__iter__():
            for batch in self.slots.take(message):
                self.position.served += 1
                yield Batch(*(c.pin_memory() for c in batch)) if self.pinned else batch

    def __len__(self) -> int:
        return len(self.batches)

    def state_dict(self) -> dict[str, int]:
        """Return where this loader stands: plain integers."""
        position = self.position
        if position.served >= len(self):
            return {"epoch": position.epoch + 1, "served": 0}
        return {"epoch": position.epoch, "served": position.served}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state_dict` was taken."""
        self.position.go_on(int(state["epoch"]), int(state["served"]))


def require_contigs(store: Store, contigs: Sequence[str]) -> None:
    """Raise a RequestError for no chromosome, or one the store does not have."""
    if not contigs:
        raise RequestError(f"{store.path}: no chromosome to read")
    if missing := [contig for contig in contigs if contig not in store.contigs]:
        raise RequestError(
            f"{store.path}: has no chromosome {', '.join(missing)}; "
            f"it has {', '.join(store.contigs)}"
        )


class _Position:
    """Where a loader stands: its epoch, and how many batches of it were handed out."""

    def __init__(self) -> None:
        self.epoch = 0
        self.served = 0
        self._begun = False

    def begin_pass(self) -> None:
        if self._begun:
            self.epoch += 1
            self.served = 0
        self._begun = True

    def go_on(self, epoch: int, served: int) -> None:
        self.epoch, self.served, self._begun = epoch, served, False


class _Numbers(Sampler[Request]):
    """What a pass still has to ask for."""

    def __init__(self, order: EpochOrder, workers: int, slots: Slots, position: _Position) -> None:
        self.order = order
        self.workers = workers
        self.slots = slots
        self.position = position

    def __iter__(self) -> Iterator[Request]:
        epoch, served = self.position.epoch, self.position.served
        for asked in self.order.requests(self.workers, self.slots.exchange.together):
            if asked.stop > served:
                yield Request(epoch, max(asked.start, served), asked.stop, self.slots.claim())

    def set_epoch(self, epoch: int) -> None:
        """Number the next pass; Lightning calls this at the start of every epoch.

        The number of a pass that is under way, or was just gone back to, changes nothing.
        """
        if epoch != self.position.epoch or self.position.served >= self.order.n_batches:
            self.position.go_on(epoch, 0)


def _as_it_is(item: Any) -> Any:
    return item


def _prepare_worker(_: int) -> None:
    # A worker allocates the same few sizes over and over.
    keep_freed_memory()

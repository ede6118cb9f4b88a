"""Streaming a store to a network: whole batches, in an order that is a function of its keys.

The order
---------
An epoch lists the chunks of its chromosomes in an order drawn from (seed, epoch), and each rank
takes an equal, contiguous part of the rows of that list. Its part is cut into blocks; a block's
rows are shuffled, and the batches of `LANES` blocks at a time are dealt in turn. So a batch mixes
rows of several chunks of any chromosomes, and memory is that of `LANES` blocks.

Batch number j of a rank goes to worker j mod (number of workers), which is how a DataLoader keeps
order; where the number of workers divides `LANES`, each block is read by one worker only.

Training and evaluation
-----------------------
Training reads shifted copies of positives and unshifted negatives; each of R ranks makes
floor(rows / (R * batch size)) steps, and the rows that are left over, others in each epoch, are
not seen. Evaluation reads every unshifted window exactly once, in stored order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from epipam.encoding import reverse_complement, shift
from epipam.errors import RequestError
from epipam.store import Rows, Store
from epipam.store.schema import ROWS_PER_CHUNK, WINDOW_COLUMNS
from epipam.windows import keyed_draw, keyed_integers

BATCH_SIZE = 100
BUFFER_ROWS = 12_000
LANES = 12

# What is drawn for an epoch, kept apart by a number of its own.
_CHUNK_ORDER, _ROW_ORDER, _STRAND, _ENHANCER_SHIFT, _PROMOTER_SHIFT = range(5)
_PAIR, _COPY = WINDOW_COLUMNS.index("pair"), WINDOW_COLUMNS.index("copy")


class Batch(NamedTuple):
    """A batch of window pairs, packed.

    Attributes
    ----------
    enhancer, promoter
        uint8 (N, ceil(L / 2)): packed one-hot; `models.unpack` makes (N, 4, L) of it.
    label
        int8 (N,): 1, 0, or -1 where unknown.
    contig
        int16 (N,): index into the loader's chromosomes.
    pair
        int64 (N,): number of the pair in its table.
    """

    enhancer: Tensor
    promoter: Tensor
    label: Tensor
    contig: Tensor
    pair: Tensor


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
    rank, world_size
        This process's share of the rows.

    Raises
    ------
    RequestError
        For a chromosome the store does not have, and where there are too few rows for one
        training batch on each rank.
    """

    def __init__(
        self,
        store: Store,
        contigs: Sequence[str],
        settings: LoaderSettings,
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if missing := [contig for contig in contigs if contig not in store.contigs]:
            raise RequestError(
                f"{store.path}: has no chromosome {', '.join(missing)}; "
                f"it has {', '.join(store.contigs)}"
            )
        self.store = store
        self.contigs = tuple(contigs)
        self.settings = settings
        self.rank = rank
        self.world_size = world_size
        self._chunks = _count_eligible(store, self.contigs, settings.training)
        self.n_rows = int(self._chunks.eligible.sum())
        self._first_row, self._last_row = self._part()
        if settings.training and self._first_row == self._last_row:
            raise RequestError(
                f"{store.path}: {self.n_rows} training rows on {', '.join(contigs)} are fewer than "
                f"one batch of {settings.batch_size} on each of {world_size} ranks: "
                f"make the batch smaller"
            )
        self._epoch: _Epoch | None = None
        self._blocks: dict[int, _Block] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_epoch": None, "_blocks": {}}

    def __len__(self) -> int:
        """Return the number of this rank's batches in an epoch."""
        return -(-(self._last_row - self._first_row) // self.settings.batch_size)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        epoch, number = key
        if self._epoch is None or self._epoch.number != epoch:
            self._epoch = self._plan(epoch)
            self._blocks = {}
        block_number, batch = self._epoch.order[number]
        # Blocks of earlier rounds are done with: batches are asked for in order.
        for old in [k for k in self._blocks if k // LANES != block_number // LANES]:
            del self._blocks[old]
        if block_number not in self._blocks:
            self._blocks[block_number] = self._read_block(self._epoch, block_number)
        size = self.settings.batch_size
        return self._blocks[block_number].batch(batch * size, (batch + 1) * size)

    @property
    def block_rows(self) -> int:
        """Rows of one block: a whole number of batches."""
        size = self.settings.batch_size
        return max(1, self.settings.buffer_rows // LANES // size) * size

    def _part(self) -> tuple[int, int]:
        """Return this rank's range of the epoch's rows."""
        if self.settings.training:
            step = self.settings.batch_size * self.world_size
            share = self.n_rows // step * self.settings.batch_size
            return self.rank * share, (self.rank + 1) * share
        bounds = [self.n_rows * r // self.world_size for r in (self.rank, self.rank + 1)]
        return bounds[0], bounds[1]

    def _plan(self, epoch: int) -> _Epoch:
        chunks = self._chunks
        if self.settings.training:
            keys = keyed_draw(
                self.settings.seed, epoch, _CHUNK_ORDER, np.arange(len(chunks.contig))
            )
            chunks = chunks.take(np.argsort(keys, kind="stable"))
        n_rows = self._last_row - self._first_row
        n_blocks = -(-n_rows // self.block_rows)
        order = []
        for first in range(0, n_blocks, LANES):
            lanes = range(first, min(first + LANES, n_blocks))
            batches = {
                block: -(
                    -min(self.block_rows, n_rows - block * self.block_rows)
                    // self.settings.batch_size
                )
                for block in lanes
            }
            turns = range(max(batches.values()))
            order += (
                [(block, turn) for turn in turns for block in lanes if turn < batches[block]]
                if self.settings.training
                else [(block, turn) for block in lanes for turn in range(batches[block])]
            )
        ends = np.cumsum(chunks.eligible)
        return _Epoch(epoch, chunks, ends, np.array(order, dtype=np.int64).reshape(-1, 2))

    def _read_block(self, epoch: _Epoch, number: int) -> _Block:
        """Read the chunks that a block's rows lie in; shuffle and augment them in training."""
        first = self._first_row + number * self.block_rows
        last = min(first + self.block_rows, self._last_row)
        parts = []
        chunk = int(np.searchsorted(epoch.ends, first, side="right"))
        while first < last:
            contig = int(epoch.chunks.contig[chunk])
            start = int(epoch.chunks.start[chunk])
            rows = self.store.read(self.contigs[contig], start, start + ROWS_PER_CHUNK)
            rows = _take(rows, np.flatnonzero(_eligible(rows, self.settings.training)))
            begin = int(epoch.ends[chunk]) - len(rows.label)
            low, high = first - begin, min(last - begin, len(rows.label))
            parts.append((_take(rows, slice(low, high)), contig, start))
            first = begin + high
            chunk += 1
        block = _Block.join(parts)
        if self.settings.training:
            block = self._augment(block, epoch.number)
            keys = keyed_draw(self.settings.seed, epoch.number, _ROW_ORDER, block.key)
            block = block.take(np.argsort(keys, kind="stable"))
        return block

    def _augment(self, block: _Block, epoch: int) -> _Block:
        settings, store = self.settings, self.store
        enhancer, promoter = block.enhancer, block.promoter
        if settings.max_shift:
            enhancer, promoter = (
                shift(packed, length, keyed_integers(-limit, limit, seed, epoch, stream, block.key))
                for packed, length, stream in (
                    (enhancer, store.enhancer_length, _ENHANCER_SHIFT),
                    (promoter, store.promoter_length, _PROMOTER_SHIFT),
                )
                for limit, seed in [(settings.max_shift, settings.seed)]
            )
        if settings.reverse_complement:
            turned = keyed_draw(settings.seed, epoch, _STRAND, block.key) % np.uint64(2) == 1
            enhancer, promoter = enhancer.copy(), promoter.copy()
            enhancer[turned] = reverse_complement(enhancer[turned], store.enhancer_length)
            promoter[turned] = reverse_complement(promoter[turned], store.promoter_length)
        return block._replace(enhancer=enhancer, promoter=promoter)


class PairLoader(DataLoader[Batch]):
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
        super().__init__(
            batches,
            batch_size=None,
            sampler=_Numbers(len(batches), self.position),
            num_workers=workers,
            multiprocessing_context=start_method if workers else None,
            persistent_workers=workers > 0,
            pin_memory=pin_memory,
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        self.position.begin_pass()
        return self._count(super().__iter__())

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

    def _count(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            self.position.served += 1
            yield batch


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


class _Numbers(Sampler[tuple[int, int]]):
    """The (epoch, number) of the batches that a pass still has to hand out."""

    def __init__(self, n_batches: int, position: _Position) -> None:
        self.n_batches = n_batches
        self.position = position

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.position.epoch
        for number in range(self.position.served, self.n_batches):
            yield epoch, number

    def __len__(self) -> int:
        return self.n_batches

    def set_epoch(self, epoch: int) -> None:
        """Number the next pass; Lightning calls this at the start of every epoch."""
        if epoch != self.position.epoch:
            self.position.go_on(epoch, 0)


class _Chunks(NamedTuple):
    """The chunks of an epoch: contig index, first row, and how many rows count, (n_chunks,)."""

    contig: np.ndarray
    start: np.ndarray
    eligible: np.ndarray

    def take(self, order: np.ndarray) -> _Chunks:
        return _Chunks(*(column[order] for column in self))


class _Epoch(NamedTuple):
    number: int
    chunks: _Chunks
    ends: np.ndarray  # int64 (n_chunks,): eligible rows up to the end of each chunk
    order: np.ndarray  # int64 (n_batches, 2): block, batch within the block


class _Block(NamedTuple):
    """Rows of a block; `key` numbers a row within the whole store, for what is drawn per row."""

    enhancer: np.ndarray
    promoter: np.ndarray
    label: np.ndarray
    contig: np.ndarray
    pair: np.ndarray
    key: np.ndarray

    @classmethod
    def join(cls, parts: list[tuple[Rows, int, int]]) -> _Block:
        rows = [part for part, _, _ in parts]
        pair = np.concatenate([part.window[:, _PAIR] for part in rows])
        copy = np.concatenate([part.window[:, _COPY] for part in rows])
        return cls(
            enhancer=np.concatenate([part.enhancer for part in rows]),
            promoter=np.concatenate([part.promoter for part in rows]),
            label=np.concatenate([part.label for part in rows]),
            contig=np.concatenate(
                [np.full(len(part.label), contig, dtype=np.int16) for part, contig, _ in parts]
            ),
            pair=pair,
            key=(pair << 16) + copy,
        )

    def take(self, order: np.ndarray) -> _Block:
        return _Block(*(column[order] for column in self))

    def batch(self, start: int, stop: int) -> Batch:
        columns = (self.enhancer, self.promoter, self.label, self.contig, self.pair)
        # A copy: a batch must not keep its block alive.
        return Batch(*(torch.from_numpy(column[start:stop].copy()) for column in columns))


def _take(rows: Rows, which: np.ndarray | slice) -> Rows:
    return Rows(*(column[which] for column in rows))


def _eligible(rows: Rows, training: bool) -> np.ndarray:
    return _counts(rows.label, rows.window[:, _COPY], training)


def _counts(label: np.ndarray, copy: np.ndarray, training: bool) -> np.ndarray:
    """Return which rows a role reads, bool (n,)."""
    if training:
        return ((label == 1) & (copy > 0)) | ((label == 0) & (copy == 0))
    return copy == 0


def _count_eligible(store: Store, contigs: Sequence[str], training: bool) -> _Chunks:
    """Count the rows that a role reads in each chunk, streaming labels and copies only."""
    contig_index, starts, eligible = [], [], []
    for index, contig in enumerate(contigs):
        offset = 0
        for label, copy in store.read_plan(contig):
            counts = np.add.reduceat(
                _counts(label, copy, training).astype(np.int64),
                np.arange(0, len(label), ROWS_PER_CHUNK),
            )
            contig_index.append(np.full(len(counts), index, dtype=np.int16))
            starts.append(offset + ROWS_PER_CHUNK * np.arange(len(counts)))
            eligible.append(counts)
            offset += len(label)
    return _Chunks(*(np.concatenate(parts) for parts in (contig_index, starts, eligible)))

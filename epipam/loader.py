"""Streaming a store to a network: whole batches, in an order that is a function of its keys.

`epipam.epoch_plan` says which rows make up an epoch's batches; here they are read, shuffled,
augmented and handed out. Memory is that of the blocks that are open at one time, which hold
`buffer_rows` rows.

Batch number j of a rank goes to worker j mod (number of workers), which is how a DataLoader keeps
order; where that number divides the number of open blocks, each is read by one worker only.
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
from epipam.epoch_plan import Chunks, Draw, Epoch, EpochOrder, eligible
from epipam.errors import RequestError
from epipam.store import Rows, Store
from epipam.store.schema import WINDOW_COLUMNS
from epipam.windows import keyed_draw, keyed_integers

BATCH_SIZE = 100
BUFFER_ROWS = 12_000

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
        int32 (N,): index into the loader's chromosomes.
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
        For no chromosome or one the store does not have, and in training where no pair has a
        label or there are too few rows for one batch on each rank.
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
        require_contigs(store, contigs)
        self.store = store
        self.contigs = tuple(contigs)
        self.settings = settings
        chunks = _count_eligible(store, self.contigs, settings)
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
            raise RequestError(
                f"{store.path}: {self.order.n_rows} training rows on {', '.join(contigs)} are "
                f"fewer than one batch of {settings.batch_size} on each of {world_size} ranks: "
                f"make the batch smaller"
            )
        self._epoch: Epoch | None = None
        self._blocks: dict[int, _Block] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_epoch": None, "_blocks": {}}

    def __len__(self) -> int:
        """Return the number of this rank's batches in an epoch."""
        return self.order.n_batches

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        number, batch_number = key
        if self._epoch is None or self._epoch.number != number:
            self._epoch = self.order.epoch(number)
            self._blocks = {}
        block, batch = self._epoch.order[batch_number].tolist()
        # Blocks of earlier rounds are done with: batches are asked for in order.
        lanes = self.order.lanes
        for old in [other for other in self._blocks if other // lanes != block // lanes]:
            del self._blocks[old]
        if block not in self._blocks:
            self._blocks[block] = self._read_block(self._epoch, block)
        size = self.settings.batch_size
        return self._blocks[block].batch(batch * size, (batch + 1) * size)

    def _read_block(self, epoch: Epoch, number: int) -> _Block:
        """Read the chunks that a block's rows lie in; shuffle and augment them in training."""
        parts = []
        for piece in self.order.pieces(epoch, number):
            rows = self.store.read(self.contigs[piece.contig], piece.start, piece.stop)
            counted = _eligible(self.store, rows.label, rows.window[:, _COPY], self.settings)
            which = np.flatnonzero(counted)[piece.low : piece.high]
            parts.append((Rows(*(column[which] for column in rows)), piece.contig))
        block = _Block.join(parts)
        if self.settings.training:
            keys = self._draw(epoch, Draw.ROW_ORDER, block)
            block = self._augment(block.take(np.argsort(keys, kind="stable")), epoch)
        return block

    def _augment(self, block: _Block, epoch: Epoch) -> _Block:
        settings, store = self.settings, self.store
        enhancer, promoter = block.enhancer, block.promoter
        if limit := settings.max_shift:
            keys = (settings.seed, epoch.number)
            moves = keyed_integers(-limit, limit, *keys, Draw.ENHANCER_SHIFT, block.key)
            enhancer = shift(enhancer, store.enhancer_length, moves)
            moves = keyed_integers(-limit, limit, *keys, Draw.PROMOTER_SHIFT, block.key)
            promoter = shift(promoter, store.promoter_length, moves)
        if settings.reverse_complement:
            turned = self._draw(epoch, Draw.STRAND, block) % np.uint64(2) == 1
            enhancer, promoter = enhancer.copy(), promoter.copy()
            enhancer[turned] = reverse_complement(enhancer[turned], store.enhancer_length)
            promoter[turned] = reverse_complement(promoter[turned], store.promoter_length)
        return block._replace(enhancer=enhancer, promoter=promoter)

    def _draw(self, epoch: Epoch, what: Draw, block: _Block) -> np.ndarray:
        return keyed_draw(self.settings.seed, epoch.number, what, block.key)


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
            # Of its own: a DataLoader draws from it at every start, and drawing from the global one
            # would move the dropout of a resumed run.
            generator=torch.Generator(),
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        # All of it happens at the first batch: Lightning resumes a run by asking for an iterator
        # first, and saying which epoch it is for afterwards.
        self.position.begin_pass()
        for batch in super().__iter__():
            self.position.served += 1
            yield batch

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


class _Numbers(Sampler[tuple[int, int]]):
    """The (epoch, number) of the batches that a pass still has to hand out."""

    def __init__(self, n_batches: int, position: _Position) -> None:
        self.n_batches = n_batches
        self.position = position

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.position.epoch
        return ((epoch, number) for number in range(self.position.served, self.n_batches))

    def __len__(self) -> int:
        return self.n_batches

    def set_epoch(self, epoch: int) -> None:
        """Number the next pass; Lightning calls this at the start of every epoch.

        The number of a pass that is under way, or was just gone back to, changes nothing.
        """
        if epoch != self.position.epoch or self.position.served >= self.n_batches:
            self.position.go_on(epoch, 0)


class _Block(NamedTuple):
    """Rows of a block; `key` numbers a row within the whole store, for what is drawn per row."""

    enhancer: np.ndarray
    promoter: np.ndarray
    label: np.ndarray
    contig: np.ndarray
    pair: np.ndarray
    key: np.ndarray

    @classmethod
    def join(cls, parts: list[tuple[Rows, int]]) -> _Block:
        rows = [part for part, _ in parts]
        pair = np.concatenate([part.window[:, _PAIR] for part in rows])
        copy = np.concatenate([part.window[:, _COPY] for part in rows])
        return cls(
            enhancer=np.concatenate([part.enhancer for part in rows]),
            promoter=np.concatenate([part.promoter for part in rows]),
            label=np.concatenate([part.label for part in rows]),
            contig=np.concatenate(
                [np.full(len(part.label), contig, dtype=np.int32) for part, contig in parts]
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


def _eligible(
    store: Store, label: np.ndarray, copy: np.ndarray, settings: LoaderSettings
) -> np.ndarray:
    augmented = store.attributes["augmentation"]["copies"] > 0
    return eligible(label, copy, training=settings.training, augmented=augmented)


def _count_eligible(store: Store, contigs: Sequence[str], settings: LoaderSettings) -> Chunks:
    """Count the rows that a role reads in each chunk, streaming labels and copies only."""
    parts = []
    for index, contig in enumerate(contigs):
        size, offset = store.chunk_rows(contig), 0
        for label, copy in store.read_plan(contig):
            first = np.arange(0, len(label), size)
            counts = np.add.reduceat(_eligible(store, label, copy, settings), first, dtype=np.int64)
            where = np.full(len(first), index, dtype=np.int32)
            parts.append(Chunks(where, offset + first, offset + first + size, counts))
            offset += len(label)
    return Chunks(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

"""What a worker writes into shared memory comes out as the same batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from epipam.loading.blocks import Batch, BatchArrays
from epipam.loading.exchange import Exchange, Request, Slots

BATCH_SIZE = 5


class Source:
    """Batches of random rows; the last has fewer."""

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        rng = np.random.default_rng(key)
        n_rows = 3 if key[1] == 7 else BATCH_SIZE
        columns = [
            rng.integers(0, 256, (n_rows, 7), dtype=np.uint8),
            rng.integers(0, 256, (n_rows, 3), dtype=np.uint8),
            rng.integers(-1, 2, n_rows, dtype=np.int8),
            rng.integers(0, 9, n_rows, dtype=np.int32),
            rng.integers(0, 2**40, n_rows),
        ]
        return Batch(*map(torch.from_numpy, columns))

    def read(self, number: int, batch_number: int, batch: BatchArrays) -> int:
        found = self[number, batch_number]
        for place, column in zip(batch, found, strict=True):
            place[: len(column)] = column
        return len(found.label)


def exchange(together: int = 4, slots: int = 5, batch_size: int = BATCH_SIZE) -> Exchange:
    return Exchange(
        Source(),
        batch_size=batch_size,
        enhancer_length=14,
        promoter_length=5,
        together=together,
        slots=slots,
    )


@pytest.fixture
def slots() -> Slots:
    between = Slots(exchange())
    between.exchange.open()
    return between


def ask(slots: Slots, start: int, stop: int) -> Iterator[Batch]:
    """Do what a DataLoader does: ask a worker, and take what it answers."""
    return slots.take(slots.exchange[Request(0, start, stop, slots.claim())])


def assert_same(batch: Batch, expected: Batch) -> None:
    for ours, theirs in zip(batch, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)
        assert ours.is_contiguous()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("start", "stop"), [(0, 4), (2, 4), (4, 8), (7, 8)])
def test_batches_come_out_as_they_went_in(shared, start, stop):
    between = Slots(exchange())
    if shared:
        between.exchange.open()
    batches = list(ask(between, start, stop))
    assert len(batches) == stop - start
    for number, batch in enumerate(batches, start):
        assert_same(batch, Source()[0, number])


def test_a_batch_that_is_held_stays_as_it_is_however_many_follow(slots):
    held = {}
    for start in range(0, 60, 4):
        for number, batch in enumerate(ask(slots, start, start + 4), start):
            held[number] = batch
    for number, batch in held.items():
        assert_same(batch, Source()[0, number])


def test_what_was_made_of_a_batch_holds_it_as_well(slots):
    pieces = {}
    for start in range(0, 60, 4):
        for number, batch in enumerate(ask(slots, start, start + 4), start):
            pieces[number] = batch.enhancer.numpy()[1:][:, 2:5].view(np.int8)
            del batch
    for number, piece in pieces.items():
        assert np.array_equal(piece, Source()[0, number].enhancer.numpy()[1:, 2:5].view(np.int8))


def test_a_batch_that_is_let_go_was_never_copied(slots):
    memory = slots.exchange.slot(0)
    begins, ends = memory.ctypes.data, memory.ctypes.data + slots.exchange.n_slots * memory.nbytes
    for start in range(0, 400, 4):
        for batch in ask(slots, start, start + 4):
            assert begins <= batch.enhancer.data_ptr() < ends
            assert begins <= batch.promoter.data_ptr() < ends


def test_labels_that_are_held_hold_no_windows(slots):
    labels = [batch.label for start in range(0, 400, 4) for batch in ask(slots, start, start + 4)]
    n_together = slots.exchange.together * BATCH_SIZE
    assert all(label.untyped_storage().nbytes() <= n_together for label in labels)


def test_requests_under_way_have_slots_of_their_own_while_some_are_lent():
    n_under_way = 2
    between = Slots(exchange(together=2, slots=Slots.needed(n_under_way)))
    between.exchange.open()
    asked = deque(Request(1, start, start + 2, between.claim()) for start in (0, 2))
    held: deque[Batch] = deque(maxlen=7)
    for number in range(0, 80, 2):
        answer = between.exchange[asked.popleft()]
        # As a DataLoader does: it asks again before it hands out.
        asked.append(Request(1, number + 4, number + 6, between.claim()))
        for offset, batch in enumerate(between.take(answer)):
            assert_same(batch, Source()[1, number + offset])
            held.append(batch)
    for number, batch in zip(range(80 - len(held), 80), held, strict=True):
        assert_same(batch, Source()[1, number])


def test_a_pass_that_is_broken_off_gives_its_slots_back(slots):
    for _ in range(20):
        slots.begin_pass()
        batches = ask(slots, 0, 4)
        slots.claim()
        kept = next(batches)
    assert_same(kept, Source()[0, 0])


@pytest.mark.parametrize(
    ("batch_size", "wanted", "together"),
    [(5, 12, 12), (5, 1, 1), (30_000, 12, 5), (40_000, 7, 4), (1_000_000, 12, 1)],
)
def test_requests_are_as_large_as_shared_memory_allows(batch_size, wanted, together):
    # A row takes 13 bytes and 10 of sequence.
    assert exchange(together=wanted, batch_size=batch_size).together == together

"""What a worker writes into shared memory comes out as the same batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from epipam.blocks import Batch, Block
from epipam.exchange import Exchange, Request

BATCH_SIZE = 5


class Source:
    """Batches of random rows; the last has fewer."""

    def rows(self, number: int, batch_number: int) -> Block:
        rng = np.random.default_rng((number, batch_number))
        n_rows = 3 if batch_number == 7 else BATCH_SIZE
        return Block(
            enhancer=rng.integers(0, 256, (n_rows, 7), dtype=np.uint8),
            promoter=rng.integers(0, 256, (n_rows, 3), dtype=np.uint8),
            label=rng.integers(-1, 2, n_rows, dtype=np.int8),
            contig=rng.integers(0, 9, n_rows, dtype=np.int32),
            pair=rng.integers(0, 2**40, n_rows),
            key=np.arange(n_rows),
        )

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        rows = self.rows(*key)
        return Batch(*(torch.from_numpy(getattr(rows, name)) for name in Batch._fields))


def exchange(blocks: int = 4, slots: int = 3, batch_size: int = BATCH_SIZE) -> Exchange:
    return Exchange(
        Source(),
        batch_size=batch_size,
        enhancer_length=14,
        promoter_length=5,
        blocks=blocks,
        slots=slots,
    )


def assert_same(batch: Batch, expected: Batch) -> None:
    for ours, theirs in zip(batch, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)
        assert ours.is_contiguous()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("start", "stop"), [(0, 4), (2, 4), (4, 8), (7, 8)])
def test_batches_come_out_as_they_went_in(shared, start, stop):
    between = exchange()
    if shared:
        between.open()
    batches = list(between.take(between[Request(2, start, stop, 1)]))
    assert len(batches) == stop - start
    for number, batch in enumerate(batches, start):
        assert_same(batch, Source()[2, number])


def test_batches_that_were_taken_out_stay_as_they_are():
    between = exchange(slots=1)
    between.open()
    kept = list(between.take(between[Request(0, 0, 4, 0)]))
    list(between.take(between[Request(0, 4, 8, 0)]))
    for number, batch in enumerate(kept):
        assert_same(batch, Source()[0, number])


def test_slots_do_not_disturb_each_other():
    between = exchange(blocks=2, slots=3)
    between.open()
    answers = [between[Request(1, 2 * slot, 2 * slot + 2, slot)] for slot in range(3)]
    found = [batch for answer in answers for batch in between.take(answer)]
    for number, batch in enumerate(found):
        assert_same(batch, Source()[1, number])


@pytest.mark.parametrize(
    ("batch_size", "blocks", "together"),
    [(5, 12, 12), (5, 1, 1), (30_000, 12, 4), (40_000, 7, 1), (1_000_000, 12, 1)],
)
def test_requests_are_as_large_as_shared_memory_and_blocks_allow(batch_size, blocks, together):
    # A row takes 13 bytes and 10 of sequence.
    assert exchange(blocks=blocks, batch_size=batch_size).together == together

"""The order of an epoch, on chunks that are made up: no store, no torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.loading.epoch_plan import LANES, Chunks, EpochOrder, eligible

ROWS_PER_CHUNK = 8


def order_of(counts, *, training, batch_size=3, buffer_rows=100, seed=0, rank=0, world_size=1):
    """Chunks of 8 rows, `counts` of which are read, on contigs of four chunks each."""
    number = np.arange(len(counts))
    chunks = Chunks(
        number // 4,
        number % 4 * ROWS_PER_CHUNK,
        (number % 4 + 1) * ROWS_PER_CHUNK,
        np.array(counts, dtype=np.int64),
    )
    return EpochOrder(chunks, training, batch_size, buffer_rows, seed, rank, world_size)


def rows_of(order, epoch_number=0):
    """(contig, chunk start, which of the chunk's rows) of each batch's block, in order."""
    epoch = order.epoch(epoch_number)
    blocks: dict[int, list] = {}
    for block in sorted({int(block) for block in epoch.order[:, 0]}):
        pieces = list(order.pieces(epoch, block))
        # No chunk is read for nothing.
        assert all(piece.low < piece.high for piece in pieces)
        blocks[block] = [
            (piece.contig, piece.start, row)
            for piece in pieces
            for row in range(piece.low, piece.high)
        ]
    size = order.batch_size
    return [blocks[block][turn * size : (turn + 1) * size] for block, turn in epoch.order.tolist()]


def all_rows(counts):
    return [
        (number // 4, number % 4 * ROWS_PER_CHUNK, row)
        for number, count in enumerate(counts)
        for row in range(count)
    ]


counts_of_chunks = st.lists(st.integers(0, ROWS_PER_CHUNK), min_size=1, max_size=40)
sizes = {
    "counts": counts_of_chunks,
    "batch_size": st.integers(1, 12),
    "buffer_rows": st.integers(1, 200),
    "world_size": st.integers(1, 4),
}


@given(**sizes)
def test_evaluation_reads_every_row_once_in_stored_order_over_all_ranks(
    counts, batch_size, buffer_rows, world_size
):
    read = []
    for rank in range(world_size):
        order = order_of(
            counts,
            training=False,
            batch_size=batch_size,
            buffer_rows=buffer_rows,
            rank=rank,
            world_size=world_size,
        )
        batches = rows_of(order)
        assert len(batches) == order.n_batches
        assert all(len(batch) == batch_size for batch in batches[:-1])
        read += [row for batch in batches for row in batch]
    assert read == all_rows(counts)


@given(**sizes, epoch=st.integers(0, 5))
def test_in_training_every_rank_makes_the_same_number_of_whole_batches_of_rows_of_its_own(
    counts, batch_size, buffer_rows, world_size, epoch
):
    read = []
    for rank in range(world_size):
        order = order_of(
            counts,
            training=True,
            batch_size=batch_size,
            buffer_rows=buffer_rows,
            rank=rank,
            world_size=world_size,
        )
        batches = rows_of(order, epoch)
        assert len(batches) == order.n_batches == sum(counts) // (batch_size * world_size)
        assert all(len(batch) == batch_size for batch in batches)
        read += [row for batch in batches for row in batch]
    assert len(set(read)) == len(read)
    assert set(read) <= set(all_rows(counts))


@given(
    batch_size=st.integers(1, 3_000),
    buffer_rows=st.integers(1, 20_000),
)
def test_open_blocks_hold_no_more_rows_than_the_buffer_or_one_batch(batch_size, buffer_rows):
    order = order_of([8], training=True, batch_size=batch_size, buffer_rows=buffer_rows)
    assert order.block_rows % batch_size == 0
    assert 1 <= order.lanes <= LANES
    assert order.lanes * order.block_rows <= max(buffer_rows, batch_size)


def test_batches_of_the_open_blocks_are_dealt_in_turn_and_no_block_is_opened_twice():
    order = order_of([8] * 100, training=True, batch_size=2, buffer_rows=8 * LANES)
    blocks = order.epoch(0).order[:, 0].tolist()
    assert (order.block_rows, order.lanes) == (8, LANES)
    assert blocks[: 2 * LANES] == [*range(LANES), *range(LANES)]
    rounds = [block // order.lanes for block in blocks]
    assert rounds == sorted(rounds)


@given(
    n_chunks=st.integers(0, 60),
    training=st.booleans(),
    batch_size=st.integers(1, 9),
    buffer_rows=st.integers(1, 400),
    workers=st.integers(1, 7),
    most=st.integers(1, 30),
)
def test_requests_are_all_batches_in_order_and_keep_a_block_with_one_worker(
    n_chunks, training, batch_size, buffer_rows, workers, most
):
    order = order_of(
        [8] * n_chunks, training=training, batch_size=batch_size, buffer_rows=buffer_rows
    )
    asked = list(order.requests(workers, most))
    assert [batch for batches in asked for batch in batches] == list(range(order.n_batches))
    assert max(map(len, asked), default=0) <= most
    block = order.epoch(0).order[:, 0]
    readers = {(int(block[b]), k % workers) for k, batches in enumerate(asked) for b in batches}
    if training or most >= order.batches_together(workers):
        assert len(readers) == len(set(block.tolist()))


def test_the_order_of_chunks_differs_between_epochs_and_seeds_and_is_repeatable():
    def chunks(seed, epoch):
        return order_of([8] * 40, training=True, seed=seed).epoch(epoch).chunks.start.tolist()

    assert chunks(0, 0) == chunks(0, 0)
    assert len({tuple(chunks(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_rows_that_a_training_epoch_leaves_over_are_others_in_the_next():
    order = order_of([8] * 10, training=True, batch_size=27)
    seen = [{row for batch in rows_of(order, epoch) for row in batch} for epoch in range(8)]
    assert {len(rows) for rows in seen} == {54}
    assert set.union(*seen) == set(all_rows([8] * 10))


def test_a_plan_of_many_rows_takes_numpy_arrays_not_python_objects():
    order = order_of([8] * 50_000, training=True, batch_size=4)
    epoch = order.epoch(0)
    assert epoch.order.shape == (100_000, 2)
    assert all(isinstance(column, np.ndarray) for column in (*epoch.chunks, epoch.ends))


@pytest.mark.parametrize(
    ("training", "augmented", "expected"),
    [
        (True, True, [False, True, True, False, False, False]),
        (True, False, [True, False, True, False, False, False]),
        (False, True, [True, False, True, False, True, False]),
        (False, False, [True, False, True, False, True, False]),
    ],
)
def test_roles_read_their_own_rows(training, augmented, expected):
    label = np.array([1, 1, 0, 0, -1, -1], dtype=np.int8)
    copy = np.array([0, 1, 0, 1, 0, 1], dtype=np.int16)
    assert eligible(label, copy, training=training, augmented=augmented).tolist() == expected
    chosen = np.array([True, False, True, True, False, True])
    some = eligible(label, copy, training=training, augmented=augmented, chosen=chosen)
    assert some.tolist() == (np.array(expected) & chosen).tolist()


def test_planning_needs_no_torch():
    code = "import sys, epipam.loading.epoch_plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0

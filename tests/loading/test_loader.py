"""Streaming batches: the rows that count, in a keyed order, from any process, in little memory."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from multiprocessing.connection import wait
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import zarr

from epipam.errors import EpipamError, RequestError, StoreError
from epipam.genome.fasta import Genome
from epipam.loading.loader import Batch, LoaderSettings, PairBatches, PairLoader
from epipam.loading.workers import Crew, Request
from epipam.store import Store, StoreSettings, build_store

ENHANCER, PROMOTER = 60, 41
CONTIGS = {"chr1": 30, "chr2": 20, "chr3": 24, "chrX": 7}
BUILD = StoreSettings(ENHANCER, PROMOTER, 2, 20, seed=5, rows_per_chunk=8, rows_per_shard=32)
TRAINING = LoaderSettings(training=True, batch_size=5, buffer_rows=120, seed=3)
EVALUATION = LoaderSettings(training=False, batch_size=5, buffer_rows=120)
CODE = {"A": 8, "C": 4, "G": 2, "T": 1}
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}


class Row(NamedTuple):
    """A window pair as a batch hands it out; windows as letters."""

    contig: str
    pair: int
    label: int
    enhancer: str
    promoter: str


# Stores


def write_inputs(folder, contigs: dict[str, int], length: int):
    draw = random.Random(1)
    with (folder / "genome.fa").open("w") as fasta, (folder / "pairs.bedpe").open("w") as bedpe:
        for contig, n_pairs in contigs.items():
            fasta.write(f">{contig}\n{''.join(draw.choices('ACGTN', [9, 9, 9, 9, 1], k=length))}\n")
            for number in range(n_pairs):
                starts = draw.sample(range(length - 50), 2)
                anchors = "\t".join(f"{contig}\t{start}\t{start + 50}" for start in starts)
                bedpe.write(f"{anchors}\t{(1, 0, 0, 1, -1)[number % 5]}\n")
    return folder / "genome.fa", folder / "pairs.bedpe"


def make_store(folder, settings=BUILD, contigs=CONTIGS, length=2_000) -> Store:
    genome, pairs = write_inputs(folder, contigs, length)
    build_store(genome, pairs, folder / "store", settings, label_column="7")
    return Store(folder / "store")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return make_store(tmp_path_factory.mktemp("loader"))


@pytest.fixture(autouse=True)
def no_test_hangs():
    """A worker that waits for ever must fail its test, and not stop the run."""

    def fail(*_):
        raise TimeoutError("the loader does not finish")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(90)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


# An oracle that knows the arrays and the letters, and nothing of the loader


def letters(packed: np.ndarray, length: int) -> str:
    name = {code: base for base, code in CODE.items()}
    return "".join(
        name.get(int(packed[i // 2]) >> (4 if i % 2 == 0 else 0) & 15, "N") for i in range(length)
    )


class StoredRow(NamedTuple):
    row: Row
    copy: int
    chunk: tuple[str, int]


def stored_rows(store: Store) -> list[StoredRow]:
    found = []
    root = zarr.open_group(store.path, mode="r")
    for contig in CONTIGS:
        group = root[contig]
        arrays = [group[name][:] for name in ("enhancer", "promoter", "label", "window")]
        size = group["enhancer"].chunks[0]
        for number, (enhancer, promoter, label, window) in enumerate(zip(*arrays, strict=True)):
            windows = letters(enhancer, ENHANCER), letters(promoter, PROMOTER)
            row = Row(contig, int(window[0]), int(label), *windows)
            found.append(StoredRow(row, int(window[1]), (contig, number // size)))
    return found


def of_training(stored: list[StoredRow]) -> list[StoredRow]:
    return [s for s in stored if (s.row.label, s.copy > 0) in {(1, True), (0, False)}]


def of_evaluation(stored: list[StoredRow]) -> list[StoredRow]:
    return [s for s in stored if s.copy == 0]


def rows(batch: Batch, contigs=tuple(CONTIGS)) -> list[Row]:
    return [
        Row(contigs[contig], pair, label, letters(e, ENHANCER), letters(p, PROMOTER))
        for e, p, label, contig, pair in zip(
            batch.enhancer.numpy(),
            batch.promoter.numpy(),
            *(column.tolist() for column in batch[2:]),
            strict=True,
        )
    ]


def keys_of(batches) -> list[list]:
    """What tells batches apart, cheaply: the pairs and the bytes of each."""
    return [[*batch.pair.tolist(), batch.enhancer.numpy().tobytes()] for batch in batches]


def load(
    store, settings, *, contigs=tuple(CONTIGS), pairs=None, rank=0, world_size=1, **options
) -> PairLoader:
    batches = PairBatches(store, contigs, settings, pairs=pairs, rank=rank, world_size=world_size)
    return PairLoader(batches, **options)


@contextmanager
def closing(loader: PairLoader):
    """End persistent workers when they are no longer needed."""
    yield loader
    loader.close()


# Which rows


def test_training_reads_shifted_positives_and_unshifted_negatives_only(store):
    expected = Counter(s.row for s in of_training(stored_rows(store)))
    left_over = sum(expected.values()) % 5
    seen = Counter(row for batch in load(store, TRAINING) for row in rows(batch))
    assert seen <= expected
    assert (expected - seen).total() == left_over
    assert {row.label for row in seen} == {0, 1}


def test_evaluation_reads_each_unshifted_window_once_in_stored_order(store):
    expected = [s.row for s in of_evaluation(stored_rows(store))]
    loader = load(store, EVALUATION)
    assert [row for batch in loader for row in rows(batch)] == expected
    assert len(expected) == sum(CONTIGS.values())
    assert sorted(row.pair for row in expected) == list(range(sum(CONTIGS.values())))


def test_a_copy_whose_shift_happens_to_be_zero_never_reaches_evaluation(tmp_path):
    store = make_store(tmp_path, replace(BUILD, max_shift=0))
    pairs = [pair for batch in load(store, EVALUATION) for pair in batch.pair.tolist()]
    assert sorted(pairs) == list(range(sum(CONTIGS.values())))
    n_training = sum(len(batch.pair) for batch in load(store, TRAINING))
    assert n_training == len(of_training(stored_rows(store))) // 5 * 5


def test_without_shifted_copies_training_reads_the_unshifted_positives(tmp_path):
    store = make_store(tmp_path, replace(BUILD, augment=0))
    expected = {s.row for s in stored_rows(store) if s.row.label >= 0}
    seen = [row for batch in load(store, TRAINING) for row in rows(batch)]
    assert set(seen) <= expected
    assert len(seen) == len(set(seen)) == len(expected) // 5 * 5
    assert {row.label for row in seen} == {0, 1}


def test_only_the_chromosomes_asked_for_are_read_in_the_order_asked_for(store):
    contigs = ("chrX", "chr2")
    seen = [row for b in load(store, EVALUATION, contigs=contigs) for row in rows(b, contigs)]
    expected = [s.row for s in of_evaluation(stored_rows(store))]
    assert seen == [row for contig in contigs for row in expected if row.contig == contig]


def test_a_batch_is_arrays_of_the_stated_types(store):
    batch = next(iter(load(store, TRAINING)))
    assert [(column.dtype, tuple(column.shape)) for column in batch] == [
        (torch.uint8, (5, 30)),
        (torch.uint8, (5, 21)),
        (torch.int8, (5,)),
        (torch.int32, (5,)),
        (torch.int64, (5,)),
    ]


def test_a_batch_keeps_no_block_alive(store):
    batches = PairBatches(store, tuple(CONTIGS), TRAINING)
    batch = batches[0, 0]
    (block,) = batches._open.blocks.values()
    for name in Batch._fields:
        assert not np.shares_memory(getattr(batch, name).numpy(), getattr(block, name))


def test_a_store_with_other_chunks_than_this_version_writes_is_read_alike(store, tmp_path):
    other = make_store(tmp_path, replace(BUILD, rows_per_chunk=5, rows_per_shard=15))
    root = other.path / "zarr.json"
    document = json.loads(root.read_text())
    own = document["attributes"]["epipam"]
    for name in ("files", "layout"):  # of format 1.2, which says what its files are
        del own[name]
    del own["pairs"]["label_column"]
    own["format_version"] = "1.1"
    root.write_text(json.dumps(document))
    window = zarr.open_group(other.path, mode="r+")["chr1/window"]
    values, attributes = window[:], window.attrs.asdict()
    zarr.open_group(other.path, mode="r+")["chr1"].create_array(
        "window", data=values, chunks=(7, 6), attributes=attributes, overwrite=True
    )
    other = Store(other.path)
    expected = Counter(s.row for s in of_training(stored_rows(store)))
    seen = Counter(row for batch in load(other, TRAINING) for row in rows(batch))
    assert seen <= expected
    assert (expected - seen).total() == expected.total() % 5
    evaluated = [row for batch in load(other, EVALUATION) for row in rows(batch)]
    assert evaluated == [s.row for s in of_evaluation(stored_rows(store))]


# A part of the pairs

SOME_PAIRS = np.sort(np.random.default_rng(8).permutation(sum(CONTIGS.values()))[:57])


@pytest.fixture(params=[None, SOME_PAIRS], ids=["all pairs", "some pairs"])
def pairs(request):
    return request.param


def chosen(stored: list[StoredRow], pairs) -> list[StoredRow]:
    return [s for s in stored if pairs is None or s.row.pair in set(pairs.tolist())]


@pytest.mark.parametrize("workers", [0, 2])
def test_only_the_pairs_asked_for_are_read_each_in_its_role(store, workers):
    stored = chosen(stored_rows(store), SOME_PAIRS)
    with closing(load(store, EVALUATION, pairs=SOME_PAIRS, workers=workers)) as loader:
        assert [row for b in loader for row in rows(b)] == [s.row for s in of_evaluation(stored)]
    expected = Counter(s.row for s in of_training(stored))
    with closing(load(store, TRAINING, pairs=SOME_PAIRS, workers=workers)) as loader:
        epochs = [Counter(row for batch in loader for row in rows(batch)) for _ in range(6)]
    for seen in epochs:
        assert seen <= expected
        assert (expected - seen).total() == expected.total() % 5
    assert set().union(*epochs) == set(expected)


def test_training_and_test_pairs_of_one_chromosome_never_meet(store):
    rest = np.setdiff1d(np.arange(sum(CONTIGS.values())), SOME_PAIRS)
    trained = {p for b in load(store, TRAINING, pairs=rest) for p in b.pair.tolist()}
    tested = {p for b in load(store, EVALUATION, pairs=SOME_PAIRS) for p in b.pair.tolist()}
    assert tested == set(SOME_PAIRS.tolist())
    assert not trained & tested


def test_numbers_of_pairs_on_other_chromosomes_ask_for_nothing(store):
    contigs = ["chr2"]
    seen = [p for b in load(store, EVALUATION, contigs=contigs, pairs=SOME_PAIRS) for p in b.pair]
    assert sorted(seen) == sorted(set(store.pairs("chr2")["pair"]) & set(SOME_PAIRS))


# Ranks and workers


@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_share_the_rows_and_make_the_same_number_of_training_steps(
    store, world_size, workers, pairs
):
    stored = chosen(stored_rows(store), pairs)
    evaluated, trained, steps = [], [], set()
    for rank in range(world_size):
        share = {"pairs": pairs, "rank": rank, "world_size": world_size, "workers": workers}
        with closing(load(store, EVALUATION, **share)) as loader:
            evaluated += [row for batch in loader for row in rows(batch)]
        with closing(load(store, TRAINING, **share)) as loader:
            batches = list(loader)
        steps.add(len(batches))
        assert {len(batch.pair) for batch in batches} == {5}
        trained += [row for batch in batches for row in rows(batch)]
    assert evaluated == [s.row for s in of_evaluation(stored)]
    expected = Counter(s.row for s in of_training(stored))
    assert steps == {expected.total() // (5 * world_size)}
    assert Counter(trained) <= expected


def test_more_workers_than_chunks_still_read_everything_once(store):
    with closing(load(store, EVALUATION, contigs=["chrX"], workers=4)) as loader:
        assert store.n_rows("chrX") // 8 < 4
        seen = [row for batch in loader for row in rows(batch, ["chrX"])]
    expected = [s.row for s in of_evaluation(stored_rows(store)) if s.row.contig == "chrX"]
    assert seen == expected


@pytest.mark.parametrize("world_size", [1, 3])
def test_too_few_rows_for_one_training_batch_on_each_rank_are_refused(store, world_size):
    n_rows = len(of_training(stored_rows(store)))
    settings = replace(TRAINING, batch_size=n_rows // world_size + 1)
    with pytest.raises(RequestError, match=f"{n_rows} training rows on chr1, chr2, chr3, chrX"):
        load(store, settings, world_size=world_size)
    load(store, replace(settings, batch_size=n_rows // world_size), world_size=world_size)


def test_training_without_labelled_pairs_is_refused_and_evaluation_is_not(tmp_path):
    genome, pairs = write_inputs(tmp_path, {"chr1": 6, "chr2": 6}, 2_000)
    build_store(genome, pairs, tmp_path / "store", BUILD)
    store = Store(tmp_path / "store")
    with pytest.raises(RequestError) as caught:
        load(store, TRAINING, contigs=["chr1", "chr2"])
    assert str(caught.value) == (
        f"{tmp_path / 'store'}: no labelled pairs on chr1, chr2; for a BEDPE, "
        f"epipam build-store --label-column names the column of labels"
    )
    assert load(store, EVALUATION, contigs=["chr1", "chr2"]).batches.order.n_rows == 12


def test_chromosomes_that_are_not_there_are_refused_with_those_that_are(store):
    with pytest.raises(RequestError, match="has no chromosome chr9; it has chr1, chr2, chr3, chrX"):
        load(store, EVALUATION, contigs=["chr1", "chr9"])
    with pytest.raises(RequestError, match="no chromosome to read"):
        load(store, EVALUATION, contigs=[])


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_finish_after_the_parent_has_read_store_and_genome(store, method):
    Genome(store.path.with_name("genome.fa")).fetch("chr1", 0, 100)
    store.read("chr1", 0, 20)
    expected = keys_of(load(store, TRAINING))
    with closing(load(store, TRAINING, workers=2, start_method=method)) as loader:
        assert keys_of(loader) == expected


# Order


@pytest.mark.parametrize("workers", [1, 3])
def test_the_order_depends_on_seed_and_epoch_and_not_on_the_number_of_workers(
    store, workers, pairs
):
    alone = load(store, TRAINING, pairs=pairs)
    with closing(load(store, TRAINING, pairs=pairs, workers=workers)) as loader:
        for _ in range(3):
            assert keys_of(loader) == keys_of(alone)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_epoch_and_every_seed_has_an_order_of_its_own(store, workers, pairs):
    with closing(load(store, TRAINING, pairs=pairs, workers=workers)) as loader:
        epochs = [[pair for batch in loader for pair in batch.pair.tolist()] for _ in range(3)]
    other_seed = load(store, replace(TRAINING, seed=4), pairs=pairs)
    other = [pair for batch in other_seed for pair in batch.pair.tolist()]
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert epochs[one] != epochs[two]
    assert other != epochs[0]
    same_place = np.mean(np.array(epochs[0]) == np.array(epochs[1]))
    assert same_place < 0.1


def test_an_epoch_can_be_asked_for_by_its_number(store):
    loader = load(store, TRAINING)
    epochs = [keys_of(loader) for _ in range(3)]
    loader.sampler.set_epoch(1)
    assert keys_of(loader) == epochs[1]
    loader.sampler.set_epoch(1)
    assert keys_of(loader) == epochs[1]
    assert keys_of(loader) == epochs[2]
    loader.sampler.set_epoch(0)
    assert keys_of(loader) == epochs[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epochs_number_counts_up_to_its_first_batch(store, workers):
    whole = load(store, TRAINING)
    list(whole)
    with closing(load(store, TRAINING, workers=workers)) as loader:
        begun = iter(loader)
        loader.sampler.set_epoch(1)
        assert keys_of(begun) == keys_of(whole)


def test_a_batch_mixes_rows_of_several_chunks_and_chromosomes(store):
    settings = replace(TRAINING, batch_size=10, buffer_rows=480)
    chunk_of = {s.row: s.chunk for s in stored_rows(store)}
    mixed = [
        (len({chunk_of[row] for row in found}), len({row.contig for row in found}))
        for found in map(rows, load(store, settings))
    ]
    n_chunks, n_contigs = np.mean(mixed, axis=0)
    assert n_chunks > 3
    assert n_contigs > 2


def test_rows_of_a_chunk_do_not_follow_each_other_as_they_are_stored(store):
    order = {s.row: number for number, s in enumerate(stored_rows(store))}
    settings = replace(TRAINING, buffer_rows=480)
    seen = [order[row] for batch in load(store, settings) for row in rows(batch)]
    assert np.mean(np.diff(seen) == 1) < 0.1


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_leaves_the_global_random_numbers_alone(store, workers):
    state = torch.get_rng_state()
    with closing(load(store, TRAINING, workers=workers)) as loader:
        for _ in range(2):
            list(loader)
    assert torch.equal(torch.get_rng_state(), state)


# Several passes at once


@pytest.mark.parametrize("workers", [0, 2])
def test_two_passes_at_once_are_two_epochs_and_take_nothing_from_each_other(store, workers):
    whole = load(store, TRAINING)
    expected = [keys_of(whole) for _ in range(2)]
    with closing(load(store, TRAINING, workers=workers)) as loader:
        one, other = iter(loader), iter(loader)
        seen: list[list] = [[], []]
        for first, second in zip(one, other, strict=True):
            seen[0] += keys_of([first])
            seen[1] += keys_of([second])
    assert seen == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_the_state_is_that_of_the_pass_that_was_begun_last(store, workers):
    with closing(load(store, TRAINING, workers=workers)) as loader:
        one = iter(loader)
        next(one)
        assert loader.state_dict() == {"epoch": 0, "served": 1}
        other = iter(loader)
        next(other)
        next(other)
        next(one)
        assert loader.state_dict() == {"epoch": 1, "served": 2}


@pytest.mark.parametrize(("threads", "workers"), [(2, 0), (4, 0), (8, 0), (2, 2)])
def test_threads_that_iterate_at_once_see_an_epoch_each(store, threads, workers):
    whole = load(store, TRAINING)
    expected = [keys_of(whole) for _ in range(threads)]
    with (
        closing(load(store, TRAINING, workers=workers)) as loader,
        ThreadPoolExecutor(threads) as pool,
    ):
        seen = list(pool.map(keys_of, [loader] * threads))
    assert sorted(seen) == sorted(expected)


@pytest.mark.parametrize("threads", [2, 4, 8])
def test_batches_are_the_same_from_several_threads(store, threads):
    batches = PairBatches(store, tuple(CONTIGS), TRAINING)
    numbers = [(epoch, number) for epoch in (0, 1) for number in range(len(batches))]
    expected = keys_of(batches[key] for key in numbers)
    with ThreadPoolExecutor(threads) as pool:
        assert keys_of(pool.map(batches.__getitem__, numbers)) == expected


# Workers that come to grief


def test_a_worker_that_is_killed_ends_the_pass_with_one_line_that_names_it(store):
    with closing(load(store, TRAINING, workers=2)) as loader:
        batches = iter(loader)
        next(batches)
        victim = multiprocessing.active_children()[0]
        os.kill(victim.pid, signal.SIGKILL)
        assert wait([victim.sentinel], 30)
        with pytest.raises(EpipamError) as caught:
            list(batches)
        assert f"loader worker {victim.pid} " in str(caught.value)
        assert "--loader-workers" in str(caught.value)
        assert "\n" not in str(caught.value)
        del batches
        # The next pass has new workers.
        whole = load(store, TRAINING)
        list(whole)
        assert keys_of(loader) == keys_of(whole)


class _Large(NamedTuple):
    """A source whose answers are larger than a pipe."""

    size: int = 2_000_000

    def read(self, number: int, batch_number: int) -> np.ndarray:
        return np.zeros(self.size, dtype=np.uint8)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_killed_within_an_answer_ends_the_pass_in_another_thread(method):
    crew = Crew(_Large(), "store", 2, method)
    answers = crew.read(Request(0, number, number + 1) for number in range(100))
    with ThreadPoolExecutor(1) as pool:
        assert len(pool.submit(next, answers).result()) == _Large().size
        # Each has filled its pipe with the beginning of an answer.
        for worker in crew._workers:
            assert worker.pipe.poll(30)
            os.kill(worker.process.pid, signal.SIGKILL)
        with pytest.raises(EpipamError, match=r"loader worker \d+ died .* signal: SIGKILL"):
            pool.submit(list, answers).result()


def test_a_damaged_store_is_the_same_error_from_a_worker_as_from_here(store, tmp_path):
    shutil.copytree(store.path, tmp_path / "store")
    damaged = Store(tmp_path / "store")
    loaders = [load(damaged, EVALUATION, workers=workers) for workers in (0, 2)]
    shard = damaged.path / "chr2/enhancer/c/0/0"
    shard.write_bytes(bytes(len(shard.read_bytes())))
    texts = []
    for loader in loaders:
        with closing(loader), pytest.raises(StoreError) as caught:
            list(loader)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    assert "chr2/enhancer" in texts[0]


_PARENT = """
import multiprocessing, sys, time
from epipam.loading.loader import LoaderSettings, PairBatches, PairLoader
from epipam.store import Store
store = Store(sys.argv[1])
# A batch is larger than a pipe: workers wait for somebody to read what they send.
settings = LoaderSettings(training=False, batch_size=2_000, buffer_rows=2_000)
loader = PairLoader(PairBatches(store, store.contigs, settings), 2, start_method=sys.argv[2])
batches = iter(loader)
next(batches)
print(*(worker.pid for worker in multiprocessing.active_children()), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    settings = replace(BUILD, augment=0, rows_per_chunk=512, rows_per_shard=4_096)
    store = make_store(tmp_path, settings, contigs={"chr1": 8_000}, length=200_000)
    command = [sys.executable, "-c", _PARENT, str(store.path), "fork"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = parent.stdout.readline().split()
        assert len(workers) == 2
        parent.kill()
    deadline = time.monotonic() + 30
    while left := [pid for pid in workers if Path("/proc", pid).exists()]:
        assert time.monotonic() < deadline, f"workers {left} live on"
        time.sleep(0.1)


# Stopping and going on


@pytest.mark.parametrize("workers", [0, 2])
def test_stopping_twice_in_mid_epoch_gives_the_order_of_an_uninterrupted_run(store, workers, pairs):
    with closing(load(store, TRAINING, pairs=pairs, workers=workers)) as loader:
        expected = [keys_of(loader) for _ in range(3)]
    seen, state = [], None
    for stop_after in (7, 4, None):
        with closing(load(store, TRAINING, pairs=pairs, workers=workers)) as loader:
            if state is not None:
                loader.load_state_dict(state)
            if stop_after is None:
                seen += keys_of(loader)
                assert seen == expected[0]
                # The epochs after it are whole.
                assert keys_of(loader) == expected[1]
                assert keys_of(loader) == expected[2]
            else:
                seen += keys_of(islice(loader, stop_after))
                state = json.loads(json.dumps(loader.state_dict()))
    assert state == {"epoch": 0, "served": 11}


@pytest.mark.parametrize("workers", [0, 2])
def test_stopping_in_a_later_epoch_goes_on_in_that_epoch(store, workers):
    with closing(load(store, TRAINING, workers=workers)) as loader:
        list(loader)
        begun = keys_of(islice(loader, 4))
        state = loader.state_dict()
    with closing(load(store, TRAINING, workers=workers)) as loader:
        loader.load_state_dict(state)
        # As Lightning does before an epoch.
        loader.sampler.set_epoch(1)
        rest = keys_of(loader)
    whole = load(store, TRAINING)
    list(whole)
    assert begun + rest == keys_of(whole)


def test_the_state_between_two_epochs_is_the_beginning_of_the_next(store):
    loader = load(store, TRAINING)
    assert loader.state_dict() == {"epoch": 0, "served": 0}
    list(loader)
    assert loader.state_dict() == {"epoch": 1, "served": 0}
    other = load(store, TRAINING)
    other.load_state_dict(loader.state_dict())
    assert keys_of(other) == keys_of(loader)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_pass_that_was_broken_off_is_followed_by_a_whole_one(store, workers):
    whole = load(store, TRAINING)
    list(whole)
    with closing(load(store, TRAINING, workers=workers)) as loader:
        list(islice(loader, 3))
        assert keys_of(loader) == keys_of(whole)


# Augmentation


def draw(*keys: int) -> int:
    """Chained SplitMix64 finalisers in Python's integers."""
    state = 0
    for key in keys:
        state = (state + key + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
    return state


def moved(window: str, offset: int) -> str:
    places = range(offset, offset + len(window))
    return "".join(window[i] if 0 <= i < len(window) else "N" for i in places)


def turned(window: str) -> str:
    return "".join(COMPLEMENT[base] for base in reversed(window))


@pytest.mark.parametrize("epoch", [0, 2])
@pytest.mark.parametrize(("max_shift", "reverse"), [(0, True), (7, False), (7, True)])
def test_shift_and_strand_are_drawn_by_seed_epoch_and_row(store, epoch, max_shift, reverse):
    settings = replace(TRAINING, max_shift=max_shift, reverse_complement=reverse)
    expected = Counter()
    n_turned = 0
    for row, copy, _ in of_training(stored_rows(store)):
        key = row.pair * 2**16 + copy
        offsets = [draw(3, epoch, what, key) % (2 * max_shift + 1) - max_shift for what in (3, 4)]
        windows = [moved(w, by) for w, by in zip(row[3:], offsets, strict=True)]
        if reverse and draw(3, epoch, 2, key) % 2:
            n_turned += 1
            windows = [turned(window) for window in windows]
        expected[Row(*row[:3], *windows)] += 1
    loader = load(store, settings)
    loader.sampler.set_epoch(epoch)
    seen = Counter(row for batch in loader for row in rows(batch))
    assert seen <= expected
    assert (expected - seen).total() == expected.total() % 5
    if reverse:
        assert 0.4 < n_turned / expected.total() < 0.6


def test_augmentation_leaves_the_order_of_pairs_alone_and_differs_between_epochs(store):
    settings = replace(TRAINING, max_shift=7, reverse_complement=True)
    plain, augmented = load(store, TRAINING), load(store, settings)
    windows = []
    for _ in range(2):
        batches = list(augmented)
        assert [b.pair.tolist() for b in batches] == [b.pair.tolist() for b in plain]
        windows.append({row.enhancer for batch in batches for row in rows(batch)})
    assert len(windows[0] & windows[1]) < 0.5 * len(windows[0])


def test_evaluation_is_never_augmented(store):
    settings = replace(EVALUATION, max_shift=7, reverse_complement=True)
    assert keys_of(load(store, settings)) == keys_of(load(store, EVALUATION))


# Memory and pickling


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("batch_size", "buffer_rows"), [(5, 120), (5, 60), (9, 30), (50, 10)])
def test_rows_that_are_held_stay_within_the_buffer_or_one_batch(
    store, training, batch_size, buffer_rows
):
    batches = PairBatches(store, tuple(CONTIGS), LoaderSettings(training, batch_size, buffer_rows))
    held = []
    for epoch in range(2):
        for number in range(len(batches)):
            batches[epoch, number]
            held.append(sum(len(block.label) for block in batches._open.blocks.values()))
    assert max(held) <= max(buffer_rows, batch_size)


def python_objects(thing: object) -> int:
    """How many Python objects a thing holds, arrays counting as one."""
    seen, todo = set(), [thing]
    while todo:
        found = todo.pop()
        if id(found) not in seen and not isinstance(found, type | type(json)):
            seen.add(id(found))
            if not isinstance(found, np.ndarray | zarr.Array):
                todo += gc.get_referents(found)
    return len(seen)


def test_a_larger_store_makes_no_more_python_objects(tmp_path):
    held = []
    for factor in (1, 6):
        folder = tmp_path / str(factor)
        folder.mkdir()
        store = make_store(folder, contigs={c: factor * n for c, n in CONTIGS.items()})
        half = np.arange(0, store.attributes["pairs"]["rows"], 2)
        state = PairBatches(store, tuple(CONTIGS), TRAINING, pairs=half).__getstate__()
        held.append(python_objects({**state, "store": None}))
    assert held[0] == held[1] < 200


def test_an_epoch_leaves_no_python_objects_behind(store):
    batches = PairBatches(store, tuple(CONTIGS), TRAINING)
    counts = []
    for epoch in range(3):
        for number in range(len(batches)):
            batches[epoch, number]
        gc.collect()
        counts.append(len(gc.get_objects()))
    # Zarr's thread pool may still grow by a thread.
    assert counts[2] - counts[1] < 30


def test_what_crosses_to_a_worker_pickles_without_open_files_and_blocks(store):
    batches = PairBatches(store, tuple(CONTIGS), TRAINING)
    before = keys_of([batches[0, 0]])
    assert len(pickle.dumps(batches)) < 20_000
    assert keys_of([pickle.loads(pickle.dumps(batches))[0, 0]]) == before
    loader = pickle.loads(pickle.dumps(PairLoader(batches)))
    assert keys_of(islice(loader, 1)) == before
    assert pickle.loads(pickle.dumps(TRAINING)) == TRAINING

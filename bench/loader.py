"""How fast a store streams to a network, and how much a network waits for it.

Training batches, shuffled, from a store that lies in the page cache, with 0, 1 and 2 worker
processes, beside a plain copy of the same bytes unpacked; as one-hot arrays, beside kipoiseq's and
GenVarLoader's of windows of the same store; and training on them beside the same training on one
batch that is kept.
"""

from __future__ import annotations

import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import islice, repeat
from pathlib import Path

import psutil
import torch
from measuring.inputs import SHORT_WINDOWS, Scale, bases_per_pair, simulated_inputs
from measuring.peers import Peer, PeerError, Windows, requirements
from measuring.result import Metric, announce, asked_to_be_quick, environment, print_result
from measuring.timing import copy_of_unpacked, time_in_turn

from epipam.loading.loader import (
    BATCH_SIZE,
    BUFFER_ROWS,
    Batch,
    LoaderSettings,
    PairBatches,
    PairLoader,
)
from epipam.models import EpipamConfig, create_model, unpack
from epipam.runtime.devices import choose_device, describe_device
from epipam.runtime.memory import keep_freed_memory
from epipam.store import Store
from epipam.training.fit import PairClassifier, TrainSettings

FULL = Scale(contigs=4, contig_length=30_000_000, pairs=10_000)
QUICK = Scale(contigs=2, contig_length=2_000_000, pairs=300, store=SHORT_WINDOWS)
WORKERS = {"no_worker": 0, "one_worker": 1, "two_workers": 2}
TURNS = 5
# Package, window pairs, options.
PEERS = {
    "kipoiseq": ("kipoiseq", 4_000),
    "genvarloader": ("genvarloader", 20_000, "seqpro"),
    "genvarloader_table": ("genvarloader", 40_000, "table"),
}
PEER_TURNS = 5
# Processor time is counted in hundredths of a second.
TICKING_SECONDS = 2.0
TRAINING_TURNS = 6


def main() -> None:
    """Measure, and print."""
    quick = asked_to_be_quick(__doc__)
    device = choose_device()
    found_in = {**environment(quick=quick), "device": describe_device(device)}
    scale = QUICK if quick else FULL
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        announce(f"simulating {scale.contigs} contigs of {scale.contig_length:,} bp")
        inputs = simulated_inputs(Path(folder), scale)
        store = inputs.build(Path(folder) / "store", scale.store)
        metrics = [
            *loading(store, 1 if quick else TURNS),
            *([] if quick else beside_peers(store, inputs.genome, Path(folder), found_in)),
            *batch_bytes(store),
            *training(store, device, 1 if quick else TRAINING_TURNS),
        ]
    print_result("loader", found_in, metrics)


def loading(store: Store, n_turns: int) -> Iterator[Metric]:
    """Yield how fast batches come, by number of workers, and beside a plain copy."""
    loaders = {name: loader(store, workers) for name, workers in WORKERS.items()}
    n_rows = len(loaders["no_worker"]) * BATCH_SIZE
    passes: dict[str, Callable[[], object]] = {
        **{name: partial(read_all, batches) for name, batches in loaders.items()},
        "one_worker_onehot": lambda: read_all(onehot(store, loaders["one_worker"])),
    }
    announce(f"reading {n_rows:,} window pairs in {n_turns} turns")
    time_in_turn(passes, 1)  # starts the workers, fills the page cache
    works = {**passes, "plain_copy": copy_of_unpacked(n_rows, bases_per_pair(store))}
    turns = time_in_turn(works, n_turns)
    for name in works:
        yield Metric(f"{name}_pairs_per_second", n_rows / turns.seconds(name), "window pairs/s")
    for name in passes:
        yield Metric(f"{name}_over_plain_copy", turns.ratio(name, "plain_copy"), "x")
    yield Metric("loader_two_worker_speedup", turns.ratio("one_worker", "two_workers"), "x")
    for name in ("one_worker", "two_workers"):
        taking, working = processor_seconds(loaders[name], turns.seconds(name))
        yield Metric(f"{name}_taking_ms_per_batch", 1e3 * taking, "ms")
        yield Metric(f"{name}_working_ms_per_batch", 1e3 * working, "ms")
    # The cores share what two workers and the taker do, but none of the three is on two at once.
    shortest = max((taking + working) / len(os.sched_getaffinity(0)), working / 2, taking)
    limit = turns.seconds("one_worker") / len(loaders["one_worker"]) / shortest
    yield Metric("loader_two_worker_limit", limit, "x")


def processor_seconds(batches: PairLoader, pass_seconds: float) -> tuple[float, float]:
    """Return the processor time that a batch takes of this process, and of its workers."""

    def seconds(process: psutil.Process) -> float:
        times = process.cpu_times()
        return times.user + times.system

    this = psutil.Process()
    workers = this.children()
    before = seconds(this), sum(map(seconds, workers))
    n_passes = math.ceil(TICKING_SECONDS / pass_seconds)
    for _ in range(n_passes):
        read_all(batches)
    n_batches = n_passes * len(batches)
    taking, working = seconds(this) - before[0], sum(map(seconds, workers)) - before[1]
    return taking / n_batches, working / n_batches


def beside_peers(
    store: Store, genome: Path, folder: Path, found_in: dict[str, object]
) -> Iterator[Metric]:
    """Yield how fast one-hot arrays come from one worker process, beside other loaders.

    Each takes as many windows as it reads in some seconds; what is compared is the time per pair.
    A peer that is not there has no metrics, and the environment says why.
    """
    batches = loader(store, 1)
    n_rows = {"epipam": len(batches) * BATCH_SIZE}
    works: dict[str, Callable[[], object]] = {
        "epipam": lambda: read_all(onehot(store, batches)),
    }
    with ExitStack() as stack:
        for name, (package, n_pairs, *options) in PEERS.items():
            announce(f"preparing {name}")
            try:
                windows = Windows(store, folder / name, n_pairs)
                peer = stack.enter_context(Peer(package, genome, windows, BATCH_SIZE, *options))
            except PeerError as error:
                found_in[name] = str(error)
                continue
            n_rows[name], works[name] = windows.n_pairs, peer.read_all
            found_in[name] = requirements(package)
        announce(f"reading one-hot windows in {PEER_TURNS} turns")
        time_in_turn(works, 1)
        turns = time_in_turn(works, PEER_TURNS)
    for name in works:
        rate = n_rows[name] / turns.seconds(name)
        yield Metric(f"{name}_onehot_pairs_per_second", rate, "window pairs/s")
    for name in works.keys() - {"epipam"}:
        per_pair = turns.ratio(name, "epipam") * n_rows["epipam"] / n_rows[name]
        yield Metric(f"loader_over_{name}", per_pair, "x")


def batch_bytes(store: Store) -> Iterator[Metric]:
    """Yield what a batch hands to the device."""
    batch = next(iter(loader(store, 0)))
    packed = batch.enhancer.nbytes + batch.promoter.nbytes
    unpacked = BATCH_SIZE * 4 * bases_per_pair(store)
    yield Metric("device_bytes_per_pair", sum(c.nbytes for c in batch) / BATCH_SIZE, "bytes")
    yield Metric("device_sequence_bytes_per_pair", packed / BATCH_SIZE, "bytes")
    yield Metric("device_sequence_bytes_over_onehot", packed / unpacked, "x")


def training(store: Store, device: torch.device, n_turns: int) -> Iterator[Metric]:
    """Yield how fast training goes from the store, and on one batch that is kept.

    All turns together take as many batches as the shuffle buffer holds: what filling it costs is
    spread as it is over an epoch.
    """
    from_store = iter(loader(store, 1))
    kept = next(from_store)
    train = training_on(store, device)
    n_steps = min(BUFFER_ROWS // BATCH_SIZE, len(loader(store, 0)) - 1) // n_turns
    announce(f"training, {n_turns} turns of {n_steps} steps each")
    train(repeat(kept, 2))
    turns = time_in_turn(
        {
            "store": lambda: train(islice(from_store, n_steps)),
            "cached_batch": lambda: train(repeat(kept, n_steps)),
        },
        n_turns,
    )
    total = {name: float(seconds.sum()) for name, seconds in turns.wall.items()}
    n_rows = n_turns * n_steps * BATCH_SIZE
    yield Metric("train_pairs_per_second", n_rows / total["store"], "window pairs/s")
    yield Metric("train_over_cached_batch", total["cached_batch"] / total["store"], "x")


def loader(store: Store, workers: int) -> PairLoader:
    """Return the training batches of a whole store."""
    return PairLoader(PairBatches(store, store.contigs, LoaderSettings(training=True)), workers)


def read_all(batches: Iterable[Batch]) -> None:
    """Take every batch, and keep none."""
    for _ in batches:
        pass


def onehot(store: Store, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches with their windows unpacked to uint8 one-hot, on the processor."""
    for batch in batches:
        yield batch._replace(
            enhancer=unpack(batch.enhancer, store.enhancer_length, torch.uint8),
            promoter=unpack(batch.promoter, store.promoter_length, torch.uint8),
        )


def training_on(store: Store, device: torch.device) -> Callable[[Iterable[Batch]], None]:
    """Return what trains a fresh network on some batches, as `epipam train` does."""
    settings = TrainSettings()
    config = EpipamConfig(
        enhancer_length=store.enhancer_length, promoter_length=store.promoter_length
    )
    classifier = PairClassifier(create_model(settings.model, config), settings).to(device).train()
    optimiser = classifier.configure_optimizers()
    warnings.filterwarnings("ignore", ".*self.log.*")  # there is no Trainer to log to

    def train(batches: Iterable[Batch]) -> None:
        for batch in batches:
            on_device = Batch(*(column.to(device) for column in batch))
            loss = classifier.training_step(on_device, 0)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        loss.item()  # waits for the device

    return train


if __name__ == "__main__":
    main()

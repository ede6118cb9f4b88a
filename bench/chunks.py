"""What chunk and shard sizes of a store cost: bits per base, files, reading, an epoch.

Prints one JSON object. `python bench/chunks.py`; under a minute on two cores.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numcodecs
import numpy as np
import zarr
from numcodecs.zstd import Zstd

from epipam.genome.encoding import encode, pack
from epipam.loading.loader import LoaderSettings, PairBatches
from epipam.store import Store, StoreSettings, build_store

CONTIGS = 2
PAIRS_PER_CONTIG = 6_144
COPIES = "x CPU time of a plain copy"
SPACING = 5_500  # bp: no two windows overlap, so every base is random
ROWS_PER_CHUNK = (128, 256, 512, 1_024, 2_048)
ROWS_PER_SHARD = (2_048, 16_384)
ROUNDS = 5


def main() -> None:
    """Measure, and print."""
    metrics: list[dict[str, object]] = []

    def add(name: str, value: float, unit: str) -> None:
        metrics.append({"name": name, "value": round(value, 4), "unit": unit})

    with tempfile.TemporaryDirectory() as folder:
        genome, pairs = write_inputs(Path(folder), np.random.default_rng(0))
        stores = {
            rows: build(genome, pairs, StoreSettings(augment=0, rows_per_chunk=rows))
            for rows in ROWS_PER_CHUNK
        }
        for rows, (sequential, epoch) in reading_times(stores).items():
            add(f"chunk_{rows}_bits_per_base", stores[rows].bits_per_base(), "bits")
            add(f"chunk_{rows}_sequential_read", sequential, COPIES)
            add(f"chunk_{rows}_training_epoch", epoch, COPIES)
        for rows in ROWS_PER_SHARD:
            store = build(genome, pairs, StoreSettings(augment=0, rows_per_shard=rows))
            n_files = sum(path.is_file() for path in store.path.rglob("*"))
            add(f"shard_{rows}_files", n_files, "files")
    for name, value, unit in codec_metrics(np.random.default_rng(1)):
        add(name, value, unit)
    print(json.dumps({"bench": "chunks", "environment": environment(), "metrics": metrics}))


def write_inputs(folder: Path, rng: np.random.Generator) -> tuple[Path, Path]:
    """Write a random genome and pairs of windows all over it."""
    genome, pairs = folder / "genome.fa", folder / "pairs.bedpe"
    with genome.open("w") as fasta, pairs.open("w") as bedpe:
        bedpe.write("#chrom1\tstart1\tend1\tchrom2\tstart2\tend2\tlabel\n")
        for number in range(CONTIGS):
            length = SPACING * PAIRS_PER_CONTIG
            letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, length)]
            fasta.write(f">chr{number}\n{letters.tobytes().decode()}\n")
            enhancers = 1_600 + SPACING * rng.permutation(PAIRS_PER_CONTIG)
            promoters = 4_200 + SPACING * rng.permutation(PAIRS_PER_CONTIG)
            for row, starts in enumerate(zip(enhancers, promoters, strict=True)):
                anchors = (f"chr{number}\t{start}\t{start + 1}" for start in starts)
                bedpe.write("\t".join([*anchors, str(row % 2)]) + "\n")
    return genome, pairs


def build(genome: Path, pairs: Path, settings: StoreSettings) -> Store:
    """Build the store of some settings."""
    out = genome.parent / f"{settings.rows_per_chunk}_{settings.rows_per_shard}"
    build_store(genome, pairs, out, settings, label_column="label", overwrite=True)
    return Store(out)


def reading_times(stores: dict[int, Store]) -> dict[int, tuple[float, float]]:
    """Time reading all chunks in order, and a training epoch, in plain copies of the same bytes.

    All stores take their turn in every round: a busy minute of the machine meets them all.
    """
    times: dict[int, list[tuple[float, float]]] = {rows: [] for rows in stores}
    for epoch in range(ROUNDS):
        for rows, store in stores.items():
            batches = PairBatches(store, store.contigs, LoaderSettings(training=True))
            sequential = cpu_time(lambda store=store: read_chunks(store))
            shuffled = cpu_time(lambda batches=batches, epoch=epoch: read_epoch(batches, epoch))
            times[rows].append((sequential, shuffled))
    n_bytes = CONTIGS * PAIRS_PER_CONTIG * (1_500 + 1_000)
    copy = n_bytes * copy_time()
    return {
        rows: (min(one for one, _ in found) / copy, min(other for _, other in found) / copy)
        for rows, found in times.items()
    }


def read_chunks(store: Store) -> None:
    """Read every chunk once, in order."""
    for contig in store.contigs:
        size = store.chunk_rows(contig)
        for start in range(0, store.n_rows(contig), size):
            store.read(contig, start, start + size)


def read_epoch(batches: PairBatches, epoch: int) -> None:
    """Read the batches of an epoch."""
    for number in range(len(batches)):
        batches[epoch, number]


@cache
def copy_time() -> float:
    """Return the time that a plain copy of 25 MB takes for each byte, s."""
    stored = np.ones(25_000_000, dtype=np.uint8)
    return best_time(stored.copy) / stored.size


def codec_metrics(rng: np.random.Generator) -> Iterator[tuple[str, float, str]]:
    """Yield what the levels of zstd, and its checksum, cost on one chunk of random sequence."""
    letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, (512, 3_000))]
    packed = pack(encode(letters))
    copy = packed.size * copy_time()
    for level, checksum in ((1, False), (1, True), (3, True)):
        codec = Zstd(level=level, checksum=checksum)
        encoded = codec.encode(packed)
        name = f"zstd_{level}_{'with' if checksum else 'without'}_checksum"
        yield f"{name}_bits_per_base", 8 * len(encoded) / letters.size, "bits"
        yield (
            f"{name}_encode",
            best_time(lambda c=codec: c.encode(packed)) / copy,
            COPIES,
        )
        yield (
            f"{name}_decode",
            best_time(lambda c=codec, e=encoded: c.decode(e)) / copy,
            COPIES,
        )


def best_time(work: Callable[[], object]) -> float:
    """Return the least CPU time of forty runs, s."""
    return min(cpu_time(work) for _ in range(40))


def cpu_time(work: Callable[[], object]) -> float:
    """Return the CPU time of a run, s, in which other work on the machine counts little."""
    start = time.process_time()
    work()
    return time.process_time() - start


def environment() -> dict[str, object]:
    """Return what the numbers depend on."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "zarr": zarr.__version__,
        "numcodecs": numcodecs.__version__,
        "numpy": np.__version__,
    }


if __name__ == "__main__":
    main()

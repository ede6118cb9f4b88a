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
from itertools import count
from pathlib import Path

import numcodecs
import numpy as np
import zarr
from numcodecs.zstd import Zstd

from epipam.encoding import encode, pack
from epipam.loader import LoaderSettings, PairBatches
from epipam.store import Store, StoreSettings, build_store

CONTIGS = 4
PAIRS_PER_CONTIG = 2_500
SPACING = 5_500  # bp: no two windows overlap, so every base is random
ROWS_PER_CHUNK = (64, 128, 256, 512, 1_024, 2_048)
ROWS_PER_SHARD = (2_048, 16_384)
REPEATS = 4


def main() -> None:
    """Measure, and print."""
    metrics: list[dict[str, object]] = []

    def add(name: str, value: float, unit: str) -> None:
        metrics.append({"name": name, "value": round(value, 4), "unit": unit})

    with tempfile.TemporaryDirectory() as folder:
        genome, pairs = write_inputs(Path(folder), np.random.default_rng(0))
        for rows in ROWS_PER_CHUNK:
            store = build(genome, pairs, StoreSettings(augment=0, rows_per_chunk=rows))
            add(f"chunk_{rows}_bits_per_base", store.bits_per_base(), "bits")
            sequential, epoch = reading_times(store)
            add(f"chunk_{rows}_sequential_read", sequential, "x CPU time of a plain copy")
            add(f"chunk_{rows}_training_epoch", epoch, "x CPU time of a plain copy")
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
    """Build the store of some settings, in place of the one before."""
    out = genome.parent / "store"
    build_store(genome, pairs, out, settings, label_column="label", overwrite=True)
    return Store(out)


def reading_times(store: Store) -> tuple[float, float]:
    """Time reading all chunks in order, and a training epoch, in plain copies of the same bytes."""
    batches = PairBatches(store, store.contigs, LoaderSettings(training=True))
    n_rows = sum(store.n_rows(contig) for contig in store.contigs)
    width = (store.enhancer_length + 1) // 2 + (store.promoter_length + 1) // 2
    stored = np.ones((n_rows, width), dtype=np.uint8)
    seen = np.ones((len(batches) * batches.settings.batch_size, width), dtype=np.uint8)

    def read_chunks() -> None:
        for contig in store.contigs:
            size = store.chunk_rows(contig)
            for start in range(0, store.n_rows(contig), size):
                store.read(contig, start, start + size)

    epochs = count()

    def read_epoch() -> None:
        epoch = next(epochs)
        for number in range(len(batches)):
            batches[epoch, number]

    return (
        best_time(read_chunks) / best_time(stored.copy),
        best_time(read_epoch) / best_time(seen.copy),
    )


def codec_metrics(rng: np.random.Generator) -> Iterator[tuple[str, float, str]]:
    """Yield what the levels of zstd, and its checksum, cost on one chunk of random sequence."""
    letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, (512, 3_000))]
    packed = pack(encode(letters))
    copy = best_time(packed.copy)
    for level, checksum in ((1, False), (1, True), (3, True)):
        codec = Zstd(level=level, checksum=checksum)
        encoded = codec.encode(packed)
        name = f"zstd_{level}_{'with' if checksum else 'without'}_checksum"
        yield f"{name}_bits_per_base", 8 * len(encoded) / letters.size, "bits"
        yield (
            f"{name}_encode",
            best_time(lambda c=codec: c.encode(packed)) / copy,
            "x CPU time of a plain copy",
        )
        yield (
            f"{name}_decode",
            best_time(lambda c=codec, e=encoded: c.decode(e)) / copy,
            "x CPU time of a plain copy",
        )


def best_time(work: Callable[[], object]) -> float:
    """Return the least CPU time of some runs, s: other work on the machine counts little in it."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


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

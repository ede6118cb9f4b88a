"""How fast a store is built, and how small it is.

The whole build, from FASTA and pair table to the store in its place, on the disk; beside it
compressing the same packed windows with the same codec alone, in one thread, and a plain copy of
the same bytes unpacked.

A build by one process copies and compresses windows in as many threads as it has cores
(`build_over_codec`). What processes are good for is therefore measured against one that is held to
one core (`build_two_process_speedup`); against one that has them all, two have as many cores
between them (`build_two_process_over_threads`). `machine_two_process_limit` is what two processes
that share nothing gain here at compressing alone, and so the most that two builds could.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import zarr
from measuring.inputs import (
    SHORT_WINDOWS,
    Inputs,
    Scale,
    bases_per_pair,
    n_windows,
    random_inputs,
)
from measuring.result import Metric, announce, asked_to_be_quick, environment, print_result
from measuring.timing import Turns, copy_of_unpacked, time_in_turn
from numcodecs.zstd import Zstd
from zarr.codecs import ZstdCodec

from epipam.genome.fasta import Genome
from epipam.genome.packed_contig import PackedContig
from epipam.store import Store, schema

# About as many pairs to a megabase as enhancers and promoters within 1 Mb of each other make, and
# long enough that starting a second process is a small part.
FULL = Scale(contigs=8, contig_length=100_000_000, pairs=130_000)
QUICK = Scale(contigs=2, contig_length=500_000, pairs=40, store=SHORT_WINDOWS)
TURNS = 3
Process = get_context("fork").Process  # which has the chunks already


def main() -> None:
    """Measure, and print."""
    quick = asked_to_be_quick(__doc__)
    found_in = environment(quick=quick)
    with tempfile.TemporaryDirectory() as folder:
        metrics = list(measure(Path(folder), QUICK if quick else FULL, 1 if quick else TURNS))
    print_result("build", found_in, metrics)


def measure(folder: Path, scale: Scale, n_turns: int) -> Iterator[Metric]:
    """Yield what a build of this scale takes."""
    announce(f"simulating {scale.contigs} contigs of {scale.contig_length:,} bp")
    inputs = random_inputs(folder, scale)
    out = folder / "store"
    store = inputs.build(out, scale.store)
    n_rows = n_windows(store)
    chunks, codec = packed_chunks(store), own_codec(store)
    bits_per_base = store.bits_per_base()
    announce(f"building {n_rows:,} window pairs in {n_turns} turns")
    turns = time_in_turn(
        {
            "build": lambda: inputs.build(out, scale.store),
            "codec": lambda: compress(codec, chunks),
            "two_process_codec": lambda: in_two_processes(codec, chunks),
            "one_core_build": lambda: on_one_core(lambda: inputs.build(out, scale.store)),
            "two_process_build": lambda: inputs.build(out, scale.store, workers=2),
            "copy": copy_of_unpacked(n_rows, bases_per_pair(store)),
            "genome": lambda: read_genome(inputs),
            "md5": lambda: hash_genome(inputs),
        },
        n_turns,
        # Removing the store that a build would replace is no part of building.
        before_each=lambda: shutil.rmtree(out, ignore_errors=True),
    )
    yield Metric("window_pairs", n_rows, "window pairs")
    n_bases = scale.contigs * scale.contig_length
    yield Metric("genome_bases", n_bases, "bp")
    yield from speed(turns, n_rows)
    yield Metric("genome_bases_per_second", n_bases / turns.seconds("genome"), "bp/s")
    yield Metric("md5_bases_per_second", n_bases / turns.seconds("md5"), "bp/s")
    yield Metric("genome_over_md5", turns.ratio("genome", "md5"), "x")
    yield Metric("bits_per_base", bits_per_base, "bits/bp")
    # A copy shifted by some bp repeats most of its window, which the codec finds within a chunk.
    unshifted = inputs.build(folder / "unshifted", replace(scale.store, augment=0))
    yield Metric("bits_per_base_without_copies", unshifted.bits_per_base(), "bits/bp")


def speed(turns: Turns, n_rows: int) -> Iterator[Metric]:
    """Yield rates and ratios of the works that were timed."""
    rates = {
        "build_pairs_per_second": "build",
        "one_core_build_pairs_per_second": "one_core_build",
        "two_process_build_pairs_per_second": "two_process_build",
        "codec_pairs_per_second": "codec",
        "plain_copy_pairs_per_second": "copy",
    }
    for name, work in rates.items():
        yield Metric(name, n_rows / turns.seconds(work), "window pairs/s")
    yield Metric("build_over_codec", turns.ratio("build", "codec"), "x")
    yield Metric("build_one_core_over_codec", turns.ratio("one_core_build", "codec"), "x")
    yield Metric("build_over_codec_processor_time", turns.processor_ratio("build", "codec"), "x")
    yield Metric("build_over_plain_copy", turns.ratio("build", "copy"), "x")
    two = "two_process_build"
    yield Metric("build_two_process_speedup", turns.ratio("one_core_build", two), "x")
    yield Metric("build_two_process_over_threads", turns.ratio("build", two), "x")
    limit = turns.ratio("codec", "two_process_codec")
    yield Metric("machine_two_process_limit", limit, "x")


def compress(codec: Zstd, chunks: list[bytes]) -> None:
    """Compress every chunk, and keep none."""
    for chunk in chunks:
        codec.encode(chunk)


def in_two_processes(codec: Zstd, chunks: list[bytes]) -> None:
    """Compress every chunk, half of the bytes in each of two processes that share nothing."""
    by_size = sorted(chunks, key=len)  # those of enhancers are larger than those of promoters
    halves = [Process(target=compress, args=(codec, by_size[start::2])) for start in (0, 1)]
    for half in halves:
        half.start()
    for half in halves:
        half.join()
        if half.exitcode:
            raise RuntimeError(f"a process that compresses ended with {half.exitcode}")


def on_one_core(work: Callable[[], object]) -> None:
    """Do some work in a process that has one core, where the system can say so."""
    if not hasattr(os, "sched_setaffinity"):
        work()
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        work()
    finally:
        os.sched_setaffinity(0, cores)


def read_genome(inputs: Inputs) -> None:
    """Read, hash and pack every contig, as a build does."""
    genome = Genome(inputs.genome)
    for contig in genome.contigs:
        PackedContig(genome, contig, margin=4_000)


def hash_genome(inputs: Inputs) -> None:
    """Hash as many letters as the genome has, and do nothing else."""
    letters = bytes(1 << 20)
    for length in Genome(inputs.genome).contigs.values():
        md5 = hashlib.md5(usedforsecurity=False)
        for _ in range(0, length, len(letters)):
            md5.update(letters)
        md5.hexdigest()


def packed_chunks(store: Store) -> list[bytes]:
    """Return every chunk of packed windows as the codec sees it."""
    chunks = []
    for contig in store.contigs:
        size = store.chunk_rows(contig)
        for start in range(0, store.n_rows(contig), size):
            rows = store.read(contig, start, start + size)
            chunks += [rows.enhancer.tobytes(), rows.promoter.tobytes()]
    return chunks


def own_codec(store: Store) -> Zstd:
    """Return the codec that the store's windows were compressed with, to be called alone."""
    array = zarr.open_array(store.path / store.contigs[0] / schema.ENHANCER, mode="r")
    (compressor,) = array.compressors
    assert isinstance(compressor, ZstdCodec)
    return Zstd(level=compressor.level, checksum=compressor.checksum)


if __name__ == "__main__":
    main()

"""How fast a store is built, and how small it is.

The whole build, from FASTA and pair table to the finished store, beside compressing the same
packed windows with the same codec alone and beside a plain copy of the same bytes unpacked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import zarr
from measuring.inputs import SHORT_WINDOWS, Scale, bases_per_pair, n_windows, simulated_inputs
from measuring.result import Metric, announce, asked_to_be_quick, environment, print_result
from measuring.timing import Turns, copy_of_unpacked, time_in_turn
from numcodecs.zstd import Zstd
from zarr.codecs import ZstdCodec

from epipam.store import Store, schema

FULL = Scale(contigs=4, contig_length=60_000_000, pairs=20_000)
QUICK = Scale(contigs=2, contig_length=500_000, pairs=40, store=SHORT_WINDOWS)
TURNS = 3


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
    inputs = simulated_inputs(folder, scale)
    out = folder / "store"
    store = inputs.build(out, scale.store)
    n_rows = n_windows(store)
    chunks, codec = packed_chunks(store), own_codec(store)
    announce(f"building {n_rows:,} window pairs in {n_turns} turns")
    turns = time_in_turn(
        {
            "build": lambda: inputs.build(out, scale.store),
            "codec": lambda: [codec.encode(chunk) for chunk in chunks],
            "two_process_build": lambda: inputs.build(out, scale.store, workers=2),
            "copy": copy_of_unpacked(n_rows, bases_per_pair(store)),
        },
        n_turns,
    )
    yield Metric("window_pairs", n_rows, "window pairs")
    yield Metric("genome_bases", scale.contigs * scale.contig_length, "bp")
    yield from speed(turns, n_rows)
    yield Metric("bits_per_base", store.bits_per_base(), "bits/bp")
    # A copy shifted by some bp repeats most of its window, which the codec finds within a chunk.
    unshifted = inputs.build(folder / "unshifted", replace(scale.store, augment=0))
    yield Metric("bits_per_base_without_copies", unshifted.bits_per_base(), "bits/bp")


def speed(turns: Turns, n_rows: int) -> Iterator[Metric]:
    """Yield rates and ratios of the works that were timed."""
    rates = {
        "build_pairs_per_second": "build",
        "two_process_build_pairs_per_second": "two_process_build",
        "codec_pairs_per_second": "codec",
        "plain_copy_pairs_per_second": "copy",
    }
    for name, work in rates.items():
        yield Metric(name, n_rows / turns.seconds(work), "window pairs/s")
    yield Metric("build_over_codec", turns.ratio("build", "codec"), "x")
    yield Metric("build_over_codec_processor_time", turns.processor_ratio("build", "codec"), "x")
    yield Metric("build_over_plain_copy", turns.ratio("build", "copy"), "x")
    yield Metric("build_two_process_speedup", turns.ratio("build", "two_process_build"), "x")


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

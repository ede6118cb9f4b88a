"""Peak memory of building, reading and training from 1x and from 10x the pairs.

Every job runs in a process of its own, on one genome; building and training are the command
line's own commands.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from measuring.inputs import write_random_pairs
from measuring.memory import EPIPAM, peak_memory
from measuring.result import Metric, announce, asked_to_be_quick, environment, print_result

TIMES = 10
MEGABYTE = 1e6

READ_AN_EPOCH = """
import sys
from epipam.loading.loader import LoaderSettings, PairBatches, PairLoader
from epipam.store import Store
store = Store(sys.argv[1])
for batch in PairLoader(PairBatches(store, store.contigs, LoaderSettings(training=True))):
    pass
"""


@dataclass(frozen=True)
class Scale:
    """The genome, and how many pairs are 1x: more where a job is quick."""

    contigs: int
    contig_length: int
    build_pairs: int
    train_pairs: int
    options: tuple[str, ...] = ()


# Contigs as long as chr15. Building from 10x takes as many pairs as the GM12878 list has; training
# from 10x reads more rows than the shuffle buffer holds.
FULL = Scale(contigs=3, contig_length=100_000_000, build_pairs=4_400, train_pairs=660)
QUICK = Scale(
    contigs=3,
    contig_length=2_000_000,
    build_pairs=60,
    train_pairs=60,
    options=("--enhancer-length=1300", "--promoter-length=1250"),
)


def main() -> None:
    """Measure, and print."""
    quick = asked_to_be_quick(__doc__)
    found_in = environment(quick=quick)
    with tempfile.TemporaryDirectory() as folder:
        metrics = list(measure(Path(folder), QUICK if quick else FULL))
    print_result("memory", found_in, metrics)


def measure(folder: Path, scale: Scale) -> Iterator[Metric]:
    """Yield the peak of every job at 1x and 10x, and their ratio."""
    announce(f"simulating {scale.contigs} contigs of {scale.contig_length:,} bp")
    simulate(folder, scale)

    def store(n_pairs: int) -> Path:
        return folder / f"{n_pairs}.zarr"

    def build(n_pairs: int) -> int:
        pairs = folder / f"{n_pairs}.tsv"
        write_random_pairs(pairs, n_pairs, scale.contigs, scale.contig_length)
        genome = folder / "simulated" / "genome.fa"
        options = ("--bad-pairs", "skip", "--overwrite", *scale.options)
        return peak_memory([*EPIPAM, "build-store", genome, pairs, "-o", store(n_pairs), *options])

    def read(n_pairs: int) -> int:
        return peak_memory([sys.executable, "-c", READ_AN_EPOCH, store(n_pairs)])

    def train(n_pairs: int) -> int:
        if not store(n_pairs).exists():
            build(n_pairs)
        options = ("--epochs", "1", "--test", "chr1", "--validation", "chr2")
        run = folder / f"run-{n_pairs}"
        return peak_memory([*EPIPAM, "train", store(n_pairs), "-o", run, *options])

    yield from at_both_sizes("build", build, scale.build_pairs)
    yield from at_both_sizes("loader", read, scale.build_pairs)
    yield from at_both_sizes("train", train, scale.train_pairs)


def at_both_sizes(name: str, job: Callable[[int], int], n_pairs: int) -> Iterator[Metric]:
    """Yield what a job's peak is with so many pairs and with `TIMES` as many, and the ratio."""
    peaks = {}
    for times in (1, TIMES):
        announce(f"{name}: {times * n_pairs:,} pairs")
        peaks[times] = job(times * n_pairs)
        yield Metric(f"{name}_pairs_{times}x", times * n_pairs, "pairs")
        yield Metric(f"{name}_peak_memory_{times}x", peaks[times] / MEGABYTE, "MB")
    yield Metric(f"{name}_memory_ratio", peaks[TIMES] / peaks[1], "x")


def simulate(folder: Path, scale: Scale) -> None:
    """Write the genome; its own pairs, few, are not used."""
    size = ("--contigs", str(scale.contigs), "--contig-length", str(scale.contig_length))
    few = ("--positives", str(10 * scale.contigs))
    peak_memory([*EPIPAM, "simulate", "-o", folder / "simulated", *size, *few])


if __name__ == "__main__":
    main()

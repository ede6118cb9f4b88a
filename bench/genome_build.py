"""Time and memory of building the store of a real pair list over a genome of real size.

The 44,313 labelled GM12878 pairs of TargetFinder, ten shifted copies of each positive one, over
simulated sequence of the length of hg19, by the command line. Without the public data beside the
checkout there is nothing to measure, and no metrics are printed.
"""

from __future__ import annotations

import gzip
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measuring.candidates import DATA
from measuring.inputs import bases_per_pair, n_windows
from measuring.memory import EPIPAM, peak_memory
from measuring.result import Metric, announce, asked_to_be_quick, environment, print_result

from epipam.genome.fasta import Genome
from epipam.store import Store

CHROM_SIZES = DATA / "genome" / "hg19.chrom.sizes"
PAIRS = DATA / "pairs" / "targetfinder_GM12878.tsv.gz"
QUICK_CONTIG = "chr22"
SLACK = 500_000_000  # bytes beside one contig


@dataclass(frozen=True)
class Inputs:
    """The simulated genome, the pairs, and the length of the longest contig that has pairs, bp."""

    genome: Path
    pairs: Path
    longest: int


def main() -> None:
    """Measure, and print."""
    quick = asked_to_be_quick(__doc__)
    found_in = environment(quick=quick)
    metrics: list[Metric] = []
    if DATA.is_dir():
        with tempfile.TemporaryDirectory() as folder:
            metrics = list(measure(Path(folder), quick=quick))
    else:
        announce(f"the public data are absent: no folder {DATA}")
    print_result("genome_build", found_in, metrics)


def measure(folder: Path, *, quick: bool) -> Iterator[Metric]:
    """Yield what building takes, by one process and by two."""
    inputs = simulate(folder, quick=quick)
    out = folder / "store"
    for n_processes, prefix in ((1, "genome_build"), (2, "genome_build_two_process")):
        announce(f"building with {n_processes} of --workers")
        began = time.perf_counter()
        peak = build(inputs, out, n_processes)
        yield Metric(f"{prefix}_seconds", time.perf_counter() - began, "s")
        yield Metric(f"{prefix}_peak_bytes", peak, "bytes")
        if n_processes == 1:
            limit = inputs.longest + SLACK
            yield Metric(f"{prefix}_peak_over_contig_plus_500MB", peak / limit, "x")
    store = Store(out)
    yield Metric("genome_build_longest_contig", inputs.longest, "bp")
    yield Metric("genome_build_genome_bases", sum(Genome(inputs.genome).contigs.values()), "bp")
    yield Metric("genome_build_pairs", store.attributes["pairs"]["stored"], "pairs")
    yield Metric("genome_build_window_pairs", n_windows(store), "window pairs")
    yield Metric("genome_build_window_bases", n_windows(store) * bases_per_pair(store), "bp")
    yield Metric("genome_build_bits_per_base", store.bits_per_base(), "bits/bp")


def simulate(folder: Path, *, quick: bool) -> Inputs:
    """Lay simulated sequence under the pairs."""
    sizes, pairs = folder / "chrom.sizes", folder / "pairs.tsv"
    sizes.write_text("".join(chosen(CHROM_SIZES.read_text().splitlines(True), quick=quick)))
    with gzip.open(PAIRS, "rt") as rows:
        header = next(rows)
        pairs.write_text("".join([header, *chosen(rows, quick=quick)]))
    announce("simulating the genome")
    given = ("--chrom-sizes", sizes, "--pairs", pairs)
    peak_memory([*EPIPAM, "simulate", "-o", folder / "simulated", *given])
    lengths = (int(line.split()[1]) for line in sizes.read_text().splitlines())
    return Inputs(folder / "simulated" / "genome.fa", pairs, max(lengths))


def chosen(lines: Iterator[str] | list[str], *, quick: bool) -> Iterator[str]:
    """Yield the lines of all chromosomes, or of one."""
    return (line for line in lines if not quick or line.split("\t")[0] == QUICK_CONTIG)


def build(inputs: Inputs, out: Path, n_processes: int) -> int:
    """Build the store; return the peak memory, bytes."""
    options = ("--bad-pairs", "skip", "--overwrite", "--workers", str(n_processes))
    return peak_memory([*EPIPAM, "build-store", inputs.genome, inputs.pairs, "-o", out, *options])


if __name__ == "__main__":
    main()

"""The simulated genome and pairs that the benchmarks build on."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from epipam.simulate import SimulationSettings, simulate
from epipam.store import Store, StoreSettings, build_store

SHORT_WINDOWS = StoreSettings(enhancer_length=1_300, promoter_length=1_250)


@dataclass(frozen=True)
class Scale:
    """How much is simulated, half of the pairs positive, and how it is windowed."""

    contigs: int
    contig_length: int
    pairs: int
    store: StoreSettings = field(default_factory=StoreSettings)


@dataclass(frozen=True)
class Inputs:
    """A genome and its pairs."""

    genome: Path
    pairs: Path
    bad_pairs: str = "fail"

    def build(self, out: Path, settings: StoreSettings, *, workers: int = 1) -> Store:
        """Build their store, in place of one that is there."""
        build_store(
            self.genome,
            self.pairs,
            out,
            settings,
            bad_pairs=self.bad_pairs,
            workers=workers,
            overwrite=True,
        )
        return Store(out)


def simulated_inputs(folder: Path, scale: Scale) -> Inputs:
    """Simulate a genome and its pairs below `folder`."""
    settings = SimulationSettings(
        contigs=scale.contigs, contig_length=scale.contig_length, positives=scale.pairs // 2
    )
    result = simulate(folder / "simulated", settings)
    return Inputs(result.genome, result.pairs)


def random_inputs(folder: Path, scale: Scale) -> Inputs:
    """Simulate a genome, and lay pairs anywhere on it: more than have room side by side."""
    settings = SimulationSettings(
        contigs=scale.contigs, contig_length=scale.contig_length, positives=10 * scale.contigs
    )
    genome = simulate(folder / "simulated", settings).genome
    pairs = folder / "pairs.tsv"
    write_random_pairs(pairs, scale.pairs, scale.contigs, scale.contig_length)
    return Inputs(genome, pairs, bad_pairs="skip")  # some lie in a gap


def write_random_pairs(path: Path, n_pairs: int, n_contigs: int, contig_length: int) -> None:
    """Write any number of pairs, half of them positive, anywhere on the contigs."""
    columns = ("chrom", "start", "end", "name")
    anchors = ("enhancer", "promoter")
    rng = random.Random(n_pairs)
    with path.open("w", encoding="utf-8") as table:
        header = [f"{anchor}_{column}" for anchor in anchors for column in columns]
        print(*header, "label", sep="\t", file=table)
        for number in range(n_pairs):
            contig = f"chr{1 + number % n_contigs}"
            row: list[str | int] = []
            for anchor in anchors:
                start = rng.randrange(contig_length - 2_000)
                row += [contig, start, start + 2_000, f"{anchor}_{number}"]
            print(*row, number // n_contigs % 2, sep="\t", file=table)


def n_windows(store: Store) -> int:
    """Return the window pairs that a store holds, shifted copies included."""
    return sum(store.n_rows(contig) for contig in store.contigs)


def bases_per_pair(store: Store) -> int:
    """Return the bases of both windows of a pair."""
    return store.enhancer_length + store.promoter_length

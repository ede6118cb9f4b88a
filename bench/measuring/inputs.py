"""The simulated genome and pairs that the benchmarks build on."""

from __future__ import annotations

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

    def build(self, out: Path, settings: StoreSettings, *, workers: int = 1) -> Store:
        """Build their store, in place of one that is there."""
        build_store(self.genome, self.pairs, out, settings, workers=workers, overwrite=True)
        return Store(out)


def simulated_inputs(folder: Path, scale: Scale) -> Inputs:
    """Simulate a genome and its pairs below `folder`."""
    settings = SimulationSettings(
        contigs=scale.contigs, contig_length=scale.contig_length, positives=scale.pairs // 2
    )
    result = simulate(folder / "simulated", settings)
    return Inputs(result.genome, result.pairs)


def n_windows(store: Store) -> int:
    """Return the window pairs that a store holds, shifted copies included."""
    return sum(store.n_rows(contig) for contig in store.contigs)


def bases_per_pair(store: Store) -> int:
    """Return the bases of both windows of a pair."""
    return store.enhancer_length + store.promoter_length

"""Stores that are cheap to cross-validate on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from epipam.loading.data_module import DataSettings
from epipam.simulate import SimulationSettings, simulate
from epipam.store import Store, StoreSettings, build_store
from epipam.training.crossval import CrossvalSettings
from epipam.training.settings import TrainSettings

TREES = CrossvalSettings(
    models=("kmer-gbm",),
    shapes={"kmer-gbm": {"k": 3}},
    training=TrainSettings(epochs=4, seed=1, accelerator="cpu"),
    data=DataSettings(batch_size=8, buffer_rows=200),
    bootstrap=20,
)


@pytest.fixture(scope="session")
def stores(make_once) -> tuple[Store, Store]:
    """Return two stores of eight chromosomes, which make folds 0, 1 and 2; other windows each."""
    folder = make_once("crossval-stores", make_stores)
    return Store(folder / "short.zarr"), Store(folder / "long.zarr")


def make_stores(folder: Path) -> None:
    simulate(
        folder / "sim",
        SimulationSettings(contigs=8, contig_length=150_000, positives=64, seed=3),
    )
    pairs = (folder / "sim/genome.fa", folder / "sim/pairs.tsv")
    for name, settings in (
        ("short", StoreSettings(300, 200, augment=2)),
        ("long", StoreSettings(950, 900, augment=1)),
    ):
        build_store(*pairs, folder / f"{name}.zarr", settings)


@pytest.fixture(scope="session")
def store(stores) -> Store:
    return stores[0]


@pytest.fixture(scope="session")
def trees() -> CrossvalSettings:
    return replace(TREES)

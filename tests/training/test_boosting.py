"""Boosting: trees that answer as LightGBM's do, and a run like any other model's."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from epipam.errors import RequestError
from epipam.loading.data_module import DataSettings
from epipam.loading.splits import explicit_split
from epipam.models import load_model
from epipam.models.kmer_gbm import KmerGbm, KmerGbmConfig
from epipam.simulate import SimulationSettings, simulate
from epipam.store import Store, StoreSettings, build_store
from epipam.training.boosting import grow, grown_booster, network_of
from epipam.training.fit import TrainSettings, train


def settings(epochs: int, **others) -> TrainSettings:
    return TrainSettings(model="kmer-gbm", epochs=epochs, **others).with_model_defaults()


@pytest.mark.parametrize("n_rows", [30, 300, 3_000])
def test_the_trees_answer_as_lightgbms_do(n_rows):
    rng = np.random.default_rng(0)
    counts = rng.poisson(3, (n_rows, 20))
    label = (counts[:, 0] + counts[:, 11] > rng.normal(6, 1, n_rows)).astype(np.int64)
    booster = grown_booster(counts, label, -0.5, settings(30))
    network = network_of(booster.dump_model(), -0.5, KmerGbm(KmerGbmConfig(20, 20, k=2)))
    unseen = rng.poisson(3, (200, 20))
    for some in (counts, unseen):
        found = network.baseline + network.contributions(torch.from_numpy(some)).sum(dim=1)
        expected = -0.5 + booster.predict(some, raw_score=True)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_what_counts_tell_is_learned():
    rng = np.random.default_rng(2)
    counts = rng.poisson(3, (400, 1_024))
    label = (counts[:, 7] > 3).astype(np.int64)
    network = grow(KmerGbm(), counts, label, settings(200))
    logits = network.baseline + network.contributions(torch.from_numpy(counts)).sum(dim=1)
    target = torch.from_numpy(label).double()
    assert torch.nn.functional.binary_cross_entropy_with_logits(logits, target) < 0.05


def test_threads_grow_the_same_trees():
    rng = np.random.default_rng(3)
    counts, label = rng.poisson(3, (2_000, 40)), rng.integers(0, 2, 2_000)
    before = torch.get_num_threads()
    grown = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            grown.append(grow(KmerGbm(), counts, label, settings(20)).state_dict())
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(grown[0][name], grown[1][name]) for name in grown[0])


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("boosting")
    settings = SimulationSettings(contigs=3, contig_length=700_000, positives=60, seed=3)
    simulate(folder / "sim", settings)
    build_store(
        folder / "sim/genome.fa",
        folder / "sim/pairs.tsv",
        folder / "s.zarr",
        StoreSettings(400, 300, augment=2),
    )
    return Store(folder / "s.zarr")


@pytest.fixture(scope="module")
def split(store):
    return explicit_split(store.contigs, validation=["chr2"], test=["chr3"])


DATA = DataSettings(batch_size=8, buffer_rows=200)


def test_a_run_is_like_any_other_models(store, split, tmp_path):
    settings = TrainSettings(model="kmer-gbm", epochs=12, seed=1)
    result = train(store, split, tmp_path / "run", settings, DATA, progress=False)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"model", "metrics.json", "history.csv", "predictions.tsv", "checkpoints"}
    assert sorted(path.name for path in (tmp_path / "run/model").iterdir()) == [
        "README.md",
        "calibration.json",
        "config.json",
        "model.safetensors",
    ]
    history = pd.read_csv(tmp_path / "run/history.csv")
    assert list(history["epoch"]) == list(range(1, 13))
    assert history["training_loss"].is_monotonic_decreasing
    assert result.best_epoch == history["validation_auprc"].idxmax() + 1
    network = load_model(tmp_path / "run/model")
    assert network.config.trees == result.best_epoch
    predictions = pd.read_csv(tmp_path / "run/predictions.tsv", sep="\t")
    rows = store.read("chr3", 0, store.n_rows("chr3"))
    unshifted = rows.window[:, 1] == 0
    logits = network(
        torch.from_numpy(rows.enhancer[unshifted]), torch.from_numpy(rows.promoter[unshifted])
    )
    expected = dict(
        zip(rows.window[unshifted, 0].tolist(), torch.sigmoid(logits).tolist(), strict=True)
    )
    found = dict(zip(store.pairs("chr3")["pair"], predictions["probability"], strict=True))
    assert found == pytest.approx(expected)
    provenance = json.loads((tmp_path / "run/metrics.json").read_text())["provenance"]
    assert provenance["training"]["learning_rate"] == 0.1


def test_the_same_seed_gives_the_same_trees(store, split, tmp_path):
    settings = TrainSettings(model="kmer-gbm", epochs=5, seed=1)
    for name in ("a", "b"):
        train(store, split, tmp_path / name, settings, DATA, progress=False)
    one, other = ((tmp_path / name / "model/model.safetensors").read_bytes() for name in "ab")
    assert one == other


@pytest.mark.parametrize(
    ("option", "problem"),
    [({"devices": "2"}, "trains in one process"), ({"nodes": 3}, "trains in one process")],
)
def test_several_processes_are_refused(store, split, tmp_path, option, problem):
    settings = TrainSettings(model="kmer-gbm", **option)
    with pytest.raises(RequestError, match=problem):
        train(store, split, tmp_path / "run", settings, DATA, progress=False)
    assert not (tmp_path / "run").exists()


def test_a_beginning_is_refused(store, split, tmp_path):
    settings = TrainSettings(model="kmer-gbm", epochs=2)
    run = train(store, split, tmp_path / "run", settings, DATA, progress=False)
    again = TrainSettings(model="kmer-gbm", init=run.run / "model")
    with pytest.raises(RequestError, match="leave out --init"):
        train(store, split, tmp_path / "again", again, DATA, progress=False)

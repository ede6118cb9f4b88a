"""The model and the dataloader that Kipoi imports, for several threads and iterators at once."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from epipam.models import EpipamConfig, create_model, save_model

TEMPLATES = Path(__file__).parents[2] / "epipam" / "kipoi" / "template"
CONFIG = EpipamConfig(
    enhancer_length=300,
    promoter_length=300,
    channels=8,
    kernels=(9, 5, 3),
    pools=(5, 4, 2),
)
THREADS = [2, 4, 8]
N_PAIRS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model folder with a genome and pairs in it."""
    folder = tmp_path_factory.mktemp("kipoi") / "MODEL"
    torch.manual_seed(0)
    network = create_model("epipam", CONFIG)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    save_model(network, folder, {"about": "random weights"})
    rng = np.random.default_rng(1)
    (folder / "genome.fa").write_text(f">chr1\n{''.join(rng.choice(list('ACGT'), 5_000))}\n")
    pairs = pd.DataFrame({"enhancer_chrom": "chr1", "promoter_chrom": "chr1"}, index=range(N_PAIRS))
    for anchor in ("enhancer", "promoter"):
        pairs[f"{anchor}_start"] = rng.integers(0, 4_900, N_PAIRS)
        pairs[f"{anchor}_end"] = pairs[f"{anchor}_start"] + 50
    pairs.to_csv(folder / "pairs.tsv", sep="\t", index=False)
    return folder


@pytest.fixture(scope="module", autouse=True)
def kipoi(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import kipoi, which writes its configuration into the home folder and leaves it open."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        warnings.simplefilter("ignore")
        importlib.import_module("kipoi.data")


def imported(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a template as Kipoi imports it: by path, the model folder being the current one."""
    monkeypatch.chdir(folder)
    spec = importlib.util.spec_from_file_location(f"exported_{name}", TEMPLATES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def new_loader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    loader = imported(folder, "dataloader", monkeypatch).EpipamPairs
    return lambda **options: loader("genome.fa", "pairs.tsv", **options)


def together(n_threads: int, work: Callable[[int], Any], n_calls: int) -> list[Any]:
    """Return `work(call)` of all calls, from threads that begin at the same moment."""
    barrier = Barrier(n_threads)

    def share(thread: int) -> dict[int, Any]:
        barrier.wait()
        return {call: work(call) for call in range(thread, n_calls, n_threads)}

    found: dict[int, Any] = {}
    with ThreadPoolExecutor(n_threads) as pool:
        for some in pool.map(share, range(n_threads)):
            found.update(some)
    return [found[call] for call in range(n_calls)]


def rows(batch: dict[str, Any]) -> list[int]:
    return batch["metadata"]["row"].tolist()


@pytest.mark.parametrize("n_threads", THREADS)
def test_a_model_predicts_the_same_in_several_threads(
    folder: Path, new_loader: Callable[..., Any], n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = new_loader(batch_size=N_PAIRS)[0]["inputs"]
    module = imported(folder, "model", monkeypatch)
    rng = np.random.default_rng(2)
    calls = [rng.integers(0, N_PAIRS, 8) for _ in range(16)]

    def batch(call: int) -> dict[str, np.ndarray]:
        return {anchor: windows[calls[call]] for anchor, windows in inputs.items()}

    network = module.EpipamModel().scorer.network
    with torch.no_grad():
        expected = [
            torch.sigmoid(network(*map(torch.from_numpy, batch(call).values()))).numpy()[:, None]
            for call in range(len(calls))
        ]
    model = module.EpipamModel()
    found = together(n_threads, lambda call: model.predict_on_batch(batch(call)), len(calls))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_threads", THREADS)
def test_a_dataloader_gives_each_batch_to_several_threads(
    new_loader: Callable[..., Any], n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("epipam.kipoi.batches._BLOCK_ROWS", 8)
    loader = new_loader(batch_size=4)
    expected = [loader[index] for index in range(len(loader))]
    order = np.random.default_rng(0).integers(0, len(loader), 48).tolist()
    found = together(n_threads, lambda call: loader[order[call]], len(order))
    for index, batch in zip(order, found, strict=True):
        assert rows(batch) == rows(expected[index])
        for anchor, windows in batch["inputs"].items():
            np.testing.assert_array_equal(windows, expected[index]["inputs"][anchor])


@pytest.mark.parametrize("n_threads", THREADS)
def test_threads_iterate_over_one_dataloader_with_sizes_of_their_own(
    new_loader: Callable[..., Any], n_threads: int
) -> None:
    loader = new_loader()
    whole = new_loader(batch_size=N_PAIRS)[0]["inputs"]["enhancer"]

    def all_batches(call: int) -> tuple[list[list[int]], np.ndarray]:
        batches = list(loader.batch_iter(batch_size=call + 3))
        enhancers = np.concatenate([batch["inputs"]["enhancer"] for batch in batches])
        return [rows(batch) for batch in batches], enhancers

    for call, (found, enhancers) in enumerate(together(n_threads, all_batches, n_threads)):
        size = call + 3
        expected = [[*range(s, min(s + size, N_PAIRS))] for s in range(0, N_PAIRS, size)]
        assert found == expected
        np.testing.assert_array_equal(enhancers, whole)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_two_iterators_of_one_dataloader_give_every_row_once_each(
    new_loader: Callable[..., Any], num_workers: int
) -> None:
    loader = new_loader()
    iterators = [loader.batch_iter(batch_size=size, num_workers=num_workers) for size in (7, 16)]
    found: list[list[int]] = [[], []]
    sizes: list[list[int]] = [[], []]
    while iterators[0] is not None or iterators[1] is not None:
        for which, iterator in enumerate(iterators):
            batch = None if iterator is None else next(iterator, None)
            if batch is None:
                iterators[which] = None
                continue
            found[which] += rows(batch)
            sizes[which].append(len(rows(batch)))
    assert found == [[*range(N_PAIRS)]] * 2
    assert sizes == [[7] * 8 + [4], [16] * 3 + [12]]


def test_an_iterator_leaves_the_size_of_the_dataloader_itself(
    new_loader: Callable[..., Any],
) -> None:
    loader = new_loader()
    before = len(loader)
    next(loader.batch_iter(batch_size=5))
    assert len(loader) == before
    given = new_loader(batch_size=9)
    assert len(rows(next(given.batch_iter(batch_size=5)))) == 9

"""Scores that several threads ask for at once are those that one thread gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from distributed import LocalCluster

import epipam
from epipam.genome.encoding import pack
from epipam.models import Epipam, EpipamConfig, create_model, save_model
from epipam.runtime.cluster import Workers, Workforce, workers_of
from epipam.scoring.cluster_scorer import ClusterScorer
from epipam.scoring.engine import Engine, PairWindows, PlainEngine
from epipam.scoring.region_engine import CPU_TILING, RegionEngine
from epipam.scoring.score import load_engine, score_file
from epipam.scoring.settings import EngineRecipe

CPU = torch.device("cpu")
CONFIG = EpipamConfig(
    enhancer_length=300,
    promoter_length=300,
    channels=8,
    kernels=(9, 5, 3),
    pools=(5, 4, 2),
)
CODES = np.array([8, 4, 2, 1, 0], dtype=np.uint8)
THREADS = [2, 4, 8]
CALLS = 12
N_PAIRS = 120


def random_network(seed: int = 1) -> Epipam:
    torch.manual_seed(seed)
    network = create_model("epipam", CONFIG)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.normal_(std=0.3) if "block" in name else parameter.normal_(std=0.1)
    return network.eval()


def together(n_threads: int, work: Callable[[int], Any], n_calls: int = CALLS) -> list[Any]:
    """Return `work(call)` of all calls, from threads that begin at the same moment."""
    barrier = Barrier(n_threads)

    def share(thread: int) -> list[Any]:
        barrier.wait()
        return [(call, work(call)) for call in range(thread, n_calls, n_threads)]

    with ThreadPoolExecutor(n_threads) as pool:
        found = [pair for some in pool.map(share, range(n_threads)) for pair in some]
    return [result for _, result in sorted(found, key=lambda pair: pair[0])]


def random_calls() -> list[PairWindows]:
    """Return calls that share promoters, more of them than a small cache holds."""
    rng = np.random.default_rng(0)
    enhancers = pack(rng.choice(CODES, (30, CONFIG.enhancer_length)))
    promoters = pack(rng.choice(CODES, (30, CONFIG.promoter_length)))
    return [
        PairWindows(enhancers, promoters, rng.integers(0, 30, 40), rng.integers(0, 30, 40))
        for _ in range(CALLS)
    ]


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("n_kept", [3, 1_000])
def test_one_engine_serves_several_threads(n_threads: int, n_kept: int) -> None:
    network = random_network()
    calls = random_calls()
    expected = [PlainEngine(network, CPU).logits(call) for call in calls]
    positions = CONFIG.positions(CONFIG.promoter_length)[0]
    bytes_kept = 4 * positions * CONFIG.channels * (1 + CONFIG.kernels[1])
    engine = RegionEngine(network, CPU, cache_size=n_kept * bytes_kept)
    found = together(n_threads, lambda call: engine.logits(calls[call]))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # What is kept afterwards is as good.
    np.testing.assert_allclose([engine.logits(call) for call in calls], expected, atol=1e-5)


def test_engines_of_several_threads_leave_torch_as_many_threads_as_before() -> None:
    network, calls = random_network(), random_calls()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        engines = [
            RegionEngine(network, CPU, tiling=CPU_TILING._replace(pairs=4)) for _ in range(4)
        ]
        together(4, lambda call: engines[call % 4].logits(calls[call]))
        assert torch.get_num_threads() == 3
        assert ThreadPoolExecutor(1).submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("n_threads", THREADS)
def test_a_plain_engine_serves_several_threads(n_threads: int) -> None:
    torch.manual_seed(0)
    engine = PlainEngine(create_model("epi", CONFIG), CPU, batch_size=7)
    calls = random_calls()
    expected = [engine.logits(call) for call in calls]
    found = together(n_threads, lambda call: engine.logits(calls[call]))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a genome, a model and pairs."""
    folder = tmp_path_factory.mktemp("threads")
    rng = np.random.default_rng(3)
    letters = "".join(rng.choice(list("ACGT"), 9_000))
    (folder / "genome.fa").write_text(f">chr1\n{letters}\n")
    save_model(random_network(), folder / "model", {"about": "random weights"})
    start = rng.integers(0, 8_500, (2, N_PAIRS))
    pairs = pd.DataFrame({"enhancer_chrom": "chr1", "promoter_chrom": "chr1"}, index=range(N_PAIRS))
    for anchor, begin in zip(("enhancer", "promoter"), start, strict=True):
        # Few distinct promoters: threads ask for the same ones.
        begin = begin // 100 * 100 if anchor == "promoter" else begin
        pairs[f"{anchor}_start"], pairs[f"{anchor}_end"] = begin, begin + 200
    pairs.to_csv(folder / "pairs.tsv", sep="\t", index=False)
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> Engine:
    return load_engine(folder / "model", "cpu")


@pytest.mark.parametrize("n_threads", THREADS)
def test_score_pairs_of_several_threads_may_share_an_engine(folder: Path, n_threads: int) -> None:
    pairs = pd.read_csv(folder / "pairs.tsv", sep="\t")
    genome, expected = folder / "genome.fa", load_engine(folder / "model", "cpu")
    parts = [pairs.sample(50, random_state=call) for call in range(CALLS)]
    alone = [epipam.score_pairs(part, genome, expected)["logit"] for part in parts]
    shared = load_engine(folder / "model", "cpu")
    found = together(
        n_threads, lambda call: epipam.score_pairs(parts[call], genome, shared)["logit"]
    )
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("n_threads", THREADS)
def test_score_file_of_several_threads_may_share_an_engine(
    folder: Path, engine: Engine, tmp_path: Path, n_threads: int
) -> None:
    def logits(call: int) -> np.ndarray:
        out = tmp_path / f"{call}.tsv"
        score_file(engine, folder / "genome.fa", folder / "pairs.tsv", out)
        return pd.read_csv(out, sep="\t")["logit"].to_numpy()

    expected = logits(99)
    for found in together(n_threads, logits, n_calls=n_threads):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """Yield one worker with four threads, as `dask worker` starts."""
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=4,
            processes=False,
            dashboard_address=None,
        ) as cluster,
        workers_of(Workforce(1, cluster.scheduler_address)) as workers,
    ):
        yield workers


@pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed")
@pytest.mark.parametrize("cache_size", [1, 10**8])
def test_a_worker_of_several_threads_gives_the_scores_of_one(
    workers: Workers, folder: Path, tmp_path: Path, cache_size: int
) -> None:
    def logits(scorer: Engine | ClusterScorer, name: str) -> np.ndarray:
        out = tmp_path / name
        score_file(scorer, folder / "genome.fa", folder / "pairs.tsv", out)
        return pd.read_csv(out, sep="\t")["logit"].to_numpy()

    recipe = EngineRecipe(folder / "model", "cpu", cache_size=cache_size)
    found = logits(ClusterScorer(workers, recipe, piece_rows=5), "threads.tsv")
    alone = logits(load_engine(folder / "model", "cpu", cache_size=cache_size), "alone.tsv")
    # Where only one promoter is kept, pairs are worked on one by one: then all digits agree.
    np.testing.assert_allclose(found, alone, rtol=0, atol=0 if cache_size == 1 else 1e-5)

"""Scoring by shared windows: the logits of full forward passes, whatever is shared."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from epipam.errors import ModelError
from epipam.genome.encoding import pack
from epipam.models import Epipam, EpipamConfig, create_model
from epipam.scoring import region_engine
from epipam.scoring.engine import PairWindows, PlainEngine
from epipam.scoring.region_engine import CPU_TILING, RegionEngine, Tiling

CPU = torch.device("cpu")
CONFIG = EpipamConfig(enhancer_length=1_501, promoter_length=1_300)
CODES = np.array([8, 4, 2, 1, 0], dtype=np.uint8)


@pytest.fixture(scope="module")
def network() -> Epipam:
    torch.manual_seed(1)
    network = create_model("epipam", CONFIG)
    with torch.no_grad():
        # Fresh biases are zero, and would hide where one is missing.
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
    return network


@pytest.fixture(params=["native", "torch"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Score by compiled loops and, as on a GPU or without a compiler, by torch's operations."""
    if request.param == "torch":
        monkeypatch.setattr(region_engine, "lanes_for", lambda channels: None)


def windows(
    rng: np.random.Generator, n_enhancers: int, n_promoters: int, pairs: NDArray[np.int64]
) -> PairWindows:
    enhancer = pack(rng.choice(CODES, (n_enhancers, CONFIG.enhancer_length)))
    promoter = pack(rng.choice(CODES, (n_promoters, CONFIG.promoter_length)))
    return PairWindows(enhancer, promoter, pairs[:, 0], pairs[:, 1])


def any_pairs(
    rng: np.random.Generator, n_enhancers: int, n_promoters: int, n: int
) -> NDArray[np.int64]:
    return np.stack([rng.integers(0, n_enhancers, n), rng.integers(0, n_promoters, n)], axis=1)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("n_pairs", [1, 2, 57, 300])
def test_logits_equal_full_forward_passes(network: Epipam, n_pairs: int) -> None:
    rng = np.random.default_rng(n_pairs)
    given = windows(rng, 11, 5, any_pairs(rng, 11, 5, n_pairs))
    expected = PlainEngine(network, CPU).logits(given)
    assert np.std(expected) > 1e-3 or n_pairs == 1
    np.testing.assert_allclose(RegionEngine(network, CPU).logits(given), expected, atol=1e-5)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(
    "tiling",
    [Tiling(1, 1, 1, 1), Tiling(7, 3, 2, 1), Tiling(64, 8, 8, 9_000), Tiling(500, 2, 5, 10**9)],
)
def test_the_tiling_changes_nothing(network: Epipam, tiling: Tiling) -> None:
    rng = np.random.default_rng(2)
    given = windows(rng, 13, 9, any_pairs(rng, 13, 9, 90))
    expected = PlainEngine(network, CPU).logits(given)
    found = RegionEngine(network, CPU, tiling=tiling).logits(given)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_every_pair_is_scored_once_by_any_number_of_threads(
    network: Epipam, n_threads: int
) -> None:
    rng = np.random.default_rng(3)
    given = windows(rng, 40, 9, any_pairs(rng, 40, 9, 150))
    expected = PlainEngine(network, CPU).logits(given)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n_threads)
        engine = RegionEngine(network, CPU, tiling=CPU_TILING._replace(pairs=20))
        np.testing.assert_allclose(engine.logits(given), expected, atol=1e-5)
        assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.usefixtures("either_way")
def test_a_cache_of_one_window_changes_nothing(network: Epipam) -> None:
    rng = np.random.default_rng(4)
    given = windows(rng, 9, 4, np.stack([np.repeat(np.arange(9), 4), np.tile(np.arange(4), 9)], 1))
    expected = RegionEngine(network, CPU).logits(given)
    small = RegionEngine(network, CPU, cache_size=1)
    np.testing.assert_allclose(small.logits(given), expected, atol=1e-6)


@pytest.mark.usefixtures("either_way")
def test_what_is_kept_from_one_call_serves_the_next(network: Epipam) -> None:
    rng = np.random.default_rng(5)
    pairs = any_pairs(rng, 6, 12, 60)
    given = windows(rng, 6, 12, pairs)
    expected = PlainEngine(network, CPU).logits(given)
    engine = RegionEngine(network, CPU)
    order = rng.permutation(60)
    for some in np.array_split(order, 7):
        part = PairWindows(given.enhancer, given.promoter, pairs[some, 0], pairs[some, 1])
        np.testing.assert_allclose(engine.logits(part), expected[some], atol=1e-5)


def test_windows_of_equal_sequence_are_one(network: Epipam) -> None:
    rng = np.random.default_rng(6)
    given = windows(rng, 3, 2, any_pairs(rng, 3, 4, 20))
    doubled = PairWindows(
        given.enhancer, np.tile(given.promoter, (2, 1)), given.enhancer_row, given.promoter_row
    )
    single = PairWindows(given.enhancer, given.promoter, given.enhancer_row, given.promoter_row % 2)
    engine = RegionEngine(network, CPU)
    np.testing.assert_allclose(engine.logits(doubled), engine.logits(single), atol=1e-6)


@pytest.mark.parametrize("engine", [RegionEngine, PlainEngine])
@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_refused_by_name(
    network: Epipam, engine: type[RegionEngine | PlainEngine], number: float
) -> None:
    broken = create_model("epipam", CONFIG)
    broken.load_state_dict(network.state_dict())
    with torch.no_grad():
        broken.promoter_blocks[0].conv.weight[3, 1, 2] = number
    with pytest.raises(ModelError, match=r"1 of 6,400 .* promoter_blocks\.0\.conv\.weight are NaN"):
        engine(broken, CPU)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("engine", [RegionEngine, PlainEngine])
def test_a_logit_that_is_no_number_is_an_error_though_weights_are_finite(
    network: Epipam, engine: type[RegionEngine | PlainEngine]
) -> None:
    broken = create_model("epipam", CONFIG)
    broken.load_state_dict(network.state_dict())
    with torch.no_grad():
        for parameter in broken.promoter_blocks.parameters():
            parameter.fill_(1e30)
    rng = np.random.default_rng(8)
    given = windows(rng, 3, 2, any_pairs(rng, 3, 2, 9))
    with pytest.raises(ModelError, match="gives 9 of 9 pairs a logit that is NaN or infinite"):
        engine(broken, CPU).logits(given)


def test_no_pairs_give_no_logits(network: Epipam) -> None:
    given = windows(np.random.default_rng(0), 1, 1, np.empty((0, 2), dtype=np.int64))
    assert RegionEngine(network, CPU).logits(given).shape == (0,)


def test_a_network_without_position_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="no position attention"):
        RegionEngine(create_model("epi", CONFIG), CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_the_same_logits(network: Epipam) -> None:
    rng = np.random.default_rng(7)
    given = windows(rng, 40, 9, any_pairs(rng, 40, 9, 300))
    expected = PlainEngine(network, CPU).logits(given)
    try:
        found = RegionEngine(network, torch.device("cuda")).logits(given)
    finally:
        network.to(CPU)
    np.testing.assert_allclose(found, expected, atol=1e-4)

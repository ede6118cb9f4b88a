"""Scoring by shared windows: the logits of full forward passes, whatever is shared."""

import numpy as np
import pytest
import torch

from epipam import region_engine
from epipam.encoding import pack
from epipam.models import EpipamConfig, create_model
from epipam.region_engine import RegionEngine
from epipam.scoring import PairWindows, PlainEngine

CPU = torch.device("cpu")
CONFIG = EpipamConfig(enhancer_length=1_501, promoter_length=1_300)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return create_model("epipam", CONFIG)


def windows(rng: np.random.Generator, n_enhancers: int, n_promoters: int, pairs: np.ndarray):
    codes = np.array([8, 4, 2, 1, 0], dtype=np.uint8)
    enhancer = pack(rng.choice(codes, (n_enhancers, CONFIG.enhancer_length)))
    promoter = pack(rng.choice(codes, (n_promoters, CONFIG.promoter_length)))
    return PairWindows(enhancer, promoter, pairs[:, 0], pairs[:, 1])


@pytest.mark.parametrize("n_pairs", [1, 2, 57])
def test_logits_equal_full_forward_passes(network, n_pairs):
    rng = np.random.default_rng(n_pairs)
    pairs = np.stack([rng.integers(0, 11, n_pairs), rng.integers(0, 5, n_pairs)], axis=1)
    given = windows(rng, 11, 5, pairs)
    expected = PlainEngine(network, CPU).logits(given)
    found = RegionEngine(network, CPU).logits(given)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_cache_of_one_window_changes_nothing(network):
    rng = np.random.default_rng(3)
    pairs = np.stack([np.repeat(np.arange(9), 4), np.tile(np.arange(4), 9)], axis=1)
    given = windows(rng, 9, 4, pairs)
    expected = RegionEngine(network, CPU).logits(given)
    np.testing.assert_allclose(
        RegionEngine(network, CPU, cache_size=1).logits(given), expected, atol=1e-6
    )


def test_the_cache_stays_within_its_bound(network):
    rng = np.random.default_rng(4)
    given = windows(rng, 2, 12, np.stack([np.zeros(12, int), np.arange(12)], axis=1))
    engine = RegionEngine(network, CPU)
    one = engine.regions(given.promoter[:1], "promoter")
    size = sum(t.numel() * t.element_size() for t in one)
    engine.cache_size = 3 * size
    promoters = region_engine._Promoters(engine, given.promoter)
    for row in range(12):
        promoters.take(np.array([row]))
        assert len(promoters.kept) <= 3


def test_tiles_hold_every_pair_once():
    rng = np.random.default_rng(5)
    enhancer_row = rng.integers(0, 60, 700)
    tiles = region_engine._tiles(np.argsort(enhancer_row, kind="stable"), enhancer_row)
    assert sorted(np.concatenate(tiles)) == list(range(700))
    assert max(len(np.unique(enhancer_row[t])) for t in tiles) <= region_engine.ENHANCERS_PER_TILE

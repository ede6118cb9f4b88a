"""The engine of `pairwise` beside whole forward passes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from epipam.errors import ModelError
from epipam.genome.encoding import pack
from epipam.models import create_model
from epipam.models.pairwise import Pairwise, PairwiseConfig
from epipam.scoring.engine import PairWindows, PlainEngine
from epipam.scoring.shared_trunk_engine import SharedTrunkEngine

CPU = torch.device("cpu")
SHAPE = {"channels": 8, "width": 8, "attention_heads": 2, "hidden": 8}


def some_network() -> Pairwise:
    torch.manual_seed(0)
    return create_model("pairwise", PairwiseConfig(151, 100, **SHAPE)).eval()


def some_windows(n_pairs: int, n_enhancers: int = 7, n_promoters: int = 5) -> PairWindows:
    rng = np.random.default_rng(1)
    codes = np.array([8, 4, 2, 1, 0], dtype=np.uint8)
    return PairWindows(
        pack(rng.choice(codes, (n_enhancers, 151))),
        pack(rng.choice(codes, (n_promoters, 100))),
        rng.integers(0, n_enhancers, n_pairs),
        rng.integers(0, n_promoters, n_pairs),
    )


@pytest.mark.parametrize("cache_size", [1, 20_000, 1 << 30])
@pytest.mark.parametrize("batch_size", [3, 64])
def test_logits_are_those_of_whole_forward_passes(batch_size, cache_size):
    network, windows = some_network(), some_windows(50)
    found = SharedTrunkEngine(network, CPU, batch_size, cache_size).logits(windows)
    np.testing.assert_allclose(found, PlainEngine(network, CPU).logits(windows), rtol=0, atol=1e-6)


def test_each_distinct_window_goes_through_the_trunk_once(monkeypatch):
    network, windows = some_network(), some_windows(200)
    n_read = []
    forward = network.trunk.forward
    monkeypatch.setattr(
        network.trunk, "forward", lambda *given: n_read.append(len(given[0])) or forward(*given)
    )
    SharedTrunkEngine(network, CPU, batch_size=4).logits(windows)
    assert sum(n_read) == 7 + 5


def test_threads_that_share_an_engine_get_their_own_logits():
    network = some_network()
    engine = SharedTrunkEngine(network, CPU, batch_size=8)
    each = [some_windows(n) for n in range(20, 28)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(engine.logits, each))
    for logits, windows in zip(found, each, strict=True):
        np.testing.assert_allclose(logits, PlainEngine(network, CPU).logits(windows), atol=1e-6)


def test_no_pairs_have_no_logits():
    assert SharedTrunkEngine(some_network(), CPU).logits(some_windows(0)).shape == (0,)


def test_what_is_kept_of_a_window_is_no_more_than_is_reckoned_with():
    network = some_network()
    kept = network.read_enhancer(torch.from_numpy(some_windows(1).enhancer[:1]))
    assert sum(part.nbytes for part in kept) <= network.anchor_bytes(151)


def test_weights_that_are_no_numbers_are_refused():
    network = some_network()
    with torch.no_grad():
        network.trunk.mix.weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match="the model"):
        SharedTrunkEngine(network, CPU)

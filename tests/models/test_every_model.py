"""What every model of the catalogue promises to the harness that trains, saves and scores it."""

import numpy as np
import pytest
import torch
from narrow_networks import ENHANCER, NETWORKS, PROMOTER, narrow, packed_windows
from torch import nn
from torch.nn import functional as F

from epipam.models import load_model, save_model, unpack
from epipam.models.registry import model_config, model_name
from epipam.scoring.engine import PairWindows, PlainEngine
from epipam.scoring.score import engine_for


@pytest.mark.parametrize("name", NETWORKS)
def test_packed_windows_give_the_logits_of_the_same_windows_as_one_hot(name):
    network = narrow(name).eval()
    enhancer, promoter = packed_windows(np.random.default_rng(0), 5)
    found = network(enhancer, promoter)
    assert found.shape == (5,)
    expected = network(unpack(enhancer, ENHANCER), unpack(promoter, PROMOTER))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name):
    # In training a bias before a normalisation has none but by rounding.
    network = narrow(name).eval()
    logits = network.both_logits(*packed_windows(np.random.default_rng(1), 16))
    target = torch.arange(16) % 2
    loss = F.binary_cross_entropy_with_logits(logits.main, target.float())
    if logits.auxiliary is not None:
        loss = loss + F.binary_cross_entropy_with_logits(logits.auxiliary, target.float())
    loss.backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_moves_logits_by_rounding_only(name, one_hot):
    network = without_dropout(narrow(name)).train()
    windows = packed_windows(np.random.default_rng(4), 32)
    if one_hot:
        windows = [unpack(windows[0], ENHANCER), unpack(windows[1], PROMOTER)]
    expected = network(*windows)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(*windows)
    assert (found - expected).abs().max() < 0.3 * expected.std()


def without_dropout(network: nn.Module) -> nn.Module:
    """Of so few units, dropout can leave a loss that falls on one processor and not on another."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_it_fits_forty_pairs(name):
    torch.manual_seed(1)
    network = without_dropout(narrow(name))
    # A logit that is normalised last grows only as fast as one scale is learnt.
    rate = 0.1 if name in ("speid", "simcnn") else 0.01
    windows = packed_windows(np.random.default_rng(2), 40)
    target = (torch.rand(40) < 0.5).float()
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    loss = torch.tensor(1.0)
    for step in range(400):
        logits = network.train().both_logits(*windows)
        heads = [head for head in logits if head is not None]
        optimiser.zero_grad()
        sum(F.binary_cross_entropy_with_logits(head, target) for head in heads).backward()
        optimiser.step()
        if step % 10 == 9:
            with torch.no_grad():
                loss = F.binary_cross_entropy_with_logits(network.eval()(*windows), target)
            if loss < 0.05:
                break
    assert loss < 0.05


@pytest.mark.parametrize("name", NETWORKS)
def test_a_saved_model_comes_back_under_its_name_with_its_logits(name, tmp_path):
    network = narrow(name).eval()
    assert model_name(network) == name
    save_model(network, tmp_path / "model", {"about": "random weights"})
    loaded = load_model(tmp_path / "model")
    assert model_name(loaded) == name
    assert loaded.config == network.config
    windows = packed_windows(np.random.default_rng(3), 4)
    torch.testing.assert_close(loaded(*windows), network(*windows), rtol=0, atol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_scored_by_the_fastest_engine_that_is_exact_for_it(name):
    network = narrow(name).eval()
    enhancer, promoter = packed_windows(np.random.default_rng(4), 6)
    row = np.array([0, 5, 5, 2, 0])
    windows = PairWindows(enhancer.numpy(), promoter.numpy(), row, row[::-1].copy())
    engine = engine_for(network, torch.device("cpu"), batch_size=2)
    assert isinstance(engine, PlainEngine) == (name not in ("epipam", "pairwise"))
    expected = network(enhancer[row], promoter[row[::-1].copy()])
    np.testing.assert_allclose(engine.logits(windows), expected.detach(), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_windows_of_any_lengths_make_a_config(name):
    config = model_config(name, 2_500, 1_501)
    assert (config.enhancer_length, config.promoter_length) == (2_500, 1_501)

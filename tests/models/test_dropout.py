"""Dropout: how much, which, and that it is reproducible."""

import pytest
import torch

from epipam.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_the_stated_share_is_dropped_and_the_mean_is_kept(p):
    torch.manual_seed(0)
    found = Dropout(p)(torch.ones(1_000_003))
    assert (found == 0).double().mean().item() == pytest.approx(p, abs=2e-3)
    assert found.double().mean().item() == pytest.approx(1, abs=1e-2)
    kept = found[found != 0]
    assert kept.unique().tolist() == [pytest.approx(1 / (1 - p), rel=2e-4)]


def test_the_gradient_passes_where_the_feature_does():
    torch.manual_seed(1)
    features = torch.randn(5, 7, 3, requires_grad=True)
    found = Dropout(0.4)(features)
    found.sum().backward()
    torch.testing.assert_close(features.grad * features, found)
    assert 0 < (features.grad == 0).sum() < features.numel()


def test_memory_order_is_kept():
    features = torch.randn(4, 3, 5).transpose(1, 2)
    assert Dropout(0.2)(features).stride() == features.stride()


def test_a_seed_repeats_it_and_neighbours_are_independent():
    drawn = []
    for _ in range(2):
        torch.manual_seed(2)
        drawn.append(Dropout(0.5)(torch.ones(400_000)) != 0)
    assert torch.equal(*drawn)
    one, other = drawn[0].double()[:-1], drawn[0].double()[1:]
    assert abs((one * other).mean().item() - 0.25) < 5e-3


@pytest.mark.parametrize("p", [0.0, 0.3])
def test_nothing_is_dropped_in_evaluation_or_at_zero(p):
    dropout = Dropout(p)
    features = torch.randn(10)
    assert torch.equal(dropout.eval()(features), features)
    assert torch.equal(Dropout(0)(features), features)

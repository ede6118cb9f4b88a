"""What is computed once per window, and how much of it is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from epipam.genome.encoding import pack
from epipam.models import Epipam, EpipamConfig, create_model, unpack
from epipam.scoring.branch import Branch, KeptRegions
from epipam.scoring.native_tiles import NativeBranch

CONFIG = EpipamConfig(enhancer_length=1_001, promoter_length=900)
CODES = np.array([8, 4, 2, 1, 0], dtype=np.uint8)


@pytest.fixture(scope="module")
def network() -> Epipam:
    torch.manual_seed(1)
    network = create_model("epipam", CONFIG).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.normal_(std=0.1)
    return network


def some_windows(n: int, length: int) -> np.ndarray:
    return pack(np.random.default_rng(n).choice(CODES, (n, length)))


@pytest.mark.parametrize("anchor", ["enhancer", "promoter"])
def test_native_features_are_those_of_torch(network: Epipam, anchor: str) -> None:
    branch = Branch(network, anchor)
    packed = torch.from_numpy(some_windows(3, branch.length))
    found = NativeBranch(network, anchor).features(packed)
    torch.testing.assert_close(found, branch.features(packed), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("anchor", ["enhancer", "promoter"])
def test_features_and_second_block_are_those_of_the_network(network: Epipam, anchor: str) -> None:
    branch = Branch(network, anchor)
    blocks = getattr(network, f"{anchor}_blocks")
    packed = torch.from_numpy(some_windows(3, branch.length))
    features = branch.features(packed)
    expected = blocks[0](unpack(packed, branch.length))
    torch.testing.assert_close(features, expected.transpose(1, 2), atol=1e-5, rtol=1e-5)

    score = torch.rand(3, 4, branch.positions).softmax(dim=2)
    found = branch.finished(branch.second_convolution(branch.products(features), score))
    for window in range(3):
        for partner in range(4):
            attended = expected[window] * (1 + score[window, partner])
            block = blocks[1]
            plain = F.max_pool1d(
                F.relu(F.conv1d(attended, block.conv.weight, block.conv.bias)), block.pool
            )
            torch.testing.assert_close(found[window, :, partner].T, plain, atol=1e-5, rtol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    capacity=st.integers(1, 6),
    asked=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), max_size=8),
)
def test_slots_hold_what_was_asked_for_within_the_capacity(
    network: Epipam, capacity: int, asked: list[list[int]]
) -> None:
    branch = Branch(network, "promoter")
    packed = some_windows(10, branch.length)
    expected = branch.features(torch.from_numpy(packed))
    products = [branch.products(features[None])[0] for features in expected]
    one = KeptRegions(branch, 1, 1)
    bytes_each = sum(
        t.numel() * t.element_size() for t in (one.features(np.array([0])), one.products(0))
    )
    kept = KeptRegions(branch, capacity * bytes_each, windows_per_pass=2)
    assert kept.capacity == capacity
    for rows in asked:
        rows = sorted(set(rows))[:capacity]
        slots = kept.slots(packed[rows])
        assert len(set(slots.tolist())) == len(rows)
        assert slots.max() < capacity
        for row, slot in zip(rows, slots, strict=True):
            found = kept.features(np.array([slot]))[0]
            torch.testing.assert_close(found, expected[row], atol=1e-6, rtol=1e-6)
            kept_products = kept.products(int(slot))[0]
            torch.testing.assert_close(kept_products, products[row], atol=1e-5, rtol=1e-5)


def test_what_was_used_longest_ago_goes_first(network: Epipam) -> None:
    branch = Branch(network, "promoter")
    computed: list[int] = []
    features = branch.features

    def counted(packed: torch.Tensor) -> torch.Tensor:
        computed.append(len(packed))
        return features(packed)

    branch.features = counted  # type: ignore[method-assign]
    one = KeptRegions(branch, 1, 1)
    bytes_each = sum(
        t.numel() * t.element_size() for t in (one.features(np.array([0])), one.products(0))
    )
    kept = KeptRegions(branch, 2 * bytes_each, windows_per_pass=8)
    packed = some_windows(3, branch.length)
    for row in (0, 1, 0, 2, 0, 1):
        kept.slots(packed[[row]])
    # 2 displaces 1, not 0, which was used since.
    assert computed == [1, 1, 1, 1]

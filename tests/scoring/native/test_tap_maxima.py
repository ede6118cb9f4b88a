"""Block 2 of windows with several partners, pooled as it is made."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from epipam.scoring.native.loops import PairsByWindow, TapShape, tap_maxima


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    more_channels=st.integers(0, 70),
    taps=st.integers(1, 5),
    pool=st.integers(1, 4),
    outputs=st.integers(1, 4),
    rest=st.integers(0, 3),
    window=st.lists(st.integers(0, 2), min_size=1, max_size=12),
    seed=st.integers(0, 99),
)
def test_it_is_the_convolution_of_reweighted_features(
    lanes: int,
    more_channels: int,
    taps: int,
    pool: int,
    outputs: int,
    rest: int,
    window: list[int],
    seed: int,
) -> None:
    torch.manual_seed(seed)
    channels = lanes + more_channels
    inputs, positions = 3, outputs * pool + min(rest, pool - 1) + taps - 1
    features = torch.randn(3, positions, inputs)
    weight = torch.randn(channels, inputs, taps)
    attention = 1 + torch.rand(len(window), positions)
    attended = (features[window] * attention.unsqueeze(2)).transpose(1, 2)
    expected = F.max_pool1d(F.conv1d(attended, weight), pool).transpose(1, 2)

    products = torch.einsum("wpi,cik->wpkc", features, weight).flatten(2).contiguous()
    found = torch.full((len(window), outputs, channels), torch.nan)
    shape = TapShape(positions, channels, taps, pool, outputs)
    tap_maxima(lanes, shape, products, PairsByWindow.of(np.array(window)), attention, found)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_every_pair_is_a_partner_of_its_window_and_of_no_other(window: list[int]) -> None:
    partners = PairsByWindow.of(np.array(window))
    seen: dict[int, int] = {}
    for x, name in enumerate(partners.windows.tolist()):
        rows = partners.pairs[partners.begins[x] : partners.begins[x + 1]]
        alone = partners.alone(x)
        assert alone.windows.tolist() == [0]
        np.testing.assert_array_equal(alone.pairs[slice(*alone.begins)], rows)
        seen.update(dict.fromkeys(rows.flatten().tolist(), name))
    assert [seen[pair] for pair in range(len(window))] == window

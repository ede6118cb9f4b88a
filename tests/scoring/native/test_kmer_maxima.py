"""Block 1 by look-up, pooled as it is made."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epipam.scoring.native.loops import KmerShape, kmer_maxima


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    n=st.integers(0, 3),
    kmer=st.integers(1, 5),
    tables=st.integers(1, 4),
    more_channels=st.integers(0, 70),
    pool=st.integers(1, 4),
    outputs=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_it_adds_rows_up_and_keeps_the_largest(
    lanes: int,
    n: int,
    kmer: int,
    tables: int,
    more_channels: int,
    pool: int,
    outputs: int,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    channels = lanes + more_channels
    positions = pool * outputs
    span = positions + kmer * (tables - 1)
    codes = torch.randint(0, 7, (n, span), dtype=torch.int32)
    rows, bias = torch.randn(7 * tables, channels), torch.randn(channels)
    shape = KmerShape(span, kmer, tables, channels, pool, outputs)
    found = kmer_maxima(lanes, shape, codes, rows, bias)
    assert found.shape == (n, outputs, channels)
    for x in range(n):
        for o in range(outputs):
            best = torch.full((channels,), -torch.inf)
            for i in range(o * pool, (o + 1) * pool):
                read = [codes[x, i + kmer * t] * tables + t for t in range(tables)]
                best = torch.maximum(best, torch.stack([rows[row] for row in read]).sum(dim=0))
            expected = (best + bias).clamp(min=0)
            torch.testing.assert_close(found[x, o], expected, atol=1e-5, rtol=1e-5)

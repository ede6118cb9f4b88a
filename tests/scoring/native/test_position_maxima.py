"""The maxima of relation matrices that are never kept."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epipam.scoring.native.loops import position_maxima


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    n=st.integers(1, 70),
    m=st.integers(1, 40),
    channels=st.integers(1, 9),
    n_pairs=st.integers(1, 5),
    sign=st.sampled_from([1.0, -1.0]),
    seed=st.integers(0, 99),
)
def test_maxima_are_those_of_the_whole_matrix(
    lanes: int,
    n: int,
    m: int,
    channels: int,
    n_pairs: int,
    sign: float,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    enhancers, promoters = (
        torch.from_numpy(rng.standard_normal((count, size, channels)).astype(np.float32))
        for count, size in ((3, n), (2, m))
    )
    # With one sign throughout, no relation is above zero: what fills up a vector must not win.
    enhancers, promoters = enhancers.abs(), sign * promoters.abs()
    enhancer, promoter = rng.integers(0, 3, n_pairs), rng.integers(0, 2, n_pairs)
    relation = np.einsum(
        "pnc,pmc->pnm", enhancers.numpy()[enhancer], promoters.numpy()[promoter], dtype=np.float64
    )
    found = position_maxima(lanes, enhancers, promoters, enhancer, promoter)
    np.testing.assert_allclose(found[0], relation.max(axis=2), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], relation.max(axis=1), rtol=1e-5, atol=1e-6)


def test_a_pair_gives_the_same_numbers_in_any_company(lanes: int) -> None:
    torch.manual_seed(0)
    enhancers, promoters = torch.rand(4, 61, 16), torch.rand(3, 37, 16)
    enhancer, promoter = np.array([0, 3, 1, 3, 2]), np.array([2, 0, 1, 1, 0])
    together = position_maxima(lanes, enhancers, promoters, enhancer, promoter)
    for pair in range(5):
        alone = position_maxima(
            lanes, enhancers, promoters, enhancer[pair : pair + 1], promoter[pair : pair + 1]
        )
        for one, all_of_them in zip(alone, together, strict=True):
            assert torch.equal(one[0], all_of_them[pair])

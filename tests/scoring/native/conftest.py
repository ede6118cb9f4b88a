"""The loops of every width of vector that this processor has."""

from __future__ import annotations

import pytest

from epipam.scoring.native.loops import lanes_for


@pytest.fixture(params=[lanes for lanes in (4, 8, 16) if lanes <= (lanes_for(64) or 0)])
def lanes(request: pytest.FixtureRequest) -> int:
    """Return how many floats a vector has."""
    lanes: int = request.param
    return lanes

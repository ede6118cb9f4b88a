"""Kernels as they are compiled for other processors, too: this one runs any width of vector."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from epipam.scoring.kernels import kmer_maxima, relation_maxima, tap_maxima, vector_code
from epipam.scoring.kernels.vector_code import Processor

PROCESSORS = {
    "SSE": Processor(lanes=4, registers=16),
    "AVX": Processor(lanes=8, registers=16),
    "AVX-512": Processor(lanes=16, registers=32),
}


@pytest.fixture(params=PROCESSORS)
def any_processor(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Processor]:
    """Compile as for each kind of processor."""
    processor = PROCESSORS[request.param]
    kernels = (kmer_maxima, relation_maxima, tap_maxima)
    for module in (vector_code, *kernels):
        monkeypatch.setattr(module, "processor", lambda: processor)
    for module in kernels:
        module._kernel.cache_clear()
    yield processor
    for module in kernels:
        module._kernel.cache_clear()

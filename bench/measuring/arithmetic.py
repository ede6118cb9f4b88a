"""How many multiplications scoring takes, and how many the machine can do."""

from __future__ import annotations

import time

import torch

from epipam.models import EpipamConfig

_SIZE = 2_048
_REPEATS = 12


def plain_multiplications(config: EpipamConfig) -> float:
    """Return the multiplications of one pair's forward pass through the published layers."""
    c = config.channels
    lengths = {"enhancer": config.enhancer_length, "promoter": config.promoter_length}
    first = sum(
        (length - config.kernels[0] + 1) * 4 * config.kernels[0] * c for length in lengths.values()
    )
    positions = [config.positions(length) for length in lengths.values()]
    later = sum(
        (here[i - 1] - config.kernels[i] + 1) * config.kernels[i] * c * c
        for here in positions
        for i in range(1, len(config.kernels))
    )
    relations = sum(n * m * c for n, m in zip(*positions, strict=True))
    return first + later + relations + config.main_features * config.hidden


def shared_multiplications(
    config: EpipamConfig, n_pairs: int, n_enhancers: int, n_promoters: int
) -> float:
    """Return the multiplications per pair when each window's own work is done once.

    The first convolution multiplies nothing: it looks rows up.
    """
    c, width = config.channels, config.kernels[1]
    enhancer, promoter = (
        config.positions(length) for length in (config.enhancer_length, config.promoter_length)
    )
    taps = (n_enhancers * enhancer[0] + n_promoters * promoter[0]) * width * c * c / n_pairs
    second = sum((here[0] - width + 1) * width * c for here in (enhancer, promoter))
    later = sum(
        (here[i - 1] - config.kernels[i] + 1) * config.kernels[i] * c * c
        for here in (enhancer, promoter)
        for i in range(2, len(config.kernels))
    )
    relations = sum(n * m * c for n, m in zip(enhancer, promoter, strict=True))
    return taps + second + later + relations + config.main_features * config.hidden


def multiplications_per_second() -> float:
    """Return the machine's rate at a large float32 matrix product: the best of some."""
    left, right = torch.rand(_SIZE, _SIZE), torch.rand(_SIZE, _SIZE)
    seconds = []
    with torch.inference_mode():
        for _ in range(_REPEATS):
            began = time.perf_counter()
            torch.mm(left, right.T)
            seconds.append(time.perf_counter() - began)
    return _SIZE**3 / min(seconds)

"""Logits and the probabilities they stand for."""

from __future__ import annotations

import numpy as np

_NEXT_TO_ONE = np.nextafter(1.0, 0.0)
_NEXT_TO_ZERO = np.finfo(np.float64).tiny


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the sigmoid of logits, float64, same shape."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64)))


def logits_of(probability: np.ndarray) -> np.ndarray:
    """Return the logits of probabilities, float64, same shape, finite.

    A probability of 1 has the logit of the largest number below it, 36.7; one of 0 that of the
    smallest normal number, -708.
    """
    inside = np.clip(np.asarray(probability, dtype=np.float64), _NEXT_TO_ZERO, _NEXT_TO_ONE)
    return np.log(inside) - np.log1p(-inside)

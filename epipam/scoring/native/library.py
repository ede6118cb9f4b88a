"""The compiled `maxima.c`: found without torch, loaded once."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache

# It is no Python module, but lies where one of this name would, and is found like one.
_NAME = "epipam.scoring.native._maxima"
# How many times as long scoring on a processor takes without it.
SLOWER_WITHOUT = 1.8


@cache
def library() -> ctypes.CDLL | None:
    """Return the compiled loops; None where no compiler was at hand when epipam was installed.

    Others use Python's lock while one of its functions runs.
    """
    spec = importlib.util.find_spec(_NAME)
    if spec is None or spec.origin is None:
        return None
    try:
        found = ctypes.CDLL(spec.origin)
    except OSError:  # compiled for another machine
        return None
    found.most_lanes.restype = ctypes.c_int64
    return found

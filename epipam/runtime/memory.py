"""How glibc's allocator keeps a process's memory; elsewhere these functions do nothing."""

from __future__ import annotations

import ctypes
import platform

# Parameters of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> None:
    """Keep freed memory: returning and zeroing pages costs a third of a training step."""
    _mallopt(_M_MMAP_MAX, 0)
    _mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def share_one_arena() -> None:
    """Let all threads share one heap: each of zarr's threads would keep freed memory of its own."""
    _mallopt(_M_ARENA_MAX, 1)


def return_freed_memory() -> None:
    """Return the pages that are free now: after many small objects, before one large array."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def _mallopt(parameter: int, value: int) -> None:
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(parameter, value)

"""The device that a network runs on: which one, in words, and how its memory is kept."""

from __future__ import annotations

import ctypes
import platform

import torch

from epipam.errors import RequestError


def choose_device(name: str = "auto") -> torch.device:
    """Return the named device; `auto` is a GPU where there is one.

    Raises
    ------
    RequestError
        For a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise RequestError(f"--device {name}: cannot be used here: {reason}") from None
    return device


def describe_device(device: torch.device) -> str:
    """Return the device in words: its kind, its name, and the threads of a CPU."""
    if device.type == "cuda":
        return f"GPU {device.index or 0} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"CPU ({torch.get_num_threads()} threads)"
    return str(device)


def keep_freed_memory() -> None:
    """Ask glibc to keep freed memory: returning and zeroing pages costs a third of a CPU step."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        m_trim_threshold, m_mmap_max = -1, -4
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)

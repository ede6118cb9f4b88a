"""The device that a network runs on: which one, in words, and how its memory is kept."""

from __future__ import annotations

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
        n_threads = torch.get_num_threads()
        return f"CPU ({n_threads} {'thread' if n_threads == 1 else 'threads'})"
    return str(device)

"""The peak memory of a command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil

_INTERVAL = 0.02


def peak_memory(command: Sequence[str | os.PathLike[str]]) -> int:
    """Run a command to its end; return its peak resident memory, its children's included, bytes.

    What it prints goes to standard error.

    Raises
    ------
    subprocess.CalledProcessError
        Where the command fails.

    Notes
    -----
    The memory of all its processes together is looked at every 20 ms; the kernel adds the exact
    peak of the largest. That one begins at what the caller itself holds, so a caller must be
    smaller than what it measures.
    """
    process = subprocess.Popen(command, stdout=sys.stderr)
    root = psutil.Process(process.pid)
    peak, ended = 0, 0
    while not ended:
        peak = max(peak, _resident(root))
        time.sleep(_INTERVAL)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, [str(part) for part in command])
    return max(peak, 1024 * usage.ru_maxrss)


def _resident(root: psutil.Process) -> int:
    """Return the resident memory of a process and its descendants, bytes; 0 for what has ended."""
    total = 0
    try:
        for process in (root, *root.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total

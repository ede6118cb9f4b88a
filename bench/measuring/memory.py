"""The peak memory of a command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

EPIPAM = (sys.executable, "-c", "from epipam.cli import main; main()")

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
    The memory of all its processes together is looked at every 20 ms. The command's own process
    also counts with the peak that Linux keeps for it, which no interval misses.
    """
    process = subprocess.Popen(command, stdout=sys.stderr)
    root = psutil.Process(process.pid)
    peak = 0
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess, OSError):
            peak = max(peak, _resident_now(root), _own_peak(process.pid))
        time.sleep(_INTERVAL)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, [str(part) for part in command])
    return peak


def _resident_now(root: psutil.Process) -> int:
    """Return the resident memory of a process and its descendants, bytes."""
    processes = (root, *root.children(recursive=True))
    return sum(process.memory_info().rss for process in processes)


def _own_peak(pid: int) -> int:
    """Return the peak resident memory of one process since it began, bytes; 0 where unknown."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 0

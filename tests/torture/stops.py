"""Commands that are killed, stopped, limited, or started twice."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path
from random import Random

from torture.children import Child, Lost, require_plain, run
from torture.commands import Command, Inputs, require_tidy, require_whole

# Those that are run twice at once; a second training waits for its turn at nothing but its folder.
FAST = ("build-store", "score", "candidates", "variants", "merge", "simulate", "kipoi export")


def kill(inputs: Inputs, folder: Path, draw: Random) -> str:
    """SIGKILL at a random moment, and the same command again."""
    command = _any(inputs, draw)
    child = Child(command.arguments, folder)
    child.kill_after(draw.uniform(0.01, command.seconds * 1.02), signal.SIGKILL)
    child.wait()
    require_whole(command, folder, complete=False)
    _again(command, folder)
    return command.name


def stop(inputs: Inputs, folder: Path, draw: Random) -> str:
    """SIGTERM at a random moment: one line, exit 143, nothing hidden that is of no more use."""
    command = _any(inputs, draw)
    child = Child(command.arguments, folder)
    after = draw.uniform(0.01, command.seconds * 1.02)
    child.kill_after(after, signal.SIGTERM)
    outcome = child.wait()
    # Before a command has begun to work, or when it is done, the signal is the system's.
    if outcome.code not in (0, 143, -signal.SIGTERM):
        raise Lost(f"{command.name}: ended with {outcome.code}: {outcome.err[-300:]}")
    if "Traceback" in outcome.err:
        raise Lost(f"{command.name}: {outcome.err[-400:]}")
    if outcome.code == 143 and "stopped by SIGTERM" not in outcome.err:
        last = outcome.err.strip().splitlines()[-1:]
        if not last or "epipam" not in last[0]:
            raise Lost(f"{command.name}: exit 143 without its line: {outcome.err[-300:]}")
    require_whole(command, folder, complete=False)
    if outcome.code == 143 and command.name not in ("build-store", "train"):
        require_tidy(command, folder)
    _again(command, folder)
    return command.name


def full(inputs: Inputs, folder: Path, draw: Random) -> str:
    """A file that may not grow further, or a file system that is full."""
    command = _any(inputs, draw)
    if draw.random() < 0.5 and os.geteuid() == 0:
        return _on_full_disk(command, folder, draw)
    size = int(10 ** draw.uniform(1, 6))
    limit = (size, resource.RLIM_INFINITY)
    _limited(command, folder, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    return command.name


def files(inputs: Inputs, folder: Path, draw: Random) -> str:
    """At most 64 open files, or fewer."""
    command = _any(inputs, draw)
    most = draw.choice([64, 64, 48, 32])
    limit = (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    _limited(command, folder, lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))
    return command.name


def read_only(inputs: Inputs, folder: Path, draw: Random) -> str:
    """A folder in which nothing may be written."""
    command = _any(inputs, draw)
    if os.geteuid() == 0:  # who may write wherever a file system lets anybody
        if not _mount(folder, "ro"):
            return "no mount"
        try:
            outcome = run(command.arguments, folder)
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
    else:
        folder.chmod(0o555)
        outcome = run(command.arguments, folder)
        folder.chmod(0o755)
    require_plain(outcome)
    if outcome.code == 0:
        raise Lost(f"{command.name}: exit 0, and nothing can have been written")
    require_tidy(command, folder)
    return command.name


def two(inputs: Inputs, folder: Path, draw: Random) -> str:
    """Two commands on one output at once: one writes, the other is refused in words."""
    command = inputs.measure(draw.choice(FAST))
    first = Child(command.arguments, folder)
    if draw.random() < 0.7:
        first.kill_after(draw.uniform(0, command.seconds), 0)
    second = Child(command.arguments, folder)
    outcomes = [first.wait(), second.wait()]
    for outcome in outcomes:
        require_plain(outcome)
        if outcome.code == 1:
            raise Lost(f"{command.name}: {outcome.err[-300:]}")
    if all(outcome.code for outcome in outcomes):
        raise Lost(f"{command.name}: both refused: {outcomes[0].err} {outcomes[1].err}")
    require_whole(command, folder, complete=True)
    require_tidy(command, folder)
    return command.name


def _any(inputs: Inputs, draw: Random) -> Command:
    return inputs.measure(draw.choice(sorted(inputs.commands)))


def _again(command: Command, folder: Path) -> None:
    """Run a command again after harm: it ends well, or finds the whole output of before."""
    outcome = run(command.arguments, folder)
    require_plain(outcome)
    if outcome.code and not (outcome.code == 2 and "exists" in outcome.err):
        raise Lost(f"{command.name}: cannot go on: {outcome.err[-300:]}")
    require_whole(command, folder, complete=True)
    require_tidy(command, folder)


def _limited(command: Command, folder: Path, limit) -> None:
    outcome = run(command.arguments, folder, limit)
    require_plain(outcome)
    require_whole(command, folder, complete=outcome.code == 0)
    _again(command, folder)


def _on_full_disk(command: Command, folder: Path, draw: Random) -> str:
    kilobytes = int(10 ** draw.uniform(1, 4))
    if not _mount(folder, f"size={kilobytes}k"):
        return "no mount"
    try:
        outcome = run(command.arguments, folder)
        require_plain(outcome)
        require_whole(command, folder, complete=outcome.code == 0)
        subprocess.run(["mount", "-o", "remount,size=500m", str(folder)], check=True)
        _again(command, folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
    return command.name


def _mount(folder: Path, options: str) -> bool:
    """Mount a file system in memory; False where that is not allowed."""
    words = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    return subprocess.run(words, capture_output=True).returncode == 0

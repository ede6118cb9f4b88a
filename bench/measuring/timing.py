"""Timing in turn: ratios of things that ran side by side, whatever else the machine was doing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

_COPIED_BYTES = 64_000_000


@dataclass(frozen=True)
class Turns:
    """How long each work took in each turn.

    Attributes
    ----------
    wall
        Seconds by name, float64 (n_turns,).
    processor
        Seconds of processor time of this process, all threads, by name, float64 (n_turns,).
    """

    wall: dict[str, np.ndarray]
    processor: dict[str, np.ndarray]

    def seconds(self, name: str) -> float:
        """Return the median over the turns."""
        return float(np.median(self.wall[name]))

    def ratio(self, name: str, other: str) -> float:
        """Return the median over the turns of one work's time over another's in the same turn."""
        return float(np.median(self.wall[name] / self.wall[other]))

    def processor_ratio(self, name: str, other: str) -> float:
        """Return the same of processor time."""
        return float(np.median(self.processor[name] / self.processor[other]))


def time_in_turn(
    works: Mapping[str, Callable[[], object]],
    n_turns: int,
    before_each: Callable[[], object] = lambda: None,
) -> Turns:
    """Run every work once per turn, in the order given, `n_turns` times.

    Parameters
    ----------
    before_each
        Called before each of them, and not timed.
    """
    wall = {name: np.empty(n_turns) for name in works}
    processor = {name: np.empty(n_turns) for name in works}
    for turn in range(n_turns):
        for name, work in works.items():
            before_each()
            began, busy = time.perf_counter(), time.process_time()
            work()
            wall[name][turn] = time.perf_counter() - began
            processor[name][turn] = time.process_time() - busy
    return Turns(wall, processor)


def copy_of_unpacked(n_rows: int, n_bases: int) -> Callable[[], object]:
    """Return a plain copy, in memory, of as many bytes as these windows take as uint8 one-hot.

    Parameters
    ----------
    n_rows
        Window pairs.
    n_bases
        Bases of both windows of a pair.
    """
    row_bytes = 4 * n_bases
    rows_at_once = min(n_rows, max(1, _COPIED_BYTES // row_bytes))
    # Ones, not zeros: pages that were never written are all the same page.
    source = np.ones((rows_at_once, row_bytes), dtype=np.uint8)
    target = np.ones_like(source)

    def copy() -> None:
        for first in range(0, n_rows, rows_at_once):
            here = min(rows_at_once, n_rows - first)
            np.copyto(target[:here], source[:here])

    return copy

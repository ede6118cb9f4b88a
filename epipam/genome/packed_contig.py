"""A contig in memory, two bases to a byte, from which windows are copied."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from epipam.genome.encoding import count_bases, pack_letters, packed_length
from epipam.genome.fasta import Genome, upper_case

# Blocks that may wait to be hashed, and windows moved at once: what a core's cache holds.
_WAITING = 8
_MOVED_AT_ONCE = 256

Blocks = Iterator[tuple[int, np.ndarray]]


class ContigMemory(threading.local):
    """Memory that one contig after the other is packed into, in each thread its own.

    New pages, which the system has to find and to clear, would take a quarter of the time of
    packing.
    """

    def __init__(self) -> None:
        self._bytes = np.empty(0, dtype=np.uint8)

    def take(self, n_bytes: int) -> np.ndarray:
        """Return memory of any content, uint8 (n_bytes,); what was taken before is lost."""
        if len(self._bytes) < n_bytes:
            self._bytes = np.empty(0, dtype=np.uint8)  # before there is more of it
            self._bytes = np.empty(n_bytes, dtype=np.uint8)
        return self._bytes[:n_bytes]


class PackedContig:
    """A whole contig, packed, between margins of N.

    Parameters
    ----------
    genome, contig
        What to read; it is read once, in order.
    margin
        How far windows may stick out of the contig at either end, bp.
    memory
        Where to pack it; until the next contig is packed there.
    hash_apart
        Whether to hash in a thread beside that which reads: what pays where there is a core for it.

    Attributes
    ----------
    md5
        MD5 of the upper-case letters, as `Genome.digest` gives it.
    """

    def __init__(
        self,
        genome: Genome,
        contig: str,
        margin: int,
        memory: ContigMemory | None = None,
        *,
        hash_apart: bool = True,
    ) -> None:
        self._counted: list[tuple[int, int]] = []  # appended to by several threads
        # Bytes of N before the contig; behind it, one more for windows at odd places.
        self._before = packed_length(margin)
        body = packed_length(genome.contigs[contig])
        memory = memory or ContigMemory()
        self._packed = memory.take(self._before + body + self._before + 1)
        self._packed[: self._before] = 0
        self._packed[self._before + body :] = 0
        md5 = hashlib.md5(usedforsecurity=False)
        blocks = genome.blocks(contig)
        for start, letters in _hashed_apart(blocks, md5) if hash_apart else _hashed(blocks, md5):
            first = self._before + start // 2
            pack_letters(letters, out=self._packed[first : first + packed_length(len(letters))])
        self.md5 = md5.hexdigest()

    def windows(self, starts: np.ndarray, length: int) -> np.ndarray:
        """Copy the windows of `length` bp that begin at `starts`.

        Parameters
        ----------
        starts
            int64 (n,), 0-based.

        Returns
        -------
        uint8 (n, ceil(length / 2)).

        Raises
        ------
        ValueError
            Where a window sticks out by more than the margin.
        """
        width = packed_length(length)
        place = starts + 2 * self._before
        if len(place) and (place.min() < 0 or place.max() // 2 + width >= len(self._packed)):
            raise ValueError(f"a window of {length} bp sticks out of the contig and its margins")
        windows = sliding_window_view(self._packed, width)[place // 2]
        wider = sliding_window_view(self._packed, width + 1)
        odd = np.flatnonzero(place % 2)
        for first in range(0, len(odd), _MOVED_AT_ONCE):
            rows = odd[first : first + _MOVED_AT_ONCE]
            windows[rows] = _move_by_one(wider[place[rows] // 2])
        if length % 2:
            windows[:, -1] &= 0xF0
        n_letters = len(windows) * length
        self._counted.append((n_letters, n_letters - count_bases(windows)))
        return windows

    def share_of_n(self) -> float:
        """Return the share of N in all windows so far, from 0 to 1."""
        size, empty = (sum(numbers) for numbers in zip((0, 0), *self._counted, strict=True))
        return empty / size if size else 0.0


def _hashed(blocks: Blocks, md5: hashlib._Hash) -> Blocks:
    """Yield blocks when they are hashed, while they are in the core's cache."""
    for start, letters in blocks:
        _hash(md5, letters)
        yield start, letters


def _hashed_apart(blocks: Blocks, md5: hashlib._Hash) -> Blocks:
    """Yield blocks that are being hashed, which takes longer than reading and holds no lock."""
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1) as hasher:
        for start, letters in blocks:
            waiting.append(hasher.submit(_hash, md5, letters))
            if len(waiting) > _WAITING:
                waiting.popleft().result()
            yield start, letters
        for hashed in waiting:
            hashed.result()


def _hash(md5: hashlib._Hash, letters: np.ndarray) -> None:
    md5.update(upper_case(letters).data)


def _move_by_one(packed: np.ndarray) -> np.ndarray:
    """Return windows from their second base on, uint8 (n, width + 1) to (n, width)."""
    # Row by row would be slower: the last byte of each row, which is dropped, takes from the next.
    flat = packed.reshape(-1)
    following = flat[1:] >> 4
    flat *= 16  # numpy multiplies many at once, but shifts one by one
    flat[:-1] |= following
    return packed[:, :-1]

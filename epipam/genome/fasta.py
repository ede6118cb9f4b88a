"""FASTA access: contigs, lengths, digests, and the letters of any stretch."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pysam

from epipam.errors import GenomeError
from epipam.genome.contigs import Aliases, resolve_names
from epipam.genome.fasta_index import FastaIndex, FileState, find_index

# What a core's cache holds: letters are hashed and packed while they are hot.
_BLOCK = 1 << 20
_UPPER = np.uint8(0xDF)


class Genome:
    """A FASTA file, plain or bgzip, that any number of threads and processes may read at once.

    Each thread of each process opens the file for itself when it first reads; a handle is closed
    when its thread ends or the genome is no longer used.

    Parameters
    ----------
    path
        The FASTA. Its index is compared with it; one that is missing or does not fit is built
        beside the file, or in the user's cache folder where that folder is read-only.
    aliases
        Further names of its contigs, by which `resolve` finds them.

    Raises
    ------
    GenomeError
        Where the file is missing, is gzip but not bgzip, or is no FASTA; where two contigs have
        one name, or one has a name that is no text.
    """

    def __init__(self, path: str | Path, aliases: Aliases | None = None) -> None:
        self.path = Path(path)
        self.aliases = aliases
        self._index = find_index(self.path)
        self.contigs: dict[str, int] = {n: r.length for n, r in self._index.records.items()}
        self._handles = _Handles()

    @property
    def compressed(self) -> bool:
        """Whether the file is bgzip, where a few letters cost as much as a block of them."""
        return self._index.compressed

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_handles"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._handles = _Handles()

    def fetch(self, contig: str, start: int, end: int) -> str:
        """Return the bases of [start, end), 0-based; what sticks out of the contig is N."""
        length = self.contigs[contig]
        inner_start, inner_end = min(max(start, 0), length), max(min(end, length), 0)
        bases = ""
        if inner_start < inner_end:
            bases = self._fetch_inside(contig, inner_start, inner_end)
        left = min(max(-start, 0), end - start)
        return "N" * left + bases + "N" * (end - start - left - len(bases))

    def blocks(self, contig: str, size: int = _BLOCK) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (start, letters uint8 (<= size,)) of a whole contig in order, case as it is."""
        length = self.contigs[contig]
        for start in range(0, length, size):
            letters = self._fetch_inside(contig, start, min(start + size, length))
            yield start, np.frombuffer(letters.encode("ascii"), dtype=np.uint8)

    def digest(self, contig: str) -> str:
        """Return the MD5 of the contig's upper-case letters: the M5 tag of SAM, refget's MD5."""
        md5 = hashlib.md5(usedforsecurity=False)
        for _, letters in self.blocks(contig):
            md5.update(upper_case(letters).data)
        return md5.hexdigest()

    def resolve(self, names: Iterable[str], aliases: Aliases | None = None) -> dict[str, str]:
        """Map names of chromosomes to this FASTA's contigs, as `resolve_names` does.

        Its own aliases count where no others are given.
        """
        return resolve_names(names, self.contigs, self.aliases if aliases is None else aliases)

    def _fetch_inside(self, contig: str, start: int, end: int) -> str:
        try:
            letters: str = self._handles.get(self._open).fetch(contig, start, end)
        except (ValueError, OSError):  # letters that are no ASCII are a ValueError
            letters = ""
        if len(letters) != end - start:
            raise GenomeError(
                f"{self.path}: cannot read {contig}:{start}-{end}: the file is damaged, or another "
                f"than the one that was indexed; check it, remove {self._index.path} and run again"
            )
        return letters

    def _open(self) -> pysam.FastaFile:
        if FileState.of(self.path) != self._index.state:
            self._index = self._find_same_index()
        gzi = self._index.block_index
        return pysam.FastaFile(
            str(self.path),
            filepath_index=str(self._index.path),
            filepath_index_compressed=None if gzi is None else str(gzi),
        )

    def _find_same_index(self) -> FastaIndex:
        """Return the index of a file that was touched, or copied to another machine."""
        index = find_index(self.path)
        if index.records != self._index.records:
            raise GenomeError(
                f"{self.path}: was replaced by another file while it was in use; run again"
            )
        return index


class _Handles(threading.local):
    """An open FASTA for each thread of each process.

    A handle has one place in the file: two threads that share it move it under each other, and so
    do a process and its fork.
    """

    def __init__(self) -> None:
        self._handle: pysam.FastaFile | None = None
        self._pid = -1

    def get(self, open_file: Callable[[], pysam.FastaFile]) -> pysam.FastaFile:
        """Return this thread's handle; `open_file` makes it where there is none."""
        if self._handle is None or self._pid != os.getpid():
            self._handle, self._pid = open_file(), os.getpid()
        return self._handle


def upper_case(letters: np.ndarray) -> np.ndarray:
    """Return letters in upper case, uint8 (n,): the same array where they are so already."""
    if not letters.size or letters.max() < ord("a"):
        return letters
    # Cases differ in one bit; of what lies from A to z, it is set in the grave accent only.
    alphabetic = letters.min() >= ord("A") and letters.max() <= ord("z")
    if alphabetic and not (letters == ord("`")).any():
        return letters & _UPPER
    return np.frombuffer(letters.tobytes().upper(), dtype=np.uint8)

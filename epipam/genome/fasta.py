"""FASTA access: contigs, lengths, digests, and names that differ only by `chr`."""

from __future__ import annotations

import gzip
import hashlib
import mmap
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from shlex import quote
from typing import NamedTuple

import numpy as np
import pysam
from numpy.lib.stride_tricks import sliding_window_view

from epipam.errors import GenomeError
from epipam.genome.contigs import Aliases, resolve_names

_GZIP_MAGIC = b"\x1f\x8b"
_BGZIP_EXTRA = b"BC\x02\x00"
# The empty block that ends every bgzip file (SAM specification, section 4.1.2).
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
# What a core's cache holds: letters are hashed and packed while they are hot.
_BLOCK = 1 << 20
_FIRST_GRAPHIC, _LAST_GRAPHIC = ord("!"), ord("~")
_UPPER = np.uint8(0xDF)
_STRETCH = 2_048 * mmap.ALLOCATIONGRANULARITY


class _Record(NamedTuple):
    """A line of the index: where a contig's letters lie in the file, in bytes."""

    length: int
    offset: int
    line_bases: int
    line_bytes: int

    def places(self, positions: np.ndarray) -> np.ndarray:
        """Return where the letters at some positions lie in the file, int64 (n,)."""
        line, column = np.divmod(positions, self.line_bases)
        return self.offset + line * self.line_bytes + column


class Genome:
    """A FASTA file, plain or bgzip, opened lazily in each process that reads it.

    Parameters
    ----------
    path
        The FASTA. A missing index is built beside it, or in the user's cache folder where
        that folder is read-only.

    Raises
    ------
    GenomeError
        Where the file is missing, is gzip but not bgzip, or is no FASTA.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._index = _find_or_build_index(self.path)
        self._records = _read_index(self._index)
        self.contigs: dict[str, int] = {name: r.length for name, r in self._records.items()}
        self._compressed = _is_gzip(self.path)
        if not self.contigs:
            raise GenomeError(f"{self.path}: no sequences: a FASTA starts with a '>' line")
        self._handle: pysam.FastaFile | None = None
        self._handle_pid = -1

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_handle": None, "_handle_pid": -1}

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
        with ExitStack() as stack:
            # What is not compressed needs no library: lines of known length, less their ends.
            plain = None if self._compressed else stack.enter_context(self.path.open("rb", 0))
            for start in range(0, length, size):
                end = min(start + size, length)
                letters = _read_lines(plain, self._records[contig], start, end) if plain else None
                if letters is None:
                    text = self._fetch_inside(contig, start, end)
                    letters = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
                yield start, letters

    def glimpses(self, contig: str, positions: np.ndarray, size: int) -> np.ndarray | None:
        """Return letters from each position on, line ends among them: uint8 (n, size).

        None for a compressed FASTA, of which a few letters cost as much as many, and where the
        file ends too early.
        """
        if self._compressed:
            return None
        places = self._records[contig].places(positions)
        with self.path.open("rb", 0) as handle:
            return _glimpses(handle, places, size)

    def bytes_of_windows(self, contig: str, start: np.ndarray, length: int) -> np.ndarray:
        """Return how many bytes of the file windows inside a contig take, line ends too: (n,)."""
        record = self._records[contig]
        return record.places(start + length - 1) - record.places(start) + 1

    def digest(self, contig: str) -> str:
        """Return the MD5 of the contig's upper-case letters: the M5 tag of SAM, refget's MD5."""
        md5 = hashlib.md5(usedforsecurity=False)
        for _, letters in self.blocks(contig):
            md5.update(upper_case(letters).data)
        return md5.hexdigest()

    def resolve(self, names: Iterable[str], aliases: Aliases | None = None) -> dict[str, str]:
        """Map names of chromosomes to this FASTA's contigs, as `resolve_names` does."""
        return resolve_names(names, self.contigs, aliases)

    def _fetch_inside(self, contig: str, start: int, end: int) -> str:
        try:
            return self._open().fetch(contig, start, end)
        except (ValueError, OSError):
            raise GenomeError(
                f"{self.path}: cannot read {contig}:{start}-{end}: the file is damaged, or another "
                f"than the one that was indexed; check it, remove {self._index} and run again"
            ) from None

    def _open(self) -> pysam.FastaFile:
        """Return this process's handle: one inherited through a fork shares its file offset."""
        if self._handle is None or self._handle_pid != os.getpid():
            gzi = self._index.with_suffix(".gzi") if self._compressed else None
            self._handle = pysam.FastaFile(
                str(self.path),
                filepath_index=str(self._index),
                filepath_index_compressed=str(gzi) if gzi else None,
            )
            self._handle_pid = os.getpid()
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


def _glimpses(handle: FileIO, places: np.ndarray, size: int) -> np.ndarray | None:
    """Return the bytes from each place of a file on, uint8 (n, size); None if it ends too early."""
    found = np.empty((len(places), size), dtype=np.uint8)
    n_bytes = os.fstat(handle.fileno()).st_size
    if len(places) and places.max() + size > n_bytes:
        return None
    # Mapped a stretch at a time: one call for many places, and few pages of the file in memory.
    order = np.argsort(places, kind="stable")
    stretch = places[order] // _STRETCH
    for rows in np.split(order, np.flatnonzero(np.diff(stretch)) + 1):
        if len(rows):
            begin = int(places[rows[0]]) // _STRETCH * _STRETCH
            length = min(_STRETCH + size, n_bytes - begin)
            with mmap.mmap(handle.fileno(), length, access=mmap.ACCESS_READ, offset=begin) as view:
                letters = np.frombuffer(view, dtype=np.uint8)
                found[rows] = sliding_window_view(letters, size)[places[rows] - begin]
                del letters  # a map that is still looked at cannot be closed
    return found


def _read_lines(handle: FileIO, record: _Record, start: int, end: int) -> np.ndarray | None:
    """Return the letters of [start, end) of a contig, uint8; None where its lines are irregular."""
    width = record.line_bases
    first, last = start // width, (end - 1) // width
    raw = np.empty((last + 1 - first, record.line_bytes), dtype=np.uint8)
    # The last line of a file may lack its line end.
    wanted = raw.size - record.line_bytes + (end - last * width)
    handle.seek(record.offset + first * record.line_bytes)
    if handle.readinto(raw.data.cast("B")[:wanted]) != wanted:
        return None
    # Lines as elements of `width` bytes, copied in one go.
    lines = np.ndarray(len(raw), f"V{width}", raw, strides=(record.line_bytes,))
    letters = lines.copy().view(np.uint8)[start - first * width : end - first * width]
    between = raw[:-1, width:]
    regular = letters.min() >= _FIRST_GRAPHIC and letters.max() <= _LAST_GRAPHIC
    return letters if regular and (between < _FIRST_GRAPHIC).all() else None


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(2) == _GZIP_MAGIC


def _find_or_build_index(path: Path) -> Path:
    if not path.is_file():
        raise GenomeError(f"{path}: no such FASTA file")
    compressed = _is_gzip(path)
    if compressed:
        _refuse_plain_gzip(path)
    _refuse_non_fasta(path, compressed)
    if compressed:
        _refuse_cut_bgzip(path)
    beside = Path(f"{path}.fai")
    for index in (beside, _cached_index(path)):
        if _is_fresh(index, path, compressed):
            return index
    if os.access(path.parent, os.W_OK):
        return _build_index(path, beside, compressed)
    cached = _cached_index(path)
    try:
        return _build_index(path, cached, compressed)
    except OSError as error:
        raise GenomeError(
            f"{path}: no index, and none can be written beside it or in {cached.parent}: "
            f"{error.strerror}; set XDG_CACHE_HOME to a folder that can be written to"
        ) from None


def _refuse_plain_gzip(path: Path) -> None:
    with path.open("rb") as handle:
        header = handle.read(18)
    if _BGZIP_EXTRA not in header:
        plain = path.with_suffix("") if path.suffix == ".gz" else path
        raise GenomeError(
            f"{path}: is gzip, which allows no random access; convert it to bgzip: "
            f"gunzip -c {quote(str(path))} | bgzip > {quote(f'{plain}.bgz')}"
        )


def _refuse_cut_bgzip(path: Path) -> None:
    """Refuse a file that ends between two blocks, as htslib does not."""
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - len(_BGZIP_END)))
        end = handle.read()
    if end != _BGZIP_END:
        raise GenomeError(
            f"{path}: is truncated: bgzip's last block is missing; copy or download it again"
        )


def _refuse_non_fasta(path: Path, compressed: bool) -> None:
    try:
        with gzip.open(path) if compressed else path.open("rb") as handle:
            first = handle.read(1 << 12).lstrip()[:1]
    except (EOFError, OSError, zlib.error) as error:
        raise GenomeError(f"{path}: cannot be read: {error}") from None
    if first != b">":
        what = "does not start with" if first else "the file is empty; a FASTA starts with"
        raise GenomeError(f"{path}: is no FASTA: {what} a '>' line")


def _is_fresh(index: Path, path: Path, compressed: bool) -> bool:
    """Whether an index is there and not older than its FASTA."""
    needed = [index, index.with_suffix(".gzi")] if compressed else [index]
    changed = path.stat().st_mtime
    return all(file.is_file() and file.stat().st_mtime >= changed for file in needed)


def _cached_index(path: Path) -> Path:
    stat = path.stat()
    identity = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(identity.encode()).hexdigest()[:24]
    return cache / "epipam" / "fasta" / f"{name}.fai"


def _build_index(path: Path, index: Path, compressed: bool) -> Path:
    """Build the index under another name first: other processes never see half of one."""
    index.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=index.parent, prefix=".faidx-") as folder:
        fai, gzi = Path(folder, "fai"), Path(folder, "gzi")
        arguments = ["--fai-idx", str(fai)] + (["--gzi-idx", str(gzi)] if compressed else [])
        verbosity = pysam.set_verbosity(0)  # htslib would print beside the one line of the error
        try:
            pysam.faidx(*arguments, str(path))
        except pysam.SamtoolsError:
            raise GenomeError(
                f"{path}: cannot be indexed as FASTA: it is truncated, has no bases, or its lines "
                f"within a sequence differ in length (`samtools faidx` names the line)"
            ) from None
        finally:
            pysam.set_verbosity(verbosity)
        if compressed:
            gzi.rename(index.with_suffix(".gzi"))
        fai.rename(index)
    return index


def _read_index(index: Path) -> dict[str, _Record]:
    records = {}
    for line in index.read_text().splitlines():
        name, *numbers = line.split("\t")
        if len(numbers) != 4 or not all(number.isdigit() for number in numbers):
            raise GenomeError(f"{index}: is no FASTA index; remove it to have it built again")
        records[name] = _Record(*map(int, numbers))
    return records

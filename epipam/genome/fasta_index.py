"""Finding the index of a FASTA, checking that it is the right one, and building it.

An index is looked for beside the file, then in the user's cache folder. Whoever made it, it is
compared with the file before it is used; one that does not fit is built again, with a note. What
was checked at length is remembered in the cache folder, by what the system says of the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pysam

from epipam.errors import EpipamError, EpipamWarning, GenomeError
from epipam.genome.fasta_check import (
    IndexFault,
    Record,
    check_block_index,
    check_index,
    parse_index,
    scan_blocks,
    unfit_name,
)
from epipam.genome.fasta_kind import is_bgzip, refuse_non_fasta
from epipam.runtime.files import whole_file, write_text

# Checking fewer contigs and blocks than these takes no time worth a file in the cache.
_MANY = 4_000
_PROBE = 1 << 20
_INDEX_TOOL = threading.Lock()  # samtools, within pysam, is not made for threads


class FileState(NamedTuple):
    """What the system says of a file: another file in its place differs in one of these."""

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileState:
        """Return that of a file, or of the file that a link leads to."""
        stat = path.stat()
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


class FastaIndex(NamedTuple):
    """An index that fits its FASTA.

    Attributes
    ----------
    path
        The `.fai`; that of a bgzip file has its `.gzi` beside it.
    records
        By contig, in the order of the file.
    state
        The FASTA's when the index was checked.
    compressed
        Whether the FASTA is bgzip.
    """

    path: Path
    records: dict[str, Record]
    state: FileState
    compressed: bool

    @property
    def block_index(self) -> Path | None:
        """The `.gzi`, None for a plain FASTA."""
        return self.path.with_suffix(".gzi") if self.compressed else None


class _Content(NamedTuple):
    """What the files of an index hold; `gzi` is None for a plain FASTA."""

    fai: bytes
    gzi: bytes | None

    def digest(self) -> str:
        return hashlib.sha256(self.fai + b"\0" + (self.gzi or b"")).hexdigest()


def find_index(path: Path) -> FastaIndex:
    """Return an index that fits a FASTA; one is built where there is none.

    Raises
    ------
    GenomeError
        Where the file is missing or no FASTA, has a name twice or one that no contig can have, or
        where no index can be written.
    """
    refuse_non_fasta(path)
    state, compressed = FileState.of(path), is_bgzip(path)
    fault = ""
    for index in (_beside(path), _cached(path)):
        if (content := _read(index, compressed)) is None:
            continue
        try:
            known = _is_known(path, state, content)
            records = parse_index(content.fai) if known else _checked(path, state, content)
            return FastaIndex(index, records, state, compressed)
        except IndexFault as found:
            fault = fault or f"{index}: is not the index of {path}: {found}; it was built again"
    content, records = _build(path, state, compressed)
    written = _write(path, content)
    if fault:
        warnings.warn(fault, EpipamWarning, stacklevel=3)
    return FastaIndex(written, records, state, compressed)


def _build(path: Path, state: FileState, compressed: bool) -> tuple[_Content, dict[str, Record]]:
    """Return what the index of a FASTA holds, after the same checks as any other."""
    content = _run_samtools(path, compressed)
    try:
        return content, _checked(path, state, content)
    except IndexFault as fault:
        raise GenomeError(f"{path}: {_fault_of_fasta(fault, content)}") from None


def _checked(path: Path, state: FileState, content: _Content) -> dict[str, Record]:
    """Return the records of an index that fits its file; raise an IndexFault for another."""
    records = parse_index(content.fai)
    blocks = None
    try:
        if content.gzi is not None:
            blocks = scan_blocks(path)
            check_block_index(content.gzi, blocks)
        check_index(path, records, blocks)
    except OSError as error:
        raise GenomeError(f"{path}: is damaged: {error}; copy or download it again") from None
    n_checked = len(records) + (0 if blocks is None else len(blocks.packed))
    if n_checked >= _MANY and FileState.of(path) == state:
        with suppress(EpipamError):  # it is checked again the next time
            write_text(_memory(path), json.dumps(_identity(state, content)))
    return records


def _run_samtools(path: Path, compressed: bool) -> _Content:
    try:
        with tempfile.TemporaryDirectory(prefix="epipam-faidx-") as folder, _INDEX_TOOL:
            fai, gzi = Path(folder, "fai"), Path(folder, "gzi")
            arguments = ["--fai-idx", str(fai)] + (["--gzi-idx", str(gzi)] if compressed else [])
            try:
                with quiet_htslib():  # the error is one line
                    pysam.faidx(*arguments, str(path))
            except pysam.SamtoolsError:
                Path(folder, "probe").write_bytes(bytes(_PROBE))  # an OSError if the disk is full
                raise GenomeError(
                    f"{path}: cannot be indexed as FASTA: it is truncated, has no bases, or its "
                    "lines within a sequence differ in length (`samtools faidx` names the line)"
                ) from None
            return _Content(fai.read_bytes(), gzi.read_bytes() if compressed else None)
    except OSError as error:
        raise GenomeError(
            f"{path}: cannot be indexed: {error.filename or tempfile.gettempdir()}: "
            f"{error.strerror}; TMPDIR names a folder with more room"
        ) from None


@contextmanager
def quiet_htslib() -> Iterator[None]:
    """Keep htslib from printing what becomes an error of ours."""
    verbosity = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(verbosity)


def _fault_of_fasta(fault: IndexFault, content: _Content) -> str:
    """Say what in a FASTA makes the index that samtools has just built a wrong one."""
    for name in fault.names:
        if reason := unfit_name(name):
            return f"has a contig whose name, {name!r}, {reason}; rename it"
        if f"\n{name}\t".encode() in b"\n" + content.fai:
            return f"has two contigs that are called {name}; remove or rename one of them"
    return f"its letters cannot be counted: {fault}; a line may hold blanks or what is no letter"


def _write(path: Path, content: _Content) -> Path:
    """Write an index beside its FASTA, or into the cache where that cannot be; return where."""
    if os.access(path.parent, os.W_OK):
        with suppress(EpipamError):
            return _write_as(_beside(path), content)
    cached = _cached(path)
    try:
        return _write_as(cached, content)
    except EpipamError as error:
        raise GenomeError(
            f"{path}: no index, and none can be written beside it or in {cached.parent}: "
            f"{str(error).rpartition(': ')[2]}; set XDG_CACHE_HOME to a folder that can be written "
            "to"
        ) from None


def _write_as(index: Path, content: _Content) -> Path:
    # That of the blocks first: whoever sees the other finds both.
    for file, part in ((index.with_suffix(".gzi"), content.gzi), (index, content.fai)):
        if part is not None:
            with whole_file(file) as partial:
                partial.write_bytes(part)
    return index


def _read(index: Path, compressed: bool) -> _Content | None:
    """Return what an index holds, None where it is not there, or not whole."""
    try:
        gzi = index.with_suffix(".gzi").read_bytes() if compressed else None
        return _Content(index.read_bytes(), gzi)
    except OSError:
        return None


def _is_known(path: Path, state: FileState, content: _Content) -> bool:
    """Whether this index of this file was checked before."""
    try:
        return bool(json.loads(_memory(path).read_text()) == _identity(state, content))
    except (OSError, ValueError, RecursionError):
        return False


def _identity(state: FileState, content: _Content) -> dict[str, object]:
    return {"file": list(state), "index": content.digest()}


def _beside(path: Path) -> Path:
    return Path(f"{path}.fai")


def _cached(path: Path) -> Path:
    stat = path.stat()
    return _cache_file(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}", ".fai")


def _memory(path: Path) -> Path:
    return _cache_file(str(path.resolve()), ".json")


def _cache_file(identity: str, ending: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(os.fsencode(identity)).hexdigest()[:24]
    return cache / "epipam" / "fasta" / f"{name}{ending}"

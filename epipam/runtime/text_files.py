"""Text files, however they are compressed and wherever they come from, line by line.

Plain, gzip, bgzip, bzip2, xz, or a zip archive with one member, told apart by content; a regular
file, a pipe, or `-` for standard input. What is no text is refused with what it is.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, cast

from epipam.errors import EpipamError, RequestError
from epipam.runtime.file_kinds import HEAD_BYTES, Kind, binary_kind, office_kind, text_kind

STANDARD_INPUT = "-"
MOST_LINE = 1_000_000

# No longer than a line may be: then only the first and the last of a block can be too long.
_BLOCK = 1 << 16
# What expands more than this is no table: one of real pairs shrinks to a tenth or so.
_MOST_EXPANSION, _EXPANSION_FREE = 300, 1 << 28
_DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
_COMPRESSIONS = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9]1AY&SY"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zip": re.compile(rb"PK(\x03\x04|\x05\x06)"),
}
_MAGIC_BYTES = 10

Line = tuple[int, str]
MakeError = Callable[[str], EpipamError]

_kept_pipes: ContextVar[dict[str, Path] | None] = ContextVar("kept_pipes", default=None)


class Reading(NamedTuple):
    """How a caller wants a file read.

    Attributes
    ----------
    wanted
        What it should be, for messages: `a pair table`.
    error
        Makes the error to raise of one line of text.
    keep_bytes
        Read bytes that are no UTF-8 so that encoding with `surrogateescape` gives them back;
        otherwise they are read as U+FFFD.
    reads
        Keys of `epipam.runtime.file_kinds.Kind` that are text and that the caller understands.
    """

    wanted: str
    error: MakeError = RequestError
    keep_bytes: bool = False
    reads: frozenset[str] = frozenset()


@contextmanager
def keep_pipes() -> Iterator[None]:
    """Within the block, let pipes and standard input be read more than once.

    What comes from one is copied to a temporary file when it is first opened, and the copy is what
    is read. Blocks may lie within each other: the outermost counts.
    """
    if _kept_pipes.get() is not None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="epipam-pipes-") as folder:
        token = _kept_pipes.set({"": Path(folder)})
        try:
            yield
        finally:
            _kept_pipes.reset(token)


def is_pipe(path: Path) -> bool:
    """Whether a path is standard input, a pipe or another file that can be read only once."""
    if str(path) == STANDARD_INPUT:
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def open_bytes(path: Path, reading: Reading) -> Iterator[BinaryIO]:
    """Open the bytes of a file, as they are, so that they can be read from any place.

    Raises
    ------
    EpipamError
        Of `reading.error`, where there is no such file, or it is a folder.
    """
    with ExitStack() as stack:
        if is_pipe(path):
            handle = stack.enter_context(_copy_of_pipe(path))
        else:
            if path.is_dir():
                raise reading.error(f"{path}: is a folder, not {reading.wanted}")
            if not path.exists():
                raise reading.error(f"{path}: no such file")
            handle = stack.enter_context(path.open("rb"))
        yield handle


@contextmanager
def open_text(path: Path, reading: Reading) -> Iterator[IO[str]]:
    """Open a file as text, decompressed.

    Raises
    ------
    EpipamError
        Of `reading.error`, as `open_bytes` raises it, and for what is not text or no table: a
        workbook, JSON, UTF-16, ... with the way to make a table of it.
    """
    with _open_text(path, reading) as (text, _):
        yield text


@contextmanager
def open_lines(path: Path, reading: Reading) -> Iterator[Iterator[Line]]:
    """Open a file as `open_text` does; yield an iterator of (number, text) of its lines.

    Numbers begin at 1; texts have no line ends (LF, CRLF or CR).

    Raises
    ------
    EpipamError
        From the iterator too: where compressed data are damaged, and for a line over 1 MB.
    """
    with _open_text(path, reading) as (text, compression):
        yield _numbered(path, text, compression, reading)


def read_head(path: Path, reading: Reading) -> bytes:
    """Return the first bytes of a file as they are, not decompressed."""
    with open_bytes(path, reading) as handle:
        return handle.read(HEAD_BYTES)


def refuse_kind(path: Path, kind: Kind | None, reading: Reading) -> None:
    """Raise the error of `reading` where a file is of a kind that its caller does not read."""
    if kind is not None and kind.key not in reading.reads:
        raise reading.error(f"{path}: is {kind.name}, not {reading.wanted}: {kind.way_out}")


@contextmanager
def _open_text(path: Path, reading: Reading) -> Iterator[tuple[IO[str], str]]:
    """Yield the text, and what it is compressed by."""
    with open_bytes(path, reading) as handle, ExitStack() as stack:
        start = handle.read(_MAGIC_BYTES)
        size = handle.seek(0, io.SEEK_END)
        handle.seek(0)
        compression = next((n for n, magic in _COMPRESSIONS.items() if magic.match(start)), "")
        buffered: Any = handle
        if compression:
            content = _decompressed(path, handle, compression, reading, stack)
            bounded = _Bounded(content, path, size, reading)
            buffered = stack.enter_context(io.BufferedReader(bounded, _BLOCK))
        try:
            head = buffered.peek(HEAD_BYTES)[:HEAD_BYTES]
        except (*_DAMAGE, OSError) as error:
            raise _damaged(path, compression, 0, error, reading) from None
        refuse_kind(path, binary_kind(head), reading)
        refuse_kind(path, text_kind(head.decode("utf-8-sig", "replace")), reading)
        errors = "surrogateescape" if reading.keep_bytes else "replace"
        with io.TextIOWrapper(buffered, encoding="utf-8-sig", errors=errors) as text:
            yield text, compression


def _numbered(path: Path, text: IO[str], compression: str, reading: Reading) -> Iterator[Line]:
    number, rest = 0, ""
    try:
        while block := text.read(_BLOCK):
            lines = (rest + block).split("\n")
            rest = lines.pop()
            if max(len(rest), len(lines[0]) if lines else 0) > MOST_LINE:
                too_long = number + 1 + (len(lines) if len(rest) > MOST_LINE else 0)
                raise reading.error(
                    f"{path}:{too_long}: a line of more than {MOST_LINE:,} characters: no row of "
                    f"{reading.wanted} is so long"
                )
            for line in lines:
                number += 1
                yield number, line
    except (*_DAMAGE, OSError) as error:
        raise _damaged(path, compression, number, error, reading) from None
    if rest:
        yield number + 1, rest


def _damaged(
    path: Path, compression: str, number: int, error: Exception, reading: Reading
) -> EpipamError:
    if not compression:
        return reading.error(f"{path}: cannot be read after line {number}: {error}")
    return reading.error(f"{path}: damaged {compression} file after line {number}: {error}")


def _decompressed(
    path: Path, handle: BinaryIO, compression: str, reading: Reading, stack: ExitStack
) -> IO[bytes]:
    if compression == "gzip":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=handle))
    if compression == "bzip2":
        return cast("IO[bytes]", bz2.BZ2File(handle))
    if compression == "xz":
        return cast("IO[bytes]", lzma.LZMAFile(handle))
    return stack.enter_context(_only_member(path, handle, reading))


@contextmanager
def _only_member(path: Path, handle: BinaryIO, reading: Reading) -> Iterator[IO[bytes]]:
    try:
        with zipfile.ZipFile(handle) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            refuse_kind(path, office_kind(names), reading)
            names = [name for name in names if not name.startswith("__MACOSX/")]
            if len(names) != 1:
                raise reading.error(
                    f"{path}: is a zip archive with {len(names)} files, and only one can be "
                    f"{reading.wanted}: unpack it and give that file"
                )
            with archive.open(names[0]) as member:
                yield member
    except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise reading.error(f"{path}: damaged or encrypted zip archive: {error}") from None


class _Bounded(io.RawIOBase):
    """Decompressed bytes, which end in an error where they are far too many for the file's size."""

    def __init__(self, content: IO[bytes], path: Path, size: int, reading: Reading) -> None:
        self._content = content
        self._path = path
        self._reading = reading
        self._most = max(_EXPANSION_FREE, _MOST_EXPANSION * size)
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._content.read(len(buffer))
        buffer[: len(data)] = data
        self._read += len(data)
        if self._read > self._most:
            raise self._reading.error(
                f"{self._path}: expands to more than {_MOST_EXPANSION} times its size, as no "
                f"table does: decompress it and look"
            )
        return len(data)


@contextmanager
def _copy_of_pipe(path: Path) -> Iterator[BinaryIO]:
    """Open a copy of what comes through a pipe: the one that is kept, or one for this time."""
    kept = _kept_pipes.get()
    if kept is None:
        with tempfile.TemporaryFile() as copy:
            _drain(path, cast(BinaryIO, copy))
            copy.seek(0)
            yield cast(BinaryIO, copy)
        return
    key = str(path)
    if key not in kept:
        copied = kept[""] / f"{len(kept)}"
        with copied.open("wb") as copy_file:
            _drain(path, copy_file)
        kept[key] = copied
    with kept[key].open("rb") as handle:
        yield handle


def _drain(path: Path, copy: BinaryIO) -> None:
    if str(path) == STANDARD_INPUT:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        return
    with path.open("rb") as pipe:
        shutil.copyfileobj(pipe, copy)

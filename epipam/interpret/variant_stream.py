"""Bytes of variants that pysam cannot open itself: plain gzip, pipes, standard input."""

from __future__ import annotations

import gzip
import os
import sys
import threading
import zlib
from pathlib import Path
from typing import IO

STANDARD_INPUT = "-"

_GZIP_MAGIC = b"\x1f\x8b"
# What every whole BGZF file has at bytes 12 to 15, and at its end (SAM specification, 4.1).
_BGZF_EXTRA = b"BC\x02\x00"
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_CHUNK = 1 << 16


def is_piped(path: Path) -> bool:
    """Whether a path is standard input, a pipe or a device: what can be read once only."""
    return str(path) == STANDARD_INPUT or (path.exists() and not path.is_file())


def is_plain_gzip(start: bytes) -> bool:
    """Whether a file that begins with these bytes, 16 or more, is gzip but not bgzip."""
    return start.startswith(_GZIP_MAGIC) and start[12:16] != _BGZF_EXTRA


def is_cut_short(path: Path) -> bool:
    """Whether a bgzip file lacks its end, which htslib would read as the end of the data."""
    if not path.is_file() or path.stat().st_size < len(_BGZF_END):
        return False
    with path.open("rb") as handle:
        if handle.read(18)[12:16] != _BGZF_EXTRA:
            return False
        handle.seek(-len(_BGZF_END), os.SEEK_END)
        return handle.read() != _BGZF_END


class VariantStream:
    """A file of variants, opened once, whose bytes a thread writes into a pipe.

    Attributes
    ----------
    descriptor
        Where to read them, plain gzip unpacked; to be closed by the caller.
    fault
        What was wrong with the bytes, once they have been read to their end; empty for nothing.
    """

    def __init__(self, path: Path) -> None:
        self.fault = ""
        source = sys.stdin.buffer if str(path) == STANDARD_INPUT else path.open("rb")
        self.descriptor, writing = os.pipe()
        threading.Thread(target=self._copy, args=(source, writing), daemon=True).start()

    def _copy(self, source: IO[bytes], writing: int) -> None:
        end = b""
        try:
            with os.fdopen(writing, "wb") as pipe, source:
                start = source.peek(18)  # type: ignore[attr-defined]
                unpack = is_plain_gzip(start)
                given: IO[bytes] = gzip.GzipFile(fileobj=source) if unpack else source  # type: ignore[assignment]
                while chunk := given.read(_CHUNK):
                    pipe.write(chunk)
                    end = (end + chunk)[-len(_BGZF_END) :]
                if start[12:16] == _BGZF_EXTRA and end != _BGZF_END:
                    self.fault = "is cut short: its bgzip end marker is missing"
        except BrokenPipeError:
            pass  # nobody reads on
        except (EOFError, OSError, zlib.error) as error:
            self.fault = f"is damaged or cut short: {error}"

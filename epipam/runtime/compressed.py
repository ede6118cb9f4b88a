"""Telling compressed files from others, by what is in them."""

from __future__ import annotations

from io import BufferedReader
from pathlib import Path

_GZIP_MAGIC = b"\x1f\x8b"


def is_gzip(file: Path | BufferedReader) -> bool:
    """Whether a file holds gzip or bgzip.

    Parameters
    ----------
    file
        Its path, or the file opened for reading, of which nothing is consumed: a pipe will do.
    """
    if isinstance(file, BufferedReader):
        return file.peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)] == _GZIP_MAGIC
    with file.open("rb") as handle:
        return is_gzip(handle)

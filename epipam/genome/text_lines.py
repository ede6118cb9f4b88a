"""Lines of text files from anywhere: plain or gzip, from a file or a pipe, in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from epipam.errors import EpipamError

LONGEST_LINE = 1_000_000

_GZIP_MAGIC = b"\x1f\x8b"


def read_lines(path: str | Path, what: str, error: type[EpipamError]) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of each line of UTF-8 text, numbers from 1, line ends taken off.

    The file is opened once and read in order, so that it may be a pipe. Gzip is told by its first
    bytes. A byte order mark is passed over.

    Parameters
    ----------
    what
        What the file should be, for messages: `a MEME file`.
    error
        What is raised, with one line that names the file.

    Raises
    ------
    error
        For a file that is missing, a folder, damaged gzip or no UTF-8, and for a line of more than
        `LONGEST_LINE` bytes.
    """
    number = 0
    try:
        with Path(path).open("rb") as plain:
            packed = plain.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
            with gzip.GzipFile(fileobj=plain) if packed else plain as handle:
                while line := handle.readline(LONGEST_LINE + 1):
                    number += 1
                    if len(line) > LONGEST_LINE:
                        raise error(
                            f"{path}:{number}: is a line of more than {LONGEST_LINE:,} bytes: "
                            f"this is not {what}"
                        )
                    yield (
                        number,
                        line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n"),
                    )
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except IsADirectoryError:
        raise error(f"{path}: is a folder, not {what}") from None
    except UnicodeDecodeError:
        raise error(
            f"{path}:{number}: is not text in UTF-8; if it is Latin-1, "
            f"`iconv -f latin1 -t utf8` converts it"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise error(f"{path}: is damaged gzip: {fault}; copy or download it again") from None

"""Files that appear under their name when they are whole, and not before."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from epipam.errors import EpipamError

_DEFAULT_MODE = 0o666


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to, beside `path`; it becomes `path` when the block ends well.

    The partial file has a name of its own, so that two processes that write the same file do not
    write into each other's: the last to end wins, whole.

    Raises
    ------
    EpipamError
        Where writing fails, naming `path`.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _failure(path, error) from None
    partial = Path(name)
    try:
        yield partial
        _sync(partial)
        partial.chmod(_DEFAULT_MODE & ~_umask())
        os.replace(partial, path)
    except OSError as error:
        if error.filename not in (None, name):  # of another file, which names itself
            raise
        raise _failure(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a whole UTF-8 text file."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _failure(path: Path, error: OSError) -> EpipamError:
    return EpipamError(f"{path}: cannot be written: {error.strerror or error}")


def _sync(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

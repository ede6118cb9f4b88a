"""Files and folders that appear under their name when they are whole, and not before."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from epipam.errors import EpipamError, RequestError

_DEFAULT_MODE = 0o666


def check_new_file(path: Path, what: str, endings: Sequence[str], *, overwrite: bool) -> str:
    """Return the ending of a file that is to be written, the longest of `endings` that fits.

    Parameters
    ----------
    what
        What the file is to hold, for messages.
    overwrite
        Whether it may exist.

    Raises
    ------
    RequestError
        For any other ending, a path that no file can have, and a file that must not be replaced.
    """
    if path.is_dir():
        raise RequestError(f"{path}: is a folder; name a file for {what}")
    ending = next((e for e in sorted(endings, key=len, reverse=True) if path.name.endswith(e)), "")
    if not ending:
        raise RequestError(f"{path}: the ending must be one of {', '.join(endings)}")
    nearest = next((parent for parent in path.parents if parent.exists()), None)
    if nearest is not None and not nearest.is_dir():
        raise RequestError(f"{path}: cannot be written: {nearest} is a file, not a folder")
    if path.exists() and not overwrite:
        raise RequestError(f"{path}: exists already; choose another name or pass --overwrite")
    return ending


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


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new folder to fill, beside `path`; it becomes `path` when the block ends well.

    It is made at the beginning, so that where nothing can be written no work is done in vain.

    Raises
    ------
    RequestError
        Where `path` exists.
    EpipamError
        Where no folder can be made there.
    """
    path = Path(path)
    if path.exists():
        raise RequestError(f"{path}: exists already; choose another name, or remove it")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise _failure(path, error) from None
    try:
        yield partial
        os.rename(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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

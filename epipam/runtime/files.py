"""Files and folders that appear under their name when they are whole, and not before.

While one is written, its name is locked (see `locks`) and it grows beside its place under a random
hidden name; what a killed process left there goes when the same output is written again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from epipam.errors import EpipamError, RequestError
from epipam.runtime.locks import output_lock
from epipam.runtime.placing import (
    clear_leftovers,
    new_partial_file,
    new_partial_folder,
    put_folder_in_place,
    remove,
    sync,
    sync_tree,
)

# Indexes of bgzip files: of positions, and of blocks.
INDEX_SUFFIXES = (".tbi", ".csi", ".gzi")

_FILE_MODE, _FOLDER_MODE = 0o666, 0o777
_WAYS_OUT = {
    errno.ENOSPC: "make room there, or choose another place",
    errno.EDQUOT: "make room there, or choose another place",
    errno.EFBIG: "the system limits the size of a file: raise it (ulimit -f), or write elsewhere",
    errno.EROFS: "choose a folder that can be written to",
    errno.EACCES: "choose a folder that can be written to",
    errno.EPERM: "choose a folder that can be written to",
    errno.EXDEV: "that name is a place where something is mounted: choose a name in its folder",
    errno.EBUSY: "that name is a place where something is mounted: choose a name in its folder",
    errno.ENAMETOOLONG: "choose a shorter name",
}


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
    _refuse_dangling(path)
    if not overwrite:
        _require_no_file(path)
    return ending


@contextmanager
def whole_file(path: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a path to write to, beside `path`; it becomes `path` when the block ends well.

    Indexes of an earlier bgzip file of that name go right before: none is ever beside other data.

    Parameters
    ----------
    overwrite
        Whether a file of that name may be replaced; looked at when the block begins and again
        right before the file gets its name.

    Raises
    ------
    OutputTaken
        Where another process is writing `path`.
    RequestError
        Where `path` must not be replaced.
    EpipamError
        Where writing fails, naming `path`.
    """
    path = Path(path)
    with ExitStack() as stack:
        try:
            _begin(path, stack)
            if not overwrite:
                _require_no_file(path)
            partial = new_partial_file(path)
        except OSError as error:
            raise failure(path, error) from None
        stack.callback(partial.unlink, missing_ok=True)
        try:
            yield partial
            partial.chmod(_FILE_MODE & ~_umask())
            sync(partial)
            if not overwrite:
                _require_no_file(path)
            _remove_indexes(path)
            os.replace(partial, path)
            sync(path.parent)
        except OSError as error:
            if error.filename not in (None, str(partial)):  # of another file, which names itself
                raise
            raise failure(path, error) from error


def require_absent(path: Path) -> None:
    """Raise a RequestError where there is anything under a name."""
    if os.path.lexists(path):
        raise RequestError(f"{path}: exists already; choose another name, or remove it")


@contextmanager
def whole_folder(
    path: str | Path, require_free: Callable[[Path], None] = require_absent
) -> Iterator[Path]:
    """Yield a new folder to fill, beside `path`; it becomes `path` when the block ends well.

    It is made at the beginning, so that where nothing can be written no work is done in vain.

    Parameters
    ----------
    require_free
        Called with `path` at the beginning and right before the folder gets its name; raises a
        RequestError where what is there must stay. What it lets pass is replaced at one moment.

    Raises
    ------
    OutputTaken
        Where another process is writing `path`.
    RequestError
        From `require_free`; without it, where `path` exists.
    EpipamError
        Where writing fails, naming `path`.
    """
    path = Path(path)
    require_free(path)
    with ExitStack() as stack:
        try:
            _begin(path, stack)
            require_free(path)
            partial = new_partial_folder(path)
        except OSError as error:
            raise failure(path, error) from None
        stack.callback(remove, partial)
        try:
            yield partial
            partial.chmod(_FOLDER_MODE & ~_umask())
            sync_tree(partial)
            require_free(path)
            put_folder_in_place(partial, path)
        except OSError as error:
            is_inside = str(error.filename or "").startswith(str(partial))
            if not is_inside and (error.filename is not None or error.errno not in _WAYS_OUT):
                raise  # of another file, or of a reader
            raise failure(path, error) from error
        except EpipamError as error:
            if type(error) is not EpipamError or str(partial) not in str(error):
                raise
            raise EpipamError(str(error).replace(str(partial), str(path))) from error


def require_only(folder: Path, ours: Collection[str]) -> None:
    """Raise a RequestError where a folder that is to be replaced holds anything that is not ours.

    Parameters
    ----------
    ours
        Names, relative to the folder and with `/`, of files and folders that epipam writes there.
    """
    for found in sorted(folder.rglob("*")):
        name = found.relative_to(folder).as_posix()
        if name not in ours and "__pycache__" not in name.split("/"):
            raise RequestError(
                f"{folder}: holds {name}, which epipam has not written, so it is not replaced; "
                f"move that file away, or choose another name"
            )


def write_text(path: str | Path, text: str, *, overwrite: bool = True) -> None:
    """Write a whole UTF-8 text file."""
    with whole_file(path, overwrite=overwrite) as partial:
        partial.write_text(text, encoding="utf-8")


def failure(path: Path, error: OSError) -> EpipamError:
    """Return the error, of one line, for a path that cannot be written; it names the way out."""
    return EpipamError(f"{path}: cannot be written: {reason(error)}")


def reason(error: OSError) -> str:
    """Say why an operation on a file failed, and what can be done about it where that is known."""
    why = error.strerror or " ".join(str(error).split())
    way_out = _WAYS_OUT.get(error.errno or 0)
    return why if way_out is None else f"{why}; {way_out}"


def _begin(path: Path, stack: ExitStack) -> None:
    """Make the folder of an output, lock its name, and clear what killed processes left."""
    _refuse_dangling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # its folder is a file
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from error
    if stack.enter_context(output_lock(path)):
        clear_leftovers(path)


def _refuse_dangling(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise RequestError(
            f"{path}: is a link to {os.readlink(path)}, which is not there; remove the link, or "
            f"choose another name"
        )


def _require_no_file(path: Path) -> None:
    if os.path.lexists(path):
        raise RequestError(f"{path}: exists already; choose another name or pass --overwrite")


def _remove_indexes(path: Path) -> None:
    if path.suffix == ".gz":
        for suffix in INDEX_SUFFIXES:
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

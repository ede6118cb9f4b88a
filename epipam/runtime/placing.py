"""Bringing files to the disk, and giving what is finished its final name."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PARTIAL, REPLACED = ".partial", ".replaced"

_SYNCS = 8
_AT_WORKING_FOLDER, _EXCHANGE = -100, 2
# What renameat2 answers where the kernel, a sandbox or the file system does not know the exchange.
_NO_EXCHANGE = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM})
# What fsync of a folder answers on file systems that have no such thing.
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES})


def new_partial_folder(path: Path) -> Path:
    """Make a folder beside `path`, with a random hidden name, in which it can grow."""
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent))


def new_partial_file(path: Path) -> Path:
    """Make an empty file beside `path`, with a random hidden name, in which it can grow."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent)
    os.close(handle)
    return Path(name)


def clear_leftovers(path: Path) -> None:
    """Remove what killed processes that wrote `path` have left beside it.

    Of one that was killed between the two renames of a replacement, the old folder is put back.
    To be called by whoever holds the lock of `path`: nobody else is writing it then.
    """
    # As tempfile makes them; nothing else, since `.a.b.x.partial` is of `a.b` and not of `a`.
    ours = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}({PARTIAL}|{REPLACED})")
    found = [entry.name for entry in os.scandir(path.parent) if ours.fullmatch(entry.name)]
    for name in found:
        leftover = path.with_name(name)
        if name.endswith(REPLACED) and not os.path.lexists(path) and any(leftover.iterdir()):
            os.rename(leftover, path)
        else:
            remove(leftover)


def put_folder_in_place(new: Path, place: Path) -> None:
    """Give a finished folder its final name at one moment; the folder that had that name goes.

    Where the file system cannot exchange two names, the old folder has another name for a moment,
    and gets its own back if that moment goes wrong.
    """
    if not os.path.lexists(place):
        os.rename(new, place)
        sync(place.parent)
        return
    old = new if exchange(new, place) else _replace_keeping_backup(new, place)
    sync(place.parent)
    remove(old)


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system or the file system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    names = (os.fsencode(one), os.fsencode(other))
    if rename(_AT_WORKING_FOLDER, names[0], _AT_WORKING_FOLDER, names[1], _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def _replace_keeping_backup(new: Path, place: Path) -> Path:
    """Give a folder its name; return where the one that had it is now."""
    backup = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=REPLACED, dir=place.parent))
    os.rename(place, backup)
    try:
        os.rename(new, place)
    except BaseException:
        os.rename(backup, place)
        raise
    return backup


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; a link, not what it points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (path.is_dir() and error.errno in _NO_FOLDER_SYNC):
            raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Have a folder and all that is in it written to the disk."""
    _sync_all((*folder.rglob("*"), folder))


def sync_folders(folder: Path) -> None:
    """Have the names in a folder and in those below it written to the disk."""
    _sync_all(Path(path) for path, _, _ in os.walk(folder))


def _sync_all(paths: Iterable[Path]) -> None:
    # At once: a file system writes many waiting files in about the time of one.
    with ThreadPoolExecutor(_SYNCS) as pool:
        list(pool.map(sync, paths))

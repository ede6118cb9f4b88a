"""Locks beside outputs: one process at a time writes an output, and the next learns who does.

For `NAME` the lock is `.NAME.lock`. It says in words who holds it, and is removed when it is given
back; one that a killed process left is nobody's, and is taken and removed by the next.
"""

from __future__ import annotations

import errno
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from epipam.errors import RequestError

logger = logging.getLogger(__name__)

# What flock answers on a file system that has no locks.
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})


class OutputTaken(RequestError):
    """An output that another process is writing.

    Attributes
    ----------
    holder
        Who does, in words; empty where that is not known.
    """

    holder = ""


@contextmanager
def output_lock(path: Path) -> Iterator[bool]:
    """Hold the name of an output; a second process that wants to write it is refused at once.

    Parameters
    ----------
    path
        File or folder that is to be written; its folder must exist.

    Yields
    ------
    bool
        False where the file system has no locks, which is logged as a warning: then nobody is kept
        out.

    Raises
    ------
    OutputTaken
        Where another process, or this one, is writing `path`.
    """
    place = lock_path(path)
    lock = _lock(place)
    if not _take_at_once(lock, path):
        yield False
        return
    try:
        _sign(place)
        yield True
    finally:
        # While it is held: who waits for the removed file finds that out, and makes a new one.
        place.unlink(missing_ok=True)
        lock.release()


@contextmanager
def waiting_lock(place: Path) -> Iterator[None]:
    """Hold a lock file for a moment, after waiting for whoever has it; the file is removed after.

    Where the file system has no locks, that is logged and nobody is kept out.
    """
    lock = _lock(place)
    try:
        lock.acquire()
    except OSError as error:
        _warn_of_no_locks(place, error)
        yield
        return
    try:
        yield
    finally:
        place.unlink(missing_ok=True)
        lock.release()


def lock_path(path: Path) -> Path:
    """Return the lock file of an output; one for all ways to write its path."""
    place = Path(os.path.abspath(path))
    return place.with_name(f".{place.name}.lock")


def _lock(place: Path) -> FileLock:
    # Without flock a mere file would be the lock, and a killed process's would stay for ever where
    # each process is number 1, as in a container.
    return FileLock(place, thread_local=False, fallback_to_soft=False)


def _take_at_once(lock: FileLock, path: Path) -> bool:
    """Take a lock or refuse; False where there are no locks."""
    place = lock_path(path)
    while True:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            try:
                holder = place.read_text(encoding="utf-8", errors="replace").strip()
            except FileNotFoundError:  # given back meanwhile
                continue
            who = f" ({holder})" if holder else ""
            taken = OutputTaken(
                f"{path}: another process is writing it{who}; wait for it, or choose another name"
            )
            taken.holder = who
            raise taken from None
        except OSError as error:
            _warn_of_no_locks(place, error)
            return False
        return True


def _sign(place: Path) -> None:
    """Write into a lock file who holds it."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    place.write_text(f"process {os.getpid()} on {platform.node()}, since {now}\n", encoding="utf-8")


def _warn_of_no_locks(place: Path, error: OSError) -> None:
    """Log that a file system has no locks; raise any other error."""
    if error.errno not in _NO_LOCKS:
        raise error
    with suppress(OSError):
        place.unlink(missing_ok=True)
    logger.warning(
        "%s: this file system has no locks (%s): see to it that no other process writes there",
        place.parent,
        error.strerror,
    )

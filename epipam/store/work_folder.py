"""The folder in which a store is made: locked, resumed after a kill, put in place when whole.

For `NAME` the work is done in `.NAME.building`; `.NAME.building.json` beside it says what is being
made there, is locked while a build runs, and goes when the folder does. Workers write in
`.NAME.building.attempts`, each attempt at a contig in a folder of its own: of an attempt that was
given up but still runs somewhere, nothing reaches the work folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from epipam.errors import RequestError, StoreError
from epipam.store import schema

_SYNCS = 8


class WorkFolder(NamedTuple):
    """Where to work.

    Attributes
    ----------
    path
        What will be the store.
    attempts
        An empty folder beside it, where workers write.
    continued
        Whether an earlier run of the same request left something in `path`.
    """

    path: Path
    attempts: Path
    continued: bool


@contextmanager
def work_folder(out: Path, request: dict[str, Any], *, overwrite: bool) -> Iterator[WorkFolder]:
    """Hold the work folder of `out`: nobody else's, and empty unless it is of the same request.

    Parameters
    ----------
    out
        Folder of the store.
    request
        What must be equal for a killed build to be gone on with.
    overwrite
        As for `require_free`.

    Raises
    ------
    StoreError
        Where another build holds the folder.
    RequestError
        Where another build has put a store in place meanwhile.
    """
    path = out.with_name(f".{out.name}.building")
    path.parent.mkdir(parents=True, exist_ok=True)
    note = path.with_name(f"{path.name}.json")
    attempts = path.with_name(f"{path.name}.attempts")
    with _locked(note, path) as handle:
        try:
            require_free(out, overwrite=overwrite)
            text = json.dumps(request)
            continued = path.is_dir() and handle.read() == text
            if not continued:
                _begin(path, handle, text)
            shutil.rmtree(attempts, ignore_errors=True)
            attempts.mkdir()
            yield WorkFolder(path, attempts, continued)
        finally:
            shutil.rmtree(attempts, ignore_errors=True)
            if not path.exists():
                note.unlink()


def require_free(out: Path, *, overwrite: bool) -> None:
    """Raise a RequestError where `out` exists, unless it is a store that may be overwritten."""
    if not os.path.lexists(out):
        return
    if not overwrite:
        raise RequestError(f"{out}: exists already; choose another name or pass --overwrite")
    if out.is_symlink() or not _is_store(out):
        raise RequestError(f"{out}: is no epipam store, and --overwrite replaces nothing else")


def finish(folder: Path, attributes: dict[str, Any]) -> None:
    """Make a work folder a store: its attributes, by which readers know it, are written last."""
    document = root_document(attributes, str(folder))
    # Beside the folder, not in it: a kill leaves nothing in the store that does not belong there.
    partial = folder.with_name(f"{folder.name}.partial")
    partial.write_bytes(document)
    sync(partial)
    partial.rename(folder / schema.METADATA_FILE)
    sync(folder)


def root_document(attributes: dict[str, Any], where: str) -> bytes:
    """Return the root group's metadata, which holds a store's attributes, after checking them."""
    schema.validate_attributes({schema.ATTRIBUTE: attributes}, where)
    return schema.group_document(attributes)


def is_store_document(text: bytes) -> bool:
    """Whether the metadata of a root group are those of a store."""
    try:
        return json.loads(text)["attributes"][schema.ATTRIBUTE]["format"] == schema.FORMAT
    except (ValueError, KeyError, TypeError):
        return False


def put_contig_in_place(group: Path, folder: Path) -> None:
    """Give a contig's group, written elsewhere on the same disk, its place in a work folder.

    What a killed build has left there of it goes.
    """
    place = folder / group.name
    shutil.rmtree(place, ignore_errors=True)
    group.rename(place)
    sync(folder)


def put_in_place(folder: Path, out: Path) -> None:
    """Give a finished folder its final name; a store that had it goes."""
    old = out.with_name(f".{out.name}.replaced")
    if out.exists():
        shutil.rmtree(old, ignore_errors=True)
        out.rename(old)
    folder.rename(out)
    sync(out.parent)
    shutil.rmtree(old, ignore_errors=True)


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


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(note: Path, folder: Path) -> Iterator[IO[str]]:
    with note.open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.path.samestat(os.fstat(handle.fileno()), note.stat())
        except (BlockingIOError, FileNotFoundError):
            held = False
        if not held:
            raise StoreError(f"{folder}: another build is writing here; wait for it")
        handle.seek(0)
        yield handle


def _begin(folder: Path, handle: IO[str], text: str) -> None:
    handle.truncate(0)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    handle.write(text)
    handle.flush()


def _is_store(folder: Path) -> bool:
    try:
        return is_store_document((folder / schema.METADATA_FILE).read_bytes())
    except OSError:
        return False

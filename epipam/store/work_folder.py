"""The folder in which a store is made: locked, resumed after a kill, put in place when whole.

For `NAME` the work is done in `.NAME.building`; `.NAME.building.json` beside it says what is being
made there, and goes when the folder does. `.NAME.lock` is held while a build runs. Workers write in
`.NAME.building.attempts`, each attempt at a contig in a folder of its own: of an attempt that was
given up but still runs somewhere, nothing reaches the work folder.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from epipam.errors import RequestError, StoreError
from epipam.runtime.files import write_text
from epipam.runtime.locks import OutputTaken, output_lock
from epipam.runtime.placing import (
    clear_leftovers,
    new_partial_folder,
    put_folder_in_place,
    sync,
)
from epipam.store import schema


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
    with _locked(out, path):
        try:
            require_free(out, overwrite=overwrite)
            text = json.dumps(request)
            continued = path.is_dir() and note.exists() and note.read_text("utf-8") == text
            if not continued:
                _begin(path, note, text)
            shutil.rmtree(attempts, ignore_errors=True)
            attempts.mkdir()
            yield WorkFolder(path, attempts, continued)
        finally:
            shutil.rmtree(attempts, ignore_errors=True)
            if not path.exists():
                note.unlink(missing_ok=True)


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
    if out.exists():
        # After the exchange the old store has this name: it must not be gone on with as a build.
        whole = new_partial_folder(out)
        folder.rename(whole)
        folder = whole
    put_folder_in_place(folder, out)


@contextmanager
def _locked(out: Path, folder: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            alone = stack.enter_context(output_lock(out))
        except OutputTaken as taken:
            raise StoreError(
                f"{folder}: another build is writing here{taken.holder}; wait for it"
            ) from None
        if alone:
            clear_leftovers(out)
        yield


def _begin(folder: Path, note: Path, text: str) -> None:
    note.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    write_text(note, text)


def _is_store(folder: Path) -> bool:
    try:
        return is_store_document((folder / schema.METADATA_FILE).read_bytes())
    except OSError:
        return False

"""A store that is made at a URL: contig by contig, its root's attributes last.

For `NAME` the object `.NAME.building.json` beside it says what is being made there and by which
run. Object storage has no locks: the last run to begin takes over, and the tasks of one before it,
which may outlive their client on another machine, stop before the next files they would put.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epipam.errors import RequestError, StoreError
from epipam.runtime.locations import RemoteFolder
from epipam.store import schema
from epipam.store.work_folder import is_store_document, root_document

_PUT_TOGETHER = 16
_REMOVE_TOGETHER = 1_000
_IN_A_BUCKET = re.compile(r"[^/]+//[^/]+/.")


@dataclass(frozen=True)
class RemoteBuild:
    """A build at a URL; pickles, so that tasks elsewhere put files on its behalf.

    Attributes
    ----------
    folder
        Where the store will be.
    run
        By which this run is told from others.
    """

    folder: RemoteFolder
    run: str

    def finished_contig(self, name: str) -> dict[str, Any] | None:
        """Return the summary of a contig's group, or None where it was not written to its end."""
        try:
            document = json.loads(self.folder.read(f"{name}/{schema.METADATA_FILE}"))
            return document["attributes"][schema.ATTRIBUTE]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def put_contig(self, group: Path) -> None:
        """Put a contig's whole group, its own attributes last.

        Raises
        ------
        StoreError
            Where another run has taken over.
        """
        marker = group / schema.METADATA_FILE
        files = sorted(file for file in group.rglob("*") if file.is_file() and file != marker)
        for first in range(0, len(files), _PUT_TOGETHER):
            self._put(group.parent, files[first : first + _PUT_TOGETHER])
        self._put(group.parent, [marker])

    def finish(self, attributes: dict[str, Any]) -> None:
        """Make it a store: its attributes, by which readers know it, are written last."""
        self._require_own()
        self.folder.write(schema.METADATA_FILE, root_document(attributes, str(self.folder)))
        self.folder.beside().remove([note_name(self.folder)])

    def _put(self, top: Path, files: list[Path]) -> None:
        self._require_own()
        self.folder.put_all({file.relative_to(top).as_posix(): file for file in files})

    def _require_own(self) -> None:
        if read_note(self.folder).get("run") != self.run:
            raise StoreError(f"{self.folder}: another build is writing here; wait for it")


@contextmanager
def remote_build(
    folder: RemoteFolder, request: dict[str, Any], *, overwrite: bool
) -> Iterator[tuple[RemoteBuild, bool]]:
    """Take over the place of a store; yield the build, and whether it goes on with an earlier one.

    Parameters are those of `work_folder`.

    Raises
    ------
    RequestError
        As `require_free_url` does.
    EpipamError
        Where the URL cannot be reached or written to.
    """
    require_free_url(folder, overwrite=overwrite)
    build = RemoteBuild(folder, secrets.token_hex(8))
    continued = read_note(folder).get("request") == request
    # Without the request: what is there is of another build until it has been removed.
    _write_note(build, request if continued else None)
    # The root's attributes first: half of a store must not look like one.
    folder.remove([schema.METADATA_FILE])
    if not continued:
        there = list(folder.sizes())
        for first in range(0, len(there), _REMOVE_TOGETHER):
            folder.remove(there[first : first + _REMOVE_TOGETHER])
        _write_note(build, request)
    yield build, continued


def require_free_url(folder: RemoteFolder, *, overwrite: bool) -> None:
    """Raise a RequestError where something is there, unless it is a store to be overwritten.

    What an unfinished build has left is nothing.
    """
    if not _IN_A_BUCKET.match(folder.url):
        raise RequestError(f"{folder}: is a whole bucket; name a store in it: {folder}/NAME.zarr")
    try:
        root = folder.read(schema.METADATA_FILE)
    except FileNotFoundError:
        if folder.sizes() and not read_note(folder):
            raise RequestError(
                f"{folder}: exists already and is no epipam store; choose another name"
            ) from None
        return
    if not overwrite:
        raise RequestError(f"{folder}: exists already; choose another name or pass --overwrite")
    if not is_store_document(root):
        raise RequestError(f"{folder}: is no epipam store, and --overwrite replaces nothing else")


def note_name(folder: RemoteFolder) -> str:
    """Return the name of the object, beside the store, that says what is being made."""
    return f".{folder.name}.building.json"


def read_note(folder: RemoteFolder) -> dict[str, Any]:
    """Return what is being made there and by which run; empty where nothing is."""
    try:
        note = json.loads(folder.beside().read(note_name(folder)))
    except (FileNotFoundError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _write_note(build: RemoteBuild, request: dict[str, Any] | None) -> None:
    text = json.dumps({"run": build.run, "request": request})
    build.folder.beside().write(note_name(build.folder), text.encode("utf-8"))

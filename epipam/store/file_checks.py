"""Whether the files of a store are those that were written: sizes first, checksums at first use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import google_crc32c

from epipam.errors import StoreError
from epipam.runtime.locations import LocalFolder, RemoteFolder


class FileNote(TypedDict):
    """What a store notes of a file: its bytes, and their CRC-32C in hexadecimal digits."""

    size: int
    crc32c: str


def note_of(data: bytes) -> FileNote:
    """Return what a store notes of a file that holds `data`."""
    return {"size": len(data), "crc32c": f"{google_crc32c.value(data):08x}"}


class FileChecks:
    """Compares the files of a store with what its root's attributes say was written.

    A folder's files are compared when they are first used, once in a process; of a URL only the
    sizes are, since parts of files are read there. Nothing is compared in stores of formats before
    1.2, which say nothing of their files.

    Parameters
    ----------
    folder
        The store's.
    notes
        By path below it.
    """

    def __init__(
        self, folder: LocalFolder | RemoteFolder, where: str, notes: Mapping[str, FileNote]
    ) -> None:
        self._folder = folder
        self._where = where
        self._notes = notes
        self._intact: set[str] = set()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_intact": set()}

    def require_sizes(self) -> None:
        """Raise a StoreError for files that are missing, or of another size than was written."""
        if not self._notes:
            return
        found = self._folder.sizes()
        damage = [
            f"{name} {_size_damage(note['size'], found.get(name))}"
            for name, note in self._notes.items()
            if found.get(name) != note["size"]
        ]
        # Of a URL that cannot be listed, nothing is known.
        if damage and (found or isinstance(self._folder, LocalFolder)):
            more = f" (and {len(damage) - 1} more files)" if len(damage) > 1 else ""
            raise damaged(self._where, damage[0] + more)

    def require_intact(self, name: str) -> None:
        """Raise a StoreError where a file is not what was written; the first time it is asked."""
        if name in self._intact or not isinstance(self._folder, LocalFolder):
            return
        if (note := self._notes.get(name)) is not None:
            try:
                found = note_of((self._folder.path / name).read_bytes())
            except FileNotFoundError:
                raise damaged(self._where, f"{name} is missing") from None
            if found["size"] != note["size"]:
                raise damaged(self._where, f"{name} {_size_damage(note['size'], found['size'])}")
            if found != note:
                raise damaged(self._where, f"{name} differs from what was written")
        self._intact.add(name)

    def require_all(self) -> None:
        """Raise a StoreError unless every file is there and what was written."""
        self.require_sizes()
        for name in self._notes:
            self.require_intact(name)

    def below(self, folder: str) -> dict[str, FileNote]:
        """Return what is noted of the files below a folder, by path below the store."""
        return {n: note for n, note in self._notes.items() if n.startswith(f"{folder}/")}

    def is_intact(self, name: str, data: bytes) -> bool:
        """Whether a file that holds `data` is what was written, as far as is known."""
        return self._notes.get(name, note_of(data)) == note_of(data)

    def forget(self, below: str) -> None:
        """Compare the files below a folder again at their next use."""
        self._intact -= {name for name in self._intact if name.startswith(f"{below}/")}


def damaged(where: str, what: str) -> StoreError:
    """Return the error of a damaged store: `what` begins with the name of the file or array."""
    text = " ".join(what.split())
    return StoreError(
        f"{where}/{text}; epipam verify lists what is damaged, epipam repair STORE GENOME PAIRS "
        f"builds it again"
    )


def _size_damage(written: int, found: int | None) -> str:
    return "is missing" if found is None else f"has {found:,} bytes, not {written:,}"

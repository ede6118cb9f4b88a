"""Reading a store: its attributes, its rows by chunk, its pairs, its digests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import zarr

from epipam.errors import EpipamError, StoreError
from epipam.pairs.table import COLUMNS, digest
from epipam.runtime.locations import LocalFolder, RemoteFolder, describe_outage, locate, outages
from epipam.store import schema

_ROW_ARRAYS = (schema.ENHANCER, schema.PROMOTER, schema.LABEL, schema.WINDOW)
# Files of a URL that are in memory at one time while they are verified.
_READ_TOGETHER = 16


class Rows(NamedTuple):
    """Some rows of a contig, in stored order.

    Attributes
    ----------
    enhancer, promoter
        uint8 (n, ceil(L / 2)): packed one-hot.
    label
        int8 (n,).
    window
        int64 (n, 6): columns as in `schema.WINDOW_COLUMNS`.
    """

    enhancer: np.ndarray
    promoter: np.ndarray
    label: np.ndarray
    window: np.ndarray


class PlanRows(NamedTuple):
    """What decides whether rows of a contig are read: label int8, copy int16, pair int64 (n,)."""

    label: np.ndarray
    copy: np.ndarray
    pair: np.ndarray


class Damage(NamedTuple):
    """A file of the store that is not what was written: its path and what is wrong."""

    path: str
    what: str


class Verdict(NamedTuple):
    """How many files of a contig were compared, and which are damaged."""

    files: int
    damage: tuple[Damage, ...]


def open_store(path: str | Path) -> Store:
    """Open a store for reading.

    Parameters
    ----------
    path
        Folder of the store, or its URL (`s3://bucket/pairs.zarr`).

    Raises
    ------
    StoreError
        Where the folder is no store, or a store this version cannot read.
    EpipamError
        Where a URL cannot be reached.
    """
    return Store(path)


class Store:
    """A store opened for reading; pickles, and opens its arrays lazily in each process.

    Parameters
    ----------
    path
        Folder of the store, or its URL (`s3://bucket/pairs.zarr`).

    Attributes
    ----------
    path
        The folder as a Path, or the URL as text.
    attributes
        The root's own attributes, as `schema.json` has them.

    Raises
    ------
    StoreError
        Where the folder is no store, or a store this version cannot read.
    EpipamError
        Where a URL cannot be reached.
    """

    def __init__(self, path: str | Path) -> None:
        place = locate(path)
        self.path: Path | str
        self._folder: LocalFolder | RemoteFolder
        if isinstance(place, RemoteFolder):
            self.path, self._folder = place.url, place
        else:
            self.path, self._folder = place, LocalFolder(place)
            if not place.exists():
                raise StoreError(f"{place}: no such store")
        self.attributes = schema.validate_attributes(self._root_attributes(), str(self.path))
        self._arrays: dict[tuple[str, str], zarr.Array] = {}
        self._files: dict[str, frozenset[str]] = {}
        self._pid = os.getpid()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_arrays": {}, "_files": {}}

    def origin(self) -> dict[str, Any]:
        """Return what tells this store from another: digests of genome and pairs, shifts, seed."""
        return {key: self.attributes[key] for key in ("genome", "pairs", "augmentation", "seed")}

    @property
    def contigs(self) -> tuple[str, ...]:
        """Names of the chromosomes that hold pairs."""
        return tuple(self.attributes["contigs"])

    @property
    def enhancer_length(self) -> int:
        """Window length, bp."""
        return self.attributes["enhancer_length"]

    @property
    def promoter_length(self) -> int:
        """Window length, bp."""
        return self.attributes["promoter_length"]

    def chunk_rows(self, contig: str) -> int:
        """How many rows a chunk of a contig's windows holds."""
        return self._array(contig, schema.ENHANCER).chunks[0]

    def n_rows(self, contig: str) -> int:
        """How many window pairs a contig holds, shifted copies included."""
        return self.attributes["contigs"][contig]["rows"]

    def read(self, contig: str, start: int, stop: int) -> Rows:
        """Read rows [start, stop) of a contig; whole chunks are cheapest.

        Raises
        ------
        StoreError
            Where files of the store are missing or damaged.
        """
        if isinstance(self._folder, LocalFolder):
            return Rows(*(self._read(contig, name, start, stop) for name in _ROW_ARRAYS))
        for name in _ROW_ARRAYS:
            self._array(contig, name)
        # Together: the time that a URL takes is that of its answers, one after the other.
        with ThreadPoolExecutor(len(_ROW_ARRAYS)) as pool:
            parts = pool.map(lambda name: self._read(contig, name, start, stop), _ROW_ARRAYS)
            return Rows(*parts)

    def read_plan(self, contig: str) -> Iterator[PlanRows]:
        """Yield label, copy and pair number of a contig's rows in order, whole chunks at a time."""
        pair_column, copy_column = (schema.WINDOW_COLUMNS.index(c) for c in ("pair", "copy"))
        for label, window in self.read_places(contig):
            yield PlanRows(label, window[:, copy_column].astype(np.int16), window[:, pair_column])

    def read_places(self, contig: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield label and window, as `Rows` has them, of a contig's rows in order: no sequence."""
        chunk = self.chunk_rows(contig)
        step = chunk * max(1, self._array(contig, schema.WINDOW).chunks[0] // chunk)
        for start in range(0, self.n_rows(contig), step):
            window = self._read(contig, schema.WINDOW, start, start + step)
            label = self._read(contig, schema.LABEL, start, start + step)
            yield label, window

    def pairs(self, contig: str) -> pd.DataFrame:
        """Return a contig's pairs: the canonical columns and `pair`, their number in the table."""
        region = self._read(contig, f"{schema.PAIRS}/{schema.REGION}")
        frame = pd.DataFrame(region, columns=list(schema.REGION_COLUMNS))
        for column in schema.NAME_COLUMNS:
            text = self._read(contig, f"{schema.PAIRS}/{column}").tobytes().decode("utf-8")
            frame[column] = pd.Series(text.split("\n")[:-1], dtype=object)
        for anchor in ("enhancer", "promoter"):
            frame[f"{anchor}_chrom"] = pd.Series([contig] * len(frame), dtype=object)
        frame["label"] = self._read(contig, f"{schema.PAIRS}/{schema.LABEL}")
        return frame[["pair", *COLUMNS]]

    def first_pair(self, contig: str) -> int:
        """Return the number in the pair table of a contig's first pair."""
        return int(self._read(contig, f"{schema.PAIRS}/{schema.REGION}", 0, 1)[0, 0])

    def group_files(self, contig: str) -> Iterator[tuple[str, bytes]]:
        """Yield (path below the store, bytes) of a contig's files, its own metadata last.

        Raises
        ------
        StoreError
            For a file that is not what was written.
        """
        own = f"{contig}/{schema.METADATA_FILE}"
        try:
            metadata = self._folder.read(own)
            digests = json.loads(metadata)["attributes"][schema.ATTRIBUTE]["digests"]
            for name, written in digests.items():
                data = self._folder.read(f"{contig}/{name}")
                if sha256(data).hexdigest() != written:
                    raise self._damaged(f"{contig}/{name}", "differs from what was written")
                yield f"{contig}/{name}", data
        except FileNotFoundError as error:
            raise self._damaged(contig, f"lacks the file {error.filename}") from None
        except (ValueError, KeyError, TypeError):
            raise self._damaged(own, "cannot be read") from None
        yield own, metadata

    def verify(self, contig: str) -> Verdict:
        """Compare every file of a contig's arrays with its SHA-256 at writing time."""
        own = f"{contig}/{schema.METADATA_FILE}"
        try:
            document = json.loads(self._folder.read(own))
            digests = dict(document["attributes"][schema.ATTRIBUTE]["digests"])
        except FileNotFoundError:
            return Verdict(1, (Damage(own, "is missing"),))
        except (OSError, ValueError, KeyError, TypeError):
            return Verdict(1, (Damage(own, "cannot be read"),))
        damage = []
        for name, found in self._digests([f"{contig}/{name}" for name in digests]):
            if found is None:
                damage.append(Damage(name, "is missing"))
            elif found != digests[name.removeprefix(f"{contig}/")]:
                damage.append(Damage(name, "differs from what was written"))
        return Verdict(len(digests), tuple(damage))

    def size_on_disk(self) -> int:
        """Return the bytes of all files of the store."""
        return sum(self._folder.sizes().values())

    def bits_per_base(self) -> float:
        """Return the bits on disk for each base of the stored windows, sequence arrays only."""
        n_rows = sum(self.n_rows(contig) for contig in self.contigs)
        n_bytes = sum(
            size
            for contig in self.contigs
            for name in (schema.ENHANCER, schema.PROMOTER)
            for size in self._folder.sizes(f"{contig}/{name}").values()
        )
        return 8 * n_bytes / (n_rows * (self.enhancer_length + self.promoter_length))

    def _digests(self, names: list[str]) -> Iterator[tuple[str, str | None]]:
        """Yield the SHA-256 of files, None where one is not there."""
        if isinstance(self._folder, LocalFolder):
            for name in names:
                path = self._folder.path / name
                yield name, digest(path) if path.is_file() else None
            return
        for first in range(0, len(names), _READ_TOGETHER):
            some = names[first : first + _READ_TOGETHER]
            found = self._folder.read_all(some)
            for name in some:
                yield name, sha256(found[name]).hexdigest() if name in found else None

    def _root_attributes(self) -> dict[str, Any]:
        try:
            document = json.loads(self._folder.read(schema.METADATA_FILE))
            return dict(document["attributes"])
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            raise StoreError(
                f"{self.path}: is no epipam store; epipam build-store makes one"
            ) from None

    def _read(
        self, contig: str, name: str, start: int | None = None, stop: int | None = None
    ) -> np.ndarray:
        array = self._array(contig, name)
        try:
            return np.asarray(array[start:stop])
        except _errors(ValueError, RuntimeError) as error:
            raise self._unreadable(f"{contig}/{name}", "cannot be read", error) from error

    def _array(self, contig: str, name: str) -> zarr.Array:
        if self._pid != os.getpid():
            self._arrays, self._files, self._pid = {}, {}, os.getpid()
        if (contig, name) not in self._arrays:
            self._arrays[contig, name] = self._open(contig, name)
        return self._arrays[contig, name]

    def _open(self, contig: str, name: str) -> zarr.Array:
        where = f"{contig}/{name}"
        try:
            array = zarr.open_array(self._folder.for_zarr(), path=where, mode="r", zarr_format=3)
        except _errors(ValueError, KeyError, TypeError) as error:
            raise self._unreadable(where, "cannot be opened", error) from error
        n_rows = array.shape[0]
        if name in _ROW_ARRAYS and n_rows != self.n_rows(contig):
            raise self._damaged(where, f"has {n_rows} rows, not {self.n_rows(contig)}")
        # To Zarr a file that is not there is a chunk of zeros; the writer leaves none out.
        if contig not in self._files:
            self._files[contig] = frozenset(self._folder.sizes(contig))
        for number in range(-(-n_rows // (array.shards or array.chunks)[0])):
            file = "/".join(["c", str(number), *["0"] * (array.ndim - 1)])
            if f"{where}/{file}" not in self._files[contig]:
                raise self._damaged(where, f"lacks the file {file}")
        return array

    def _unreadable(self, where: str, what: str, error: Exception) -> EpipamError:
        """Return the error to raise: damage of a folder, or a URL that cannot be reached."""
        away = isinstance(error, outages()) and not isinstance(error, FileNotFoundError)
        if away and isinstance(self._folder, RemoteFolder):
            why = describe_outage(self._folder.url, error)
            return EpipamError(f"{self.path}/{where}: {what}: {why}")
        return self._damaged(where, f"{what}: {error}")

    def _damaged(self, where: str, what: str) -> StoreError:
        text = " ".join(what.split())
        return StoreError(f"{self.path}/{where}: {text}; epipam verify lists what is damaged")


def _errors(*of_zarr: type[Exception]) -> tuple[type[Exception], ...]:
    return (*of_zarr, *outages())

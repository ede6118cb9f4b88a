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
from epipam.store.chunks import ERRORS, ChunkReader, chunk_file, chunk_reader
from epipam.store.file_checks import FileChecks, damaged

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

    Several threads may read at once. A file is compared with its checksum when it is first used.

    Parameters
    ----------
    path
        Folder of the store, or its URL (`s3://bucket/pairs.zarr`).
    check_sizes
        Whether to compare the sizes of its files with those that were written.

    Attributes
    ----------
    path
        The folder as a Path, or the URL as text.
    attributes
        The root's own attributes, as `schema.json` has them, without `files`.

    Raises
    ------
    StoreError
        Where the folder is no store, or a store this version cannot read, and where files are
        missing or not as long as they were written.
    EpipamError
        Where a URL cannot be reached.
    """

    def __init__(self, path: str | Path, *, check_sizes: bool = True) -> None:
        place = locate(path)
        self.path: Path | str
        self._folder: LocalFolder | RemoteFolder
        if isinstance(place, RemoteFolder):
            self.path, self._folder = place.url, place
        else:
            self.path, self._folder = place, LocalFolder(place)
            if not place.exists():
                raise StoreError(f"{place}: no such store")
        own = schema.validate_attributes(self._root_attributes(), str(self.path))
        self.attributes = schema.without_files(own)
        self._checks = FileChecks(self._folder, str(self.path), own.get(schema.FILES, {}))
        if check_sizes:
            self._checks.require_sizes()
        self._arrays = _Arrays.of_this_process()
        self._chunk_readers: dict[tuple[str, str], ChunkReader | None] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_arrays": _Arrays(0, {}, {}), "_chunk_readers": {}}

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
        stop = min(stop, self.n_rows(contig))
        if isinstance(self._folder, LocalFolder):
            return Rows(*(self._read_chunk(contig, name, start, stop) for name in _ROW_ARRAYS))
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
            if not self._checks.is_intact(own, metadata):
                raise self._damaged(own, "differs from what was written")
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
            text = self._folder.read(own)
            digests = dict(json.loads(text)["attributes"][schema.ATTRIBUTE]["digests"])
        except FileNotFoundError:
            return Verdict(1, (Damage(own, "is missing"),))
        except (OSError, ValueError, KeyError, TypeError):
            return Verdict(1, (Damage(own, "cannot be read"),))
        if not self._checks.is_intact(own, text):
            return Verdict(1, (Damage(own, "differs from what was written"),))
        damage = []
        for name, found in self._digests([f"{contig}/{name}" for name in digests]):
            if found is None:
                damage.append(Damage(name, "is missing"))
            elif found != digests[name.removeprefix(f"{contig}/")]:
                damage.append(Damage(name, "differs from what was written"))
        return Verdict(len(digests), tuple(damage))

    def require_written(self, contig: str, folder: Path) -> None:
        """Raise a StoreError unless a folder holds just the files that were written of a contig.

        Parameters
        ----------
        folder
            What the contig's group lies in, or something like it.
        """
        FileChecks(LocalFolder(folder), str(folder), self._checks.below(contig)).require_all()

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

    def _read(self, contig: str, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        array, where = self._array(contig, name), f"{contig}/{name}"
        stop = array.shape[0] if stop is None else min(stop, array.shape[0])
        rows_per_file = (array.shards or array.chunks)[0]
        for number in range(start // rows_per_file, -(-stop // rows_per_file)):
            self._checks.require_intact(f"{where}/{chunk_file(number, array.ndim)}")
        try:
            return np.asarray(array[start:stop])
        except _errors(ValueError, RuntimeError) as error:
            raise self._unreadable(where, "cannot be read", error) from error

    def _read_chunk(self, contig: str, name: str, start: int, stop: int) -> np.ndarray:
        """Read rows of one chunk past Zarr; other rows, and damaged ones, are left to Zarr."""
        try:
            reader = self._chunk_reader(contig, name)
            rows = None if reader is None else reader(start, stop)
        except ERRORS:
            # To Zarr, a file that was emptied since it was checked is full of zeros.
            self._checks.forget(f"{contig}/{name}")
            rows = None
        return self._read(contig, name, start, stop) if rows is None else rows

    def _chunk_reader(self, contig: str, name: str) -> ChunkReader | None:
        """Return what reads an array's chunks past Zarr, None where they lie in another way."""
        key, where = (contig, name), f"{contig}/{name}"
        if key not in self._chunk_readers:
            self._checks.require_intact(f"{where}/{schema.METADATA_FILE}")
            self._chunk_readers[key] = chunk_reader(
                Path(self.path, contig, name),
                self.n_rows(contig),
                lambda file: self._checks.require_intact(f"{where}/{file}"),
            )
        return self._chunk_readers[key]

    def _array(self, contig: str, name: str) -> zarr.Array:
        opened = self._arrays
        if opened.process != os.getpid():
            opened = self._arrays = _Arrays.of_this_process()
        array = opened.by_name.get((contig, name))
        if array is None:
            array = opened.by_name[contig, name] = self._open(contig, name)
        return array

    def _open(self, contig: str, name: str) -> zarr.Array:
        where = f"{contig}/{name}"
        self._checks.require_intact(f"{where}/{schema.METADATA_FILE}")
        try:
            array = zarr.open_array(self._folder.for_zarr(), path=where, mode="r", zarr_format=3)
        except _errors(ValueError, KeyError, TypeError) as error:
            raise self._unreadable(where, "cannot be opened", error) from error
        n_rows = array.shape[0]
        if name in _ROW_ARRAYS and n_rows != self.n_rows(contig):
            raise self._damaged(where, f"has {n_rows} rows, not {self.n_rows(contig)}")
        # To Zarr a file that is not there, or empty, is a chunk of zeros; the writer leaves none.
        sizes = self._arrays.sizes.get(contig)
        if sizes is None:  # of a contig at a time: a URL takes a while to list
            sizes = self._arrays.sizes[contig] = self._folder.sizes(contig)
        for number in range(-(-n_rows // (array.shards or array.chunks)[0])):
            file = chunk_file(number, array.ndim)
            if not (size := sizes.get(f"{where}/{file}")):
                what = "lacks the file" if size is None else "has no bytes in the file"
                raise self._damaged(where, f"{what} {file}")
        return array

    def _unreadable(self, where: str, what: str, error: Exception) -> EpipamError:
        """Return the error to raise: damage of a folder, or a URL that cannot be reached."""
        away = isinstance(error, outages()) and not isinstance(error, FileNotFoundError)
        if away and isinstance(self._folder, RemoteFolder):
            why = describe_outage(self._folder.url, error)
            return EpipamError(f"{self.path}/{where}: {what}: {why}")
        return self._damaged(where, f"{what}: {error}")

    def _damaged(self, where: str, what: str) -> StoreError:
        return damaged(str(self.path), f"{where}: {what}")


class _Arrays(NamedTuple):
    """Arrays that a process has opened, by contig and name, and sizes of files by contig."""

    process: int
    by_name: dict[tuple[str, str], zarr.Array]
    sizes: dict[str, dict[str, int]]

    @classmethod
    def of_this_process(cls) -> _Arrays:
        return cls(os.getpid(), {}, {})


def _errors(*of_zarr: type[Exception]) -> tuple[type[Exception], ...]:
    return (*of_zarr, *outages())

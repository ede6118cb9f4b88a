"""Reading a store: its attributes, its rows by chunk, its pairs, its digests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import zarr

from epipam.errors import StoreError
from epipam.pairs import COLUMNS, digest
from epipam.store import schema

_ROW_ARRAYS = (schema.ENHANCER, schema.PROMOTER, schema.LABEL, schema.WINDOW)


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


class Damage(NamedTuple):
    """A file of the store that is not what was written: its path and what is wrong."""

    path: str
    what: str


class Verdict(NamedTuple):
    """How many files of a contig were compared, and which are damaged."""

    files: int
    damage: tuple[Damage, ...]


class Store:
    """A store opened for reading; pickles, and opens its arrays lazily in each process.

    Parameters
    ----------
    path
        Folder of the store.

    Raises
    ------
    StoreError
        Where the folder is no store, or a store this version cannot read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise StoreError(f"{self.path}: no such store")
        self.attributes = schema.validate_attributes(self._root_attributes(), str(self.path))
        self._arrays: dict[tuple[str, str], zarr.Array] = {}
        self._pid = os.getpid()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_arrays": {}}

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
        return Rows(*(self._read(contig, name, start, stop) for name in _ROW_ARRAYS))

    def read_plan(self, contig: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (label int8, copy int16) of a contig's rows in order, whole chunks at a time."""
        copy_column = schema.WINDOW_COLUMNS.index("copy")
        chunk = self.chunk_rows(contig)
        step = chunk * max(1, self._array(contig, schema.WINDOW).chunks[0] // chunk)
        for start in range(0, self.n_rows(contig), step):
            window = self._read(contig, schema.WINDOW, start, start + step)
            label = self._read(contig, schema.LABEL, start, start + step)
            yield label, window[:, copy_column].astype(np.int16)

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

    def verify(self, contig: str) -> Verdict:
        """Compare every file of a contig's arrays with its SHA-256 at writing time."""
        own = f"{contig}/{schema.METADATA_FILE}"
        try:
            document = json.loads((self.path / own).read_text(encoding="utf-8"))
            digests = dict(document["attributes"][schema.ATTRIBUTE]["digests"])
        except FileNotFoundError:
            return Verdict(1, (Damage(own, "is missing"),))
        except (ValueError, KeyError, TypeError):
            return Verdict(1, (Damage(own, "differs from what was written"),))
        damage = []
        for name, expected in digests.items():
            path = self.path / contig / name
            if not path.is_file():
                damage.append(Damage(f"{contig}/{name}", "is missing"))
            elif digest(path) != expected:
                damage.append(Damage(f"{contig}/{name}", "differs from what was written"))
        return Verdict(len(digests), tuple(damage))

    def size_on_disk(self) -> int:
        """Return the bytes of all files of the store."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    def bits_per_base(self) -> float:
        """Return the bits on disk for each base of the stored windows, sequence arrays only."""
        n_rows = sum(self.n_rows(contig) for contig in self.contigs)
        n_bytes = sum(
            path.stat().st_size
            for contig in self.contigs
            for name in (schema.ENHANCER, schema.PROMOTER)
            for path in (self.path / contig / name).rglob("*")
            if path.is_file()
        )
        return 8 * n_bytes / (n_rows * (self.enhancer_length + self.promoter_length))

    def _root_attributes(self) -> dict[str, Any]:
        try:
            document = json.loads((self.path / schema.METADATA_FILE).read_text(encoding="utf-8"))
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
        except (ValueError, RuntimeError, OSError) as error:
            raise self._damaged(f"{contig}/{name}", f"cannot be read: {error}") from error

    def _array(self, contig: str, name: str) -> zarr.Array:
        if self._pid != os.getpid():
            self._arrays, self._pid = {}, os.getpid()
        if (contig, name) not in self._arrays:
            self._arrays[contig, name] = self._open(contig, name)
        return self._arrays[contig, name]

    def _open(self, contig: str, name: str) -> zarr.Array:
        where = f"{contig}/{name}"
        try:
            array = zarr.open_array(self.path / where, mode="r")
        except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(where, f"cannot be opened: {error}") from error
        n_rows = array.shape[0]
        if name in _ROW_ARRAYS and n_rows != self.n_rows(contig):
            raise self._damaged(where, f"has {n_rows} rows, not {self.n_rows(contig)}")
        # To Zarr a file that is not there is a chunk of zeros; the writer leaves none out.
        files = -(-n_rows // (array.shards or array.chunks)[0])
        for number in range(files):
            tail = [str(number), *["0"] * (array.ndim - 1)]
            if not self.path.joinpath(where, "c", *tail).is_file():
                raise self._damaged(where, f"lacks the file {'/'.join(['c', *tail])}")
        return array

    def _damaged(self, where: str, what: str) -> StoreError:
        text = " ".join(what.split())
        return StoreError(f"{self.path}/{where}: {text}; epipam verify lists what is damaged")

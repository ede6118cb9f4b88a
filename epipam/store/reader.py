"""Reading a store: its attributes, its rows by chunk, its pairs, its digests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import zarr
import zarr.errors

from epipam.errors import StoreError
from epipam.pairs import COLUMNS, digest
from epipam.store import schema


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


@dataclass(frozen=True)
class Damage:
    """A file of the store that is not what was written: its path and what is wrong."""

    path: str
    what: str


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
        self._groups: dict[str, zarr.Group] = {}
        self._arrays: dict[tuple[str, str], zarr.Array] = {}
        self._pid = os.getpid()

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_groups": {}, "_arrays": {}}

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

    def n_rows(self, contig: str) -> int:
        """How many window pairs a contig holds, shifted copies included."""
        return self.attributes["contigs"][contig]["rows"]

    def read(self, contig: str, start: int, stop: int) -> Rows:
        """Read rows [start, stop) of a contig; whole chunks are cheapest."""
        return Rows(
            *(
                np.asarray(self._array(contig, name)[start:stop])
                for name in (schema.ENHANCER, schema.PROMOTER, schema.LABEL, schema.WINDOW)
            )
        )

    def read_plan(self, contig: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (label int8, copy int16) of a contig's rows, one metadata chunk at a time."""
        labels = self._array(contig, schema.LABEL)
        windows = self._array(contig, schema.WINDOW)
        copy_column = schema.WINDOW_COLUMNS.index("copy")
        step = schema.ROWS_PER_SHARD
        for start in range(0, self.n_rows(contig), step):
            stop = start + step
            copies = np.asarray(windows[start:stop])[:, copy_column].astype(np.int16)
            yield np.asarray(labels[start:stop]), copies

    def pairs(self, contig: str) -> pd.DataFrame:
        """Return a contig's pairs: the canonical columns and `pair`, their number in the table."""
        region = np.asarray(self._array(contig, f"{schema.PAIRS}/region")[:])
        frame = pd.DataFrame(region, columns=list(schema.REGION_COLUMNS))
        for column in schema.NAME_COLUMNS:
            text = np.asarray(self._array(contig, f"{schema.PAIRS}/{column}")[:]).tobytes()
            frame[column] = pd.Series(text.decode("utf-8").split("\n")[:-1], dtype=object)
        for anchor in ("enhancer", "promoter"):
            frame[f"{anchor}_chrom"] = pd.Series([contig] * len(frame), dtype=object)
        frame["label"] = np.asarray(self._array(contig, f"{schema.PAIRS}/{schema.LABEL}")[:])
        return frame[["pair", *COLUMNS]]

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield (path below the store, SHA-256 at writing time) of every shard."""
        for contig in self.contigs:
            digests = cast(
                "dict[str, Any]", self._group(contig).attrs.asdict().get(schema.ATTRIBUTE, {})
            ).get("digests")
            if digests is None:
                raise StoreError(f"{self.path}/{contig}: its digests are missing: build it again")
            for name, expected in digests.items():
                yield f"{contig}/{name}", expected

    def damage(self, name: str, expected: str) -> Damage | None:
        """Compare one shard with its digest; return what is wrong, if anything is."""
        path = self.path / name
        if not path.is_file():
            return Damage(name, "is missing")
        if digest(path) != expected:
            return Damage(name, "differs from what was written")
        return None

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
            return zarr.open_group(self.path, mode="r").attrs.asdict()
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
            raise StoreError(
                f"{self.path}: is no epipam store; epipam build-store makes one"
            ) from None

    def _group(self, contig: str) -> zarr.Group:
        if self._pid != os.getpid():
            self._groups, self._arrays, self._pid = {}, {}, os.getpid()
        if contig not in self._groups:
            self._groups[contig] = zarr.open_group(self.path / contig, mode="r")
        return self._groups[contig]

    def _array(self, contig: str, name: str) -> zarr.Array:
        group = self._group(contig)
        if (contig, name) not in self._arrays:
            self._arrays[contig, name] = cast("zarr.Array", group[name])
        return self._arrays[contig, name]

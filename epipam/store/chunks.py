"""Reading whole chunks of a store's rows without Zarr's event loop.

Zarr takes a millisecond or two to hand out a chunk that takes half of one to decompress. A loader
reads nothing but chunks, so it decodes them here, as the format's specification says they lie.
Whatever lies otherwise, and whatever is damaged, is left to `Store.read`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import google_crc32c
import numpy as np
from numcodecs.zstd import Zstd

from epipam.store import schema
from epipam.store.reader import Rows, Store

_ARRAYS = (schema.ENHANCER, schema.PROMOTER, schema.LABEL, schema.WINDOW)
_LITTLE_ENDIAN = {"name": "bytes", "configuration": {"endian": "little"}}
_INDEX_ENTRY, _CHECKSUM = 16, 4
_NO_CHUNK = 2**64 - 1
_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)  # Windows would translate line ends
_ERRORS = (OSError, ValueError, RuntimeError, KeyError, TypeError, IndexError)


class _Layout(NamedTuple):
    """How an array lies on disk: chunks of `chunk` rows, `per_file` of them to a file."""

    folder: Path
    dtype: np.dtype
    row_shape: tuple[int, ...]
    n_rows: int
    chunk: int
    per_file: int
    sharded: bool


class ChunkReader:
    """Reads chunks of a store; keeps no file open.

    Parameters
    ----------
    store
        The store.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._layouts: dict[tuple[str, str], _Layout] = {}
        self._indices: dict[tuple[str, str], dict[int, np.ndarray]] = {}
        self._codec = Zstd()

    def read(self, contig: str, start: int, stop: int) -> Rows:
        """Read rows [start, stop) of a contig, which lie in one chunk of each array.

        Raises
        ------
        StoreError
            Where files of the store are missing or damaged.
        """
        stop = min(stop, self.store.n_rows(contig))
        if not isinstance(self.store.path, Path):
            return self.store.read(contig, start, stop)
        try:
            return Rows(*(self._rows(contig, name, start, stop) for name in _ARRAYS))
        except _ERRORS:
            return self.store.read(contig, start, stop)  # or what is wrong with it

    def _rows(self, contig: str, name: str, start: int, stop: int) -> np.ndarray:
        key = (contig, name)
        if key not in self._layouts:
            folder = Path(self.store.path, contig, name)
            self._layouts[key] = _read_layout(folder, self.store.n_rows(contig))
        layout = self._layouts[key]
        number, first = divmod(start, layout.chunk)
        if first + stop - start > layout.chunk:
            raise ValueError("rows of several chunks")
        shape = (layout.chunk, *layout.row_shape)
        rows = np.empty(shape, dtype=layout.dtype)
        encoded = self._encoded(key, layout, number)
        self._codec.decode(encoded, rows.reshape(-1).view(np.uint8))
        return rows[first : first + stop - start]

    def _encoded(self, key: tuple[str, str], layout: _Layout, number: int) -> bytes:
        """Return a chunk as its codec left it."""
        file, within = divmod(number, layout.per_file)
        # A file object and a Path would take as long as a tenth of what decoding takes.
        handle = os.open(f"{layout.folder}/c/{file}{'/0' * len(layout.row_shape)}", _READ_ONLY)
        try:
            if not layout.sharded:
                return _read(handle, os.fstat(handle).st_size, 0)
            indices = self._indices.setdefault(key, {})
            if file not in indices:
                indices[file] = _read_index(handle, layout.per_file)
            offset, size = indices[file][within].tolist()
            if offset == _NO_CHUNK:
                raise ValueError("a chunk that was left out")
            return _read(handle, size, offset)
        finally:
            os.close(handle)


def _read_layout(folder: Path, n_rows: int) -> _Layout:
    """Read how an array lies, or raise a ValueError where not as this version writes it."""
    document = json.loads((folder / schema.METADATA_FILE).read_text(encoding="utf-8"))
    shape, dtype = document["shape"], np.dtype(document["data_type"])
    grid = document["chunk_grid"]["configuration"]["chunk_shape"]
    chunk, codecs = grid, document["codecs"]
    sharded = codecs[0]["name"] == "sharding_indexed"
    if sharded:
        (sharding,) = [codec["configuration"] for codec in codecs]
        chunk, codecs = sharding["chunk_shape"], sharding["codecs"]
        if (
            sharding["index_codecs"] != [_LITTLE_ENDIAN, {"name": "crc32c"}]
            or sharding["index_location"] != "end"
        ):
            raise ValueError("another index of shards")
    bases, compressor = codecs
    known = (
        compressor["name"] == "zstd"
        and bases["name"] == "bytes"
        and (dtype.itemsize == 1 or bases == _LITTLE_ENDIAN)
        and shape[0] == n_rows
        and chunk[1:] == grid[1:] == shape[1:]
        and document["chunk_key_encoding"]["name"] == "default"
        and document["chunk_key_encoding"]["configuration"]["separator"] == "/"
    )
    if not known:
        raise ValueError("another layout")
    return _Layout(
        folder,
        dtype.newbyteorder("<"),
        tuple(shape[1:]),
        n_rows,
        chunk[0],
        grid[0] // chunk[0],
        sharded,
    )


def _read(file: int, size: int, offset: int) -> bytes:
    found = os.pread(file, size, offset)
    if len(found) != size:
        raise ValueError("a file that ends early")
    return found


def _read_index(file: int, n_chunks: int) -> np.ndarray:
    """Read a shard's index: offset and size of each chunk, uint64 (n_chunks, 2)."""
    size = _INDEX_ENTRY * n_chunks
    end = os.fstat(file).st_size
    found = _read(file, size + _CHECKSUM, end - size - _CHECKSUM)
    index, checksum = found[:size], found[size:]
    if google_crc32c.value(index) != int.from_bytes(checksum, "little"):
        raise ValueError("a damaged index")
    return np.frombuffer(index, dtype="<u8").reshape(n_chunks, 2)

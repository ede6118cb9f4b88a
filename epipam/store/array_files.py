"""The files of a contig's arrays: Zarr v3 chunks, shards and metadata, written straight to disk.

Zarr itself reads them. It does not write them here: its way through an event loop and threads takes
half as long again as compressing does, and holds a shard three times over. What is written is byte
for byte what Zarr writes; the tests compare the two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs.zstd import Zstd

from epipam.store import schema

_CODEC = Zstd(level=schema.ZSTD_LEVEL, checksum=True)
_ZSTD = {"name": "zstd", "configuration": {"level": schema.ZSTD_LEVEL, "checksum": True}}
_LITTLE_ENDIAN = {"name": "bytes", "configuration": {"endian": "little"}}
# Stands in a shard's index for the place and the size of a chunk that is not there.
_ABSENT = (2**64 - 1, 2**64 - 1)


class ArrayFiles:
    """Writes the arrays of a group, and keeps the digest of every file that it writes.

    Parameters
    ----------
    folder
        The group's folder.
    run
        Called with a function and its arguments for each shard, in order; may run them in other
        threads, several at once. An array is written when all of them have returned.
    on_file
        Called with the path of each file as soon as it is written.

    Attributes
    ----------
    digests
        SHA-256 by path below the folder.
    """

    def __init__(
        self,
        folder: Path,
        run: Callable[..., object] = lambda write, *arguments: write(*arguments),
        on_file: Callable[[Path], object] = lambda path: None,
    ) -> None:
        self.folder = folder
        self.digests: dict[str, str] = {}
        self._run = run
        self._on_file = on_file

    def group(self, name: str) -> None:
        """Make a group in the group."""
        self._write_metadata(name, group_metadata({}))

    def table(
        self, name: str, values: np.ndarray, chunk_rows: int, columns: tuple[str, ...] | None = None
    ) -> None:
        """Write an array that is at hand, a chunk to a file.

        Parameters
        ----------
        values
            Integers (n,) or (n, n_columns), n at least 1.
        chunk_rows
            Rows of a chunk, where there are as many.
        columns
            Names of the columns, kept as an attribute.
        """
        read = values.__getitem__
        self.chunked(name, values.shape, values.dtype, chunk_rows, read, columns)

    def chunked(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype,
        chunk_rows: int,
        read: Callable[[slice], np.ndarray],
        columns: tuple[str, ...] | None = None,
    ) -> None:
        """Write an array chunk by chunk, a chunk to a file; as `table`, but `read` gives the rows.

        Parameters
        ----------
        shape, dtype
            Of the whole array.
        read
            Returns the rows of a slice.
        """
        n_rows = shape[0]
        chunk_rows = min(chunk_rows, n_rows)
        attributes = {"columns": list(columns)} if columns else {}
        metadata = _array_metadata(shape, (chunk_rows, *shape[1:]), dtype, None, attributes)
        self._write_metadata(name, metadata)
        for number, first in enumerate(range(0, n_rows, chunk_rows)):
            rows = read(slice(first, min(first + chunk_rows, n_rows)))
            self._write(_file(name, number, len(shape)), (_encode(rows, chunk_rows),))

    def sharded(
        self,
        name: str,
        shape: tuple[int, int],
        chunk_rows: int,
        shard_rows: int,
        read: Callable[[slice], np.ndarray],
    ) -> None:
        """Write an array chunk by chunk, a shard to a file: no more than a chunk is in memory.

        Parameters
        ----------
        shape
            Of the whole array, uint8.
        chunk_rows, shard_rows
            Rows of a chunk, and of a shard: a multiple.
        read
            Returns the rows of a slice.
        """
        n_rows, width = shape
        shard_rows = min(shard_rows, -(-n_rows // chunk_rows) * chunk_rows)
        metadata = _array_metadata(
            shape, (shard_rows, width), np.dtype(np.uint8), (chunk_rows, width), {}
        )
        self._write_metadata(name, metadata)
        for number, first in enumerate(range(0, n_rows, shard_rows)):
            rows = range(first, min(first + shard_rows, n_rows), chunk_rows)
            file = _file(name, number, len(shape))
            n_chunks = shard_rows // chunk_rows
            self._run(self._write_shard, file, rows, n_rows, n_chunks, read)

    def _write_shard(
        self,
        file: str,
        chunk_starts: range,
        n_rows: int,
        n_chunks: int,
        read: Callable[[slice], np.ndarray],
    ) -> None:
        size = chunk_starts.step
        chunks = (
            _encode(read(slice(start, min(start + size, n_rows))), size) for start in chunk_starts
        )
        self._write(file, _shard(chunks, n_chunks))

    def _write_metadata(self, name: str, metadata: dict[str, Any]) -> None:
        self._write(f"{name}/{schema.METADATA_FILE}", (as_text(metadata),))

    def _write(self, name: str, parts: Iterable[bytes]) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sha256 = hashlib.sha256()
        with path.open("wb", buffering=0) as handle:
            for part in parts:
                handle.write(part)
                sha256.update(part)
        self.digests[name] = sha256.hexdigest()
        self._on_file(path)


def group_metadata(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a Zarr v3 group."""
    return {"attributes": attributes, "zarr_format": 3, "node_type": "group"}


def as_text(metadata: dict[str, Any]) -> bytes:
    """Return metadata as the bytes of its file."""
    return json.dumps(metadata, indent=2).encode("utf-8")


def _array_metadata(
    shape: tuple[int, ...],
    file_shape: tuple[int, ...],
    dtype: np.dtype,
    chunk_shape: tuple[int, ...] | None,
    attributes: dict[str, Any],
) -> dict[str, Any]:
    """Return the metadata of a Zarr v3 array; `chunk_shape` is that of the chunks of a shard."""
    codecs = [_LITTLE_ENDIAN if dtype.itemsize > 1 else {"name": "bytes"}, _ZSTD]
    if chunk_shape is not None:
        sharding = {
            "chunk_shape": list(chunk_shape),
            "codecs": codecs,
            "index_codecs": [_LITTLE_ENDIAN, {"name": "crc32c"}],
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": sharding}]
    return {
        "shape": list(shape),
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(file_shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": codecs,
        "attributes": attributes,
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def _file(name: str, number: int, n_dimensions: int) -> str:
    """Return the path of a chunk that spans all columns."""
    return "/".join([name, "c", str(number), *["0"] * (n_dimensions - 1)])


def _encode(rows: np.ndarray, chunk_rows: int) -> bytes:
    """Return a compressed chunk; a last one that is short is filled up with zeros."""
    if len(rows) < chunk_rows:
        rows = np.concatenate(
            [rows, np.zeros((chunk_rows - len(rows), *rows.shape[1:]), rows.dtype)]
        )
    little_endian = rows.dtype.newbyteorder("<")
    return _CODEC.encode(np.ascontiguousarray(rows, dtype=little_endian))


def _shard(chunks: Iterable[bytes], n_chunks: int) -> Iterable[bytes]:
    """Yield the parts of a shard: its chunks, then where each lies, then the checksum of that."""
    index = []
    end = 0
    for chunk in chunks:
        yield chunk
        index.append((end, len(chunk)))
        end += len(chunk)
    index += [_ABSENT] * (n_chunks - len(index))
    places = np.array(index, dtype="<u8").tobytes()
    yield places
    yield google_crc32c.value(places).to_bytes(4, "little")

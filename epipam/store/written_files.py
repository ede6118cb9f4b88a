"""The folder into which Zarr writes a contig's arrays, and what it wrote into every file."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import LocalStore

from epipam.store import schema
from epipam.store.file_checks import FileNote, note_of

_CODEC = ZstdCodec(level=schema.ZSTD_LEVEL, checksum=True)


class WrittenFiles(LocalStore):
    """A folder of Zarr that keeps size and digests of every file that is written into it.

    Parameters
    ----------
    root
        The folder.
    on_file
        Called with the path of each file as soon as it is written, in whatever thread.

    Attributes
    ----------
    digests
        SHA-256 by path below the folder.
    notes
        Size and CRC-32C by path below the folder.
    """

    def __init__(
        self,
        root: Path,
        on_file: Callable[[Path], object] = lambda path: None,
        *,
        read_only: bool = False,
    ) -> None:
        super().__init__(root, read_only=read_only)
        self.digests: dict[str, str] = {}
        self.notes: dict[str, FileNote] = {}
        self._on_file = on_file

    async def set(self, key: str, value: Buffer) -> None:
        """Write a file and note what it holds."""
        await super().set(key, value)
        await asyncio.to_thread(self._note, key, value)

    def _note(self, key: str, value: Buffer) -> None:
        data = value.to_bytes()
        self.digests[key] = hashlib.sha256(data).hexdigest()
        self.notes[key] = note_of(data)
        self._on_file(self.root / key)


def create_array(
    files: WrittenFiles,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    *,
    chunk_rows: int,
    shard_rows: int | None = None,
    dimensions: tuple[str, ...],
    columns: tuple[str, ...] | None = None,
) -> zarr.Array:
    """Create an array of integers whose chunks span all columns.

    Parameters
    ----------
    shape
        Of the whole array; at least one row.
    chunk_rows
        Rows of a chunk, where there are as many.
    shard_rows
        Rows of a file, a multiple of `chunk_rows`; None makes a file of each chunk.
    dimensions
        Names of the dimensions.
    columns
        Names of the columns, kept as an attribute.
    """
    n_rows, *row_shape = shape
    if shard_rows is None:
        chunk_rows, shards = min(chunk_rows, n_rows), None
    else:
        shards = (min(shard_rows, -(-n_rows // chunk_rows) * chunk_rows), *row_shape)
    return zarr.create_array(
        files,
        name=name,
        shape=shape,
        dtype=dtype,
        chunks=(chunk_rows, *row_shape),
        shards=shards,
        compressors=_CODEC,
        fill_value=0,
        dimension_names=dimensions,
        attributes={"columns": list(columns)} if columns else None,
        # To Zarr a file that is not there is a chunk of zeros; here it is damage.
        config={"write_empty_chunks": True},
    )

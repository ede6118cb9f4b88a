"""Files of arrays: Zarr itself writes the same bytes, and reads what was written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import ZstdCodec

from epipam.store import schema
from epipam.store.array_files import ArrayFiles, as_text, group_metadata

CODEC = ZstdCodec(level=schema.ZSTD_LEVEL, checksum=True)
EVERY_CHUNK: Any = {"write_empty_chunks": True}


def contents(folder: Path) -> dict[str, Any]:
    """All files below a folder: their bytes, or what JSON they hold."""
    return {
        path.relative_to(folder).as_posix(): json.loads(path.read_bytes())
        if path.name == schema.METADATA_FILE
        else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def begin(folder: Path, written: list[Path] | None = None) -> ArrayFiles:
    files = ArrayFiles(folder, on_file=(written if written is not None else []).append)
    folder.mkdir()
    (folder / schema.METADATA_FILE).write_bytes(as_text(group_metadata({})))
    return files


@given(
    n_rows=st.integers(1, 70),
    width=st.integers(1, 5),
    chunk_rows=st.integers(1, 12),
    chunks_in_shard=st.integers(1, 5),
    zeros=st.booleans(),
)
def test_shards_are_byte_for_byte_what_zarr_writes(
    tmp_path_factory, n_rows, width, chunk_rows, chunks_in_shard, zeros
):
    folder = tmp_path_factory.mktemp("shards")
    values = np.random.default_rng(n_rows).integers(0, 256, (n_rows, width), dtype=np.uint8)
    values *= not zeros
    shard_rows = chunk_rows * chunks_in_shard
    written: list[Path] = []
    files = begin(folder / "ours", written)
    files.sharded("windows", values.shape, chunk_rows, shard_rows, values.__getitem__)

    shard = min(shard_rows, -(-n_rows // chunk_rows) * chunk_rows)
    array = zarr.create_group(folder / "zarrs", zarr_format=3).create_array(
        "windows",
        shape=values.shape,
        dtype="uint8",
        chunks=(chunk_rows, width),
        shards=(shard, width),
        compressors=CODEC,
        fill_value=0,
        config=EVERY_CHUNK,
    )
    for first in range(0, n_rows, shard):
        array[first : first + shard] = values[first : first + shard]
    assert contents(folder / "ours") == contents(folder / "zarrs")
    n_shards = -(-n_rows // shard)
    shards = [f"c/{number}/0" for number in range(n_shards)]
    assert written == [folder / "ours/windows" / file for file in ("zarr.json", *shards)]


@given(
    n_rows=st.integers(1, 40),
    chunk_rows=st.integers(1, 50),
    columns=st.sampled_from([None, ("a",), ("a", "b")]),
    dtype=st.sampled_from(["uint8", "int8", "int64"]),
)
def test_tables_are_byte_for_byte_what_zarr_writes(
    tmp_path_factory, n_rows, chunk_rows, columns, dtype
):
    folder = tmp_path_factory.mktemp("tables")
    shape = (n_rows, len(columns)) if columns else (n_rows,)
    values = np.random.default_rng(n_rows).integers(0, 100, shape).astype(dtype)
    files = begin(folder / "ours")
    files.group("inner")
    files.table("inner/table", values, chunk_rows, columns)

    group = zarr.create_group(folder / "zarrs", zarr_format=3).create_group("inner")
    array = group.create_array(
        "table",
        shape=shape,
        dtype=dtype,
        chunks=(min(chunk_rows, n_rows), *shape[1:]),
        compressors=CODEC,
        fill_value=0,
        attributes={"columns": list(columns)} if columns else None,
        config=EVERY_CHUNK,
    )
    array[:] = values
    assert contents(folder / "ours") == contents(folder / "zarrs")


def test_zarr_reads_back_what_was_written(tmp_path):
    windows = np.random.default_rng(0).integers(0, 256, (1_000, 31), dtype=np.uint8)
    files = begin(tmp_path / "group")
    files.sharded("windows", windows.shape, 64, 256, windows.__getitem__)
    numbers = np.arange(-500, 500).reshape(-1, 2)
    files.table("numbers", numbers, 300, ("one", "other"))
    group = zarr.open_group(tmp_path / "group", mode="r")
    assert (group["windows"][:] == windows).all()
    assert (group["windows"][100:700] == windows[100:700]).all()
    assert (group["numbers"][:] == numbers).all()
    assert group["numbers"].attrs["columns"] == ["one", "other"]


def test_digests_are_of_every_file_that_was_written(tmp_path):
    files = ArrayFiles(tmp_path)
    files.group("inner")
    files.table("inner/label", np.zeros(10, dtype=np.int8), 3)
    files.sharded("w", (10, 2), 2, 4, np.ones((10, 2), dtype=np.uint8).__getitem__)
    assert files.digests == {
        path.relative_to(tmp_path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_numbers_are_written_little_endian_whatever_the_array_is(tmp_path, byte_order):
    values = np.arange(5).astype(f"{byte_order}i8")
    begin(tmp_path / "group").table("numbers", values, 5)
    assert zarr.open_group(tmp_path / "group", mode="r")["numbers"][:].tolist() == [0, 1, 2, 3, 4]

"""Arrays of a contig as Zarr writes them: their layout, their files and the digests of these."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from epipam.store.written_files import WrittenFiles, create_array


def data_files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("c/**/*") if p.is_file()}


@given(
    n_rows=st.integers(1, 70),
    width=st.integers(1, 5),
    chunk_rows=st.integers(1, 12),
    chunks_in_shard=st.integers(1, 5),
    zeros=st.booleans(),
)
def test_every_shard_is_written_and_read_back_zeros_too(
    tmp_path_factory, n_rows, width, chunk_rows, chunks_in_shard, zeros
):
    folder = tmp_path_factory.mktemp("shards")
    values = np.random.default_rng(n_rows).integers(0, 256, (n_rows, width), dtype=np.uint8)
    values *= not zeros
    shard_rows = chunk_rows * chunks_in_shard
    array = create_array(
        WrittenFiles(folder),
        "windows",
        values.shape,
        values.dtype,
        chunk_rows=chunk_rows,
        shard_rows=shard_rows,
        dimensions=("row", "byte"),
    )
    shard = array.shards[0]
    assert shard == min(shard_rows, -(-n_rows // chunk_rows) * chunk_rows)
    for first in range(0, n_rows, shard):
        array[first : first + shard] = values[first : first + shard]
    assert (zarr.open_array(folder, path="windows", mode="r")[:] == values).all()
    assert data_files(folder) == {f"windows/c/{i}/0" for i in range(-(-n_rows // shard))}


@pytest.mark.parametrize("chunk_rows", [3, 10, 50])
@pytest.mark.parametrize("columns", [None, ("a",), ("a", "b")])
def test_without_shards_a_chunk_is_a_file_and_no_longer_than_the_array(
    tmp_path, chunk_rows, columns
):
    shape = (10, len(columns)) if columns else (10,)
    values = np.arange(-5, np.prod(shape) - 5).reshape(shape)
    array = create_array(
        WrittenFiles(tmp_path),
        "t",
        shape,
        values.dtype,
        chunk_rows=chunk_rows,
        dimensions=("row", "column")[: len(shape)],
        columns=columns,
    )
    array[:] = values
    found = zarr.open_array(tmp_path, path="t", mode="r")
    assert found.chunks == (min(chunk_rows, 10), *shape[1:])
    assert found.attrs.asdict() == ({"columns": list(columns)} if columns else {})
    assert (found[:] == values).all()
    assert len(data_files(tmp_path)) == -(-10 // chunk_rows)


def test_digests_are_of_every_file_that_was_written(tmp_path):
    seen: list[Path] = []
    files = WrittenFiles(tmp_path, seen.append)
    zarr.create_group(files, path="inner")
    label = create_array(
        files, "inner/label", (10,), np.dtype(np.int8), chunk_rows=3, dimensions=("row",)
    )
    label[:] = np.zeros(10)
    shards = create_array(
        files,
        "w",
        (10, 2),
        np.dtype(np.uint8),
        chunk_rows=2,
        shard_rows=4,
        dimensions=("row", "byte"),
    )
    shards[:] = np.ones((10, 2))
    written = {
        path.relative_to(tmp_path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tmp_path.rglob("*")
        if path.is_file() and path != tmp_path / "zarr.json"
    }
    assert files.digests == written
    assert sorted(seen) == sorted(tmp_path / name for name in written)


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_numbers_are_written_little_endian_whatever_the_array_is(tmp_path, byte_order):
    values = np.arange(5).astype(f"{byte_order}i8")
    array = create_array(
        WrittenFiles(tmp_path), "n", (5,), np.dtype(np.int64), chunk_rows=5, dimensions=("row",)
    )
    array[:] = values
    found = zarr.open_array(tmp_path, path="n", mode="r")
    assert found[:].tolist() == [0, 1, 2, 3, 4]
    assert found.metadata.to_dict()["codecs"][0]["configuration"] == {"endian": "little"}

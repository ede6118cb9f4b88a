"""Reading a store: rows, pairs, other processes, and what a damaged store says of itself."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest
import zarr

from epipam.errors import StoreError
from epipam.pairs.table import COLUMNS
from epipam.store import Store

README = Path(__file__).resolve().parents[2] / "store" / "README.md"


@pytest.fixture
def copied(built, tmp_path):
    """A copy of the store that a test may damage."""
    shutil.copytree(built.path, tmp_path / "copy.zarr")
    return tmp_path / "copy.zarr"


def one_line(error: pytest.ExceptionInfo, path: Path) -> str:
    """The error's text, after making sure that it is one line that names the store."""
    text = str(error.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    return text


# Rows and pairs


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 16), (5, 40), (15, 17), (40, 999)])
def test_any_rows_can_be_read(built, start, stop):
    group = zarr.open_group(built.path, mode="r")["chr1"]
    for found, name in zip(
        built.read("chr1", start, stop), ("enhancer", "promoter", "label", "window"), strict=True
    ):
        np.testing.assert_array_equal(found, group[name][:][start:stop])


def test_rows_have_the_stated_types_and_shapes(built):
    rows = built.read("chr1", 0, 10)
    assert [(array.dtype, array.shape) for array in rows] == [
        (np.uint8, (10, 30)),
        (np.uint8, (10, 21)),
        (np.int8, (10,)),
        (np.int64, (10, 6)),
    ]


def test_the_plan_names_label_copy_and_pair_of_every_row_in_order(built):
    plan = [np.concatenate(parts) for parts in zip(*built.read_plan("chr1"), strict=True)]
    rows = built.read("chr1", 0, built.n_rows("chr1"))
    for found, expected in zip(
        plan, (rows.label, rows.window[:, 1], rows.window[:, 0]), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_the_pairs_come_back_as_they_were_given(inputs, built):
    frame = pd.concat([built.pairs(contig) for contig in built.contigs]).sort_values("pair")
    assert frame["pair"].tolist() == list(range(len(inputs.rows)))
    assert list(frame[list(COLUMNS)].itertuples(index=False, name=None)) == inputs.rows


def test_a_store_of_other_chunk_shapes_is_read_alike(built, copied, make_old):
    make_old(copied)
    group = zarr.open_group(copied, mode="r+")["chr1"]
    for name, rows_per_chunk in (("enhancer", 10), ("promoter", 7), ("label", 4), ("window", 25)):
        values, attributes = group[name][:], group[name].attrs.asdict()
        chunks = (rows_per_chunk, *values.shape[1:])
        group.create_array(name, data=values, chunks=chunks, attributes=attributes, overwrite=True)
    other = Store(copied)
    assert other.chunk_rows("chr1") == 10
    for one, two in zip(built.read("chr1", 3, 33), other.read("chr1", 3, 33), strict=True):
        np.testing.assert_array_equal(one, two)
    plans = [
        [np.concatenate(parts) for parts in zip(*store.read_plan("chr1"), strict=True)]
        for store in (built, other)
    ]
    np.testing.assert_array_equal(plans[0], plans[1])
    steps = [len(rows.label) for rows in other.read_plan("chr1")]
    assert all(step % 10 == 0 for step in steps[:-1])


def test_sizes_are_those_of_the_files(inputs, built):
    sizes = {path: path.stat().st_size for path in built.path.rglob("*") if path.is_file()}
    assert built.size_on_disk() == sum(sizes.values())
    sequence = sum(size for path, size in sizes.items() if {"enhancer", "promoter"} & {*path.parts})
    n_rows = sum(built.n_rows(contig) for contig in built.contigs)
    assert built.bits_per_base() == pytest.approx(8 * sequence / (n_rows * (60 + 41)))


# Other processes


def _sum_of_labels(store: Store) -> int:
    return int(store.read("chr1", 0, 20).label.sum())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_store_that_was_read_crosses_to_another_process(built, method):
    expected = _sum_of_labels(built)
    with get_context(method).Pool(1) as pool:
        assert pool.apply_async(_sum_of_labels, (built,)).get(timeout=60) == expected


def test_arrays_are_opened_anew_in_each_process(built, monkeypatch):
    before = built._array("chr1", "label")
    assert built._array("chr1", "label") is before
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert built._array("chr1", "label") is not before


def test_a_pickled_store_holds_no_open_arrays(built):
    built.read("chr1", 0, 1)
    assert len(pickle.dumps(built)) < 15_000
    assert _sum_of_labels(pickle.loads(pickle.dumps(built))) == _sum_of_labels(built)


# What is no store


def _not_a_store(kind: str, path: Path) -> None:
    documents = {
        "not json": "{",
        "not an object": "[1, 2]",
        "null": "null",
        "binary": "\x89\xff",
        "no attributes": '{"zarr_format": 3, "node_type": "group"}',
        "attributes of another kind": '{"attributes": 3}',
        "another tool's": '{"attributes": {"cooler": {"format": "HDF5::Cooler"}}}',
        "another format": '{"attributes": {"epipam": {"format": "epipam-model"}}}',
        "own attributes of another kind": '{"attributes": {"epipam": [1]}}',
    }
    if kind == "a file":
        path.write_text("hello")
    elif kind == "an empty folder":
        path.mkdir()
    elif kind == "a zarr group":
        zarr.create_group(path)
    elif kind == "a zarr array":
        zarr.create_array(path, shape=(3,), dtype="uint8")
    elif kind == "an old zarr group":
        zarr.create_group(path, zarr_format=2)
    else:
        path.mkdir()
        (path / "zarr.json").write_text(documents[kind], encoding="latin-1")


@pytest.mark.parametrize(
    "kind",
    [
        "a file",
        "an empty folder",
        "a zarr group",
        "a zarr array",
        "an old zarr group",
        "not json",
        "not an object",
        "null",
        "binary",
        "no attributes",
        "attributes of another kind",
        "another tool's",
        "another format",
        "own attributes of another kind",
    ],
)
def test_what_is_no_store_is_refused_in_one_line(tmp_path, kind):
    path = tmp_path / "thing"
    _not_a_store(kind, path)
    with pytest.raises(StoreError) as error:
        Store(path)
    assert "is no epipam store; epipam build-store makes one" in one_line(error, path)


def test_a_path_where_nothing_is_is_refused(tmp_path):
    with pytest.raises(StoreError) as error:
        Store(tmp_path / "none")
    assert "no such store" in one_line(error, tmp_path / "none")


def test_the_folder_of_a_build_under_way_is_no_store(built, copied):
    (copied / "zarr.json").unlink()
    with pytest.raises(StoreError, match="is no epipam store"):
        Store(copied)


# Damage


def _shards(path: Path) -> list[str]:
    return sorted(
        file.relative_to(path).as_posix()
        for file in path.rglob("*")
        if file.is_file() and file.name != "zarr.json"
    )


def test_verify_finds_no_damage_in_what_was_just_written(built):
    verdicts = [built.verify(contig) for contig in built.contigs]
    assert [verdict.damage for verdict in verdicts] == [()] * 4
    files = [path for path in built.path.rglob("*") if path.is_file()]
    assert sum(verdict.files for verdict in verdicts) == len(files) - 1 - len(verdicts)


def test_verify_finds_a_flipped_bit_in_any_file_of_any_array(built, copied):
    for name in [path.relative_to(copied) for path in copied.glob("chr2/*/**/*") if path.is_file()]:
        data = bytearray((copied / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copied / name).write_bytes(data)
        verdict = Store(copied).verify("chr2")
        assert verdict.damage == ((name.as_posix(), "differs from what was written"),)
        shutil.copy(built.path / name, copied / name)


def test_verify_finds_missing_and_shortened_files(copied):
    first, second, *_ = [name for name in _shards(copied) if name.startswith("chr1/")]
    (copied / first).unlink()
    (copied / second).write_bytes((copied / second).read_bytes()[:-1])
    assert Store(copied, check_sizes=False).verify("chr1").damage == (
        (first, "is missing"),
        (second, "differs from what was written"),
    )


@pytest.mark.parametrize("text", [None, "{", '{"attributes": {}}', "[]"])
def test_verify_finds_a_contig_whose_own_file_is_damaged(copied, text):
    marker = copied / "chr1/zarr.json"
    marker.unlink() if text is None else marker.write_text(text)
    (damage,) = Store(copied, check_sizes=False).verify("chr1").damage
    assert damage.path == "chr1/zarr.json"


def _read_everything(path: Path, contig: str) -> None:
    store = Store(path)
    store.read(contig, 0, store.n_rows(contig))
    store.pairs(contig)


def test_verify_finds_a_contig_whose_own_file_is_another_contigs(copied):
    shutil.copy(copied / "chr1/zarr.json", copied / "chr2/zarr.json")
    (damage,) = Store(copied, check_sizes=False).verify("chr2").damage
    assert damage == ("chr2/zarr.json", "differs from what was written")


def _spoiled(file: Path, how: str) -> None:
    """Damage a file of a store."""
    data = bytearray(file.read_bytes())
    if how == "missing":
        file.unlink()
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "cut":
        file.write_bytes(data[:-1])
    else:
        data[len(data) // 2] ^= 0x10
        file.write_bytes(data)


@pytest.mark.parametrize("how", ["missing", "empty", "cut"])
def test_a_file_of_another_size_is_found_when_the_store_is_opened(built, copied, how):
    for name in ["chr2/zarr.json", "chr2/enhancer/zarr.json", *_shards(copied)]:
        _spoiled(copied / name, how)
        with pytest.raises(StoreError) as error:
            Store(copied)
        assert f"{name} {'is missing' if how == 'missing' else 'has '}" in one_line(error, copied)
        assert "epipam repair STORE GENOME PAIRS" in str(error.value)
        shutil.copy(built.path / name, copied / name)
    Store(copied)


@pytest.mark.parametrize("how", ["missing", "empty", "flipped"])
def test_a_file_that_is_damaged_after_opening_is_found_at_its_first_use(built, copied, how):
    for name in _shards(copied / "chr2"):
        store = Store(copied)
        _spoiled(copied / "chr2" / name, how)
        with pytest.raises(StoreError) as error:
            _read_everything(store, "chr2")
        assert f"chr2/{name.partition('/c/')[0]}" in one_line(error, copied)
        shutil.copy(built.path / "chr2" / name, copied / "chr2" / name)
    _read_everything(Store(copied), "chr2")


def test_files_swapped_between_contigs_are_found(built, copied):
    for name in set(_shards(copied / "chr1")) & set(_shards(copied / "chr2")):
        one, other = copied / "chr1" / name, copied / "chr2" / name
        texts = one.read_bytes(), other.read_bytes()
        if texts[0] != texts[1]:
            one.write_bytes(texts[1])
            other.write_bytes(texts[0])
            with pytest.raises(StoreError, match=re.escape(f"chr1/{name}")):
                _read_everything(Store(copied), "chr1")
            one.write_bytes(texts[0])
            other.write_bytes(texts[1])
    _read_everything(Store(copied), "chr1")


def test_metadata_of_the_same_size_that_say_something_else_are_found(copied):
    metadata = copied / "chr1/enhancer/zarr.json"
    metadata.write_bytes(metadata.read_bytes().replace(b'"fill_value": 0', b'"fill_value": 1'))
    with pytest.raises(StoreError, match=r"chr1/enhancer/zarr\.json differs"):
        Store(copied).read("chr1", 0, 1)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_stores_of_earlier_formats_give_the_same_rows_and_no_empty_file_for_n(
    built, copied, make_old, version
):
    old = Store(make_old(copied, version))
    for contig in built.contigs:
        rows = (store.read(contig, 0, store.n_rows(contig)) for store in (built, old))
        for ours, theirs in zip(*rows, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert old.pairs(contig).equals(built.pairs(contig))
        assert old.verify(contig).damage == ()
    for name in _shards(copied / "chr2"):
        for how, what in (("empty", "has no bytes in the file"), ("missing", "lacks the file")):
            _spoiled(copied / "chr2" / name, how)
            with pytest.raises(StoreError) as error:
                _read_everything(Store(copied), "chr2")
            line = one_line(error, copied / "chr2" / name.partition("/c/")[0])
            assert f"{what} c/{name.partition('/c/')[2]}" in line
            shutil.copy(built.path / "chr2" / name, copied / "chr2" / name)


def _read_everything(store: Store, contig: str) -> None:
    store.read(contig, 0, store.n_rows(contig))
    store.pairs(contig)


@pytest.mark.parametrize("damage", ["no group", "no array", "no metadata", "fewer rows"])
def test_reading_a_store_that_lacks_parts_names_them(copied, make_old, damage):
    make_old(copied)
    if damage == "no group":
        shutil.rmtree(copied / "chr1")
    elif damage == "no array":
        shutil.rmtree(copied / "chr1/enhancer")
    elif damage == "no metadata":
        (copied / "chr1/enhancer/zarr.json").write_text("{}")
    else:
        zarr.open_array(copied / "chr1/enhancer", mode="r+").resize((20, 30))
    store = Store(copied)
    with pytest.raises(StoreError) as error:
        store.read("chr1", 0, 1)
    one_line(error, copied / "chr1/enhancer")


# Other readers


def test_arrays_name_their_dimensions_and_those_of_one_name_have_one_length(built):
    lengths: dict[tuple[str, str], set[int]] = {}
    for path in built.path.rglob("zarr.json"):
        document = json.loads(path.read_text())
        if document["node_type"] == "array":
            group = path.relative_to(built.path).parts[0]
            assert len(document["dimension_names"]) == len(document["shape"])
            for name, length in zip(document["dimension_names"], document["shape"], strict=True):
                lengths.setdefault((group, name), set()).add(length)
    assert {len(found) for found in lengths.values()} == {1}


def test_plain_dask_reads_the_arrays(built):
    dask_array = pytest.importorskip("dask.array")
    lazy = dask_array.from_zarr(str(built.path), component="chr1/enhancer")
    expected = zarr.open_group(built.path, mode="r")["chr1/enhancer"][:]
    np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), expected)


# The specification


def test_the_specifications_example_reads_a_store_with_zarr_and_numpy_alone(inputs, built, capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (example,) = [block for block in blocks if "import zarr" in block]
    assert re.findall(r"^(?:import|from) (\w+)", example, re.MULTILINE) == ["numpy", "zarr"]
    assert len(example.splitlines()) <= 12
    found: dict = {}
    exec(example.replace("pairs.zarr", str(built.path)), found)
    with pysam.FastaFile(str(inputs.genome)) as fasta:
        for row, letters in enumerate(found["enhancers"]):
            start = int(found["window"][row][4])
            expected = "".join(
                fasta.fetch("chr1", i, i + 1).upper() if 0 <= i < 3_001 else "N"
                for i in range(start, start + 60)
            )
            assert letters == re.sub("[^ACGT]", "N", expected)
    assert row == built.n_rows("chr1") - 1


def test_the_specification_names_every_attribute_and_array(built):
    text = README.read_text()
    schema = json.loads((README.parent / "schema.json").read_text())

    def names(node):
        for name, child in node.get("properties", {}).items():
            yield name
            yield from names(child)
        if isinstance(node.get("additionalProperties"), dict):
            yield from names(node["additionalProperties"])

    arrays = {
        path.parent.relative_to(built.path / "chr1").as_posix()
        for path in (built.path / "chr1").glob("*/**/zarr.json")
    }
    columns = zarr.open_array(built.path / "chr1/window", mode="r").attrs["columns"]
    regions = zarr.open_array(built.path / "chr1/pairs/region", mode="r").attrs["columns"]
    for name in {*names(schema), *arrays, *columns, *regions}:
        assert f"`{name}`" in text, name

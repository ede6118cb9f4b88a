"""Chunks read directly: what Zarr reads, whatever the layout, and the same errors."""

from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr

from epipam.errors import StoreError
from epipam.store import Store, StoreSettings, build_store

CHUNK, SHARD = 8, 24


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("chunks")
    draw = np.random.default_rng(0)
    with (folder / "g.fa").open("w") as fasta, (folder / "p.bedpe").open("w") as bedpe:
        for contig, n_pairs in (("chr1", 21), ("chr2", 5)):
            fasta.write(f">{contig}\n{''.join(draw.choice(list('ACGT'), 2_000))}\n")
            for number in range(n_pairs):
                start = 50 * number
                anchors = f"{contig}\t{start}\t{start + 50}\t{contig}\t{start + 500}\t{start + 550}"
                bedpe.write(f"{anchors}\t{number % 2}\n")
    settings = StoreSettings(60, 41, 2, 20, rows_per_chunk=CHUNK, rows_per_shard=SHARD)
    build_store(folder / "g.fa", folder / "p.bedpe", folder / "s", settings, label_column="7")
    return folder / "s"


@pytest.fixture
def copied(built, tmp_path) -> Path:
    return shutil.copytree(built, tmp_path / "s")


@pytest.fixture
def old(copied, make_old) -> Path:
    """A store that says nothing of its files, so that they may be others."""
    return make_old(copied)


def assert_reads_as_zarr_does(store: Store) -> None:
    for contig in store.contigs:
        group = zarr.open_group(store.path, mode="r")[contig]
        for start in range(0, store.n_rows(contig), CHUNK):
            found = store.read(contig, start, start + CHUNK)
            for ours, name in zip(found, ("enhancer", "promoter", "label", "window"), strict=True):
                theirs = group[name][start : start + CHUNK]
                np.testing.assert_array_equal(ours, theirs)
                assert ours.dtype == theirs.dtype


def no_slow_path(monkeypatch, store: Store) -> None:
    def refuse(*_):
        raise AssertionError("read through Zarr")

    monkeypatch.setattr(store, "_read", refuse)


def test_chunks_are_those_that_zarr_reads(built):
    assert_reads_as_zarr_does(Store(built))


def test_a_store_as_this_version_writes_it_is_read_directly(built, monkeypatch):
    store = Store(built)
    no_slow_path(monkeypatch, store)
    for contig in store.contigs:
        store.read(contig, 0, CHUNK)


def test_the_last_chunk_ends_with_the_rows(built, monkeypatch):
    store = Store(built)
    no_slow_path(monkeypatch, store)
    n_rows = store.n_rows("chr1")
    assert n_rows % CHUNK
    last = n_rows // CHUNK * CHUNK
    assert len(store.read("chr1", last, last + CHUNK).label) == n_rows - last


@pytest.mark.parametrize("threads", [2, 4, 8])
def test_threads_that_read_at_once_read_what_one_reads(built, threads):
    store = Store(built)
    group = zarr.open_group(built, mode="r")["chr1"]
    expected = [group[name][:] for name in ("enhancer", "promoter", "label", "window")]
    # Some within a chunk, which are read directly, and some across, which Zarr reads.
    ranges = [(start, start + n) for start in range(40) for n in (1, CHUNK)] * 4
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda rows: store.read("chr1", *rows), ranges))
    for (start, stop), rows in zip(ranges, found, strict=True):
        for ours, theirs in zip(rows, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs[start:stop])


@pytest.mark.parametrize("name", ["enhancer", "label", "window"])
@pytest.mark.parametrize("compressor", ["zstd", "gzip", None])
def test_other_layouts_are_read_alike(old, name, compressor):
    codecs = {
        "zstd": zarr.codecs.ZstdCodec(level=3),
        "gzip": zarr.codecs.GzipCodec(),
        None: None,
    }
    group = zarr.open_group(old, mode="r+")["chr1"]
    values = group[name][:]
    chunks = (7, *values.shape[1:])
    group.create_array(
        name, data=values, chunks=chunks, compressors=codecs[compressor], overwrite=True
    )
    assert_reads_as_zarr_does(Store(old))


def damaged_in_turn(path: Path):
    """Yield a shard with each of several places in it changed."""
    whole = path.read_bytes()
    for place in (5, len(whole) // 2, len(whole) - 60, len(whole) - 2):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        yield
    path.write_bytes(whole[: len(whole) // 2])
    yield
    path.write_bytes(b"")
    yield
    path.unlink()
    yield


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_damage_is_found_and_named(copied, make_old, version):
    if version == "1.1":
        make_old(copied)

    def read_shard():
        store = Store(copied)
        return [store.read("chr1", start, start + CHUNK) for start in range(0, SHARD, CHUNK)]

    for _ in damaged_in_turn(copied / "chr1/enhancer/c/0/0"):
        with pytest.raises(StoreError, match=r"chr1/enhancer.*epipam verify.*epipam repair"):
            read_shard()


def test_a_file_that_is_emptied_after_its_first_use_is_not_read_as_n(copied):
    store = Store(copied)
    store.read("chr1", 0, CHUNK)
    (copied / "chr1/enhancer/c/0/0").write_bytes(b"")
    with pytest.raises(StoreError, match="chr1/enhancer: has no bytes in the file c/0/0"):
        store.read("chr1", CHUNK, 2 * CHUNK)


def test_another_number_of_rows_than_the_store_states_is_refused(old):
    group = zarr.open_group(old, mode="r+")["chr1"]
    group.create_array("label", data=group["label"][:-1], chunks=(CHUNK,), overwrite=True)
    with pytest.raises(StoreError, match="rows, not"):
        Store(old).read("chr1", 0, CHUNK)


def test_a_loader_that_was_pickled_reads_on(built):
    from epipam.loading.loader import LoaderSettings, PairBatches

    batches = PairBatches(Store(built), ["chr1"], LoaderSettings(training=False, batch_size=4))
    expected = batches[0, 0]
    found = pickle.loads(pickle.dumps(batches))[0, 0]
    np.testing.assert_array_equal(found.enhancer, expected.enhancer)

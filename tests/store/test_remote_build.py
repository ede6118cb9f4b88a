"""Stores at URLs: on an S3 that answers on this machine, and in memory."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from epipam.cli import main
from epipam.errors import EpipamError, RequestError, StoreError
from epipam.runtime.locations import RemoteFolder
from epipam.store import Store, build_store
from epipam.store.remote_build import RemoteBuild, read_note, remote_build


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a folder by their path below it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def objects(bucket: str) -> dict[str, bytes]:
    """All objects of a bucket by key, read without epipam."""
    import s3fs

    filesystem = s3fs.S3FileSystem(use_listings_cache=False)
    return {key.partition("/")[2]: filesystem.cat_file(key) for key in filesystem.find(bucket)}


def build(inputs, out, **options):
    return build_store(inputs.genome, inputs.pairs, out, inputs.settings, **options)


@pytest.fixture(scope="module")
def stored(inputs, s3_server):
    """The URL of a store of the inputs, for reading only."""
    url = f"{s3_server.new_bucket()}/deep/pairs.zarr"
    build(inputs, url)
    return url


# Writing


@pytest.mark.parametrize("workers", [1, 2])
def test_the_objects_are_the_files_of_a_build_on_disk_and_no_others(inputs, built, bucket, workers):
    result = build(inputs, f"{bucket}/pairs.zarr", workers=workers)
    assert result.path == f"{bucket}/pairs.zarr"
    expected = {f"pairs.zarr/{name}": data for name, data in tree(built.path).items()}
    assert objects(bucket) == expected


def test_the_roots_attributes_are_written_last_and_a_contigs_own_after_its_arrays(
    inputs, bucket, s3_server
):
    s3_server.asked()
    build(inputs, f"{bucket}/pairs.zarr")
    puts = [path.split("/pairs.zarr/")[-1] for verb, path in s3_server.asked() if verb == "PUT"]
    puts = [name for name in puts if not name.endswith(".building.json")]
    assert puts[-1] == "zarr.json"
    assert len(set(puts)) == len(puts)
    for contig in ("chr1", "chr2", "c", "tiny"):
        own = [name for name in puts if name.startswith(f"{contig}/")]
        assert own[-1] == f"{contig}/zarr.json"


def stop_after(n_contigs: int):
    done: list[str] = []

    def stop(name: str) -> None:
        done.append(name)
        if len(done) == n_contigs:
            raise KeyboardInterrupt

    return stop


def test_a_build_that_was_stopped_is_no_store_and_is_gone_on_with(inputs, built, bucket, s3_server):
    url = f"{bucket}/pairs.zarr"
    with pytest.raises(KeyboardInterrupt):
        build(inputs, url, on_contig=stop_after(2))
    with pytest.raises(StoreError, match="is no epipam store"):
        Store(url)
    s3_server.asked()
    result = build(inputs, url)
    assert result.resumed == list(built.contigs[:2])
    again = [
        p
        for verb, p in s3_server.asked()
        if verb == "PUT" and f"pairs.zarr/{built.contigs[0]}/" in p
    ]
    assert again == []
    assert tree(built.path) == {
        key.removeprefix("pairs.zarr/"): data for key, data in objects(bucket).items()
    }


def test_what_another_build_has_left_is_removed(inputs, built, bucket):
    url = f"{bucket}/pairs.zarr"
    with pytest.raises(KeyboardInterrupt):
        build(
            inputs._replace(settings=replace(inputs.settings, seed=1, augment=40)),
            url,
            on_contig=stop_after(2),
        )
    assert build(inputs, url).resumed == []
    assert tree(built.path) == {
        key.removeprefix("pairs.zarr/"): data for key, data in objects(bucket).items()
    }


def test_an_existing_store_is_refused_unless_it_may_be_overwritten(inputs, built, bucket):
    url = f"{bucket}/pairs.zarr"
    build(inputs._replace(settings=replace(inputs.settings, seed=1, augment=9)), url)
    with pytest.raises(RequestError, match="exists already; choose another name or pass --over"):
        build(inputs, url)
    build(inputs, url, overwrite=True)
    assert tree(built.path) == {
        key.removeprefix("pairs.zarr/"): data for key, data in objects(bucket).items()
    }


def test_overwriting_begins_by_making_the_old_store_no_store(inputs, bucket):
    url = f"{bucket}/pairs.zarr"
    build(inputs, url)
    with (
        pytest.raises(KeyboardInterrupt),
        remote_build(RemoteFolder(url), {"other": 1}, overwrite=True),
    ):
        raise KeyboardInterrupt
    with pytest.raises(StoreError, match="is no epipam store"):
        Store(url)


@pytest.mark.parametrize("key", ["pairs.zarr/notes.txt", "pairs.zarr/zarr.json"])
def test_what_is_not_ours_is_never_overwritten(inputs, bucket, key):
    RemoteFolder(bucket).write(key, b"{}")
    with pytest.raises(RequestError, match="is no epipam store"):
        build(inputs, f"{bucket}/pairs.zarr", overwrite=True)
    assert objects(bucket) == {key: b"{}"}


def test_a_store_beside_it_with_a_longer_name_is_left_alone(inputs, bucket):
    RemoteFolder(bucket).write("pairs.zarr.old/zarr.json", b"mine")
    build(inputs, f"{bucket}/pairs.zarr")
    build(inputs, f"{bucket}/pairs.zarr", overwrite=True)
    assert objects(bucket)["pairs.zarr.old/zarr.json"] == b"mine"


def test_tasks_of_a_build_that_was_taken_over_put_nothing_more(built, bucket):
    folder = RemoteFolder(f"{bucket}/pairs.zarr")
    with remote_build(folder, {"seed": 1}, overwrite=False) as (old, _):
        pass
    with remote_build(folder, {"seed": 2}, overwrite=False) as (new, continued):
        pass
    assert not continued
    before = objects(bucket)
    for stale in (
        lambda: pickle.loads(pickle.dumps(old)).put_contig(built.path / "chr1"),
        lambda: old.finish(built.attributes),
    ):
        with pytest.raises(StoreError, match="another build is writing here"):
            stale()
    assert objects(bucket) == before
    new.put_contig(built.path / "chr1")


def test_a_take_over_that_is_killed_while_it_removes_does_not_keep_the_rest(built, bucket):
    folder = RemoteFolder(f"{bucket}/pairs.zarr")
    with remote_build(folder, {"seed": 1}, overwrite=False) as (old, _):
        old.put_contig(built.path / "chr1")
    note = json.dumps({"run": "x", "request": None}).encode()
    folder.beside().write(".pairs.zarr.building.json", note)
    with remote_build(folder, {"seed": 2}, overwrite=False) as (new, continued):
        assert not continued
        assert new.finished_contig("chr1") is None
    assert read_note(folder)["request"] == {"seed": 2}


# Reading


def test_a_store_at_a_url_reads_like_the_one_on_disk(built, stored):
    store = Store(stored)
    assert str(store.path) == stored
    assert store.attributes == built.attributes
    assert store.size_on_disk() == built.size_on_disk()
    assert store.bits_per_base() == built.bits_per_base()
    for contig in built.contigs:
        for one, other in zip(store.read(contig, 3, 40), built.read(contig, 3, 40), strict=True):
            np.testing.assert_array_equal(one, other)
        assert store.pairs(contig).equals(built.pairs(contig))
        assert store.verify(contig) == built.verify(contig)


def _read(store: Store) -> int:
    return int(store.read("chr1", 0, 30).window.sum())


@pytest.mark.usefixtures("new_fork_server")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_store_at_a_url_crosses_to_another_process_after_it_was_read(stored, method):
    store = Store(stored)
    expected = _read(store)
    with get_context(method).Pool(1) as pool:
        assert pool.apply_async(_read, (store,)).get(timeout=60) == expected
    assert _read(store) == expected


@pytest.mark.usefixtures("new_fork_server")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_loader_reads_the_same_batches_from_a_url_as_from_disk(built, stored, method):
    from epipam.loading.loader import LoaderSettings, PairBatches, PairLoader

    settings = LoaderSettings(training=True, batch_size=7, buffer_rows=40)
    expected, found = (
        [
            [column.numpy().copy() for column in batch]
            for batch in PairLoader(
                PairBatches(store, built.contigs, settings), workers, start_method=method
            )
        ]
        for store, workers in ((built, 0), (Store(stored), 2))
    )
    assert len(found) == len(expected) > 3
    for one, other in zip(found, expected, strict=True):
        for column, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(column, same)


def test_an_object_that_is_missing_is_damage_not_zeros(inputs, bucket):
    url = f"{bucket}/pairs.zarr"
    build(inputs, url)
    RemoteFolder(url).remove(["chr1/enhancer/c/0/0"])
    with pytest.raises(StoreError, match="chr1/enhancer/c/0/0 is missing; epipam verify lists"):
        Store(url)
    store = Store(url, check_sizes=False)
    with pytest.raises(StoreError, match="lacks the file c/0/0; epipam verify lists"):
        _read(store)
    assert store.verify("chr1").damage == (("chr1/enhancer/c/0/0", "is missing"),)


def test_a_changed_object_is_named(inputs, bucket):
    url = f"{bucket}/pairs.zarr"
    build(inputs, url)
    folder = RemoteFolder(url)
    data = bytearray(folder.read("chr1/promoter/c/0/0"))
    data[3] ^= 1
    folder.write("chr1/promoter/c/0/0", bytes(data))
    assert Store(url).verify("chr1").damage == (
        ("chr1/promoter/c/0/0", "differs from what was written"),
    )


# Commands and refusals


def run(*arguments) -> object:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_the_commands_take_urls(inputs, bucket):
    url = f"{bucket}/pairs.zarr"
    options = ["--enhancer-length", 60, "--promoter-length", 41, "--augment", 3]
    result = run("build-store", inputs.genome, inputs.pairs, "-o", url, *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{url}: 100 of 100 pairs stored\n")
    assert run("info", url).stdout.startswith(f"{url}: epipam store, format")
    assert run("verify", url).stdout.startswith(f"{url}: ")
    assert json.loads(run("verify", url, "--json").stdout)["damaged"] == 0


def refusal(*arguments, exit_code: int) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (exit_code, ""), result.output
    (line,) = result.stderr.splitlines()
    assert len(line) < 300, line
    return line


def test_a_bucket_that_is_not_there_is_said_before_any_work(inputs, s3_server, monkeypatch):
    url = "s3://nobody-made-this-bucket/x.zarr"
    monkeypatch.setattr("epipam.store.writer.read_pairs", None)
    for command in (["build-store", inputs.genome, inputs.pairs, "-o", url],):
        line = refusal(*command, exit_code=1)
        assert f"{url}: cannot be listed: The specified bucket does not exist" in line
    assert f"{url}: is no epipam store" in refusal("info", url, exit_code=2)


def test_a_whole_bucket_is_no_place_for_a_store(inputs, bucket):
    line = refusal("build-store", inputs.genome, inputs.pairs, "-o", bucket, exit_code=2)
    assert f"{bucket}: is a whole bucket; name a store in it: {bucket}/NAME.zarr" in line


def test_missing_credentials_are_said_with_what_to_set(bucket):
    code = (
        "import os, sys\n"
        "for name in [n for n in os.environ if n.startswith('AWS_') and 'URL' not in n]:\n"
        "    del os.environ[name]\n"
        "from epipam.cli import main; main(['info', sys.argv[1]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"{bucket}/x.zarr"],
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "cannot be read: no credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID" in done.stderr


def test_a_missing_library_is_said_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    line = refusal("info", "gs://bucket/x.zarr", exit_code=2)
    assert 'needs gcsfs, which is not installed: pip install "epipam[gcs]"' in line


def test_an_unknown_kind_of_url_is_said():
    assert "no such kind of URL" in refusal("info", "gopher://bucket/x.zarr", exit_code=2)


def test_a_build_killed_with_its_workers_is_gone_on_with(inputs, built, bucket):
    url = f"{bucket}/pairs.zarr"
    code = (
        "import os, signal, sys\n"
        "from epipam.store import StoreSettings, build_store\n"
        "def die(name): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"build_store({str(inputs.genome)!r}, {str(inputs.pairs)!r}, {url!r}, "
        f"{inputs.settings!r}, workers=2, on_contig=die)"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    result = build(inputs, url)
    assert built.contigs[0] in result.resumed
    assert tree(built.path) == {
        key.removeprefix("pairs.zarr/"): data for key, data in objects(bucket).items()
    }


def test_other_schemes_of_fsspec_work_alike(inputs, built):
    url = "memory://bucket/pairs.zarr"
    build(inputs, url)
    store = Store(url)
    assert [store.verify(contig).damage for contig in store.contigs] == [()] * 4
    with pytest.raises(EpipamError, match="exists already"):
        build(inputs, url)
    assert isinstance(RemoteBuild(RemoteFolder(url), "x"), RemoteBuild)

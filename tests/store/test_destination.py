"""Stores that workers write, some of them killed: the bytes are those of a build alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from distributed import LocalCluster

from epipam.errors import RequestError
from epipam.runtime.worker_pool import WorkerPool
from epipam.store import Store, build_store
from epipam.store.contig_tasks import write_attempt
from epipam.store.contig_writer import ContigJob, ContigPairs

# What a worker runs as it starts. The first that comes to a contig's pairs, its rows being written,
# dies there.
DIE_ONCE = """
import os, signal
from pathlib import Path
from epipam.store import contig_writer

marker = Path({marker!r})

def die_once(*arguments, write_pairs=contig_writer._write_pairs):
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return write_pairs(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

contig_writer._write_pairs = die_once
"""
FAIL = """
from epipam.errors import GenomeError
from epipam.store import contig_writer

def fail(*arguments):
    raise GenomeError("genome.fa: cannot read chr1:0-9: the file is damaged")

contig_writer._write_pairs = fail
"""


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a folder by their path below it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def build(inputs, out, **options):
    return build_store(inputs.genome, inputs.pairs, out, inputs.settings, **options)


@pytest.fixture
def preload(monkeypatch):
    """Return `preload(text)`, after which every worker that is started runs this text."""

    def preload(text: str) -> None:
        pool = partial(WorkerPool, prepare=exec, arguments=(text, {}))
        monkeypatch.setattr("epipam.runtime.cluster.WorkerPool", pool)

    return preload


def test_a_worker_killed_in_mid_contig_changes_nothing_in_the_store(
    inputs, built, tmp_path, tmp_path_factory, preload
):
    marker = tmp_path_factory.mktemp("marker") / "died"
    preload(DIE_ONCE.format(marker=str(marker)))
    told: list[str] = []
    build(inputs, tmp_path / "store", workers=2, on_contig=told.append)
    assert marker.exists()
    assert told == list(built.contigs)
    assert tree(tmp_path / "store") == tree(built.path)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_an_error_on_a_worker_is_raised_and_what_is_done_is_gone_on_with(
    inputs, built, tmp_path, preload
):
    preload(FAIL)
    with pytest.raises(RequestError, match=r"genome\.fa: cannot read chr1") as error:
        build(inputs, tmp_path / "store", workers=2)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".store.building",
        ".store.building.json",
    ]
    preload("")
    build(inputs, tmp_path / "store", workers=2)
    assert tree(tmp_path / "store") == tree(built.path)


@pytest.fixture(scope="module")
def cluster():
    """A cluster that somebody else has started."""
    options = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=2, threads_per_worker=1, scheduler_kwargs=options) as cluster:
        yield cluster


def test_the_workers_of_a_scheduler_write_the_same_store(
    inputs, built, tmp_path, monkeypatch, cluster
):
    # Relative paths are those of this process, not of the folder where a worker was started.
    monkeypatch.chdir(tmp_path)
    shutil.copy(inputs.genome, tmp_path / "genome.fa")
    here = inputs._replace(genome=Path("genome.fa"))
    build(here, "store", scheduler=cluster.scheduler_address)
    assert tree(tmp_path / "store") == tree(built.path)


def test_a_build_that_was_killed_is_gone_on_with_by_workers(inputs, built, tmp_path):
    def stop(name: str) -> None:
        if name == built.contigs[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(inputs, tmp_path / "store", on_contig=stop)
    half = tmp_path / ".store.building" / built.contigs[2]
    half.mkdir()
    (half / "leftover").write_text("of a contig that was not written to its end")
    result = build(inputs, tmp_path / "store", workers=2)
    assert result.resumed == list(built.contigs[:2])
    assert tree(tmp_path / "store") == tree(built.path)


@pytest.fixture
def job(inputs, tmp_path):
    """A contig to write below the test's folder."""
    import pandas as pd

    from epipam.pairs.table import COLUMNS

    rows = [row for row in inputs.rows if row[0] == "c"]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).assign(pair=range(len(rows)))
    pairs = ContigPairs.of_frame(frame)
    return ContigJob(tmp_path, inputs.genome, "c", "c", pairs, inputs.settings)


def test_two_attempts_at_one_contig_write_in_folders_of_their_own(job):
    one, other = write_attempt(job), write_attempt(job)
    assert one.group != other.group
    assert one.group.name == other.group.name == "c"
    assert tree(one.group) == tree(other.group)
    assert (
        one.summary
        == other.summary
        == json.loads(tree(one.group)["zarr.json"])["attributes"]["epipam"]
    )


def test_an_attempt_that_fails_leaves_nothing(job, tmp_path):
    with pytest.raises(KeyError):
        write_attempt(replace(job, contig="none"))
    assert list(tmp_path.iterdir()) == []


def test_a_worker_without_the_shared_folder_says_so(job, tmp_path):
    with pytest.raises(RequestError, match=r"is not there on a worker: .* or a URL"):
        write_attempt(replace(job, root=tmp_path / "none"))


def test_leftover_attempts_of_a_killed_build_go(inputs, built, tmp_path):
    leftover = tmp_path / ".store.building.attempts" / "x" / "chr1"
    leftover.mkdir(parents=True)
    (leftover / "zarr.json").write_text("{}")
    build(inputs, tmp_path / "store", workers=2)
    assert tree(tmp_path / "store") == tree(built.path)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert Store(tmp_path / "store").verify("chr1").damage == ()

"""A store is whole or absent under its final name, whenever and however a build ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from epipam.errors import PairTableError, RequestError, StoreError
from epipam.store import Store, build_store, writer


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a folder by their path below it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def build(inputs, out, *, settings=None, **options):
    return build_store(inputs.genome, inputs.pairs, out, settings or inputs.settings, **options)


# Whole or absent


def test_bad_pairs_leave_nothing_behind(inputs, tmp_path):
    pairs = tmp_path / "bad.tsv"
    pairs.write_text(inputs.pairs.read_text() + "chrNo\t1\t2\t\tchrNo\t5\t6\t\t1\n")
    with pytest.raises(PairTableError, match=r"bad\.tsv:\d+: enhancer_chrom: 'chrNo'"):
        build_store(inputs.genome, pairs, tmp_path / "out" / "store", inputs.settings)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.tsv"]


def test_nothing_but_the_store_is_left_beside_it(inputs, tmp_path):
    build(inputs, tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_an_existing_name_is_refused_and_left_alone(inputs, tmp_path):
    (tmp_path / "store").write_text("mine")
    with pytest.raises(RequestError, match="exists already"):
        build(inputs, tmp_path / "store")
    assert tree(tmp_path) == {"store": b"mine"}


def test_overwriting_replaces_a_store(inputs, built, tmp_path):
    build(inputs, tmp_path / "store", settings=replace(inputs.settings, seed=1))
    build(inputs, tmp_path / "store", overwrite=True)
    assert tree(tmp_path / "store") == tree(built.path)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_overwriting_replaces_nothing_but_stores(inputs, built, tmp_path, kind):
    out = tmp_path / "precious"
    if kind == "file":
        out.write_text("thesis")
    elif kind == "folder":
        out.mkdir()
        (out / "thesis").write_text("thesis")
    else:
        out.symlink_to(built.path)
    before = tree(tmp_path)
    with pytest.raises(RequestError, match="is no epipam store"):
        build(inputs, out, overwrite=True)
    assert tree(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_build_that_fails_leaves_the_store_that_it_was_to_replace(inputs, built, tmp_path):
    build(inputs, tmp_path / "store")

    def fail(name):
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        build(
            inputs,
            tmp_path / "store",
            settings=replace(inputs.settings, seed=1),
            overwrite=True,
            on_contig=fail,
        )
    assert tree(tmp_path / "store") == tree(built.path)


def test_a_second_build_of_the_same_store_at_the_same_time_is_refused(inputs, built, tmp_path):
    refusals = []

    def second(to_write, found):
        with pytest.raises(StoreError, match="another build is writing here") as refused:
            build(inputs, tmp_path / "store")
        refusals.append(refused.value)

    build(inputs, tmp_path / "store", on_start=second)
    assert len(refusals) == 1
    assert tree(tmp_path / "store") == tree(built.path)


def test_a_store_put_in_place_while_the_inputs_were_read_is_not_replaced(
    inputs, built, tmp_path, monkeypatch
):
    def read_while_another_builds(*arguments, **options):
        monkeypatch.undo()
        build(inputs, tmp_path / "store")
        return writer.read_pairs(*arguments, **options)

    monkeypatch.setattr(writer, "read_pairs", read_while_another_builds)
    with pytest.raises(RequestError, match="exists already"):
        build(inputs, tmp_path / "store", settings=replace(inputs.settings, seed=1))
    assert tree(tmp_path / "store") == tree(built.path)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


# Killed builds

PREAMBLE = """
import os, signal, sys
from epipam.runtime import placing
from epipam.store import StoreSettings, build_store, contig_writer, destination, work_folder

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

def on_call(number, function):
    calls = []
    def counted(*arguments, **options):
        calls.append(1)
        return die() if len(calls) == number else function(*arguments, **options)
    return counted
"""
MOMENTS = {
    "before the first contig": ("destination.write_contig = die", 0),
    "in the third contig": (
        "contig_writer._write_pairs = on_call(3, contig_writer._write_pairs)",
        2,
    ),
    "with the third contig unmarked": (
        "contig_writer.sync_folders = on_call(3, contig_writer.sync_folders)",
        2,
    ),
    "with every contig written": ("destination.finish = die", 4),
    "with the attributes beside the folder": (
        "contig_writer.sync_folders = contig_writer.sync = lambda path: None\n"
        "work_folder.sync = die",
        4,
    ),
    "before the final name": ("destination.put_in_place = die", 4),
}


def run_and_die(patch: str, inputs, out: Path) -> None:
    call = (
        f"build_store({str(inputs.genome)!r}, {str(inputs.pairs)!r}, {str(out)!r}, "
        f"{inputs.settings!r})"
    )
    finished = subprocess.run(
        [sys.executable, "-c", "\n".join([PREAMBLE, patch, call])],
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == -signal.SIGKILL, finished.stderr


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_build_is_gone_on_with_and_ends_with_the_same_bytes(
    inputs, built, tmp_path, moment
):
    patch, n_finished = MOMENTS[moment]
    out = tmp_path / "store"
    run_and_die(patch, inputs, out)
    assert not out.exists()

    work = tmp_path / ".store.building"
    finished = list(built.contigs)[:n_finished]
    before = {path: path.stat() for name in finished for path in (work / name).rglob("*")}
    told = []
    result = build(inputs, out, on_start=lambda to_write, found: told.append((to_write, found)))
    assert told == [(list(built.contigs)[n_finished:], finished)]
    assert result.resumed == finished
    for path, stat in before.items():
        now = (out / path.relative_to(work)).stat()
        assert (now.st_ino, now.st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)
    assert tree(out) == tree(built.path)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_all_of_a_contig_is_on_the_disk_before_its_marker(inputs, tmp_path, monkeypatch):
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    build(inputs, tmp_path / "store")
    groups = [path for path in (tmp_path / "store").iterdir() if path.is_dir()]
    assert len(groups) == 4
    for group in groups:
        marker = (group / "zarr.json").stat().st_ino
        before = synced[: synced.index(marker)]
        inodes = {path.stat().st_ino for path in (group, *group.rglob("*"))}
        assert inodes - {marker} <= set(before)


def test_a_store_that_a_killed_build_had_replaced_is_not_gone_on_with(inputs, built, tmp_path):
    out = tmp_path / "store"
    build(inputs, out, settings=replace(inputs.settings, seed=1))
    patch = """
build = build_store
def build_store(*arguments):
    build(*arguments, overwrite=True)
placing.remove = die
"""
    run_and_die(patch, inputs, out)
    assert tree(out) == tree(built.path)  # in place, with the old one beside it
    result = build(inputs, out, settings=replace(inputs.settings, seed=2), overwrite=True)
    assert result.resumed == []
    assert Store(out).attributes["seed"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.fixture(scope="module")
def killed(inputs, tmp_path_factory):
    """What a build leaves that is killed in its third contig."""
    folder = tmp_path_factory.mktemp("killed")
    run_and_die(MOMENTS["in the third contig"][0], inputs, folder / "store")
    return folder


@pytest.mark.parametrize("other", ["settings", "pairs", "genome"])
def test_a_killed_build_of_other_inputs_is_begun_anew(inputs, killed, tmp_path, other):
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    out = tmp_path / "store"
    changed = inputs
    if other == "settings":
        changed = inputs._replace(settings=replace(inputs.settings, seed=1))
    elif other == "pairs":
        changed = inputs._replace(pairs=tmp_path / "less.tsv")
        changed.pairs.write_text("".join(inputs.pairs.read_text().splitlines(True)[:-1]))
    else:
        changed = inputs._replace(genome=tmp_path / "genome.fa")
        changed.genome.write_text(inputs.genome.read_text().replace("G", "C"))
    told = []
    result = build(changed, out, on_start=lambda to_write, found: told.append((to_write, found)))
    build(changed, tmp_path / "undisturbed")
    assert told == [(list(Store(out).contigs), None)]
    assert result.resumed == []
    assert tree(out) == tree(tmp_path / "undisturbed")


@pytest.mark.parametrize("text", ["", "[]", '{"attributes": {}}', "\x00\xff"])
def test_what_is_not_a_marker_does_not_make_a_contig_count_as_written(
    inputs, built, killed, tmp_path, text
):
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    first, second = built.contigs[:2]
    (tmp_path / ".store.building" / first / "zarr.json").write_text(text, encoding="latin-1")
    assert build(inputs, tmp_path / "store").resumed == [second]
    assert tree(tmp_path / "store") == tree(built.path)


def test_without_the_note_of_what_it_is_a_work_folder_is_begun_anew(
    inputs, built, killed, tmp_path
):
    shutil.copytree(killed / ".store.building", tmp_path / ".store.building")
    assert build(inputs, tmp_path / "store").resumed == []
    assert tree(tmp_path / "store") == tree(built.path)

"""Files are whole under their name, or not there."""

import errno
import fcntl
import logging
import os
import re
import signal
import stat
import subprocess
import sys

import pytest

from epipam.errors import EpipamError, RequestError
from epipam.runtime import files
from epipam.runtime.files import (
    check_new_file,
    require_only,
    whole_file,
    whole_folder,
    write_text,
)


def test_the_file_appears_when_the_block_ends(tmp_path):
    with whole_file(tmp_path / "a/b.txt") as partial:
        partial.write_text("whole")
        assert not (tmp_path / "a/b.txt").exists()
    assert (tmp_path / "a/b.txt").read_text() == "whole"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "before")
    with pytest.raises(KeyError), whole_file(tmp_path / "a.txt") as partial:
        partial.write_text(str({}["half"]))
    assert (tmp_path / "a.txt").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failed_write_names_the_file_it_was_for(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EpipamError, match=r"file/a\.txt: cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "text")
    full = OSError(28, "No space left on device")
    writing = whole_file(tmp_path / "b.txt")
    writing.__enter__()
    with pytest.raises(EpipamError, match=r"b\.txt: cannot be written: No space left"):
        writing.__exit__(OSError, full, None)
    assert not (tmp_path / "b.txt").exists()


def test_a_failed_read_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"), whole_file(tmp_path / "c.txt"):
        (tmp_path / "absent").read_text()


def test_the_mode_is_that_of_any_new_file(tmp_path):
    write_text(tmp_path / "ours", "")
    (tmp_path / "theirs").write_text("")
    modes = {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("ours", "theirs")}
    assert len(modes) == 1


def test_a_new_file_has_one_of_the_endings_and_the_longest_counts(tmp_path):
    endings = (".bedpe", ".igv.bedpe", ".tsv")
    for name, ending in {"a.bedpe": ".bedpe", "a.igv.bedpe": ".igv.bedpe"}.items():
        assert check_new_file(tmp_path / name, "pairs", endings, overwrite=False) == ending


def test_what_cannot_be_a_new_file_is_refused(tmp_path):
    there = tmp_path / "there.tsv"
    there.write_text("old")
    refused = {
        tmp_path: "is a folder; name a file for pairs",
        tmp_path / "x.csv": r"the ending must be one of \.tsv",
        there: "exists already; choose another name or pass --overwrite",
        there / "deep" / "x.tsv": r"there\.tsv is a file, not a folder",
    }
    for path, what in refused.items():
        with pytest.raises(RequestError, match=what):
            check_new_file(path, "pairs", (".tsv",), overwrite=False)
    assert check_new_file(there, "pairs", (".tsv",), overwrite=True) == ".tsv"


def test_the_folder_appears_when_the_block_ends(tmp_path):
    with whole_folder(tmp_path / "a/b") as partial:
        write_text(partial / "c.txt", "whole")
        assert not (tmp_path / "a/b").exists()
    assert (tmp_path / "a/b/c.txt").read_text() == "whole"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_error_leaves_no_folder(tmp_path):
    with pytest.raises(KeyError), whole_folder(tmp_path / "a") as partial:
        write_text(partial / "c.txt", str({}["half"]))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_or_cannot_be_made_is_refused_before_any_work(tmp_path):
    with pytest.raises(RequestError, match="exists already"), whole_folder(tmp_path):
        pytest.fail("the block ran")
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(EpipamError, match="file/a: cannot be written"),
        whole_folder(tmp_path / "file" / "a"),
    ):
        pytest.fail("the block ran")


# What is there already


def test_what_may_not_be_replaced_is_looked_at_again_before_the_file_gets_its_name(tmp_path):
    with (
        pytest.raises(RequestError, match=r"a\.tsv: exists already; choose another name or pass"),
        whole_file(tmp_path / "a.tsv", overwrite=False) as partial,
    ):
        partial.with_name("a.tsv").write_text("first")
    assert names(tmp_path) == ["a.tsv"]
    assert (tmp_path / "a.tsv").read_text() == "first"


def test_a_folder_that_came_meanwhile_is_not_replaced(tmp_path):
    with pytest.raises(RequestError, match="exists already"), whole_folder(tmp_path / "a"):
        (tmp_path / "a/theirs").mkdir(parents=True)
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["theirs"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_link_to_nothing_is_neither_followed_nor_replaced(tmp_path, overwrite):
    link = tmp_path / "a.tsv"
    link.symlink_to(tmp_path / "elsewhere.tsv")
    with pytest.raises(RequestError, match=r"is a link to .*elsewhere\.tsv, which is not there"):
        check_new_file(link, "pairs", (".tsv",), overwrite=overwrite)
    with pytest.raises(RequestError, match="is a link to"), whole_file(link, overwrite=overwrite):
        pytest.fail("the block ran")
    with (
        pytest.raises(RequestError, match="is a link to"),
        whole_folder(link, lambda path: None),
    ):
        pytest.fail("the block ran")
    assert names(tmp_path) == ["a.tsv"]


def test_a_folder_that_may_be_replaced_is_replaced_in_one_step(tmp_path, monkeypatch):
    write_text(tmp_path / "a/old.txt", "old")
    seen = []
    place = files.put_folder_in_place

    def look(new, path):
        seen.append(names(path))
        place(new, path)
        seen.append(names(path))

    monkeypatch.setattr(files, "put_folder_in_place", look)
    monkeypatch.setattr(os, "rename", lambda *paths: pytest.fail("there are two steps"))
    with whole_folder(tmp_path / "a", lambda path: None) as partial:
        write_text(partial / "new.txt", "new")
    assert seen == [["old.txt"], ["new.txt"]]
    assert names(tmp_path) == ["a"]


def test_a_folder_to_replace_must_hold_nothing_of_others(tmp_path):
    write_text(tmp_path / "a/ours/one.txt", "")
    require_only(tmp_path / "a", {"ours", "ours/one.txt"})
    write_text(tmp_path / "a/__pycache__/model.pyc", "")
    require_only(tmp_path / "a", {"ours", "ours/one.txt"})
    write_text(tmp_path / "a/thesis.txt", "")
    with pytest.raises(RequestError, match=r"holds thesis\.txt, which epipam has not written"):
        require_only(tmp_path / "a", {"ours", "ours/one.txt"})


def test_an_index_of_an_earlier_file_goes_before_the_file_does(tmp_path, monkeypatch):
    for name in ("a.bedpe.gz", "a.bedpe.gz.tbi", "a.bedpe.gz.csi", "b.bedpe.gz.tbi"):
        (tmp_path / name).write_text("old")
    there = []
    replace = os.replace
    monkeypatch.setattr(
        os, "replace", lambda *paths: (there.extend(names(tmp_path)), replace(*paths))
    )
    with whole_file(tmp_path / "a.bedpe.gz") as partial:
        partial.write_text("new")
    assert "a.bedpe.gz" in there
    assert not {"a.bedpe.gz.tbi", "a.bedpe.gz.csi"} & {*there}
    assert names(tmp_path) == ["a.bedpe.gz", "b.bedpe.gz.tbi"]


# Two at once, and killed ones


def test_two_writers_of_one_file_do_not_mix_the_second_is_refused(tmp_path):
    with whole_file(tmp_path / "a") as first:
        with (
            pytest.raises(RequestError, match=rf"a: another process .*process {os.getpid()} on"),
            whole_file(tmp_path / "a"),
        ):
            pytest.fail("the block ran")
        first.write_text("first")
    assert (tmp_path / "a").read_text() == "first"
    assert names(tmp_path) == ["a"]


def test_two_writers_of_one_folder_do_not_mix_the_second_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with whole_folder("a") as first:
        with (
            pytest.raises(RequestError, match=r"another process is writing it \(process"),
            whole_folder(tmp_path / "a"),
        ):
            pytest.fail("the block ran")
        write_text(first / "b", "first")
    assert names(tmp_path) == ["a"]


KILLED = """
import os, signal, sys
from pathlib import Path
from epipam.runtime.files import whole_file, whole_folder
with whole_file(sys.argv[1]) as file, whole_folder(sys.argv[2]) as folder:
    file.write_text("half")
    (folder / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_with_the_next_and_nothing_else_does(tmp_path):
    others = [".a.b.12345678.partial", ".a.mine.partial", "a.12345678.partial", ".a.b.lock"]
    for name in others:
        (tmp_path / name).touch()
    command = [sys.executable, "-c", KILLED, tmp_path / "a", tmp_path / "f"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == len(others) + 4
    write_text(tmp_path / "a", "whole")
    with whole_folder(tmp_path / "f") as partial:
        (partial / "whole").touch()
    assert names(tmp_path) == sorted([*others, "a", "f"])


def test_nothing_is_named_by_the_number_of_a_process(tmp_path, monkeypatch):
    """In a container each process is number 1."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    seen = []
    for _ in range(2):
        with whole_folder(tmp_path / "a", lambda path: None) as folder:
            seen.append(folder.name)
    assert len(set(seen)) == 2


# Odd file systems


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_where_there_are_no_locks_that_is_said_and_the_file_written(
    tmp_path, monkeypatch, caplog, number
):
    def flock(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with caplog.at_level(logging.WARNING, "epipam"):
        write_text(tmp_path / "a", "whole")
    assert names(tmp_path) == ["a"]
    (said,) = caplog.messages
    assert said.startswith(f"{tmp_path}: this file system has no locks")


def test_a_folder_that_cannot_be_synced_does_not_matter(tmp_path, monkeypatch):
    fsync = os.fsync

    def only_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    with whole_folder(tmp_path / "a") as partial:
        write_text(partial / "b", "whole")
    assert (tmp_path / "a/b").read_text() == "whole"


def test_a_file_that_cannot_be_synced_is_an_error_that_names_it(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(EpipamError, match=rf"{tmp_path}/a: cannot be written: Input/output error"):
        write_text(tmp_path / "a", "whole")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.EXDEV, "something is mounted: choose a name in its folder"),
        (errno.ENOSPC, "make room there, or choose another place"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EROFS, "choose a folder that can be written to"),
    ],
)
def test_a_failure_names_the_output_and_the_way_out(tmp_path, monkeypatch, number, way_out):
    def fail(one, other):
        raise OSError(number, os.strerror(number), str(one), None, str(other))

    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr(os, "rename", fail)
    for writing in (whole_file, whole_folder):
        with (
            pytest.raises(EpipamError, match=re.escape(way_out)) as error,
            writing(tmp_path / "a"),
        ):
            pass
        assert str(error.value).startswith(f"{tmp_path}/a: cannot be written: ")
        assert "\n" not in str(error.value)
    assert names(tmp_path) == []


def test_a_failure_within_a_folder_names_the_folder_that_was_asked_for(tmp_path):
    with (
        pytest.raises(
            EpipamError, match=rf"^{tmp_path}/a/b/c+: cannot be written: .*; choose a shorter name"
        ),
        whole_folder(tmp_path / "a") as partial,
    ):
        write_text(partial / "b" / ("c" * 300), "text")


def names(folder):
    return sorted(path.name for path in folder.iterdir())

"""Files are whole under their name, or not there."""

import os
import stat

import pytest

from epipam.errors import EpipamError, RequestError
from epipam.runtime.files import check_new_file, whole_file, whole_folder, write_text


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


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    with whole_file(tmp_path / "a") as first, whole_file(tmp_path / "a") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a").read_text() == "first"


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

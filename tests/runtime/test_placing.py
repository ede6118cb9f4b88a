"""Folders that take each other's place."""

from __future__ import annotations

import errno
import os

import pytest

from epipam.runtime import placing
from epipam.runtime.placing import clear_leftovers, exchange, put_folder_in_place


@pytest.fixture
def folders(tmp_path):
    for name in ("new", "place"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    return tmp_path / "new", tmp_path / "place"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_two_folders_exchange_their_names(folders):
    new, place = folders
    assert exchange(new, place)
    assert (names(new), names(place)) == (["place"], ["new"])


def test_an_exchange_with_what_is_not_there_is_an_error(folders, tmp_path):
    with pytest.raises(FileNotFoundError):
        exchange(folders[0], tmp_path / "absent")


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_takes_anothers_place(folders, tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(placing, "exchange", lambda one, other: False)
    new, place = folders
    put_folder_in_place(new, place)
    assert names(place) == ["new"]
    assert names(tmp_path) == ["place"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_a_file_system_without_an_exchange_is_no_error(folders, monkeypatch, number):
    class Library:
        @staticmethod
        def renameat2(*arguments):
            placing.ctypes.set_errno(number)
            return -1

    monkeypatch.setattr(placing.ctypes, "CDLL", lambda *arguments, **options: Library)
    assert not exchange(*folders)
    monkeypatch.setattr(placing.ctypes, "CDLL", lambda *arguments, **options: object())
    assert not exchange(*folders)


def test_where_the_second_of_two_renames_fails_the_old_folder_is_put_back(
    folders, tmp_path, monkeypatch
):
    new, place = folders
    rename = os.rename

    def fail_with_new(one, other):
        if one == new:
            raise OSError(errno.EIO, "Input/output error")
        rename(one, other)

    monkeypatch.setattr(placing, "exchange", lambda one, other: False)
    monkeypatch.setattr(os, "rename", fail_with_new)
    with pytest.raises(OSError, match="Input/output"):
        put_folder_in_place(new, place)
    assert names(place) == ["place"]
    assert names(tmp_path) == ["new", "place"]


def test_a_folder_that_a_kill_left_under_its_other_name_is_put_back(folders, tmp_path):
    _, place = folders
    place.rename(tmp_path / ".place.12345678.replaced")
    clear_leftovers(place)
    assert names(place) == ["place"]
    (tmp_path / ".place.12345678.replaced").mkdir()
    clear_leftovers(place)
    assert names(tmp_path) == ["new", "place"]

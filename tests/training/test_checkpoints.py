"""Checkpoints: damage is found and named, the one before last steps in, nothing foreign is run."""

from __future__ import annotations

import os
import pickle
import zipfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import EpipamError
from epipam.training.checkpoints import (
    CheckpointError,
    CheckpointFiles,
    checkpoint_to_resume,
    read_checkpoint,
)

WEIGHTS = {"layer.weight": torch.arange(12.0).reshape(3, 4)}


def checkpoint(epoch=0, **others):
    return {
        "state_dict": WEIGHTS,
        "epoch": epoch,
        "global_step": 10 * epoch,
        "loops": {},
        "callbacks": {},
        "optimizer_states": [],
        **others,
    }


@pytest.fixture
def folder(tmp_path):
    """Two checkpoints: epoch 1 was last before epoch 2."""
    path = tmp_path / "run" / "checkpoints"
    for epoch in (1, 2):
        CheckpointFiles().save_checkpoint(checkpoint(epoch), path / "last.ckpt")
    return path


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def zero(path):
    path.write_bytes(bytes(path.stat().st_size))


def flip_a_weight(path):
    content = bytearray(path.read_bytes())
    content[content.index(torch.arange(12.0).numpy().tobytes()) + 7] ^= 1
    path.write_bytes(bytes(content))


class Shell:
    def __reduce__(self):
        return os.mkdir, ("owned",)


def hostile_pickle(path):
    path.write_bytes(pickle.dumps(Shell()))


def hostile_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Shell()))
        archive.writestr("archive/version", "3")


def of_something_else(path):
    torch.save([1, 2], path)


def of_another_model(path):
    torch.save(checkpoint(state_dict={"other": torch.zeros(2)}), path)


DAMAGES = [
    cut,
    empty,
    zero,
    flip_a_weight,
    hostile_pickle,
    hostile_archive,
    of_something_else,
    of_another_model,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_last_one_falls_back_to_the_one_before_and_says_so(
    folder, damage, caplog, monkeypatch
):
    monkeypatch.chdir(folder)
    damage(folder / "last.ckpt")
    found = checkpoint_to_resume(folder, WEIGHTS)
    assert read_checkpoint(found)["epoch"] == 1
    assert f"{folder / 'last.ckpt'}: is" in caplog.text
    assert "going on from the one before" in caplog.text
    assert not (folder / "owned").exists()
    # The next one is written over the damaged one, and what was good is kept beside it.
    assert read_checkpoint(folder / "last.ckpt")["epoch"] == 1
    CheckpointFiles().save_checkpoint(checkpoint(2), folder / "last.ckpt")
    assert read_checkpoint(folder / "previous.ckpt")["epoch"] == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_a_good_one_the_error_is_a_line_that_names_the_way_out(folder, damage):
    damage(folder / "last.ckpt")
    (folder / "previous.ckpt").unlink()
    with pytest.raises(CheckpointError) as caught:
        checkpoint_to_resume(folder, WEIGHTS)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'last.ckpt'}: is")
    assert f"remove {folder.parent} to train from the beginning" in message
    assert "\n" not in message
    assert "weights_only" not in message


def test_of_none_there_is_nothing_to_go_on_from(tmp_path):
    assert checkpoint_to_resume(tmp_path, WEIGHTS) is None


def test_a_kill_between_the_two_renames_leaves_the_one_before(folder):
    (folder / "last.ckpt").unlink()
    assert read_checkpoint(checkpoint_to_resume(folder, WEIGHTS))["epoch"] == 1


def test_the_last_stays_until_the_next_is_whole(folder, monkeypatch):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(EpipamError, match=r"last\.ckpt: cannot be written: No space left"):
        CheckpointFiles().save_checkpoint(checkpoint(3), folder / "last.ckpt")
    monkeypatch.undo()
    assert read_checkpoint(folder / "last.ckpt")["epoch"] == 2
    assert sorted(path.name for path in folder.iterdir()) == ["last.ckpt", "previous.ckpt"]


def test_nothing_goes_through_the_folder_for_temporary_files(folder, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(folder / "absent"))
    monkeypatch.setattr("tempfile.tempdir", str(folder / "absent"))
    CheckpointFiles().save_checkpoint(checkpoint(3), folder / "last.ckpt")
    assert read_checkpoint(folder / "last.ckpt")["epoch"] == 3


def test_file_systems_without_links_keep_the_one_before_by_renaming(folder, monkeypatch):
    def unsupported(source, target):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", unsupported)
    CheckpointFiles().save_checkpoint(checkpoint(3), folder / "last.ckpt")
    epochs = [read_checkpoint(folder / name)["epoch"] for name in ("last.ckpt", "previous.ckpt")]
    assert epochs == [3, 2]


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_line(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "x.ckpt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)

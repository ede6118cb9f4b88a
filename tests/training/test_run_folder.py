"""Claiming a run folder, and reading what a run left in it."""

from __future__ import annotations

import json

import pytest

from epipam.errors import EpipamError, RequestError
from epipam.training.run_folder import RunFinished, RunTaken, claimed_run, read_epoch

REQUEST = {"model": "epipam", "seed": 1}


def test_a_claimed_run_is_nobody_elses_and_is_gone_on_with_by_the_same_request(tmp_path):
    run = tmp_path / "run"
    with claimed_run(run, REQUEST):
        with (
            pytest.raises(RunTaken, match="another process is training here"),
            claimed_run(run, REQUEST),
        ):
            raise AssertionError
        noted = json.loads((run / "checkpoints/request.json").read_text())
    assert noted == {"folder": str(run.resolve()), **REQUEST}
    with claimed_run(run, REQUEST):
        pass
    with (
        pytest.raises(RequestError, match="begun with other settings"),
        claimed_run(run, {**REQUEST, "seed": 2}),
    ):
        raise AssertionError


def test_a_finished_run_is_refused_as_such(tmp_path):
    with claimed_run(tmp_path / "run", REQUEST):
        (tmp_path / "run/metrics.json").write_text("{}")
    with (
        pytest.raises(RunFinished, match="holds a finished run"),
        claimed_run(tmp_path / "run", REQUEST),
    ):
        raise AssertionError


@pytest.mark.parametrize("left", ["checkpoints", "checkpoints/request.json"])
def test_a_run_that_was_killed_before_its_request_was_noted_is_begun(tmp_path, left):
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    if left.endswith(".json"):
        (tmp_path / "run" / left).touch()
    with claimed_run(tmp_path / "run", REQUEST):
        noted = json.loads((tmp_path / "run/checkpoints/request.json").read_text())
    assert noted["seed"] == 1


@pytest.mark.parametrize("foreign", ["thesis.txt", "checkpoints/mine.txt"])
def test_a_folder_of_something_else_is_left_alone(tmp_path, foreign):
    (tmp_path / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / foreign).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RequestError, match="no run to go on with"), claimed_run(tmp_path, REQUEST):
        raise AssertionError
    assert sorted(tmp_path.rglob("*")) == before


def test_an_epoch_is_read_from_the_history(tmp_path):
    (tmp_path / "history.csv").write_text(
        "epoch,training_loss,validation_loss,validation_auroc,validation_auprc\n"
        "1,0.7,0.6,0.5,0.4\n2,0.6,0.5,0.7,nan\n"
    )
    assert read_epoch(tmp_path / "history.csv", 1) == {"loss": 0.6, "auroc": 0.5, "auprc": 0.4}


@pytest.mark.parametrize("content", [b"\xff\x00\xfe", b'{"folder": ', b"[" * 100_000])
def test_a_damaged_request_is_named_with_the_way_out(tmp_path, content):
    noted = tmp_path / "run/checkpoints/request.json"
    noted.parent.mkdir(parents=True)
    noted.write_bytes(content)
    with pytest.raises(EpipamError) as caught, claimed_run(tmp_path / "run", REQUEST):
        raise AssertionError
    assert str(caught.value).startswith(f"{noted}: is damaged")
    assert f"remove {tmp_path / 'run'}" in str(caught.value)
    assert noted.read_bytes() == content


HEADER = b"epoch,training_loss,validation_loss,validation_auroc,validation_auprc\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"not,a,history\n1,2,3\n",
        HEADER + b"1,0.7,0.6\n",
        HEADER + b"1,0.7,0.6,0.5,0.4,0.3\n",
        HEADER + b"one,0.7,0.6,0.5,0.4\n",
        HEADER + b"1,0.7,x,0.5,0.4\n",
        HEADER + b"2,0.7,0.6,0.5,0.4\n",
    ],
)
def test_a_damaged_history_is_named_with_the_way_out(tmp_path, content):
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    with pytest.raises(EpipamError, match=r"history\.csv: (is damaged|lacks epoch 1).*remove "):
        read_epoch(path, 1)

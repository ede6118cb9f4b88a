"""The model source that `epipam kipoi register` adds to Kipoi's configuration."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from epipam.cli.kipoi import kipoi
from epipam.errors import RequestError
from epipam.kipoi.source import register


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with one model in it, TINY, and something that is none."""
    folder = tmp_path / "models"
    for name in ("TINY/model.yaml", "TINY/dataloader.yaml", "notes/model.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Kipoi's configuration in a home of its own, with its zoo in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".kipoi" / "config.yaml"
    path.parent.mkdir()
    path.write_text(
        "model_sources:\n"
        "    kipoi:\n"
        "        type: git\n"
        "        remote_url: https://github.com/kipoi/models.git\n"
        "        local_path: /somewhere/models/\n"
        "        auto_update: true\n"
        "env_db_path: /somewhere/envs.json\n"
    )
    return path


def test_register_adds_a_source_and_keeps_the_others(config: Path, models: Path) -> None:
    before = yaml.safe_load(config.read_text())
    registration = register(models)
    assert registration.changed
    assert registration.models == ("TINY",)
    after = yaml.safe_load(config.read_text())
    source = after["model_sources"].pop("epipam")
    assert source == {"type": "local", "local_path": str(models)}
    assert after == before
    assert [path.name for path in config.parent.iterdir()] == ["config.yaml"]


def test_registering_twice_changes_nothing(config: Path, models: Path) -> None:
    register(models)
    written = config.read_bytes()
    assert not register(models).changed
    assert config.read_bytes() == written


def test_registering_another_folder_moves_the_source(
    config: Path, models: Path, tmp_path: Path
) -> None:
    register(models)
    shutil.copytree(models / "TINY", tmp_path / "others" / "OTHER")
    assert register(tmp_path / "others").changed
    source = yaml.safe_load(config.read_text())["model_sources"]["epipam"]
    assert source["local_path"] == str(tmp_path / "others")


def test_register_leaves_sources_of_others_alone(config: Path, models: Path) -> None:
    written = config.read_bytes()
    with pytest.raises(RequestError, match="'kipoi' is a git source"):
        register(models, "kipoi")
    with pytest.raises(RequestError, match="'dir' is Kipoi's own"):
        register(models, "dir")
    assert config.read_bytes() == written


def test_register_says_which_folder_to_give(config: Path, models: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=f"register the folder it lies in: {models}$"):
        register(models / "TINY")
    with pytest.raises(RequestError, match="holds no Kipoi model"):
        register(tmp_path)
    with pytest.raises(RequestError, match="no such folder"):
        register(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "model_sources: [", "- 1", "other: 1", "model_sources: x"])
def test_a_broken_configuration_is_reported_and_kept(config: Path, models: Path, text: str) -> None:
    config.write_text(text)
    with pytest.raises(RequestError, match=r"config\.yaml: is no Kipoi configuration"):
        register(models)
    assert config.read_text() == text


def test_the_command_takes_kipoi_model_here_unless_told_otherwise(
    config: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(kipoi, ["register"])
    assert result.exit_code == 2
    assert "kipoi_model: no such folder here" in result.output
    (tmp_path / "kipoi_model").symlink_to(models)
    result = CliRunner().invoke(kipoi, ["register", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["models"] == ["TINY"]
    assert json.loads(result.stdout)["folder"] == str(models)

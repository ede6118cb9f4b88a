"""Models that come with epipam, by name."""

import json

import pytest
from click.testing import CliRunner

from epipam.cli import main
from epipam.models import load_model
from epipam.models.places import bundled_models, local_folder

NAMES = [one.name for one in bundled_models()]


def test_real_and_simulated_weights_are_bundled():
    assert NAMES == ["ctcf-loops", "demo-simulated"]


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_model_loads_by_name_and_is_small(name):
    network = load_model(name)
    assert network.provenance["about"]
    assert (local_folder(name) / "model.safetensors").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_model_has_a_card_with_its_limits(name):
    card = (local_folder(name) / "README.md").read_text(encoding="utf-8")
    assert "must not be used for" in card


def test_a_folder_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ctcf-loops").mkdir()
    assert local_folder("ctcf-loops").absolute() == tmp_path / "ctcf-loops"


def test_other_names_are_folders():
    assert str(local_folder("ctcf-loop")) == "ctcf-loop"


def test_models_lists_what_is_bundled():
    found = CliRunner().invoke(main, ["models", "--json"])
    assert found.exit_code == 0
    listed = json.loads(found.stdout)["models"]
    assert [one["name"] for one in listed] == NAMES
    assert (listed[0]["model"], listed[0]["enhancer_length"]) == ("pairwise", 100)
    lines = CliRunner().invoke(main, ["models"]).stdout.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_info_finds_a_bundled_model_by_name(name):
    found = CliRunner().invoke(main, ["info", name])
    assert found.exit_code == 0, found.output
    assert "windows" in found.stdout

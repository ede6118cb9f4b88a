"""Model folders: what is written, what is refused, and the hub's mixin."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from epipam.errors import ModelError
from epipam.models import Epipam, EpipamConfig, create_model, load_model, save_model
from epipam.models.folder import read_config
from epipam.models.network import Network, WindowConfig

CONFIG = EpipamConfig(enhancer_length=1_300, promoter_length=1_250)


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    save_model(create_model("epipam", CONFIG), tmp_path / "model", {"about": "random weights"})
    return tmp_path / "model"


def test_a_loaded_model_gives_the_saved_models_logits(tmp_path):
    network = create_model("epipam", CONFIG).eval()
    save_model(network, tmp_path / "m", {})
    windows = torch.rand(2, 4, 1_300), torch.rand(2, 4, 1_250)
    loaded = load_model(tmp_path / "m")
    assert not loaded.training
    assert loaded.config == CONFIG
    torch.testing.assert_close(loaded(*windows), network(*windows), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["epipam", "epi"])
def test_the_folder_holds_json_and_tensors_only(tmp_path, name):
    save_model(create_model(name, CONFIG), tmp_path / "m", {"seed": 1})
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    assert json.loads((tmp_path / "m" / "config.json").read_text())["model"] == name
    assert all(
        isinstance(t, torch.Tensor) for t in load_file(tmp_path / "m/model.safetensors").values()
    )


def test_provenance_survives_saving_and_loading(folder, tmp_path):
    network = load_model(folder)
    assert network.provenance == {"about": "random weights"}
    network.save_pretrained(tmp_path / "again")
    again = Epipam.from_pretrained(tmp_path / "again")
    assert again.provenance == {"about": "random weights"}
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=0, atol=0)


def test_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(ModelError, match="is no model folder"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match="is no model folder"):
        load_model(tmp_path / "absent")


def test_a_run_in_a_model_s_place_is_told_where_its_model_is(folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(folder, run / "model")
    with pytest.raises(ModelError, match=f"the model of this run is {run / 'model'}"):
        load_model(run)


def test_missing_weights_are_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        load_model(folder)


def test_damaged_weights_are_named(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"model\.safetensors: cannot be loaded"):
        load_model(folder)


def test_weights_of_another_shape_are_refused(folder):
    config = read_config(folder)
    config["enhancer_length"] = 3_000
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": 1}', '{"model": "epipam"}'])
def test_a_config_that_is_not_a_models_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        read_config(tmp_path)


@pytest.mark.parametrize("wrong", [{"enhancer_length": "3000"}, {"model": "epipan"}])
def test_a_damaged_config_is_named(folder, wrong):
    (folder / "config.json").write_text(json.dumps({**read_config(folder), **wrong}))
    with pytest.raises(ModelError, match=r"config\.json: is damaged"):
        load_model(folder)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelError, match="epipam, epi"):
        create_model("epipan")


def test_a_network_without_a_forward_pass_cannot_be_made():
    class Unfinished(Network):
        """Lacks what every model must say."""

    with pytest.raises(TypeError, match="forward"):
        Unfinished(WindowConfig())

"""Model folders: what is written, what is refused, and the hub's mixin."""

import hashlib
import json
import shutil
from contextlib import suppress

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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


def forget_digest(folder):
    """Make a folder what epipam 0.1 wrote."""
    config = read_config(folder)
    del config["weights_sha256"]
    (folder / "config.json").write_text(json.dumps(config))


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
    with pytest.raises(ModelError, match=r"model\.safetensors: is damaged, or of another run"):
        load_model(folder)
    forget_digest(folder)
    with pytest.raises(ModelError, match=r"model\.safetensors: cannot be loaded"):
        load_model(folder)


@pytest.mark.parametrize("place", [9, 2_000, 500_001, -1])
def test_one_flipped_bit_in_the_weights_is_noticed(folder, place):
    weights = folder / "model.safetensors"
    contents = bytearray(weights.read_bytes())
    contents[place] ^= 4
    weights.write_bytes(contents)
    with pytest.raises(ModelError, match=r"model\.safetensors: is damaged, or of another run"):
        load_model(folder)


def test_weights_of_another_run_are_refused(folder, tmp_path):
    save_model(create_model("epipam", CONFIG), tmp_path / "other", {})
    shutil.copy(tmp_path / "other" / "model.safetensors", folder)
    with pytest.raises(ModelError, match=r"of another run than config\.json beside it"):
        load_model(folder)


def test_the_digest_in_the_config_is_that_of_the_file(folder):
    contents = (folder / "model.safetensors").read_bytes()
    assert read_config(folder)["weights_sha256"] == hashlib.sha256(contents).hexdigest()


def test_a_folder_made_before_digests_were_noted_still_loads(folder):
    expected = load_model(folder).state_dict()
    forget_digest(folder)
    for name, tensor in load_model(folder).state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_no_numbers_are_refused_by_file_and_tensor(tmp_path, number):
    network = create_model("epipam", CONFIG)
    with torch.no_grad():
        network.main_head[2].weight[3, 5] = number
    save_model(network, tmp_path / "m", {})
    with pytest.raises(
        ModelError, match=r"m/model\.safetensors: 1 of .* main_head\.2\.weight are NaN"
    ):
        load_model(tmp_path / "m")


def test_a_git_lfs_pointer_is_called_one(folder):
    (folder / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 991136\n"
    )
    with pytest.raises(ModelError, match=r"is a Git LFS pointer .* 'git lfs pull'"):
        load_model(folder)


def test_weights_of_another_shape_are_refused(folder):
    config = read_config(folder)
    for length in (3_000, 10**9):
        config["enhancer_length"] = length
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(ModelError, match=r"it does not fit config\.json.*has shape"):
            load_model(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": 1}', '{"model": "epipam"}'])
def test_a_config_that_is_not_a_models_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"enhancer_length": "3000"},
        {"enhancer_length": 1e13},
        {"promoter_length": 10**13},
        {"promoter_length": True},
        {"promoter_length": 0},
        {"enhancer_length": [1] * 10_000},
        {"model": "epipan"},
        {"model": ["epipam"]},
        {"provenance": []},
        {"weights_sha256": 5},
        {"kernels": ["25", "13", "7"]},
        {"kernels": [25, 13, 10**30]},
        {"pools": [0, 0, 0]},
        {"channels": 10**12},
        {"channels": 10**30},
        {"attention_heads": 0},
        {"relation_ratios": [1e300, 1, 1]},
        {"hidden": -1},
    ],
)
def test_a_damaged_config_is_named_in_one_line(folder, wrong):
    (folder / "config.json").write_text(json.dumps({**read_config(folder), **wrong}))
    with pytest.raises(
        ModelError, match=r"(config\.json: is damaged|does not fit config\.json)"
    ) as e:
        load_model(folder)
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 600


@pytest.mark.parametrize(
    "text",
    [
        '{"model": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"model": "epipam", "enhancer_length": ' + "9" * 5_000 + "}",
        '{"model": "epipam", "epipam_version": "1", "enhancer_length": 1e400,'
        ' "promoter_length": 1}',
        '\ufeff{"model": "epipam"}',
        '"' + "a" * 100_000 + '"',
    ],
    ids=["nesting", "digits", "infinity", "byte order mark", "text"],
)
def test_a_hostile_config_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json: ") as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
            | st.lists(st.integers(-3, 3) | st.floats(), max_size=4)
            for key in ("model", "enhancer_length", "kernels", "pools", "channels", "hidden",
                        "relation_ratios", "embedding", "attention_heads", "block_dropout")
        },
    )
)  # fmt: skip
def test_whatever_a_config_says_loading_ends_with_a_model_or_a_model_error(folder, wrong):
    good = read_config(folder)
    try:
        (folder / "config.json").write_text(json.dumps({**good, **wrong}))
        with suppress(ModelError):
            load_model(folder)
    finally:
        (folder / "config.json").write_text(json.dumps(good))


def test_a_config_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(ModelError, match=r"config\.json: cannot be read: Is a directory"):
        load_model(tmp_path)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelError, match="epipam, epi"):
        create_model("epipan")


def test_a_network_without_a_forward_pass_cannot_be_made():
    class Unfinished(Network):
        """Lacks what every model must say."""

    with pytest.raises(TypeError, match="forward"):
        Unfinished(WindowConfig())

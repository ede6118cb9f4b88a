"""Pushing and fetching models, against a hub on the loopback; what goes wrong is one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from hub_server import TOKEN, serving
from huggingface_hub import ModelCard, constants

import epipam
from epipam.cli import main
from epipam.errors import EpipamError, ModelError, RequestError
from epipam.models import Epipam, EpipamConfig, create_model, load_model, save_model
from epipam.models.card import write_card
from epipam.models.hub import fetch_model, push_model

EPIPAM = Path(sys.executable).parent / "epipam"


@pytest.fixture
def model(tmp_path):
    """Return a small model folder with random weights."""
    torch.manual_seed(0)
    config = EpipamConfig(enhancer_length=1_300, promoter_length=1_251)
    save_model(create_model("epipam", config), tmp_path / "run/model", {"about": "random weights"})
    return tmp_path / "run/model"


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Keep this machine's token and cache out of the test."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "tokens"))


def look_at(url, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(offline, monkeypatch):
    with serving() as hub:
        look_at(hub.url, monkeypatch)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


def test_what_is_pushed_is_fetched_again(hub, model):
    pushed = push_model(model, "me/contacts", message="first")
    repository = hub.repositories["me/contacts"]
    assert pushed.repo_id == "me/contacts"
    assert pushed.url == f"{hub.url}/me/contacts/commit/{repository.sha}"
    assert set(pushed.files) == set(repository.files)
    assert repository.messages == ["first"]
    fetched = fetch_model("hf://me/contacts")
    for name in ("config.json", "model.safetensors"):
        assert (fetched / name).read_bytes() == (model / name).read_bytes()
    for network in (epipam.load_model("hf://me/contacts"), Epipam.from_pretrained("me/contacts")):
        for name, weights in load_model(model).state_dict().items():
            assert torch.equal(network.state_dict()[name], weights), name


def test_only_the_model_goes_and_its_folder_stays_as_it_is(hub, model):
    (model / "notes.txt").write_text("private")
    (model / "calibration.json").write_text("{}")
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    push_model(model, "me/contacts")
    files = hub.repositories["me/contacts"].files
    assert sorted(files) == ["README.md", "calibration.json", "config.json", "model.safetensors"]
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
    assert ModelCard(files["README.md"].decode()).data.library_name == "epipam"


def test_a_card_that_was_edited_is_pushed_as_it_is(hub, model):
    card = write_card(model, None)
    card.write_text(card.read_text() + "\nAsk Ada about it.\n")
    push_model(model, "me/contacts", license="cc-by-4.0")
    pushed = ModelCard(hub.repositories["me/contacts"].files["README.md"].decode())
    assert pushed.data.license == "cc-by-4.0"
    assert pushed.text.rstrip().endswith("Ask Ada about it.")


def test_a_readme_that_is_no_card_is_not_pushed_for_one(hub, model):
    (model / "README.md").write_text("# A Kipoi model\n")
    push_model(model, "me/contacts")
    assert b"Kipoi" not in hub.repositories["me/contacts"].files["README.md"]


def test_the_metrics_beside_the_model_are_in_a_card_made_for_the_push(hub, model):
    provenance = json.loads((model / "config.json").read_text())["provenance"]
    metrics = {
        "provenance": provenance,
        "test": {
            "n_positives": 3,
            "n_negatives": 4,
            "scorers": {"model": {"all": {"auroc": 0.75}}},
        },
    }
    (model.parent / "metrics.json").write_text(json.dumps(metrics))
    push_model(model, "me/contacts")
    (result,) = ModelCard(
        hub.repositories["me/contacts"].files["README.md"].decode()
    ).data.eval_results
    assert (result.metric_type, result.metric_value) == ("roc_auc", 0.75)


def test_a_repository_can_be_private_and_is_pushed_to_again(hub, model, monkeypatch):
    push_model(model, "me/contacts", private=True)
    push_model(model, "me/contacts")
    assert hub.repositories["me/contacts"].private
    assert len(hub.repositories["me/contacts"].messages) == 2
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(RequestError, match=r"has no repository me/contacts, or it is private"):
        fetch_model("hf://me/contacts")


def test_a_revision_can_be_named_and_one_that_is_not_there_is_refused(hub, model):
    push_model(model, "me/contacts")
    sha = hub.repositories["me/contacts"].sha
    assert fetch_model(f"hf://me/contacts@{sha}").name == sha
    with pytest.raises(RequestError, match="has no such revision"):
        fetch_model("hf://me/contacts@second-thoughts")


def test_what_was_fetched_once_is_there_without_a_network(hub, model, monkeypatch):
    push_model(model, "me/contacts")
    folder = fetch_model("hf://me/contacts")
    look_at("http://127.0.0.1:9", monkeypatch)
    assert fetch_model("hf://me/contacts") == folder


def test_another_kind_of_repository_is_no_model(hub, model):
    push_model(model, "me/contacts")
    del hub.repositories["me/contacts"].files["config.json"]
    with pytest.raises(ModelError, match=r"holds no epipam model: it has no config\.json"):
        fetch_model("hf://me/contacts")


@pytest.mark.parametrize("name", ["a/b/c", "me/na--me", "-me/name", "me/na me", "me/name.git", ""])
def test_a_name_that_no_repository_can_have_is_refused_before_anything_is_sent(hub, model, name):
    with pytest.raises(RequestError, match="is no name of a repository, which is USER/NAME"):
        push_model(model, name)
    with pytest.raises(RequestError, match="is no name of a repository, which is USER/NAME"):
        fetch_model(f"hf://{name}")
    assert hub.requests == []


def test_nobody_logged_in_is_said_before_anything_is_sent(hub, model, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(RequestError, match="nobody is logged in to the hub: log in with 'hf auth"):
        push_model(model, "me/contacts")
    assert hub.requests == []


def test_a_token_that_may_not_write_is_refused_with_the_way_out(hub, model, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    with pytest.raises(EpipamError, match=r"refuses: .*401.*; log in with"):
        push_model(model, "me/contacts")


def test_no_network_is_one_line(offline, model, monkeypatch):
    look_at("http://127.0.0.1:9", monkeypatch)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for work in (lambda: push_model(model, "me/contacts"), lambda: fetch_model("hf://me/contacts")):
        with pytest.raises(
            EpipamError, match=r"cannot be reached: .*refused; check the net"
        ) as error:
            work()
        assert "\n" not in str(error.value)


def test_a_folder_without_a_whole_model_is_not_pushed(hub, model, tmp_path):
    with pytest.raises(ModelError, match="is no model folder"):
        push_model(tmp_path, "me/contacts")
    (model / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        push_model(model, "me/contacts")
    assert hub.requests == []


def test_the_mixin_pushes_and_its_card_is_ours(hub, model):
    load_model(model).push_to_hub("me/contacts")
    card = ModelCard(hub.repositories["me/contacts"].files["README.md"].decode())
    assert card.data.library_name == "epipam"
    assert "What it must not be used for" in card.text


def test_info_says_what_is_on_the_hub(hub, model):
    push_model(model, "me/contacts")
    result = CliRunner().invoke(main, ["info", "hf://me/contacts"])
    assert result.exit_code == 0, result.output
    assert "random weights" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "line", "code"),
    [
        (["push", "{model}", "a/b/c"], "epipam push: error: a/b/c: 'a/b/c' is no name", 2),
        (["info", "hf://a/b--c"], "epipam info: error: hf://a/b--c: 'a/b--c' is no name", 2),
        (["kipoi", "export", "hf://a/b", "-o", "{model}/x"], "has no repository a/b", 2),
    ],
)
def test_commands_fail_in_one_line(hub, model, arguments, line, code):
    result = CliRunner().invoke(
        main, [text.format(model=model) for text in arguments], prog_name="epipam"
    )
    assert result.exit_code == code
    assert line in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_model_pushed_from_the_command_line_scores_from_there(tmp_path, model):
    letters = np.random.default_rng(0).choice(list("ACGT"), 9_000)
    (tmp_path / "genome.fa").write_text(f">chr1\n{''.join(letters)}\n")
    (tmp_path / "pairs.bedpe").write_text("chr1\t2000\t2500\tchr1\t6000\t6900\n")
    with serving() as hub:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "home"),
            "HF_TOKEN": TOKEN,
            "CUDA_VISIBLE_DEVICES": "",
        }

        def run(*arguments):
            return subprocess.run(
                [EPIPAM, *arguments],
                cwd=tmp_path,
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout

        pushed = json.loads(run("push", model, "me/contacts", "--json"))
        assert pushed["repo_id"] == "me/contacts"
        run("score", "hf://me/contacts", "genome.fa", "pairs.bedpe", "-o", "scores.tsv")
    scores = pd.read_csv(tmp_path / "scores.tsv", sep="\t", comment="#")
    pairs = pd.DataFrame([("chr1", 2000, 2500, "chr1", 6000, 6900)]).set_axis(
        ["chrom1", "start1", "end1", "chrom2", "start2", "end2"], axis=1
    )
    own = epipam.score_pairs(pairs, tmp_path / "genome.fa", model, device="cpu")
    np.testing.assert_allclose(scores["logit"], own["logit"], atol=1e-5)

"""The catalogue: what it lists exists, and the guide says the same of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from epipam.errors import ModelError
from epipam.models import create_model
from epipam.models.catalogue import MODELS, find_model
from epipam.models.registry import network_class

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


@pytest.mark.parametrize("name", MODELS)
def test_the_guide_lists_each_model_with_its_number_of_parameters(name):
    (row,) = re.findall(rf"^\| `{name}` \|.*$", PAGE.read_text(encoding="utf-8"), re.M)
    n_parameters = sum(p.numel() for p in create_model(name).parameters())
    assert row.split(" | ")[3].strip(" |") == (f"{n_parameters:,}" if n_parameters else "none")


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.doi])
def test_the_guide_links_the_paper_of_each_model(name):
    rows = re.findall(r"^\| `(.+?)` \|.* \| (.*?) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    source = ""
    for model, cell in rows:
        source = source if cell == "the same" else cell
        if model == name:
            break
    assert f"({find_model(name).cite_as})" in source


@pytest.mark.parametrize("name", MODELS)
def test_presets_are_fields_of_the_models_config(name):
    assert set(find_model(name).preset) <= set(network_class(name).config_class().__dict__)


def test_a_config_of_another_model_is_refused():
    epivan = network_class("epivan").config_class()
    with pytest.raises(ModelError, match="epipam takes a EpipamConfig, not a EpivanConfig"):
        create_model("epipam", epivan)


def test_the_catalogue_imports_no_torch():
    code = (
        "import sys, epipam.models.catalogue, epipam.training.settings; "
        "print('torch' in sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "False"


@pytest.mark.parametrize("name", MODELS)
def test_the_models_with_an_auxiliary_head_are_those_that_alpha_weighs(name):
    network = create_model(name, network_class(name).config_class(950, 900)).eval()
    windows = (torch.full((2, length // 2), 0x84, dtype=torch.uint8) for length in (950, 900))
    with torch.no_grad():
        auxiliary = network.both_logits(*windows).auxiliary
    assert find_model(name).auxiliary_head == (auxiliary is not None)

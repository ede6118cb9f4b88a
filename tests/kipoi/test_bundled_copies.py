"""The Kipoi folders of bundled models hold the same model as the package."""

from pathlib import Path

import pytest

from epipam.models.places import local_folder

FOLDERS = Path(__file__).parents[2] / "kipoi_model"


@pytest.mark.parametrize(
    ("name", "folder"), [("ctcf-loops", "CTCF-loops"), ("demo-simulated", "EPIPAM")]
)
def test_a_kipoi_folder_holds_the_bundled_model(name, folder):
    for file in ("config.json", "model.safetensors"):
        assert (FOLDERS / folder / file).read_bytes() == (local_folder(name) / file).read_bytes()

"""The conda recipe and the Dockerfile say what setup.cfg says; neither is built here."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

import epipam

ROOT = Path(__file__).resolve().parents[2]
# What conda-forge calls otherwise than PyPI.
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
INSTRUCTION = re.compile(r"[A-Z]+ ")


@pytest.fixture(scope="module")
def setup_cfg() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def recipe() -> dict:
    return yaml.safe_load((ROOT / "conda/meta.yaml").read_text())


def requirements(text: str) -> set[str]:
    found = set()
    for line in filter(None, map(str.strip, text.splitlines())):
        match = re.match(r"([\w.-]+)(.*)", line)
        assert match is not None
        found.add(f"{CONDA_NAMES.get(match[1], match[1])} {match[2]}".strip())
    return found


def test_the_recipe_needs_what_the_package_and_training_need(setup_cfg, recipe):
    expected = requirements(setup_cfg["options"]["install_requires"])
    expected |= requirements(setup_cfg["options.extras_require"]["train"])
    expected |= {f"python {setup_cfg['options']['python_requires']}"}
    assert set(recipe["requirements"]["run"]) == expected


def test_the_recipe_and_the_image_compile_the_loops(recipe):
    assert "noarch" not in recipe["build"]
    assert recipe["requirements"]["build"] == ["{{ compiler('c') }}"]
    image = (ROOT / "Dockerfile").read_text()
    assert "setup.py" in image
    assert "gcc" in image


def test_the_recipe_is_of_this_version_and_has_its_commands(setup_cfg, recipe):
    assert recipe["package"] == {"name": "epipam", "version": epipam.__version__}
    scripts = setup_cfg["options.entry_points"]["console_scripts"]
    assert recipe["build"]["entry_points"] == scripts.strip().splitlines()
    assert (ROOT / recipe["about"]["license_file"]).is_file()


@pytest.mark.parametrize("kind", ["envs/epipam", *(
    f"wrappers/epipam/{name}/environment" for name in ("build-store", "train", "score")
)])  # fmt: skip
def test_environments_of_the_workflow_install_this_version(kind, setup_cfg):
    environment = yaml.safe_load((ROOT / f"workflow/{kind}.yaml").read_text())
    (pip,) = (item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    (match,) = (re.fullmatch(r"epipam\[(\w+)\]==(.+)", line) for line in pip)
    assert match is not None
    assert match[2] == epipam.__version__
    assert match[1] in setup_cfg["options.extras_require"]


def instructions() -> list[str]:
    """Return the Dockerfile's instructions, each on one line."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    return list(filter(None, text.replace("\\\n", " ").splitlines()))


def test_the_image_is_made_of_files_that_are_there_and_let_in():
    found = instructions()
    assert all(INSTRUCTION.match(line) for line in found)
    assert found[0].startswith("FROM python:3.11-slim")
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [
        name
        for line in found
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    ]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in let_in, name


def test_the_image_has_the_torch_of_the_constraints_and_extras_that_there_are(setup_cfg):
    text = " ".join(instructions())
    pinned = re.search(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert pinned is not None
    assert f'"torch=={pinned[1]}+cpu"' in text
    extras = re.search(r'"\.\[([\w,]+)\]"', text)
    assert extras is not None
    for extra in extras[1].split(","):
        assert extra in setup_cfg["options.extras_require"]
    assert 'ENTRYPOINT ["epipam"]' in text

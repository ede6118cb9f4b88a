"""The folder that `epipam kipoi export` writes."""

from __future__ import annotations

import filecmp
import shlex
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from epipam.cli.kipoi import kipoi
from epipam.errors import ModelError, RequestError
from epipam.kipoi import export as kipoi_export
from epipam.kipoi.export import _write_templates, export_folder
from epipam.models import EpipamConfig, create_model, load_model, save_model
from epipam.models.registry import model_config

BUNDLED = Path(__file__).parents[2] / "kipoi_model" / "EPIPAM"
FILES = [
    "README.md",
    "config.json",
    "dataloader.py",
    "dataloader.yaml",
    "example_files/genome.fa",
    "example_files/genome.fa.fai",
    "example_files/pairs.tsv",
    "expected_predictions.h5",
    "model.py",
    "model.safetensors",
    "model.yaml",
]
ABOUT = 'trained on "nothing": a # test, with $signs'


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    config = EpipamConfig(enhancer_length=1300, promoter_length=1250)
    save_model(create_model("epipam", config), folder, {"about": ABOUT})
    return folder


@pytest.fixture(scope="module")
def exported(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_folder(model_dir, tmp_path_factory.mktemp("export") / "models" / "TINY")


def files_in(folder: Path) -> list[str]:
    """Every file by its path in the folder, but for what Python leaves where it imports."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(str(path) for path in paths if path.parts[0] != "__pycache__")


def assert_same_export(left: Path, right: Path) -> None:
    """Same files, same bytes; predictions to what Kipoi compares, processors being different."""
    assert files_in(left) == files_in(right) == FILES
    names = [name for name in FILES if name != "expected_predictions.h5"]
    assert filecmp.cmpfiles(left, right, names, shallow=False) == (names, [], [])
    with (
        h5py.File(left / "expected_predictions.h5") as ours,
        h5py.File(right / "expected_predictions.h5") as theirs,
    ):
        for name in ("inputs/enhancer", "inputs/promoter", "preds"):
            np.testing.assert_allclose(ours[name][:], theirs[name][:], rtol=0, atol=1e-5)


def test_schemas_state_the_lengths_of_the_model(exported: Path) -> None:
    model = yaml.safe_load((exported / "model.yaml").read_text())
    dataloader = yaml.safe_load((exported / "dataloader.yaml").read_text())
    for schema in (model["schema"], dataloader["output_schema"]):
        assert schema["inputs"]["enhancer"]["shape"] == "(4, 1300)"
        assert schema["inputs"]["promoter"]["shape"] == "(4, 1250)"
    assert model["schema"]["targets"]["shape"] == "(1, )"
    assert set(dataloader["args"]) == {"genome", "pairs", "batch_size"}


@pytest.mark.parametrize(
    "name",
    ["on", "12", "a: b", "- x", '"', "it's #1", "{a}", "$name", "\x7f\U0001f9ec\u2028", "\udcff"],
)
def test_schemas_are_yaml_whatever_the_folder_is_called(name: str, tmp_path: Path) -> None:
    shutil.copytree(BUNDLED, tmp_path / "model")
    _write_templates(tmp_path / "model", tmp_path / name)
    for file in ("model.yaml", "dataloader.yaml"):
        info = yaml.safe_load((tmp_path / "model" / file).read_text("utf-8"))["info"]
        assert info["name"] == name
    command = next(
        line
        for line in (tmp_path / "model/README.md").read_text("utf-8").split("\n")
        if line.startswith("kipoi test")
    )
    if name.isascii():
        assert shlex.split(command)[2] == name


def test_model_yaml_and_readme_say_where_the_weights_come_from(exported: Path) -> None:
    info = yaml.safe_load((exported / "model.yaml").read_text())["info"]
    assert info["trained_on"] == ABOUT
    assert ABOUT in info["doc"]
    assert ABOUT in (exported / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "cite_as"),
    [
        ("epi", "https://doi.org/10.70401/cbm.2026.0013"),
        ("speid", "https://doi.org/10.1007/s40484-019-0154-0"),
        ("epivan", "Hong et al., Bioinformatics 2020;36:1037-1043"),
    ],
)
def test_the_paper_to_cite_is_that_of_the_exported_model(
    name: str, cite_as: str, tmp_path: Path
) -> None:
    config = model_config(name, 900, 900)
    save_model(create_model(name, config), tmp_path / "model", {"about": ABOUT})
    folder = export_folder(tmp_path / "model", tmp_path / "EXPORTED")
    assert yaml.safe_load((folder / "model.yaml").read_text())["info"]["cite_as"] == cite_as
    assert cite_as in (folder / "README.md").read_text()


def test_expected_predictions_are_the_models_for_the_example(exported: Path) -> None:
    """Against a forward pass over letters cut out of the FASTA by hand."""
    contigs = {}
    for record in (exported / "example_files/genome.fa").read_text().split(">")[1:]:
        name, *lines = record.split("\n")
        contigs[name] = "".join(lines).upper()
    rows = [
        line.split("\t")
        for line in (exported / "example_files/pairs.tsv").read_text().splitlines()[1:]
    ]

    def onehot(chrom: str, start: int, end: int, length: int) -> np.ndarray:
        excess = (end - start) - length
        first = start + (excess + 1) // 2 if excess > 0 else start - (-excess + 1) // 2
        found = np.zeros((4, length), dtype=np.float32)
        for i in range(length):
            inside = 0 <= first + i < len(contigs[chrom])
            base = "ACGT".find(contigs[chrom][first + i]) if inside else -1
            if base >= 0:
                found[base, i] = 1
        return found

    enhancer = np.stack([onehot(row[0], int(row[1]), int(row[2]), 1300) for row in rows])
    promoter = np.stack([onehot(row[4], int(row[5]), int(row[6]), 1250) for row in rows])
    with torch.inference_mode():
        logits = load_model(exported)(torch.from_numpy(enhancer), torch.from_numpy(promoter))
    with h5py.File(exported / "expected_predictions.h5") as file:
        np.testing.assert_array_equal(file["inputs/enhancer"][:], enhancer)
        np.testing.assert_array_equal(file["inputs/promoter"][:], promoter)
        np.testing.assert_allclose(file["preds"][:, 0], torch.sigmoid(logits), atol=1e-6)


def test_exporting_an_export_gives_the_same_files(exported: Path, tmp_path: Path) -> None:
    assert_same_export(exported, export_folder(exported, tmp_path / "TINY"))


def test_the_bundled_folder_is_what_export_writes_for_its_model(tmp_path: Path) -> None:
    assert_same_export(export_folder(BUNDLED, tmp_path / "EPIPAM"), BUNDLED)


def test_the_bundled_folder_says_in_plain_words_what_its_weights_are() -> None:
    info = yaml.safe_load((BUNDLED / "model.yaml").read_text())["info"]
    for text in (info["doc"], info["trained_on"], (BUNDLED / "README.md").read_text()):
        assert "simulated sequence" in text
        assert "not a predictor for human cells" in text


def test_the_bundled_example_is_small() -> None:
    sizes = [path.stat().st_size for path in (BUNDLED / "example_files").iterdir()]
    assert sum(sizes) < 200_000


def test_an_existing_folder_is_replaced_only_when_asked_and_only_if_it_is_an_export(
    model_dir: Path, exported: Path, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match="--overwrite"):
        export_folder(model_dir, exported)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("precious")
    with pytest.raises(RequestError, match="no earlier export"):
        export_folder(model_dir, other, overwrite=True)
    assert (other / "thesis.txt").read_text() == "precious"
    again = export_folder(model_dir, tmp_path / "TINY")
    (again / "notes.txt").touch()
    with pytest.raises(RequestError, match=r"holds notes\.txt, which epipam has not written"):
        export_folder(model_dir, again, overwrite=True)
    (again / "notes.txt").unlink()
    (again / "README.md").write_text("edited")
    assert_same_export(export_folder(model_dir, again, overwrite=True), exported)


def test_nothing_is_left_behind_when_the_work_fails(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(kipoi_export, "_write_expected_predictions", fail)
    with pytest.raises(OSError, match="disk full"):
        export_folder(model_dir, tmp_path / "TINY")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.json"):
        export_folder(tmp_path, tmp_path / "TINY")


def test_the_command_exports(model_dir: Path, tmp_path: Path) -> None:
    arguments = ["export", str(model_dir), "-o", str(tmp_path / "TINY")]
    result = CliRunner().invoke(kipoi, arguments)
    assert result.exit_code == 0, result.output
    assert f"kipoi test {tmp_path / 'TINY'} --source=dir" in result.stdout
    result = CliRunner().invoke(kipoi, arguments)
    assert result.exit_code == 2
    assert "exists" in result.output

"""Kipoi packaging: a model folder as a Kipoi folder, and a folder of those as a model source."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from epipam import __version__
from epipam.errors import EpipamError, RequestError
from epipam.kipoi_batches import OnehotScorer, PairTableBatches
from epipam.models.registry import CONFIG_FILE, WEIGHTS_FILE, read_config
from epipam.simulate import SimulationSettings, simulate

SOURCE_NAME = "epipam"
COPIED_TEMPLATES = ("dataloader.py", "model.py")
FILLED_TEMPLATES = ("dataloader.yaml", "model.yaml", "README.md")
EXPECTED_PREDICTIONS = "expected_predictions.h5"
EXAMPLE_FOLDER = "example_files"
EXAMPLE_FILES = ("genome.fa", "genome.fa.fai", "pairs.tsv")
EXAMPLE = SimulationSettings(contigs=2, contig_length=40_000, positives=4, seed=1)

_KIPOI_HDF5_ROWS = 10_000  # pairs that kipoi 0.8.6's HDF5 writer gathers before it writes


def export_folder(model_dir: str | Path, out: str | Path, *, overwrite: bool = False) -> Path:
    """Write a Kipoi folder for a model of any window lengths.

    The folder holds the model, a dataloader, their schemas, a small simulated genome with pairs
    as example, and the predictions that `kipoi test` expects. It is a model folder itself:
    exporting it again gives the same files.

    Parameters
    ----------
    model_dir
        Model folder: `config.json` and `model.safetensors`.
    out
        Folder to create, whole or not at all; its name is the model's name in Kipoi.
    overwrite
        Replace an earlier export.

    Returns
    -------
    The folder.

    Raises
    ------
    ModelError
        Where `model_dir` holds no model.
    RequestError
        Where `out` exists and is not to be, or cannot be, overwritten.
    """
    model_dir, out = Path(model_dir), Path(out).absolute()
    _check_target(out, overwrite)
    scorer = OnehotScorer(model_dir, device="cpu")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as beside:
        folder = Path(beside, out.name)
        folder.mkdir()
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            shutil.copyfile(model_dir / name, folder / name)
        _write_templates(folder, out)
        _write_example(folder / EXAMPLE_FOLDER)
        _write_expected_predictions(folder, scorer)
        _sync_tree(folder)
        if out.exists():
            os.rename(out, Path(beside, "replaced"))
        os.rename(folder, out)
    return out


def _check_target(out: Path, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise RequestError(f"{out} exists; choose another folder or add --overwrite")
    if not _is_kipoi_model(out):
        raise RequestError(f"{out} is no earlier export, so it is not overwritten")


def _write_templates(folder: Path, out: Path) -> None:
    """Copy or fill in what lies in `epipam/kipoi_template`."""
    templates = resources.files("epipam.kipoi_template")
    for name in COPIED_TEMPLATES:
        folder.joinpath(name).write_bytes(templates.joinpath(name).read_bytes())
    values = _template_values(read_config(folder), out)
    for name in FILLED_TEMPLATES:
        template = Template(templates.joinpath(name).read_text(encoding="utf-8"))
        folder.joinpath(name).write_text(template.substitute(values), encoding="utf-8")


def _template_values(config: dict[str, Any], out: Path) -> dict[str, str]:
    about = config.get("provenance", {}).get(
        "about", "config.json does not say how they came about"
    )
    lengths = config["enhancer_length"], config["promoter_length"]
    bytes_per_pair = 4 * 4 * sum(lengths)
    doc = (
        "Probability that an enhancer and a promoter interact, from the sequence of both "
        f"({lengths[0]} and {lengths[1]} bp), by a convolutional network with position attention "
        f"(EPIPAM). The weights: {about}"
    )
    return {
        "version": __version__,
        "name": out.name,
        "enhancer_length": str(lengths[0]),
        "promoter_length": str(lengths[1]),
        "about": about,
        # A JSON string is a YAML string, whatever is in it.
        "doc_yaml": json.dumps(doc),
        "about_yaml": json.dumps(about),
        "hdf5_gigabytes": f"{_KIPOI_HDF5_ROWS * bytes_per_pair / 1e9:.1f}",
    }


def _write_example(folder: Path) -> None:
    """Write a genome and pairs with the planted grammar, 90 kB together."""
    with tempfile.TemporaryDirectory() as scratch:
        simulated = simulate(Path(scratch, "example"), EXAMPLE).folder
        folder.mkdir()
        for name in EXAMPLE_FILES:
            shutil.copyfile(simulated / name, folder / name)


def _write_expected_predictions(folder: Path, scorer: OnehotScorer) -> None:
    """Write the example's inputs and predictions as `kipoi test` reads them."""
    import h5py

    example = folder / EXAMPLE_FOLDER
    batches = PairTableBatches(folder, example / "genome.fa", example / "pairs.tsv")
    batches.batch_size = len(batches.frame)
    inputs = batches[0]["inputs"]
    arrays = {f"inputs/{anchor}": onehot for anchor, onehot in inputs.items()}
    arrays["preds"] = scorer.probabilities(inputs["enhancer"], inputs["promoter"])
    with h5py.File(folder / EXPECTED_PREDICTIONS, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip", track_times=False)


@dataclass(frozen=True)
class Registration:
    """What `register` did.

    Attributes
    ----------
    config
        Kipoi's configuration file.
    source_name, folder
        The model source: its name, and where its models are.
    models
        Names of the models in it.
    changed
        Whether the file had to be changed.
    """

    config: Path
    source_name: str
    folder: Path
    models: tuple[str, ...]
    changed: bool


def register(folder: str | Path, source_name: str = SOURCE_NAME) -> Registration:
    """Add a folder of Kipoi models to Kipoi's configuration, as a local model source.

    Other sources stay as they are; a local source of the same name moves to this folder; doing
    it twice changes nothing.

    Parameters
    ----------
    folder
        The folder that holds exported folders.
    source_name
        What `kipoi --source` is to call it.

    Raises
    ------
    RequestError
        Where the folder holds no models, the name is taken by a source that is not local, or
        the configuration cannot be read.
    """
    import yaml

    folder = Path(folder).resolve()
    models = _models_in(folder)
    path = _kipoi_config()
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        sources = config["model_sources"]
        kind = sources.get(source_name, {"type": "local"})["type"]
    except (yaml.YAMLError, TypeError, KeyError, AttributeError):
        raise RequestError(
            f"{path}: is no Kipoi configuration; repair it, or move it away and try again"
        ) from None
    if kind != "local" or source_name == "dir":
        owner = "Kipoi's own word for paths" if source_name == "dir" else f"a {kind} source"
        raise RequestError(f"{path}: {source_name!r} is {owner}; choose another --name")
    source = {"type": "local", "local_path": str(folder)}
    changed = sources.get(source_name) != source
    if changed:
        sources[source_name] = source
        _replace_text(path, yaml.safe_dump(config, sort_keys=False))
    return Registration(path, source_name, folder, models, changed)


def _models_in(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such folder")
    if _is_kipoi_model(folder):
        raise RequestError(f"{folder}: is a model; register the folder it lies in: {folder.parent}")
    models = tuple(sorted(child.name for child in folder.iterdir() if _is_kipoi_model(child)))
    if not models:
        raise RequestError(
            f"{folder}: holds no Kipoi model; epipam kipoi export MODEL -o {folder}/NAME makes one"
        )
    return models


def _is_kipoi_model(folder: Path) -> bool:
    return (folder / "model.yaml").is_file() and (folder / "dataloader.yaml").is_file()


def _kipoi_config() -> Path:
    """Return Kipoi's configuration file, which kipoi makes on import where there is none."""
    try:
        from kipoi import config
    except ImportError as error:
        raise EpipamError(
            f"kipoi cannot be imported ({error}); install it with: pip install 'epipam[kipoi]'"
        ) from None
    path = Path(config._config_path)
    if not path.is_file():
        raise EpipamError(f"{path}: kipoi could not write its configuration there")
    return path


def _replace_text(path: Path, text: str) -> None:
    """Write beside, sync, rename: the file is never half there."""
    path = path.resolve()
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            shutil.copymode(path, file.name)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _sync_tree(folder: Path) -> None:
    """Bring a folder and all in it to the disk."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

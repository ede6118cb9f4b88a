"""A model folder as a Kipoi folder: templates filled in, an example, expected predictions."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tempfile
from functools import partial
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from epipam.errors import EpipamError, RequestError
from epipam.kipoi.batches import OnehotScorer, PairTableBatches
from epipam.kipoi.source import is_kipoi_model
from epipam.models.catalogue import find_model
from epipam.models.folder import CALIBRATION_FILE, CONFIG_FILE, WEIGHTS_FILE, read_config
from epipam.runtime.files import require_only, whole_folder
from epipam.simulate import SimulationSettings, simulate
from epipam.version import __version__

COPIED_TEMPLATES = ("dataloader.py", "model.py")
FILLED_TEMPLATES = ("dataloader.yaml", "model.yaml", "README.md")
EXPECTED_PREDICTIONS = "expected_predictions.h5"
EXAMPLE_FOLDER = "example_files"
EXAMPLE_FILES = ("genome.fa", "genome.fa.fai", "pairs.tsv")
# What an exported folder holds, for it to be replaced.
FILES = frozenset(
    {
        *(CONFIG_FILE, WEIGHTS_FILE, CALIBRATION_FILE),
        *(*COPIED_TEMPLATES, *FILLED_TEMPLATES, EXPECTED_PREDICTIONS, EXAMPLE_FOLDER),
        *(f"{EXAMPLE_FOLDER}/{name}" for name in EXAMPLE_FILES),
    }
)
EXAMPLE = SimulationSettings(contigs=2, contig_length=40_000, positives=4, seed=1)

_NOT_PLAIN_IN_YAML = re.compile("[\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\ufeff\\ufffe\\uffff]")
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
    with whole_folder(out, partial(_check_target, overwrite=overwrite)) as folder:
        scorer = OnehotScorer(model_dir, device="cpu")
        for name in (CONFIG_FILE, WEIGHTS_FILE, CALIBRATION_FILE):
            if (model_dir / name).exists() or name != CALIBRATION_FILE:
                shutil.copyfile(model_dir / name, folder / name)
        _write_templates(folder, out)
        _write_example(folder / EXAMPLE_FOLDER)
        _write_expected_predictions(folder, scorer)
    return out


def _check_target(out: Path, *, overwrite: bool) -> None:
    if not os.path.lexists(out) or (_is_folder(out) and not any(out.iterdir())):
        return
    if not overwrite:
        raise RequestError(f"{out} exists; choose another folder or add --overwrite")
    if not (_is_folder(out) and is_kipoi_model(out)):
        raise RequestError(f"{out} is no earlier export, so it is not overwritten")
    require_only(out, FILES)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _write_templates(folder: Path, out: Path) -> None:
    """Copy or fill in what lies in `epipam/kipoi_template`."""
    templates = resources.files("epipam.kipoi.template")
    for name in COPIED_TEMPLATES:
        folder.joinpath(name).write_bytes(templates.joinpath(name).read_bytes())
    values = _template_values(read_config(folder), out)
    for name in FILLED_TEMPLATES:
        template = Template(templates.joinpath(name).read_text(encoding="utf-8"))
        text = template.substitute(values)
        # The name of a folder may hold bytes that are no text.
        folder.joinpath(name).write_text(text, encoding="utf-8", errors="backslashreplace")


def _yaml_string(text: str) -> str:
    """Return a text as a YAML string of one line, whatever it holds."""
    # As JSON it is one, but for characters that YAML does not take as they are.
    quoted = json.dumps(text, ensure_ascii=False)
    return _NOT_PLAIN_IN_YAML.sub(lambda m: f"\\u{ord(m[0]):04x}", quoted)


def _template_values(config: dict[str, Any], out: Path) -> dict[str, str]:
    enhancer_length, promoter_length = config["enhancer_length"], config["promoter_length"]
    entry = find_model(config["model"])
    about = config.get("provenance", {}).get("about", "config.json does not say.")
    doc = (
        "The probability that an enhancer and a promoter interact, from the sequence of both "
        f"({enhancer_length:,} and {promoter_length:,} bp), by {entry.about}. The weights: {about}"
    )
    bytes_per_pair = 4 * 4 * (enhancer_length + promoter_length)
    return {
        "version": __version__,
        "name": out.name,
        "name_yaml": _yaml_string(out.name),
        "name_shell": shlex.quote(out.name),
        "network": entry.about,
        "reference": entry.reference,
        "enhancer_length": str(enhancer_length),
        "promoter_length": str(promoter_length),
        "about": about,
        "doc_yaml": _yaml_string(doc),
        "about_yaml": _yaml_string(about),
        "cite_as_yaml": _yaml_string(entry.cite_as),
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
    try:
        import h5py
    except ImportError as error:
        raise EpipamError(f"{error}; install it: pip install 'epipam[kipoi]'") from None

    example = folder / EXAMPLE_FOLDER
    batches = PairTableBatches(folder, example / "genome.fa", example / "pairs.tsv")
    batches.batch_size = len(batches.frame)
    inputs = batches[0]["inputs"]
    arrays = {f"inputs/{anchor}": onehot for anchor, onehot in inputs.items()}
    arrays["preds"] = scorer.probabilities(inputs["enhancer"], inputs["promoter"])
    with h5py.File(folder / EXPECTED_PREDICTIONS, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip", track_times=False)

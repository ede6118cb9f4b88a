"""`import epipam`: quick, without torch or zarr, and typed for those who import it."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import epipam

REPOSITORY = Path(__file__).parents[1]

# From the top of the house to its cellar, as `.importlinter` has them.
ROOMS = {
    "cli",
    "kipoi",
    "interpret",
    "scoring",
    "training",
    "report",
    "evaluation",
    "models",
    "loading",
    "store",
    "simulate",
    "pairs",
    "genome",
    "runtime",
}

SNIPPET = """
import pandas as pd

import epipam

store = epipam.open_store("pairs.zarr")
split = epipam.fold_split(store.contigs, 0)
module = epipam.PairDataModule(store, split)
model = epipam.load_model("RUN/model")
scores = epipam.score_pairs(pd.DataFrame(), "genome.fa", model, bad_pairs="skip")
candidates = epipam.pair_regions("enhancers.bed", "promoters.bed", max_distance=1_000)
reveal_type(store)
reveal_type(split)
reveal_type(module)
reveal_type(model)
epipam.score_pairs(pd.DataFrame(), "genome.fa", model, bad_pairs="perhaps")
"""


def test_importing_epipam_imports_nothing_that_takes_time():
    script = (
        "import sys, epipam; heavy = {'torch', 'zarr', 'pandas', 'numpy', 'lightning', 'pysam'}; "
        "dir(epipam); print(*sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_the_front_door_has_these_names():
    assert set(epipam.__all__) == {
        "PairDataModule",
        "__version__",
        "build_store",
        "calibrate",
        "candidates",
        "chiapet",
        "evaluate",
        "evaluate_model",
        "fold_split",
        "label",
        "load_model",
        "negatives",
        "open_store",
        "pair_regions",
        "score_pairs",
        "train",
    }


def test_the_package_is_its_rooms_and_little_else():
    entries = {path.name for path in Path(epipam.__file__).parent.iterdir()}
    files = {"__init__.py", "version.py", "errors.py", "py.typed"}
    assert entries - {"__pycache__"} == files | ROOMS


def test_all_names_what_can_be_had_and_dir_shows_it():
    for name in epipam.__all__:
        assert getattr(epipam, name) is not None
    assert set(epipam.__all__) <= set(dir(epipam))


def test_no_name_is_hidden_by_a_module_of_the_same_name():
    for name in epipam.__all__:
        assert importlib.util.find_spec(f"epipam.{name}") is None


def test_every_name_is_documented():
    for name in epipam.__all__:
        if name != "__version__":
            assert inspect.getdoc(getattr(epipam, name)), name
            assert f"`{name}`" in (epipam.__doc__ or ""), name


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="scores"):
        _ = epipam.scores


@pytest.mark.slow
def test_mypy_knows_the_types_of_the_front_door(tmp_path):
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET)
    # With the repository's settings, so that what its own check found is known already.
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(snippet)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    revealed = re.findall(r'note: Revealed type is "([^"]+)"', done.stdout)
    assert [kind.rpartition(".")[2] for kind in revealed] == [
        "Store",
        "ChromosomeSplit",
        "PairDataModule",
        "Network",
    ], done.stdout
    wrong = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert len(wrong) == 1, done.stdout
    assert '"bad_pairs"' in wrong[0]

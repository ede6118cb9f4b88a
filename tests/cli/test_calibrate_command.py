"""`epipam calibrate` and `epipam score --calibrate` on the demo: what they write and refuse."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import epipam
from epipam.cli import main
from epipam.models.calibration import read_map

REPOSITORY = Path(__file__).parents[2]
DEMO = REPOSITORY / "store" / "demo"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrate")
    shutil.copytree(REPOSITORY / "kipoi_model" / "EPIPAM", folder / "model")
    shutil.copy(DEMO / "genome.fa.gz", folder)
    store = ["build-store", str(folder / "genome.fa.gz"), str(DEMO / "pairs.tsv")]
    done = CliRunner().invoke(main, [*store, "-o", str(folder / "pairs.zarr")])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def run(folder, monkeypatch):
    monkeypatch.chdir(folder)

    def run(*arguments):
        return CliRunner().invoke(main, [*arguments])

    return run


@pytest.fixture
def calibrated(run):
    some = ("--chromosomes", "chr1,chr2,chr3", "--device", "cpu", "--overwrite")
    done = run("calibrate", "model", "pairs.zarr", *some)
    assert done.exit_code == 0, done.output
    return done


def score(run, out, *options):
    done = run("score", "model", "genome.fa.gz", str(DEMO / "pairs.tsv"), "-o", out, *options)
    assert done.exit_code == 0, done.output
    return done


def test_the_map_lies_in_the_model_and_info_shows_it(run, folder, calibrated):
    assert "model/calibration.json: from 30 pairs on chr1, chr2, chr3" in calibrated.stdout
    found = read_map(folder / "model")
    assert (found.pairs, found.chromosomes) == (30, ("chr1", "chr2", "chr3"))
    assert "calibrated  platt or isotonic, from 30 pairs" in run("info", "model").stdout
    assert json.loads(run("info", "model", "--json").stdout)["calibration"]["pairs"] == 30


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_scores_are_mapped_and_logits_are_not(run, folder, calibrated, method):
    score(run, "raw.tsv", "--overwrite")
    done = score(run, "mapped.tsv", "--calibrate", method, "--overwrite")
    assert f"probabilities: {method}, from 30 pairs" in done.stderr
    raw, mapped = (
        pd.read_csv(folder / f"{name}.tsv", sep="\t", comment="#") for name in ("raw", "mapped")
    )
    assert raw["logit"].tolist() == mapped["logit"].tolist()
    expected = read_map(folder / "model").apply(raw["logit"].to_numpy(), method)
    assert mapped["probability"].to_numpy() == pytest.approx(expected, abs=1e-4)
    score(run, "mapped.bedpe", "--calibrate", method, "--prior", "0.01", "--overwrite")
    bedpe = pd.read_csv(folder / "mapped.bedpe", sep="\t", comment="#", header=None)
    expected = read_map(folder / "model").apply(raw["logit"].to_numpy(), method, 0.01)
    assert bedpe.iloc[:, 7].to_numpy() == pytest.approx(expected, abs=1e-4)
    assert not np.allclose(expected, mapped["probability"])


@pytest.mark.parametrize(
    ("method", "prior"), [("platt", None), ("platt", 0.01), ("isotonic", 0.01)]
)
def test_python_gives_the_probabilities_of_the_command(run, folder, calibrated, method, prior):
    given = () if prior is None else ("--prior", str(prior))
    score(run, "written.parquet", "--calibrate", method, *given, "--overwrite", "--device", "cpu")
    written = pd.read_parquet(folder / "written.parquet")
    scored = epipam.score_pairs(
        pd.read_csv(DEMO / "pairs.tsv", sep="\t"),
        folder / "genome.fa.gz",
        folder / "model",
        calibrate=method,
        prior=prior,
        device="cpu",
    )
    for column in ("probability", "logit"):
        assert scored[column].tolist() == written[column].tolist()


def test_workers_write_what_one_process_does(run, folder, calibrated):
    pytest.importorskip("distributed")
    for name, workers in (("one", "1"), ("two", "2")):
        options = ("--calibrate", "platt", "--workers", workers, "--overwrite", "--top", "1")
        score(run, f"{name}.interact", *options)
    one, two = ((folder / f"{name}.interact").read_text() for name in ("one", "two"))
    # The lines about the track name the command that made it.
    rows = [
        [r for r in text.splitlines() if not r.startswith(("#", "track"))] for text in (one, two)
    ]
    assert rows[0] == rows[1] != []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["calibrate", "model", "pairs.zarr"], "name with --chromosomes"),
        (["calibrate", "absent", "pairs.zarr"], "absent: is no model folder"),
        (["score", "model", "genome.fa.gz", "x", "-o", "x.tsv", "--prior", "0.1"], "--calibrate"),
        (
            ["score", "model", "genome.fa.gz", "x", "-o", "x.tsv", "--calibrate", "platt"],
            "has no calibration.json",
        ),
    ],
)
def test_a_wrong_request_is_one_line(run, folder, arguments, said):
    (folder / "model" / "calibration.json").unlink(missing_ok=True)
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_map_is_not_replaced_unasked(run, calibrated):
    done = run("calibrate", "model", "pairs.zarr", "--chromosomes", "chr1")
    assert done.exit_code == 2
    assert "exists already" in done.stderr


def test_chromosomes_of_training_and_of_the_test_are_refused(run, folder, calibrated):
    config = folder / "model" / "config.json"
    before = config.read_text()
    try:
        values = json.loads(before)
        attributes = json.loads((folder / "pairs.zarr" / "zarr.json").read_text())["attributes"]
        own = attributes.get("epipam", attributes)
        values["provenance"]["store"]["genome"] = own["genome"]
        values["provenance"]["split"] = {
            "train": ["chr1", "chr2"], "validation": ["chr3"], "test": ["chr4"], "unused": [],
        }  # fmt: skip
        config.write_text(json.dumps(values))
        done = run("calibrate", "model", "pairs.zarr", "--chromosomes", "chr1,chr5", "--overwrite")
        assert done.exit_code == 2
        assert "learned from pairs on chr1" in done.stderr
        done = run("calibrate", "model", "pairs.zarr", "--device", "cpu", "--overwrite")
        assert done.exit_code == 0, done.output
        assert "pairs on chr3" in done.stdout
        values["provenance"]["split"]["test"] = ["chr3"]
        config.write_text(json.dumps(values))
        done = run("calibrate", "model", "pairs.zarr", "--overwrite")
        assert done.exit_code == 2
        assert "validated on its own test pairs" in done.stderr
    finally:
        config.write_text(before)

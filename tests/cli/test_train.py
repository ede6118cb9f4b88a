"""`epipam train` with models of every kind, and what the other commands make of them."""

import json
from dataclasses import asdict

import click
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from epipam.cli import main
from epipam.loading.data_module import DataSettings
from epipam.models.catalogue import MODELS
from epipam.simulate import SimulationSettings, simulate
from epipam.store import StoreSettings, build_store

WINDOWS = StoreSettings(400, 300, augment=2)
SPLIT = ["--test", "chr3", "--validation", "chr2", "--batch-size", 10]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    simulate(folder / "sim", SimulationSettings(contigs=3, contig_length=200_000, positives=30))
    build_store(folder / "sim/genome.fa", folder / "sim/pairs.tsv", folder / "s.zarr", WINDOWS)
    np.save(folder / "6mers.npy", np.random.default_rng(0).normal(size=(4_097, 100)))
    return folder


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("kmer-gbm", ["--epochs", 5]),
        ("epivan", ["--epochs", 1, "--set", "channels=8", "--set", "units=4"]),
        ("speid", ["--epochs", 1, "--set", "channels=16", "--set", "units=4"]),
    ],
)
def test_every_kind_of_model_goes_through_every_command(folder, tmp_path, name, options):
    if name == "epivan":
        options = [*options, "--embedding", folder / "6mers.npy"]
    trained = tmp_path / "run"
    run("train", folder / "s.zarr", "-o", trained, "--model", name, *SPLIT, *options)
    assert f"model {name}," in run("info", trained / "model").stdout
    scores = tmp_path / "scores.tsv"
    genome, pairs = folder / "sim/genome.fa", folder / "sim/pairs.tsv"
    run("score", trained / "model", genome, pairs, "-o", scores)
    judged = tmp_path / "judged"
    run("evaluate", trained / "model", folder / "s.zarr", "-o", judged, "--bootstrap", 5)
    scored = pd.read_csv(scores, sep="\t", comment="#")
    evaluated = pd.read_csv(judged / "predictions.tsv", sep="\t")
    column = next(c for c in scored.columns if c in ("probability", "score"))
    of_chr3 = scored[scored["enhancer_chrom"] == "chr3"][column].to_numpy()
    np.testing.assert_allclose(of_chr3, evaluated["probability"], atol=1e-5)
    run("kipoi", "export", trained / "model", "-o", tmp_path / "EXPORTED")
    described = yaml.safe_load((tmp_path / "EXPORTED/model.yaml").read_text())
    assert MODELS[name].about in described["info"]["doc"]


def test_help_lists_the_models():
    text = " ".join(run("train", "--help").stdout.split())
    for name in MODELS:
        assert name in text


@pytest.mark.parametrize("command", ["train", "crossval"])
def test_pairs_are_read_by_default_as_from_python(command):
    # The command line states these numbers itself: `--help` shall not import what reads pairs.
    context = click.Context(main)
    options = main.get_command(context, command).params
    defaults = {option.name: option.get_default(context) for option in options}
    for name, value in asdict(DataSettings()).items():
        assert defaults[name] == value, name


def test_an_unknown_model_lists_the_known_ones(folder, tmp_path):
    command = ["train", str(folder / "s.zarr"), "-o", str(tmp_path / "run"), "--model", "epipan"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "'kmer-gbm'" in result.output
    assert not (tmp_path / "run").exists()


def test_a_shape_is_set_by_field(folder, tmp_path):
    options = ["--model", "epivan", "--epochs", 1, "--set", "units=7", "--set", "dropout=0.25"]
    options += ["--set", "channels=8"]
    run("train", folder / "s.zarr", "-o", tmp_path / "run", *options, *SPLIT)
    config = json.loads((tmp_path / "run/model/config.json").read_text())
    assert (config["units"], config["dropout"]) == (7, 0.25)
    assert config["provenance"]["training"]["shape"] == {"units": 7, "dropout": 0.25, "channels": 8}


@pytest.mark.parametrize(
    ("setting", "problem"),
    [("units", "is not FIELD=VALUE"), ("unit=3", "epivan has no unit to set")],
)
def test_a_wrong_setting_is_refused(folder, tmp_path, setting, problem):
    command = ["train", folder / "s.zarr", "-o", tmp_path / "run", "--model", "epivan"]
    arguments = [*command, "--set", setting, *SPLIT]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 2
    assert problem in result.output
    assert not (tmp_path / "run").exists()


def test_a_run_says_in_json_what_was_best(folder, tmp_path):
    options = ["--model", "kmer-gbm", "--epochs", 3, *SPLIT, "--json"]
    found = json.loads(run("train", folder / "s.zarr", "-o", tmp_path / "run", *options).stdout)
    assert 1 <= found["best_epoch"] <= 3


def test_a_random_split_says_in_words_what_it_leaks(folder, tmp_path):
    options = ["--model", "kmer-gbm", "--epochs", 3, "--batch-size", 10, "--split", "random"]
    shown = run("train", folder / "s.zarr", "-o", tmp_path / "run", *options, "--fold", 2)
    assert shown.stdout.splitlines()[-1].startswith("The split is random and leaks: of ")
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert set(metrics["leakage"]) == {"n_test", "enhancer", "promoter", "both", "frequency_auroc"}
    assert "split       random, fold 2, seed 0" in run("info", tmp_path / "run/model").stdout


def test_a_model_of_a_random_split_is_evaluated_on_the_pairs_it_was_tested_on(folder, tmp_path):
    options = ["--model", "kmer-gbm", "--epochs", 3, "--batch-size", 10, "--split", "random"]
    run("train", folder / "s.zarr", "-o", tmp_path / "run", *options, "--fold", 5)
    model, store = tmp_path / "run/model", folder / "s.zarr"
    shown = run("evaluate", model, store, "-o", tmp_path / "judged", "--bootstrap", 5)
    assert "note: The split is random and leaks: of " in shown.stderr
    trained, judged = (
        json.loads((tmp_path / name / "metrics.json").read_text())["test"]["scorers"]
        for name in ("run", "judged")
    )
    for scorer in ("model", "distance", "frequency"):
        for metric in ("auroc", "auprc"):
            ours, theirs = (found[scorer]["all"][metric] for found in (judged, trained))
            assert ours == pytest.approx(theirs)
    everywhere = ["--chromosomes", "chr1", "-o", tmp_path / "chr1", "--bootstrap", 5]
    assert "was fitted on chr1" in run("evaluate", model, store, *everywhere).stderr


def test_a_random_split_takes_no_chromosomes(folder, tmp_path):
    command = ["train", folder / "s.zarr", "-o", tmp_path / "run", "--split", "random", *SPLIT]
    result = CliRunner().invoke(main, [str(argument) for argument in command])
    assert result.exit_code == 2
    assert "--split random draws pairs" in result.output

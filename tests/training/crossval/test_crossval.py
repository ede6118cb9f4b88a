"""Cross-validation from stores to tables: choice, resuming, sharing, the published way."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from epipam.errors import EpipamError, RequestError
from epipam.loading.random_pairs import random_pairs
from epipam.loading.splits import fold_split
from epipam.training.crossval import jobs
from epipam.training.crossval.crossval import crossval
from epipam.training.run_folder import claimed_run


def read(out):
    return json.loads((out / "crossval.json").read_text())


def times(out):
    return {path: path.stat().st_mtime_ns for path in out.glob("runs/**/metrics.json")}


@pytest.fixture(scope="module")
def honest(store, trees, make_once):
    return make_once("honest", lambda folder: crossval([store], folder / "cv", trees)) / "cv"


@pytest.fixture(scope="module")
def with_alpha(stores, trees, make_once):
    """Two alphas of epipam and one run of kmer-gbm, on one fold."""
    settings = replace(trees, models=("epipam", "kmer-gbm"), alphas=(1.0, 0.2))
    settings = replace(settings, training=replace(settings.training, epochs=2))

    def make(folder):
        crossval([stores[1]], folder / "cv", settings, folds=[0])

    return make_once("alpha", make) / "cv"


def test_the_folder_holds_what_is_promised(honest):
    names = {path.name for path in honest.iterdir() if not path.name.startswith(".")}
    assert names == {
        "request.json",
        "runs",
        "predictions",
        "crossval.json",
        "summary.tsv",
        "report.html",
    }
    run = honest / "runs/short/kmer-gbm/fold-1"
    assert {path.name for path in run.iterdir()} == {
        "model",
        "metrics.json",
        "history.csv",
        "predictions.tsv",
        "checkpoints",
    }


def test_every_fold_tests_its_chromosomes_and_every_pair_is_tested_once(honest, store):
    folds = read(honest)["folds"]
    assert [tuple(fold["test_contigs"]) for fold in folds] == [
        fold_split(store.contigs, number).test for number in range(3)
    ]
    predictions = pd.read_csv(honest / "predictions/short/kmer-gbm.tsv.gz", sep="\t")
    every = pd.concat([store.pairs(contig) for contig in store.contigs])
    assert sorted(predictions["enhancer_name"]) == sorted(every["enhancer_name"])
    for fold in folds:
        contigs = set(predictions["enhancer_chrom"][predictions["fold"] == fold["fold"]])
        assert contigs == set(fold["test_contigs"])


def test_the_summary_is_mean_and_spread_over_folds_of_model_and_baselines(honest):
    predictions = pd.read_csv(honest / "predictions/short/kmer-gbm.tsv.gz", sep="\t")
    by_fold = [frame for _, frame in predictions.groupby("fold")]
    auroc = pd.Series([roc_auc_score(f["label"], f["probability"]) for f in by_fold])
    auprc = pd.Series([average_precision_score(f["label"], f["probability"]) for f in by_fold])
    rows = {(row["model"], row["ratio"]): row for row in read(honest)["summary"]}
    assert {model for model, _ in rows} == {"kmer-gbm", "distance", "frequency"}
    row = rows["kmer-gbm", "all"]
    assert row["n_folds"] == 3
    assert row["auroc_mean"] == pytest.approx(auroc.mean(), abs=1e-6)
    assert row["auroc_sd"] == pytest.approx(auroc.std(), abs=1e-6)
    assert row["auprc_mean"] == pytest.approx(auprc.mean(), abs=1e-6)
    assert rows["frequency", "all"]["auroc_mean"] == 0.5
    assert rows["kmer-gbm", "1:10"]["n_folds"] == 0
    assert rows["kmer-gbm", "1:10"]["auroc_mean"] is None
    table = pd.read_csv(honest / "summary.tsv", sep="\t")
    assert table["model"].tolist() == ["kmer-gbm", "distance", "frequency"]
    assert table["auprc_mean_all"][0] == row["auprc_mean"]
    assert set(table["protocol"]) == {"honest"}


def test_a_finished_run_is_not_run_again(honest, store, trees, tmp_path, monkeypatch):
    out = shutil.copytree(honest, tmp_path / "cv")
    before = times(out)

    def train_one(*_):
        raise AssertionError("there is nothing to train")

    monkeypatch.setattr(jobs, "train_one", train_one)
    crossval([store], out, trees)
    assert times(out) == before
    assert read(out) == read(honest)


def test_a_cross_validation_that_was_killed_goes_on_to_the_same_end(
    honest, store, trees, tmp_path, monkeypatch
):
    out, begun = tmp_path / "cv", []
    train_one = jobs.train_one

    def killed(folder, run):
        begun.append(run.fold)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return train_one(folder, run)

    monkeypatch.setattr(jobs, "train_one", killed)
    with pytest.raises(KeyboardInterrupt):
        crossval([store], out, trees)
    assert not (out / "crossval.json").exists()
    before = times(out)
    assert len(before) == 1
    crossval([store], out, trees)
    assert begun == [0, 1, 1, 2]
    assert before.items() <= times(out).items()
    assert read(out) == read(honest)
    predictions = "predictions/short/kmer-gbm.tsv.gz"
    assert (out / predictions).read_bytes() == (honest / predictions).read_bytes()


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({"alphas": (1.0,)}, "alphas"),
        ({"protocol": "published"}, "protocol"),
        ({"split": "random"}, "split"),
        ({"shapes": {"kmer-gbm": {"k": 4}}}, "training.kmer-gbm.shape.k"),
    ],
)
def test_a_folder_begun_with_another_request_is_refused(store, honest, trees, changes, differing):
    before = read(honest)
    with pytest.raises(RequestError, match=f"was begun with other .*{differing}"):
        crossval([store], honest, replace(trees, **changes))
    assert read(honest) == before


def test_folds_may_be_trained_by_several_calls(honest, store, trees, tmp_path):
    out = tmp_path / "cv"
    first = crossval([store], out, trees, folds=[2])
    assert [fold.fold for fold in first.folds] == [2]
    assert first.unfinished == (("short", "kmer-gbm", 0), ("short", "kmer-gbm", 1))
    crossval([store], out, trees, folds=[0, 1])
    assert read(out) == read(honest)


def test_a_run_that_another_process_trains_is_left_to_it(store, trees, tmp_path):
    out = tmp_path / "cv"
    crossval([store], out, trees, folds=[0])
    notes = []
    taken = out / "runs/short/kmer-gbm/fold-1"
    with claimed_run(taken, {"by": "another"}):
        found = crossval(
            [store], out, trees, folds=[1, 2], progress=lambda *given: notes.append(given)
        )
    assert [fold.fold for fold in found.folds] == [0, 2]
    assert (0, 2, "short, kmer-gbm, fold 1: another process is training it") in notes


@pytest.mark.slow
def test_several_jobs_find_what_one_finds(honest, store, trees, tmp_path):
    crossval([store], tmp_path / "cv", trees, jobs=2)
    assert read(tmp_path / "cv") == read(honest)


def test_a_run_that_fails_is_named_and_stops_no_other(store, trees, tmp_path, monkeypatch):
    train_one = jobs.train_one

    def fail(folder, run):
        if run.fold == 1:
            raise EpipamError("the disk is full")
        return train_one(folder, run)

    monkeypatch.setattr(jobs, "train_one", fail)
    with pytest.raises(EpipamError, match="short, kmer-gbm, fold 1: the disk is full"):
        crossval([store], tmp_path / "cv", trees)
    assert len(times(tmp_path / "cv")) == 2


def test_alpha_is_the_one_that_validates_best_and_its_run_is_the_folds(with_alpha):
    by_model = {fold["model"]: fold for fold in read(with_alpha)["folds"]}
    fold = by_model["epipam"]
    runs = {
        alpha: json.loads(
            (with_alpha / f"runs/long/epipam/fold-0/alpha-{alpha}/metrics.json").read_text()
        )
        for alpha in ("1", "0.2")
    }
    best = max(runs, key=lambda alpha: runs[alpha]["validation"]["auprc"])
    assert fold["alpha"] == float(best)
    assert fold["test"] == runs[best]["test"]
    assert fold["validation"] == runs[best]["validation"]
    assert runs[best]["provenance"]["training"]["alpha"] == float(best)
    assert [tried["alpha"] for tried in fold["alphas"]] == [1.0, 0.2]
    for tried, run in zip(fold["alphas"], runs.values(), strict=True):
        scored = run["test"]["scorers"]["model"]["1:1"]
        assert tried["test"]["1:1"] == {"auroc": scored["auroc"], "auprc": scored["auprc"]}
    trees = by_model["kmer-gbm"]
    assert trees["alpha"] is None
    assert trees["alphas"] == []
    assert (with_alpha / "runs/long/kmer-gbm/fold-0/metrics.json").exists()


def test_models_are_compared_in_pairs_and_with_the_baselines(with_alpha):
    comparisons = read(with_alpha)["comparisons"]
    pairs = {(one["model"], one["other"]) for one in comparisons}
    rivals = ("distance", "frequency", "chance")
    assert pairs == {
        *((model, other) for model in ("epipam", "kmer-gbm") for other in rivals),
        ("epipam", "kmer-gbm"),
    }
    between = next(one for one in comparisons if one["other"] == "kmer-gbm")
    assert between["metric"] == "AUROC"
    scores = []
    for model in ("epipam", "kmer-gbm"):
        frame = pd.read_csv(with_alpha / f"predictions/long/{model}.tsv.gz", sep="\t")
        scores.append(roc_auc_score(frame["label"], frame["probability"]))
    assert between["difference"] == pytest.approx(scores[0] - scores[1])
    # Of a chromosome or two there is no interval.
    assert between["low"] is None
    assert between["high"] is None


def test_checkpoints_of_finished_runs_hold_no_optimiser_states(with_alpha):
    checkpoints = list(with_alpha.glob("runs/long/epipam/**/*.ckpt"))
    assert len(checkpoints) == 4
    for path in checkpoints:
        checkpoint = torch.load(path, weights_only=True)
        assert checkpoint["optimizer_states"] == []
        assert checkpoint["state_dict"]


def test_stores_of_other_window_lengths_are_data_sets_of_their_own(stores, trees, tmp_path):
    found = crossval(stores, tmp_path / "cv", trees, folds=[1])
    assert [fold.dataset for fold in found.folds] == ["short", "long"]
    assert {row.dataset for row in found.summary} == {"short", "long"}
    assert {one.dataset for one in found.comparisons} == {"short", "long"}
    table = pd.read_csv(tmp_path / "cv/summary.tsv", sep="\t")
    models = table["model"][table["dataset"] == "long"].tolist()
    assert models == ["kmer-gbm", "distance", "frequency"]


def test_a_random_split_says_what_it_leaks(store, trees, tmp_path):
    settings = replace(trees, split="random")
    found = crossval([store], tmp_path / "cv", settings, folds=[3])
    assert found.leakage is not None
    split = random_pairs(store, 3, seed=1)
    assert found.leakage["short"].leakage.n_test == len(split.test)
    leaked = read(tmp_path / "cv")["leakage"]["short"]
    assert set(leaked) == {"n_test", "enhancer", "promoter", "both", "frequency_auroc"}
    assert found.verdicts[0].startswith("short: The split is random and leaks: ")
    predictions = pd.read_csv(tmp_path / "cv/predictions/short/kmer-gbm.tsv.gz", sep="\t")
    every = pd.concat([store.pairs(contig) for contig in store.contigs]).set_index("pair")
    names = every.loc[split.test, "enhancer_name"]
    assert predictions["enhancer_name"].tolist() == names.tolist()


def test_the_published_protocol_chooses_by_the_test_part(store, honest, trees, tmp_path):
    found = crossval([store], tmp_path / "cv", replace(trees, protocol="published"), folds=[0])
    (fold,) = found.folds
    honest_fold = read(honest)["folds"][0]
    assert fold.test_contigs == tuple(honest_fold["test_contigs"])
    # What it was chosen by is the AUPRC on the test part itself: that of the best number of trees.
    assert fold.validation["auprc"] == pytest.approx(
        fold.test["scorers"]["model"]["all"]["auprc"], abs=1e-5
    )
    history = pd.read_csv(tmp_path / "cv/runs/short/kmer-gbm/fold-0/history.csv")
    assert fold.validation["auprc"] == history["validation_auprc"].max()
    # The same trees grow on the same pairs; only where to stop is chosen otherwise.
    other = pd.read_csv(honest / "runs/short/kmer-gbm/fold-0/history.csv")
    assert history["training_loss"].tolist() == other["training_loss"].tolist()
    assert found.verdicts[0].startswith("Protocol published: ")
    assert set(pd.read_csv(tmp_path / "cv/summary.tsv", sep="\t")["protocol"]) == {"published"}
    run = json.loads((tmp_path / "cv/runs/short/kmer-gbm/fold-0/metrics.json").read_text())
    split = run["provenance"]["split"]
    assert split["validation"] == split["test"]
    # A map of probabilities would be fitted to the test pairs.
    assert "have no calibration.json" in found.verdicts[0]
    assert not (tmp_path / "cv/runs/short/kmer-gbm/fold-0/model/calibration.json").exists()
    assert (honest / "runs/short/kmer-gbm/fold-0/model/calibration.json").exists()


@pytest.mark.parametrize(
    ("changes", "folds", "refused"),
    [
        ({}, [5], "no fold 5|leaves the test part empty"),
        ({"shapes": {"kmer-gbm": {"wrong": 3}}}, [0], "kmer-gbm has no wrong to set"),
        ({"split": "random"}, [8], "a random split has folds 0 to 7"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left(
    store, trees, tmp_path, changes, folds, refused
):
    with pytest.raises(RequestError, match=refused):
        crossval([store], tmp_path / "cv", replace(trees, **changes), folds=folds)
    assert not (tmp_path / "cv").exists()


def test_two_stores_of_one_name_are_refused(store, trees, tmp_path):
    with pytest.raises(RequestError, match="two stores called short"):
        crossval([store, store], tmp_path / "cv", trees)


def test_a_folder_of_something_else_is_not_written_into(store, trees, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RequestError, match="is no cross-validation to go on with"):
        crossval([store], tmp_path, trees)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]

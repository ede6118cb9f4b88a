"""`epipam evaluate`: what it writes, what it evaluates by default, how it refuses."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from epipam.cli import main
from epipam.models import EpipamConfig, create_model, save_model
from epipam.pairs.table import COLUMNS
from epipam.store import Store, build_store

CONTIGS = tuple(f"chr{number}" for number in range(1, 9))
SPLIT = {"train": ["chr7", "chr8"], "validation": ["chr4", "chr5"], "test": ["chr1", "chr2"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store of eight short chromosomes and a model that says it was trained on it."""
    path = tmp_path_factory.mktemp("evaluate")
    letters = torch.randint(0, 4, (len(CONTIGS), 12_000), generator=torch.manual_seed(0))
    with (path / "genome.fa").open("w") as handle:
        for contig, row in zip(CONTIGS, letters.tolist(), strict=True):
            handle.write(f">{contig}\n{''.join('ACGT'[base] for base in row)}\n")
    rows = [
        (c, 200 * i, 200 * i + 300, "", c, 9000 - 150 * i, 9800 - 150 * i, "", int(i % 4 == 0))
        for c in CONTIGS
        for i in range(12)
    ]
    pairs = pd.DataFrame(rows, columns=list(COLUMNS))
    pairs.loc[pairs["enhancer_chrom"] == "chr6", "label"] = 0
    pairs.loc[3, "label"] = -1
    pairs.to_csv(path / "pairs.tsv", sep="\t", index=False)
    build_store(path / "genome.fa", path / "pairs.tsv", path / "store")
    torch.manual_seed(1)
    attributes = Store(path / "store").attributes
    trained_on = {key: attributes[key] for key in ("genome", "pairs", "augmentation", "seed")}
    provenance = {"about": "untrained", "store": trained_on, "split": SPLIT}
    save_model(create_model("epipam"), path / "model", provenance)
    return path


def _run(folder, *arguments, model="model"):
    options = ["evaluate", str(folder / model), str(folder / "store"), "--bootstrap", "20"]
    return CliRunner().invoke(main, [*options, *map(str, arguments)])


def test_it_writes_whole_results_of_the_models_own_test_chromosomes(folder, tmp_path):
    result = _run(folder, "-o", tmp_path / "out", "--batch-size", 5)
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in tmp_path.rglob("*"))
    assert names == ["metrics.json", "out", "predictions.tsv", "report.html", "roc_pr.png"]
    predictions = pd.read_csv(tmp_path / "out" / "predictions.tsv", sep="\t")
    assert list(predictions.columns) == [*COLUMNS, "probability"]
    assert predictions["enhancer_chrom"].tolist() == ["chr1"] * 12 + ["chr2"] * 12
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    known = predictions[predictions["label"] != -1]
    expected = roc_auc_score(known["label"], known["probability"])
    test = metrics["test"]
    assert test["scorers"]["model"]["all"]["auroc"] == pytest.approx(expected, abs=1e-5)
    assert test["n_unlabelled"] == 1
    assert test["scorers"]["frequency"]["all"]["auroc"] is not None
    assert list(test["contigs"]) == ["chr1", "chr2"]
    assert metrics["provenance"]["evaluated"] == ["chr1", "chr2"]
    assert metrics["provenance"]["command"].endswith(f"-o {tmp_path / 'out'} --batch-size 5")
    assert metrics["data"]["positives"] == 21  # of all chromosomes, chr6 without any
    sha256 = metrics["provenance"]["store"]["pairs"]["sha256"]
    assert sha256 == Store(folder / "store").attributes["pairs"]["sha256"]
    controls = test["controls"]
    assert controls["permuted_labels"]["auroc"] == pytest.approx(0.5, abs=0.15)
    assert controls["permuted_partners"]["n_pairs"] == 23
    assert controls["permuted_partners"]["fall"] is not None
    # Six positive pairs are too few of anything to resample.
    assert test["resampling"]["unit"] == "promoters"
    assert controls["permuted_partners"]["fall_interval"] is None
    assert "No intervals: there are too few" in result.stdout
    assert "No intervals: there are too few" in (tmp_path / "out/report.html").read_text()
    assert sum(each["n_pairs"] for each in test["calibration"]["bins"]) == 23
    for word in ("model", "distance", "frequency", "The model", "promoters swapped", "Its AUROC"):
        assert word in result.stdout


def said_everywhere(result, out, text):
    """Whether a caution is on stderr, in the printed result, in metrics.json and on the page."""
    metrics = json.loads((out / "metrics.json").read_text())
    return (
        text in result.stderr
        and text in result.stdout
        and any(text in note for note in metrics["notes"])
        and text in (out / "report.html").read_text()
    )


def test_a_model_of_nobody_knows_what_needs_chromosomes(folder, tmp_path):
    save_model(create_model("epi"), tmp_path / "model", {"about": "from elsewhere"})
    result = _run(folder, "-o", tmp_path / "out", model=tmp_path / "model")
    assert result.exit_code == 2
    assert "does not say what it was trained on; name some with --chromosomes" in result.stderr
    assert not (tmp_path / "out").exists()
    options = ("--json", "--chromosomes", "all")
    result = _run(folder, "-o", tmp_path / "out", *options, model=tmp_path / "model")
    assert result.exit_code == 0, result.output
    assert said_everywhere(result, tmp_path / "out", "nothing says whether the model was fitted on")
    test = json.loads(result.stdout)["test"]
    assert list(test["contigs"]) == list(CONTIGS)
    assert test["contigs"]["chr6"]["model"]["auroc"] is None
    assert "no labelled training pairs" in test["scorers"]["frequency"]["all"]["unavailable"]


def test_chromosomes_the_model_was_fitted_on_are_named(folder, tmp_path):
    result = _run(folder, "-o", tmp_path / "out", "--chromosomes", "1,chr7,chr4")
    assert result.exit_code == 0, result.output
    assert said_everywhere(result, tmp_path / "out", "the model was fitted on chr4, chr7")


@pytest.fixture(scope="module")
def other_store(folder):
    """The same genome with other pairs."""
    pairs = pd.read_csv(folder / "pairs.tsv", sep="\t", keep_default_na=False)
    pairs["enhancer_start"] += 7
    pairs.to_csv(folder / "other.tsv", sep="\t", index=False)
    build_store(folder / "genome.fa", folder / "other.tsv", folder / "other")
    return folder / "other"


def test_other_pairs_of_the_same_genome_are_judged_on_the_models_test_chromosomes(
    folder, other_store, tmp_path
):
    command = ["evaluate", str(folder / "model"), str(other_store), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*command, "--bootstrap", "20"])
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["provenance"]["evaluated"] == ["chr1", "chr2"]
    assert said_everywhere(result, tmp_path / "out", "other pairs than the model was trained with")


def test_of_a_store_without_the_models_test_chromosomes_nothing_is_judged_unasked(folder, tmp_path):
    pairs = pd.read_csv(folder / "pairs.tsv", sep="\t", keep_default_na=False)
    pairs = pairs[pairs["enhancer_chrom"].isin(["chr7", "chr8"])]
    pairs.to_csv(tmp_path / "few.tsv", sep="\t", index=False)
    build_store(folder / "genome.fa", tmp_path / "few.tsv", tmp_path / "few")
    command = ["evaluate", str(folder / "model"), str(tmp_path / "few"), "-o"]
    result = CliRunner().invoke(main, [*command, str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "was tested on are not in it" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("unit", ["pairs", "promoters", "chromosomes"])
def test_what_is_resampled_can_be_chosen(folder, tmp_path, unit):
    result = _run(folder, "-o", tmp_path / "out", "--resample", unit, "--chromosomes", "all")
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["test"]["resampling"]["unit"] == metrics["provenance"]["resample"] == unit


def test_a_fold_of_the_store_can_be_chosen(folder, tmp_path):
    result = _run(folder, "-o", tmp_path / "out", "--fold", 2, "--json")
    assert json.loads(result.stdout)["provenance"]["evaluated"] == ["chr7", "chr8"]


def test_one_class_leaves_out_the_figure_and_says_so(folder, tmp_path):
    result = _run(folder, "-o", tmp_path / "out", "--chromosomes", "chr6")
    assert result.exit_code == 0, result.output
    assert "no roc_pr.png" in result.stderr
    assert "AUROC cannot be computed" in result.stdout
    assert not (tmp_path / "out" / "roc_pr.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fold", "7"], "the folds with contigs to test are 0, 1, 2"),
        (["--chromosomes", "chr9"], "no data on chr9"),
        (["--fold", "0", "--chromosomes", "chr1"], "give one"),
        (["--device", "abacus"], "--device abacus"),
        (["--motifs", "nowhere"], "nowhere: holds no motifs"),
    ],
)
def test_a_wrong_request_exits_2_and_leaves_nothing(folder, tmp_path, arguments, message):
    result = _run(folder, "-o", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(folder, tmp_path):
    result = _run(folder, "-o", tmp_path)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_refused_before_any_prediction(
    folder, tmp_path, monkeypatch
):
    def predicted(*arguments, **options):
        raise AssertionError("pairs were predicted in vain")

    monkeypatch.setattr("epipam.evaluation.judging.predict_store", predicted)
    (tmp_path / "file").write_text("")
    result = _run(folder, "-o", tmp_path / "file" / "out")
    assert result.exit_code == 1
    assert "file/out: cannot be written: Not a directory" in result.stderr


def test_a_model_of_other_lengths_is_refused(folder, tmp_path):
    config = EpipamConfig(enhancer_length=2000, promoter_length=2000)
    save_model(create_model("epipam", config), tmp_path / "model", {})
    result = _run(folder, "-o", tmp_path / "out", "--chromosomes", "all", model=tmp_path / "model")
    assert result.exit_code == 2
    assert "windows of 2000 and 2000 bp" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_model_whose_weights_are_not_finite_is_refused(folder, tmp_path):
    model = create_model("epipam")
    with torch.no_grad():
        model.main_head[-1].bias.fill_(torch.nan)
    save_model(model, tmp_path / "model", {})
    result = _run(folder, "-o", tmp_path / "out", "--chromosomes", "all", model=tmp_path / "model")
    assert result.exit_code == 2
    assert "main_head" in result.stderr
    assert "finite" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_failure_while_writing_leaves_nothing(folder, tmp_path, monkeypatch):
    def broken(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("epipam.report.evaluate_model.roc_pr_figure", broken)
    result = _run(folder, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "No space left" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_none_is_refused(folder, tmp_path):
    shutil.copytree(folder / "model", tmp_path / "model")
    result = CliRunner().invoke(
        main, ["evaluate", str(tmp_path / "model"), str(tmp_path), "-o", str(tmp_path / "out")]
    )
    assert result.exit_code == 2
    assert "is no epipam store" in result.stderr

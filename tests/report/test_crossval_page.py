"""The page of a cross-validation: its numbers, its warnings, and names that hold anything."""

from __future__ import annotations

import json
from dataclasses import replace

import html5lib
import numpy as np
import pandas as pd
import pytest
from page_reader import read_page

from epipam.evaluation.audit import SplitAudit, audit
from epipam.evaluation.evaluate import evaluate
from epipam.evaluation.metrics import Interval
from epipam.loading.splits import Leakage
from epipam.training.crossval.comparison import Comparison
from epipam.training.crossval.page import crossval_page
from epipam.training.crossval.results import (
    CrossvalResult,
    DatasetComparison,
    FoldResult,
    summarise,
)
from epipam.training.crossval.words import PUBLISHED_MARK

DATASETS = ("plain", "<script>alert('$x$')</script> & more")
MODELS = ("epipam", "kmer-gbm")


def _pairs(seed, n=200):
    generator = np.random.default_rng(seed)
    enhancer, promoter = 5000 * generator.integers(0, 60, (2, n))
    contig = generator.choice(["chr1", "chr2"], n)
    return pd.DataFrame(
        {
            "enhancer_chrom": contig,
            "enhancer_start": enhancer,
            "enhancer_end": enhancer + 200,
            "enhancer_name": "",
            "promoter_chrom": contig,
            "promoter_start": promoter,
            "promoter_end": promoter + 1000,
            "promoter_name": "",
            "label": (generator.random(n) < 0.3).astype(np.int8),
        }
    )


def _fold(dataset, model, fold, seed):
    pairs = _pairs(seed)
    probabilities = np.random.default_rng(seed).random(len(pairs))
    test = json.loads(json.dumps(evaluate(pairs, probabilities, n_bootstrap=10).to_json()))
    alphas = ()
    if model == "epipam":
        alphas = tuple(
            {
                "alpha": alpha,
                "best_epoch": 2,
                "validation": {"auprc": 0.25 + alpha / 10},
                "test": {"all": {"auroc": 0.5 + alpha / 10, "auprc": 0.3}},
            }
            for alpha in (1.0, 0.4)
        )
    return FoldResult(
        dataset=dataset,
        model=model,
        fold=fold,
        test_contigs=("chr1", "chr2"),
        alpha=1.0 if alphas else None,
        best_epoch=2,
        validation={"auprc": 0.35},
        test=test,
        alphas=alphas,
    )


def _comparisons(dataset):
    """The second model is the best, so that comparisons have to be turned about."""
    found = [
        Comparison("epipam", "distance", "AUROC", 0.55, 0.5, Interval(0.01, 0.09)),
        Comparison("kmer-gbm", "distance", "AUROC", 0.6, 0.5, Interval(0.05, 0.15)),
        Comparison("epipam", "kmer-gbm", "AUROC", 0.55, 0.6, None),
    ]
    return [DatasetComparison(dataset, 2, one) for one in found]


@pytest.fixture(scope="module")
def result():
    folds = tuple(
        _fold(dataset, model, fold, 10 * number + fold + 100 * (model == "epipam"))
        for number, dataset in enumerate(DATASETS)
        for model in MODELS
        for fold in (0, 1)
    )
    return CrossvalResult(
        provenance={
            "protocol": "honest",
            "stores": {
                DATASETS[0]: {
                    "genome": {"name": "genome.fa"},
                    "pairs": {"name": "pairs.tsv", "sha256": "ab" * 32},
                }
            },
            "seed": 3,
        },
        protocol="honest",
        split="chromosomes",
        datasets=DATASETS,
        models=MODELS,
        folds=folds,
        summary=tuple(summarise(folds)),
        comparisons=tuple(one for dataset in DATASETS for one in _comparisons(dataset)),
        leakage=None,
        verdicts=("plain: kmer-gbm beats distance.",),
        unfinished=(),
    )


@pytest.fixture(scope="module")
def html(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    audits = {dataset: audit(_pairs(1)) for dataset in DATASETS}
    return crossval_page(path, result, audits).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return read_page(html)


def test_mean_and_spread_of_every_model_baseline_and_ratio_are_shown(result, page):
    for number, dataset in enumerate(DATASETS, 1):
        rows = {row["Model"].text: row for row in page.tables[f"dataset-{number}-summary"]}
        expected = [row for row in result.summary if row.dataset == dataset]
        assert set(rows) == {"epipam", "kmer-gbm", "distance", "frequency"}
        for row in expected:
            shown = rows[row.model]
            assert shown[f"{row.ratio} AUROC"].value == row.auroc_mean
            assert shown[f"{row.ratio} AUPRC"].value == row.auprc_mean
            if row.auroc_sd is not None:
                assert shown[f"{row.ratio} AUROC"].note == f"sd {row.auroc_sd:.3f}"


def test_every_fold_is_shown_with_what_was_chosen(result, page):
    rows = page.tables["dataset-1-folds"]
    folds = [fold for fold in result.folds if fold.dataset == DATASETS[0]]
    for row, fold in zip(rows, folds, strict=True):
        assert (row["Model"].text, row["Fold"].value) == (fold.model, fold.fold)
        assert row["Alpha"].value == fold.alpha
        assert row["Tested on"].text == "chr1, chr2"
        assert row["Test AUPRC"].value == fold.test["scorers"]["model"]["all"]["auprc"]


def test_controls_are_means_over_folds(result, page):
    rows = {row["Model"].text: row for row in page.tables["dataset-1-controls"]}
    folds = [f for f in result.folds if (f.dataset, f.model) == (DATASETS[0], "epipam")]
    areas = [fold.test["controls"]["permuted_labels"]["auroc"] for fold in folds]
    shown = rows["epipam"]["Labels permuted: AUROC"]
    assert shown.value == pytest.approx(np.mean(areas))
    assert shown.note == f"sd {np.std(areas, ddof=1):.3f}"
    assert rows["epipam"]["Promoters swapped: AUROC"].value is None  # no network was given


def test_alphas_are_shown_of_models_that_have_one(page):
    rows = {row["Alpha"].value: row for row in page.tables["dataset-1-alphas"]}
    assert rows[1.0]["Chosen in folds"].value == 2
    assert rows[0.4]["Chosen in folds"].value == 0
    assert rows[0.4]["AUPRC that chose"].text == "0.290"


def test_comparisons_are_shown_and_the_best_model_leads_the_figure(html, page):
    rows = page.tables["dataset-1-comparisons"]
    found = {(row["Model"].text, row["Against"].text): row["Difference"] for row in rows}
    assert found["epipam", "distance"].text == "0.050"
    assert found["epipam", "distance"].note == "0.010 to 0.090"
    assert found["epipam", "kmer-gbm"].note == ""
    assert "kmer-gbm against each of the others." in page.text
    assert "AUROC of kmer-gbm less that of others: distance +0.100; epipam +0.050." in html


def test_names_of_data_sets_are_text_and_identifiers_are_unique(html, page):
    html5lib.HTMLParser(strict=True).parse(html)
    assert DATASETS[1] in page.text
    assert page.tags["script"] == 1
    assert [one for one, times in page.identifiers.items() if times > 1] == []
    beyond = [one for one in page.references if not one.startswith(("#", "data:"))]
    assert beyond == ["https://doi.org/10.70401/cbm.2026.0013"]


def test_the_same_result_gives_the_same_bytes(result, html, tmp_path):
    audits = {dataset: audit(_pairs(1)) for dataset in DATASETS}
    again = crossval_page(tmp_path / "report.html", result, audits)
    assert again.read_text(encoding="utf-8") == html


def test_the_published_protocol_and_a_random_split_are_marked_before_all_numbers(result, tmp_path):
    leaked = SplitAudit(Leakage(200, 0.9, 0.95, 0.88), 0.93)
    leak = f"plain: {leaked.sentence()}"
    marked = replace(
        result,
        protocol="published",
        split="random",
        leakage={"plain": leaked},
        verdicts=(PUBLISHED_MARK, leak, *result.verdicts),
        unfinished=(("plain", "epipam", 7),),
    )
    path = crossval_page(tmp_path / "report.html", marked, {"plain": audit(_pairs(1))})
    page = read_page(path.read_text(encoding="utf-8"))
    first_number = page.text.index("mean AUROC of the best model")
    for warning in (PUBLISHED_MARK, leak, "1 of 9 folds of a model are not finished"):
        assert page.text.index(f"Mind: {warning}") < first_number
        assert page.text.count(warning) == 1
    assert "that of the test pairs here" in " ".join(page.text.split())
    splits = {row["Split"].text: row for row in page.tables["dataset-1-splits"]}
    assert splits["this cross-validation"]["AUROC of frequency alone"].value == 0.93


def test_without_audits_there_is_no_data_section(result, tmp_path):
    path = crossval_page(tmp_path / "report.html", replace(result, comparisons=()))
    page = read_page(path.read_text(encoding="utf-8"))
    assert "data" not in page.identifiers
    assert "No fold is finished for all of its models." in page.text

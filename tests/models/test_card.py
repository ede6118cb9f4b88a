"""The model card: what it says of data, tests and limits; the hub's own reader takes it."""

import copy
import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from huggingface_hub import ModelCard

from epipam.errors import ModelError
from epipam.evaluation.evaluate import evaluate
from epipam.models import EpipamConfig, create_model, save_model
from epipam.models.card import model_card, read_card, run_metrics, write_card
from epipam.pairs.table import COLUMNS, digest

N_POSITIVES, N_NEGATIVES = 20, 40


def provenance(**changes):
    """Return what made a model: as a run notes it."""
    contigs = {f"chr{i}": {"contig": f"chr{i}", "length": 9, "md5": f"md5{i}"} for i in range(1, 5)}
    return {
        "about": "trained on contacts of GM12878",
        "store": {
            "genome": {"name": "hg19.fa", "contigs": contigs},
            "pairs": {
                "name": "contacts.tsv",
                "sha256": "f" * 64,
                "rows": 1_234,
                "stored": 1_230,
                "skipped": {"outside the contig": 4},
            },
            "augmentation": {"copies": 10, "max_shift": 100},
            "seed": 0,
        },
        "split": {
            "train": ["chr3", "chr4"],
            "validation": ["chr2"],
            "test": ["chr1"],
            "unused": [],
        },
        "training": {"alpha": 0.8, "learning_rate": 0.001, "seed": 0},
        "best_epoch": 3,
        "initial_model": None,
        "versions": {"epipam": "0.1.0", "torch": "2.13.0"},
        **changes,
    }


def config(**changes):
    return {
        "model": "epipam",
        "epipam_version": "0.1.0",
        "enhancer_length": 3_000,
        "promoter_length": 2_000,
        "provenance": provenance(**changes),
    }


@pytest.fixture(scope="module")
def test():
    """Return an evaluation of made-up probabilities, as `metrics.json` holds it."""
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], [N_POSITIVES, N_NEGATIVES])
    start = rng.integers(0, 10**6, (2, len(labels)))
    pairs = pd.DataFrame(
        {
            "enhancer_chrom": "chr1",
            "enhancer_start": start[0],
            "enhancer_end": start[0] + 100,
            "enhancer_name": "",
            "promoter_chrom": "chr1",
            "promoter_start": start[1],
            "promoter_end": start[1] + 100,
            "promoter_name": "",
            "label": labels,
        },
        columns=list(COLUMNS),
    )
    probabilities = np.clip(0.2 * labels + 0.8 * rng.random(len(labels)), 0, 1)
    found = evaluate(pairs, probabilities, pairs, n_draws=3, n_bootstrap=20)
    return json.loads(json.dumps(found.to_json()))


def metrics(test, **changes):
    return {"provenance": provenance(**changes), "test": test}


def table(card, heading):
    """Return the cells of the first table below a heading."""
    below = card.text.partition(f"# {heading}\n")[2]
    rows = re.findall(r"^\| (.+) \|$", below.partition("\n#")[0], re.M)
    return [row.split(" | ") for row in rows if " | " in row]


def test_the_yaml_says_what_the_hub_indexes(test):
    data = model_card(config(), metrics(test)).data
    assert data.library_name == "epipam"
    assert {"genomics", "epipam"} <= set(data.tags)
    assert data.model_name == "epipam, trained on contacts.tsv"
    expected = test["scorers"]["model"]["all"]
    assert [(r.metric_type, r.metric_value) for r in data.eval_results] == [
        ("roc_auc", pytest.approx(expected["auroc"], abs=1e-4)),
        ("average_precision", pytest.approx(expected["auprc"], abs=1e-4)),
    ]
    for result in data.eval_results:
        assert result.dataset_name == "contacts.tsv"
        assert result.dataset_revision == "f" * 64
        assert result.dataset_args == {"chromosomes": ["chr1"]}


def test_the_license_is_nobody_s_guess(test):
    assert "license" not in model_card(config(), metrics(test)).data.to_dict()


def test_data_are_named_with_their_digests():
    rows = dict(table(model_card(config(), None, "a" * 64), "What it was trained on"))
    assert rows["genome"] == "`hg19.fa`, 4 chromosomes"
    assert rows["pairs"] == f"`contacts.tsv`, sha256 `{'f' * 64}`"
    assert rows["pairs used"] == "1,230 of 1,234; left out: 4 outside the contig"
    assert rows["train chromosomes"] == "chr3, chr4"
    assert rows["test chromosomes"] == "chr1"
    assert rows["weights"] == f"sha256 `{'a' * 64}`"
    assert "best epoch 3" in rows["settings"]


def test_every_number_stands_beside_the_baselines(test):
    card = model_card(config(), metrics(test))
    rows = {(row[0], row[1]): row[2:] for row in table(card, "How good it is")}
    for scorer, by_ratio in test["scorers"].items():
        name = f"**{scorer}**" if scorer == "model" else scorer
        for ratio, negatives in (("1:1", "1 per positive"), ("all", "all")):
            for cell, metric in zip(rows[name, negatives], ("auroc", "auprc"), strict=True):
                assert cell.startswith(f"{by_ratio[ratio][metric]:.3f} (")
    assert rows["**model**", "10 per positive"] == ["not available", "not available"]
    for verdict in test["verdicts"]:
        assert f"\n- {verdict}\n" in f"{card.text}\n"
    assert "chromosomes that took no part in training: chr1." in card.text


def test_without_metrics_the_card_claims_nothing():
    card = model_card(config(), None)
    assert "Nobody says" in card.text
    assert card.data.eval_results is None
    assert table(card, "How good it is") == []


def test_controls_and_calibration_are_told_where_there_are_any(test):
    found = copy.deepcopy(test)
    found["controls"] = {
        "permuted_labels": {"auroc": 0.5012, "auroc_sd": 0.01},
        "permuted_partners": {"auroc": None, "unavailable": "no network to score with"},
    }
    found["calibration"] = {"brier_score": 0.21, "expected_calibration_error": 0.0346}
    card = model_card(config(), metrics(found))
    rows = {row[0]: row[1:] for row in table(card, "Controls")}
    assert rows["labels permuted among pairs at like distance"] == ["0.501 (sd 0.010)", "0.5"]
    swapped = rows["promoters swapped between pairs of one label and distance"]
    assert swapped[0] == "not available: no network to score with"
    assert "Brier score 0.210, expected calibration error 0.035." in card.text
    found["controls"] = found["calibration"] = None
    plain = model_card(config(), metrics(found)).text
    assert "### Controls" not in plain
    assert "### Calibration" not in plain


def test_limits_are_in_plain_words_with_the_chromosomes_it_may_remember(test):
    limits = model_card(config(), metrics(test)).text.partition("must not be used for")[2]
    for words in (
        "Clinical",
        "cell type",
        "33% of its test pairs",
        "chr3, chr4, chr2",
        "`hg19.fa`",
    ):
        assert words in limits, words


def test_a_random_split_is_called_what_it_is(test):
    split = {**provenance()["split"], "random": {"fold": 0, "folds": 8, "seed": 0}}
    card = model_card(config(split=split), metrics(test, split=split))
    assert "drawn at random" in card.text
    assert "memory" in card.text
    assert "took no part in training" not in card.text
    assert dict(table(card, "What it was trained on"))["split"].startswith("pairs at random")


@pytest.mark.parametrize(
    "changes",
    [
        {"validation": ["chr1"]},
        {"random": {"fold": 0, "folds": 8, "seed": 0, "chosen_on_test": True}},
    ],
)
def test_a_model_that_was_chosen_on_its_test_pairs_says_so(test, changes):
    split = {**provenance()["split"], **changes}
    text = model_card(config(split=split), metrics(test, split=split)).text
    assert "chosen on these very pairs, so that the numbers flatter" in text
    assert "took no part in training" not in text
    assert "these very pairs" not in model_card(config(), metrics(test)).text


def test_a_test_chromosome_that_an_earlier_model_was_trained_on_is_named(test):
    # Of another genome chr1 may be named chr3: what counts is its sequence.
    earlier = provenance()
    earlier["store"]["genome"]["contigs"]["chr3"]["md5"] = "md51"
    card = model_card(config(initial_model=earlier), metrics(test))
    assert "The model it started from had chr1 in training" in card.text
    other = model_card(config(initial_model=provenance()), metrics(test))
    assert "took no part in training" in other.text


def test_text_from_outside_does_not_break_the_yaml(test):
    odd = provenance()
    odd["store"]["pairs"]["name"] = "a: 'b' #[c] {{ d }}.tsv"
    card = model_card({**config(), "provenance": odd}, {"provenance": odd, "test": test})
    read = ModelCard(str(card))
    assert read.data.eval_results[0].dataset_name == "a: 'b' #[c] {{ d }}.tsv"


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    network = create_model("epipam", EpipamConfig(enhancer_length=1_300, promoter_length=1_251))
    save_model(network, tmp_path / "run/model", provenance())
    return tmp_path / "run/model"


def test_a_card_that_is_written_is_read_again(folder, test):
    assert read_card(folder) is None
    path = write_card(folder, metrics(test))
    card = read_card(folder)
    assert str(card) == path.read_text(encoding="utf-8")
    assert digest(folder / "model.safetensors") in card.text
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "text",
    ["# A Kipoi model\n", "---\nlibrary_name: timm\n---\n", "---\n[\n---\n", "---\n- a\n---\n"],
)
def test_another_readme_is_no_card(folder, text):
    (folder / "README.md").write_text(text)
    assert read_card(folder) is None


def test_metrics_count_only_where_they_are_of_this_model(folder, test):
    beside = folder.parent / "metrics.json"
    assert run_metrics(folder) is None
    beside.write_text(json.dumps(metrics(test)))
    assert run_metrics(folder)["test"] == test
    beside.write_text(json.dumps(metrics(test, best_epoch=4)))
    assert run_metrics(folder) is None
    beside.write_text("{")
    assert run_metrics(folder) is None


def test_no_model_no_card(tmp_path):
    with pytest.raises(ModelError, match="is no model folder"):
        write_card(tmp_path, None)

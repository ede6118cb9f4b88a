"""The page of an evaluation: its numbers, that it is whole in itself, what it does with data."""

from __future__ import annotations

import html5lib
import numpy as np
import pandas as pd
import pytest
from page_reader import read_page

from epipam.evaluation.audit import audit
from epipam.evaluation.evaluate import evaluate, score_all
from epipam.evaluation.metrics import auroc
from epipam.evaluation.partners import NOBODY, PartnerScores, draw_partners
from epipam.report.evaluation_page import evaluation_page
from epipam.report.motif_part import Logo, MotifPart
from epipam.report.tables import Table, text

HOSTILE = '<script>alert(\'$x$ "&")</script>'
PROVENANCE = {
    "command": "epipam evaluate 'my <model>' pairs.zarr -o out",
    "model": {
        "path": "my <model>",
        "weights_sha256": "ab" * 32,
        "config": {"model": "epipam", "provenance": {"about": "for a test"}},
    },
    "store": {
        "genome": {"name": "genome.fa", "contigs": {}},
        "pairs": {"name": "pairs.tsv", "sha256": "cd" * 32, "rows": 1400, "stored": 1400},
        "seed": 0,
    },
    "evaluated": ["chr1", HOSTILE],
    "seed": 4,
    "bootstrap": 30,
    "versions": {"epipam": "0.1.0", "torch": "2"},
}


def _pairs(n=400, contigs=("chr1", "chr2", HOSTILE), seed=0):
    """Pairs of few regions, so that promoters can be swapped and frequency can tell."""
    generator = np.random.default_rng(seed)
    enhancer, promoter = 5000 * generator.integers(0, 60, (2, n))
    contig = generator.choice(contigs, n)
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
            "label": (generator.random(n) < 0.2).astype(np.int8),
        }
    )


class Judged:
    """An evaluation, and what else the page is made of."""

    def __init__(self, pairs, bootstrap=30, training=None):
        generator = np.random.default_rng(1)
        labels = pairs["label"].to_numpy()
        probabilities = 1 / (1 + np.exp(1 - 2 * labels - generator.normal(size=len(pairs))))
        partners = draw_partners(pairs, seed=0)
        swapped = np.where(partners.rows == NOBODY, np.nan, generator.random(len(pairs)))
        self.evaluation = evaluate(
            pairs,
            probabilities,
            training,
            partners=PartnerScores(partners, swapped),
            seed=4,
            n_bootstrap=bootstrap,
        )
        scores = score_all(pairs, probabilities, training)
        self.scores = {name: values for name, values in scores.items() if values is not None}
        self.labels, self.pairs = labels, pairs
        self.audit = audit(pairs)
        self.provenance = {**PROVENANCE, "bootstrap": bootstrap}

    def write(self, path, **more):
        return evaluation_page(
            path,
            self.evaluation,
            self.labels,
            self.scores,
            provenance=self.provenance,
            pairs=self.pairs,
            **{"audit": self.audit, **more},
        ).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def judged():
    return Judged(_pairs(), training=_pairs(1000, seed=9))


@pytest.fixture(scope="module")
def html(judged, tmp_path_factory):
    return judged.write(tmp_path_factory.mktemp("page") / "report.html", notes=["fitted on chr1"])


@pytest.fixture(scope="module")
def page(html):
    return read_page(html)


def _rounded(value):
    return "–" if value is None else f"{value:.3f}"


def test_every_scorer_and_ratio_is_shown_with_its_spread(judged, page):
    found = {(row["Scorer"].text, row["Negatives"].text): row for row in page.tables["scorers"]}
    expected = judged.evaluation.to_json()["scorers"]
    assert set(found) == {(scorer, ratio) for scorer in expected for ratio in expected[scorer]}
    for (scorer, ratio), row in found.items():
        numbers = expected[scorer][ratio]
        if numbers["unavailable"]:
            assert numbers["unavailable"] in row["AUPRC"].text
            continue
        for metric in ("AUROC", "AUPRC"):
            assert row[metric].value == numbers[metric.lower()]
            assert row[metric].text == _rounded(numbers[metric.lower()])
            interval, sd = (numbers[f"{metric.lower()}_{what}"] for what in ("interval", "sd"))
            if interval:
                assert row[metric].note == f"{interval[0]:.3f} to {interval[1]:.3f}"
            elif sd is not None:
                assert row[metric].note == f"sd {sd:.3f}"
        assert row["Negative pairs"].value == numbers["n_negatives"]


def test_every_chromosome_is_shown_by_itself(judged, page):
    contigs = judged.evaluation.contigs
    rows = page.tables["by-chromosome"]
    assert [row["Chromosome"].text for row in rows] == list(contigs)
    for row, by_scorer in zip(rows, contigs.values(), strict=True):
        assert row["Positive"].value == by_scorer["model"].n_positives
        for scorer, numbers in by_scorer.items():
            assert row[f"{scorer} AUROC"].value == numbers.auroc
            assert row[f"{scorer} AUPRC"].value == numbers.auprc


def test_controls_and_calibration_are_shown(judged, page):
    controls, calibration = judged.evaluation.controls, judged.evaluation.calibration
    rows = {row["Control"].text: row for row in page.tables["control-rows"]}
    assert rows["labels permuted"]["AUROC"].value == controls.permuted_labels.auroc
    swapped = controls.permuted_partners
    assert rows["promoters swapped"]["AUROC"].value == swapped.permuted_auroc
    assert rows["promoters swapped"]["Pairs"].value == swapped.n_pairs
    measures = {row["Measure"].text: row["Value"] for row in page.tables["calibration-measures"]}
    assert measures["Brier score"].value == calibration.brier_score
    error = calibration.expected_calibration_error
    assert measures["expected calibration error"].text == _rounded(error)
    bins = page.tables["reliability"]
    assert [row["Pairs"].value for row in bins] == [one.n_pairs for one in calibration.bins]
    assert [row["Share positive"].value for row in bins] == [one.share for one in calibration.bins]


def test_the_data_card_is_the_audit(judged, page):
    found = judged.audit
    numbers = {row["What"].text: row["Number"] for row in page.tables["data-pairs"]}
    assert numbers["positive pairs"].value == found.positives
    assert numbers["distinct promoters"].value == found.promoter.distinct
    distances = {row["Pairs"].text: row for row in page.tables["data-distances"]}
    assert distances["negative"]["Median"].value == found.distance["negative"][2]
    splits = {row["Split"].text: row for row in page.tables["data-splits"]}
    random = found.splits["random"]
    assert splits["at random"]["Promoter seen"].value == random.leakage.promoter
    assert splits["at random"]["AUROC of frequency alone"].value == random.frequency_auroc
    assert f"{found.overlap.pairs:,} ({found.overlap.share:.0%})" in page.text


def test_verdicts_come_first_and_in_other_words(judged, page):
    for verdict in judged.evaluation.verdicts:
        assert verdict in page.text
        assert page.text.index(verdict) < page.text.index("Performance by number")
    assert "Mind: fitted on chr1" in page.text
    area = auroc(judged.labels, judged.scores["model"])
    assert f"ranks the positive one higher {100 * area:.0f} times in 100" in page.text


def test_a_model_of_simulated_sequence_is_said_to_be_one_before_any_number(judged, html, tmp_path):
    assert "simulated" not in html
    about = {"model": "epipam", "provenance": {"about": "Trained on simulated sequence."}}
    model = {**PROVENANCE["model"], "config": about}
    judged_there = {**judged.provenance, "model": model}
    judged.provenance, before = judged_there, judged.provenance
    try:
        written = judged.write(tmp_path / "report.html", notes=["fitted on chr1"])
    finally:
        judged.provenance = before
    said = written.index("the model was trained on simulated sequence")
    assert said < written.index("fitted on chr1") < written.index("AUROC")


def test_provenance_is_shown_whole(page):
    facts = {row["What"].text: row["Value"].text for row in page.tables["facts"]}
    assert facts["command"] == PROVENANCE["command"]
    assert facts["weights, SHA-256"] == "ab" * 32
    assert facts["pair list, SHA-256"] == "cd" * 32
    assert facts["bootstrap replicates"] == "30"
    assert facts["versions"] == "epipam 0.1.0, torch 2"
    assert '"rows": 1400' in page.text


def test_the_page_is_correct_html(html):
    html5lib.HTMLParser(strict=True).parse(html)


def test_no_identifier_is_used_twice_and_every_link_leads_somewhere(page):
    assert [one for one, times in page.identifiers.items() if times > 1] == []
    local = {reference[1:] for reference in page.references if reference.startswith("#")}
    assert {"summary", "controls", "provenance"} <= local
    assert local <= set(page.identifiers)


def test_nothing_is_loaded_from_elsewhere(html, page):
    beyond = [one for one in page.references if not one.startswith(("#", "data:"))]
    assert beyond == ["https://doi.org/10.70401/cbm.2026.0013"]
    assert "@import" not in html
    assert "url(http" not in html


def test_what_data_say_is_text(html, page):
    assert HOSTILE in page.text
    assert page.tags["script"] == 1
    assert "<script>alert" not in html
    assert "my <model>" in page.text


def test_the_same_inputs_give_the_same_bytes(judged, html, tmp_path):
    assert judged.write(tmp_path / "again.html", notes=["fitted on chr1"]) == html


def test_one_class_has_no_curves_and_the_page_says_why(tmp_path):
    pairs = _pairs(50).assign(label=0)
    page = read_page(Judged(pairs).write(tmp_path / "report.html", audit=None))
    assert "no positive pair among the 50 labelled ones" in page.text
    assert page.tags["figure"] == 0
    assert not {"calibration", "data", "motifs"} & set(page.identifiers)
    assert "In other words" not in page.text


def test_without_a_bootstrap_no_band_is_spoken_of(tmp_path, html):
    bare = Judged(_pairs(), bootstrap=0).write(tmp_path / "report.html")
    assert "shaded band" in html
    assert "shaded band" not in bare
    assert "No control" not in bare
    assert "no labelled training pairs were given" in bare


def test_motifs_are_shown_where_they_are_given(judged, tmp_path):
    rows = (text("enhancer_0"), text("CTCF"))
    table = Table("motif-rows", "Kernels", ("Kernel", "Best match"), (rows,))
    strands = Table(
        "motif-orientations", "Strands", ("Motif", "Strand"), ((text("CTCF"), text("+")),)
    )
    logos = (Logo("enhancer_0", "data:image/png;base64,AA=="),)
    motifs = MotifPart("Two kernels.", table, strands, logos)
    page = read_page(judged.write(tmp_path / "report.html", motifs=motifs))
    assert page.tables["motif-rows"][0]["Best match"].text == "CTCF"
    assert page.tables["motif-orientations"][0]["Strand"].text == "+"
    assert "data:image/png;base64,AA==" in page.references
    assert "#motifs" in page.references
    assert "Two kernels." in page.text


def test_many_chromosomes_keep_their_table_and_lose_their_figure(tmp_path):
    contigs = tuple(f"scaffold_{number}" for number in range(50))
    page = read_page(Judged(_pairs(600, contigs)).write(tmp_path / "report.html"))
    assert len(page.tables["by-chromosome"]) == 50
    assert "contigs-figure" not in page.identifiers

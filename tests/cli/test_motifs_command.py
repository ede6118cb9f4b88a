"""`epipam motifs`: what it writes and says, and how it refuses."""

import gzip
import json
import math
import xml.etree.ElementTree as ET

import pandas as pd
import pytest
from click.testing import CliRunner
from planted_ctcf import plant

from epipam.cli import main
from epipam.interpret.motif_files import read_meme
from epipam.interpret.motifs import MATCH_COLUMNS, MOTIF_COLUMNS
from epipam.models import create_model, save_model


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("planted"))


@pytest.fixture
def run(planted, monkeypatch):
    monkeypatch.chdir(planted.model.parent)

    def run(*arguments, model="model", database="known.meme"):
        given = ["motifs", model, "pairs.zarr", "--database", str(database)]
        return CliRunner().invoke(main, [*given, *map(str, arguments)])

    return run


def test_the_folder_holds_motifs_tables_logos_and_what_made_them(run, tmp_path):
    out = tmp_path / "deep" / "out"
    done = run("-o", out)
    assert done.exit_code == 0, done.stderr
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    table = pd.read_csv(out / "motifs.tsv", sep="\t", na_values=".", keep_default_na=False)
    assert tuple(table.columns) == MOTIF_COLUMNS
    matches = pd.read_csv(out / "matches.tsv", sep="\t", na_values=".", keep_default_na=False)
    assert tuple(matches.columns) == MATCH_COLUMNS
    with_motif = table.loc[table["information"].notna(), "kernel"].tolist()
    motifs = read_meme(out / "motifs.meme").motifs
    assert [motif.identifier for motif in motifs] == with_motif
    assert [motif.sites for motif in motifs] == table["sites"][table["sites"] >= 10].tolist()
    assert sorted(path.stem for path in (out / "logos").iterdir()) == sorted(with_motif)
    logo = ET.parse(out / "logos" / "enhancer_0.svg").getroot()
    assert logo.tag.endswith("svg")
    summary = json.loads((out / "motifs.json").read_text())
    assert summary["provenance"]["chromosomes"] == ["chr1", "chr2"]
    assert summary["provenance"]["settings"]["threshold"] == 0.5
    assert summary["kernels"]["enhancer"] == {
        "kernels": 4, "silent": 1, "with_motif": 3, "matched": 2,
    }  # fmt: skip
    expected = [
        {"anchor": anchor, "orientation": o, "kernels": 1, "enriched": more, "depleted": 1 - more}
        for anchor, o, more in [
            ("enhancer", "+", 1), ("enhancer", "-", 0), ("promoter", "+", 0), ("promoter", "-", 1),
        ]
    ]  # fmt: skip
    for row in summary["orientations"]:
        assert (row.pop("target"), row.pop("target_name")) == ("M17", "CTCF")
    assert summary["orientations"] == expected
    assert "60 distinct windows, 20 of positive pairs; 3 of 4 kernels make a motif" in done.stdout
    assert (
        "M17 CTCF                    enhancer  +    1 kernels,   1 more,   0 fewer" in done.stdout
    )
    assert "too few" not in done.stdout


def test_json_is_the_summary_and_a_small_database_is_noted(run, planted, tmp_path):
    motifs = planted.database.read_text().split("\nMOTIF ")
    small = tmp_path / "small.meme.gz"
    small.write_bytes(gzip.compress("\nMOTIF ".join([motifs[0], motifs[18]]).encode()))
    options = ["--logos", "none", "--background", "uniform", "--chromosomes", "2"]
    done = run("-o", tmp_path / "a", *options, "--json", database=small)
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["background"] == dict.fromkeys("ACGT", 0.25)
    assert result["windows"]["enhancer"] == {"distinct": 30, "positive": 10, "negative": 20}
    assert {row["target"] for row in result["best_matches"]} == {"M17"}
    assert result["best_matches"][0]["odds_ratio"] in (None, 0)
    assert not (tmp_path / "a" / "logos").exists()
    done = run("-o", tmp_path / "b", *options, database=small)
    assert "note: 1 known motifs are too few for Tomtom's null model" in done.stdout


def test_no_match_is_said(run, tmp_path):
    done = run("-o", tmp_path / "a", "--logos", "none", "--max-q", 1e-300)
    assert done.exit_code == 0, done.stderr
    assert "no kernel matches a known motif" in done.stdout
    assert pd.read_csv(tmp_path / "a/matches.tsv", sep="\t").empty


def test_wrong_requests_leave_nothing_behind(run, planted, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "bad.meme").write_text("MEME version 4\nMOTIF a\n")
    save_model(create_model("kmer-gbm"), tmp_path / "trees", {})
    out = tmp_path / "out"
    for done, complaint in [
        (run("-o", tmp_path / "there"), "there: exists already"),
        (run("-o", out, database="none.meme"), "none.meme: no such file"),
        (run("-o", out, database=tmp_path / "bad.meme"), "bad.meme:2: a ends without"),
        (run("-o", out, "--chromosomes", "chr7"), "no data on chr7"),
        (run("-o", out, "--threshold", "1"), "--threshold"),
        (run("-o", out, model=str(tmp_path / "trees")), "this model has no convolution"),
    ]:
        assert done.exit_code == 2, done.output
        assert complaint in done.stderr
        assert done.stderr.count("\n") <= 2
    done = run("-o", out, "--min-sites", 99_999)
    assert done.exit_code == 1
    assert "none of 8 kernels has 99999 sites" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.meme", "there", "trees"]


def test_tables_hold_the_numbers_of_the_summary(run, tmp_path):
    assert run("-o", tmp_path / "a", "--logos", "none").exit_code == 0
    table = pd.read_csv(tmp_path / "a/motifs.tsv", sep="\t", na_values=".", index_col="kernel")
    for row in json.loads((tmp_path / "a/motifs.json").read_text())["best_matches"]:
        for name in ("p_value", "q_value", "information", "positive_share"):
            assert math.isclose(table.loc[row["kernel"], name], row[name], rel_tol=1e-5)

"""`epipam score` on the command line: real candidates of a real megabase, to every format."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pysam
import pytest
from click.testing import CliRunner

from epipam.cli import main

MODEL = str(Path(__file__).parents[2] / "kipoi_model" / "EPIPAM")
# HUVEC regions wholly in the megabase of chr20 whose sequence is at hand.
MEGABASE = range(1_000_000, 2_000_001)
PAIRS = 216


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def candidates(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("candidates")
    for kind in ("enhancers", "promoters"):
        with gzip.open(shared_data / f"regions/HUVEC_{kind}.bed.gz", "rt") as rows:
            fields = [row.split("\t") for row in rows]
        here = [
            "\t".join(row)
            for row in fields
            if row[0] == "chr20" and int(row[1]) in MEGABASE and int(row[2]) in MEGABASE
        ]
        (folder / f"{kind}.bed").write_text("".join(here))
    out = folder / "candidates.bedpe.gz"
    done = run("candidates", folder / "enhancers.bed", folder / "promoters.bed", "-o", out)
    assert done.exit_code == 0, done.stderr
    assert f"{PAIRS} pairs" in done.stdout
    return out


@pytest.fixture(scope="module")
def score(shared_data, candidates):
    genome = shared_data / "genome/hg19_chr20_2Mb.fa.gz"

    def score(out, *options):
        done = run(
            "score", MODEL, genome, candidates, "-o", out, "--device", "cpu", "--json", *options
        )
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return score


def test_real_candidates_are_scored_to_tables_and_tracks_alike(score, candidates, tmp_path):
    table = tmp_path / "scores.tsv"
    genes = tmp_path / "genes.tsv"
    assert score(table, "--genes", genes, "--genes-top", 3)["written"] == PAIRS
    frame = pd.read_csv(table, sep="\t", comment="#")
    assert len(frame) == PAIRS
    assert frame["distance"].max() <= 1_000_000

    summary = pd.read_csv(genes, sep="\t")
    promoters = frame["name"].str.rpartition("::")[2]
    for gene, best in summary.groupby("gene"):
        of_gene = frame[promoters == gene].sort_values("probability", ascending=False)
        assert best["probability"].tolist() == of_gene["probability"].tolist()[:3]
        assert best["enhancer_start"].tolist() == of_gene["enhancer_start"].tolist()[:3]
        assert set(best["pairs"]) == {len(of_gene)}

    track = tmp_path / "scores.interact.gz"
    assert score(track, "--index")["written"] == PAIRS
    with pysam.TabixFile(str(track)) as rows:
        found = [row.split("\t") for row in rows.fetch("chr20")]
    values = sorted(float(row[5]) for row in found)
    assert values == pytest.approx(sorted(frame["probability"]), abs=1e-7)

    best = tmp_path / "best.longrange"
    assert score(best, "--top", 2)["written"] == 2 * promoters.nunique()
    rows = [line for line in best.read_text().splitlines() if not line.startswith("#")]
    assert len(rows) == 4 * promoters.nunique()

    least = frame["probability"].median()
    few = score(tmp_path / "few.parquet", "--min-score", least)
    assert few["written"] == (frame["probability"] >= least).sum()


def test_a_track_that_cannot_be_is_refused_on_one_line(shared_data, candidates, tmp_path):
    genome = shared_data / "genome/hg19_chr20_2Mb.fa.gz"
    out = tmp_path / "scores.bedpe"
    done = run("score", MODEL, genome, candidates, "-o", out, "--index")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "--index needs bgzip" in done.stderr

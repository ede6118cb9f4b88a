"""`epipam attention` on the command line: figures, tracks, refusals."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from epipam.cli import main
from epipam.models import EpipamConfig, create_model, save_model

PAIRS = "1\t2000\t2010\t1\t4000\t4010\n1\t2100\t2110\t1\t4000\t4010\n"
SITES = "contig\tstart\tend\tstrand\tmotif\nchr1\t2000\t2019\t+\tCTCF\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attention")
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 6_000))
    (folder / "genome.fa").write_text(f">chr1\n{letters}\n")
    (folder / "pairs.bedpe").write_text(PAIRS)
    (folder / "sites.tsv").write_text(SITES)
    torch.manual_seed(0)
    config = EpipamConfig(260, 251, channels=8, kernels=(9, 5, 3), pools=(5, 4, 3))
    for name in ("epipam", "epi"):
        save_model(create_model(name, config), folder / name, {})
    return folder


@pytest.fixture
def run(folder, monkeypatch):
    monkeypatch.chdir(folder)

    def run(*arguments, model="epipam"):
        given = ["attention", model, "genome.fa", "pairs.bedpe", *map(str, arguments)]
        return CliRunner().invoke(main, given)

    return run


def test_a_figure_shows_one_pair_and_replaces_nothing_unasked(run, tmp_path):
    out = tmp_path / "a.png"
    done = run("-o", out, "--row", 2, "--layer", 2, "--sites", "sites.tsv", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["row"], result["layer"]) == (2, 2)
    first = out.read_bytes()
    done = run("-o", out)
    assert done.exit_code == 2
    assert "a.png: exists already; choose another name or pass --overwrite" in done.stderr
    assert out.read_bytes() == first
    assert run("-o", out, "--overwrite").exit_code == 0
    assert out.read_bytes() != first


def test_a_track_holds_all_pairs_or_one(run, tmp_path):
    done = run("-o", tmp_path / "a.bedgraph", "--relative")
    assert done.exit_code == 0, done.stderr
    assert "PAM 1 of 2 pairs, 2 enhancer and 1 promoter windows" in done.stdout
    assert "read 1 as chr1" in done.stderr
    rows = [line.split("\t") for line in (tmp_path / "a.bedgraph").read_text().splitlines()]
    assert {row[0] for row in rows} == {"chr1"}
    done = run("-o", tmp_path / "b.bw", "--row", 1, "--anchor", "promoter", "--json")
    assert json.loads(done.stdout)["windows"] == {"promoter": 1}


def test_wrong_requests_leave_nothing(run, tmp_path):
    for done, complaint in [
        (run("-o", tmp_path / "a.txt"), "the ending must be one of .png"),
        (run("-o", tmp_path / "a.bw", "--row", 3), "has 2 pairs; there is no row 3"),
        (run("-o", tmp_path / "a.png", "--row", 3), "has 2 pairs; there is no row 3"),
        (run("-o", tmp_path / "a.bw", "--layer", 4), "there is no layer 4"),
        (run("-o", tmp_path / "a.bw", "--sites", "sites.tsv"), "a track has none"),
        (run("-o", tmp_path / "a.png", "--sites", "pairs.bedpe"), "missing columns: contig"),
        (run("-o", tmp_path / "a.bw", model="epi"), "no position attention"),
        (run("-o", tmp_path / "a.png", model="epi"), "no position attention"),
    ]:
        assert done.exit_code == 2, done.output
        assert complaint in done.stderr
    assert list(tmp_path.iterdir()) == []

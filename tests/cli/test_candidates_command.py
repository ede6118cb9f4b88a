"""`epipam candidates` on the command line: what it says, and with which exit code."""

import json

import pytest
from click.testing import CliRunner

from epipam.cli import main

GENES = """\
1\tX\tgene\t3001\t4000\t.\t+\t.\tgene_id "A"; gene_biotype "protein_coding";
1\tX\tgene\t9001\t9900\t.\t-\t.\tgene_id "B"; gene_biotype "lncRNA";
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "enhancers.bed").write_text("chr1\t100\t200\tE\nchrY\t1\t2\tF\n")
    (tmp_path / "promoters.bed").write_text("chr1\t1000\t1100\tP\n")
    (tmp_path / "genes.gtf").write_text(GENES)

    def run(*arguments):
        return CliRunner().invoke(main, ["candidates", *arguments])

    return run


def test_pairs_are_counted_and_left_out_contigs_named(run):
    done = run("enhancers.bed", "promoters.bed", "-o", "out.bedpe")
    assert done.exit_code == 0
    assert "out.bedpe: 1 pairs\n  of 2 enhancers and 1 promoters" in done.stdout
    assert "note: no promoter on chrY" in done.stderr


def test_json_is_one_object(run):
    done = run("enhancers.bed", "promoters.bed", "-o", "out.bedpe.gz", "--json")
    found = json.loads(done.stdout)
    assert found == {"candidates": "out.bedpe.gz", "pairs": 1, "enhancers": 2, "promoters": 1}


def test_genes_have_options(run, tmp_path):
    arguments = ("enhancers.bed", "genes.gtf", "-o", "out.bedpe", "--ignore-chr", "--upstream", "7")
    done = run(*arguments, "--downstream", "3", "--gene-type", "protein_coding")
    assert done.exit_code == 0, done.stderr
    assert "read 1 as chr1" in done.stderr
    (row,) = (tmp_path / "out.bedpe").read_text().splitlines()[1:]
    assert row.split("\t")[3:7] == ["chr1", "2993", "3003", "E::A"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["enhancers.bed", "promoters.bed", "-o", "x.bed"], "the ending must be one of .bedpe"),
        (["absent.bed", "promoters.bed", "-o", "x.bedpe"], "absent.bed: no such file"),
        (["enhancers.bed", "promoters.bed", "-o", "x.bedpe", "--max-distance", "-1"], "--max-dist"),
        (["genes.gtf", "enhancers.bed", "-o", "x.bedpe"], "enhancers first, the promoters second"),
    ],
)
def test_a_wrong_request_exits_with_2_on_one_line(run, tmp_path, arguments, said):
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("x.*"))

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
    assert found == {
        "candidates": "out.bedpe.gz",
        "pairs": 1,
        "enhancers": 2,
        "promoters": 1,
        "overlapping": 0,
    }


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


def test_a_genome_and_aliases_give_names_and_ends(run, tmp_path):
    (tmp_path / "sizes").write_text("chr1\t4000\nchrY\t900\n")
    (tmp_path / "aliases").write_text("chr1\tNC_1.10\n")
    (tmp_path / "genes.gtf").write_text(GENES.splitlines(True)[0].replace("1\t", "NC_1.10\t", 1))
    options = ("--genome", "sizes", "--aliases", "aliases", "--downstream", "2000")
    done = run("enhancers.bed", "genes.gtf", "-o", "out.bedpe", *options)
    assert done.exit_code == 0, done.stderr
    (row,) = (tmp_path / "out.bedpe").read_text().splitlines()[1:]
    assert row.split("\t")[3:7] == ["chr1", "1500", "4000", "E::A"]
    (tmp_path / "sizes").write_text("chr1\t150\n")
    done = run("enhancers.bed", "promoters.bed", "-o", "x.bedpe", "--genome", "sizes")
    assert done.exit_code == 2
    assert "enhancers.bed:1: chromEnd: 200 lies outside chr1 (0 to 150)" in done.stderr


def test_a_promoter_is_its_own_enhancer_only_where_that_is_asked_for(run, tmp_path):
    (tmp_path / "own.bed").write_text("chr1\t1099\t1300\tIN\nchr1\t1100\t1300\tBESIDE\n")
    done = run("own.bed", "promoters.bed", "-o", "out.bedpe")
    assert done.exit_code == 0, done.stderr
    assert "left out: 1 pairs whose regions overlap; --overlapping keep writes them" in done.stdout
    (row,) = (tmp_path / "out.bedpe").read_text().splitlines()[1:]
    assert row.split("\t")[6] == "BESIDE::P"
    done = run("own.bed", "promoters.bed", "-o", "kept.bedpe", "--overlapping", "keep")
    assert "left out" not in done.stdout
    assert len((tmp_path / "kept.bedpe").read_text().splitlines()) == 3
    done = run("promoters.bed", "promoters.bed", "-o", "none.bedpe")
    assert done.exit_code == 2
    assert "1 pairs of regions that overlap (--overlapping keep writes them)" in done.stderr


def test_features_may_be_repeated_and_starts_asked_for(run, tmp_path):
    (tmp_path / "genes.gtf").write_text(GENES.replace("gene\t9001", "ncRNA_gene\t9001"))
    options = ("--feature", "gene", "--feature", "ncRNA_gene")
    done = run("enhancers.bed", "genes.gtf", "-o", "out.bedpe", *options)
    assert "of 2 enhancers and 2 promoters" in done.stdout
    (tmp_path / "promoters.bed").write_text("chr1\t10000\t90000\tG\t0\t-\n")
    kept = run("enhancers.bed", "promoters.bed", "-o", "kept.bedpe")
    assert "--tss takes" in kept.stderr
    run("enhancers.bed", "promoters.bed", "-o", "tss.bedpe", "--tss")
    places = [
        (tmp_path / name).read_text().splitlines()[1].split("\t")[4:6]
        for name in ("kept.bedpe", "tss.bedpe")
    ]
    assert places == [["10000", "90000"], ["89500", "91500"]]


def test_files_that_look_swapped_are_noted(run, tmp_path):
    (tmp_path / "many.bed").write_text("".join(f"chr1\t{i}\t{i + 9}\n" for i in range(100)))
    done = run("enhancers.bed", "many.bed", "-o", "out.bedpe")
    assert "there are 100 promoters and 2 enhancers" in done.stderr
    assert "swap them" in done.stderr
    done = run("many.bed", "promoters.bed", "-o", "other.bedpe")
    assert "swap" not in done.stderr

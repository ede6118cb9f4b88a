"""`epipam negatives` on the command line: what it writes and says, and with which exit code."""

import gzip
import json

import pysam
import pytest
from click.testing import CliRunner

from epipam.cli import main
from epipam.pairs.table import read_pairs


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"chr1\t{e}\t{e + 10}\tchr1\t{e + 500 + e // 10}\t{e + 600}" for e in range(0, 900, 90)]
    (tmp_path / "pairs.bedpe").write_text("\n".join(rows) + "\n")
    (tmp_path / "enhancers.bed").write_text(
        "".join(f"1\t{s}\t{s + 10}\tE{s}\n" for s in range(0, 900, 3))
    )

    def run(*arguments):
        return CliRunner().invoke(main, ["negatives", *arguments])

    return run


def test_positives_come_first_and_negatives_of_every_bin_are_counted(run):
    done = run("pairs.bedpe", "-o", "out.tsv", "--per-positive", "1", "--bins", "2")
    assert done.exit_code == 0, done.output
    frame = read_pairs("out.tsv").frame
    n_negative = int((frame["label"] == 0).sum())
    assert frame["label"].tolist() == [1] * 10 + [0] * n_negative
    assert f"out.tsv: 10 positive and {n_negative} negative pairs" in done.stdout
    assert "of 10 enhancers and 10 promoters" in done.stdout
    assert done.stdout.count(" other pairs") == 2


def test_json_is_one_object_and_gz_is_bgzip(run, tmp_path):
    done = run("pairs.bedpe", "-o", "out.tsv.gz", "--enhancers", "enhancers.bed", "--json")
    found = json.loads(done.stdout)
    assert found["enhancers"] == 300
    assert found["negatives"] == sum(of_bin["drawn"] for of_bin in found["bins"])
    missing = found["negatives_not_found"]
    assert missing.get("no other pair left in the distance bin", 0) == 200 - found["negatives"]
    assert pysam.BGZFile(str(tmp_path / "out.tsv.gz")).read()[:14] == b"enhancer_chrom"
    with gzip.open(tmp_path / "out.tsv.gz", "rt") as handle:
        names = {line.split("\t")[3] for line in list(handle)[11:]}
    # Of the file, on the chromosome as the list spells it.
    assert names <= {f"E{start}" for start in range(0, 900, 3)}
    assert set(read_pairs("out.tsv.gz").frame["enhancer_chrom"]) == {"chr1"}


def test_the_same_seed_gives_the_same_bytes(run, tmp_path):
    for name, seed in (("a.tsv", "1"), ("b.tsv", "1"), ("c.tsv", "2")):
        few = ("--per-positive", "2", "--enhancers", "enhancers.bed")
        done = run("pairs.bedpe", "-o", name, "--seed", seed, *few)
        assert done.exit_code == 0, done.output
    a, b, c = ((tmp_path / f"{name}.tsv").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_distances_are_limited(run):
    done = run("pairs.bedpe", "-o", "out.tsv", "--min-distance", "550", "--max-distance", "570")
    assert done.exit_code == 0, done.output
    assert "positives left out: 2 nearer than asked for" in done.stdout
    assert "positives left out: 4 farther than asked for" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.tsv", "-o", "x.tsv"], "absent.tsv: no such file"),
        (["pairs.bedpe", "-o", "x.bedpe"], "the ending must be one of .tsv, .tsv.gz"),
        (["pairs.bedpe", "-o", "x.tsv", "--strategy", "odd"], "'odd' is not one of"),
        (["pairs.bedpe", "-o", "x.tsv", "--max-distance", "3"], "none of 10 pairs is positive"),
        (
            ["pairs.bedpe", "-o", "x.tsv", "--enhancers", "x.bed"],
            "x.bed and pairs.bedpe have no contig in common",
        ),
    ],
)
def test_a_wrong_request_is_one_line_and_leaves_nothing(run, tmp_path, arguments, said):
    (tmp_path / "x.bed").write_text("chr9\t1\t2\n")
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert len([line for line in done.stderr.splitlines() if ": read as " not in line]) == 1
    assert not (tmp_path / "x.tsv").exists()
    assert not list(tmp_path.glob(".*.partial"))


def test_a_list_with_two_spellings_of_a_contig_has_one(run, tmp_path):
    rows = (tmp_path / "pairs.bedpe").read_text().splitlines()
    mixed = [row.replace("chr1", "1") if i % 2 else row for i, row in enumerate(rows)]
    (tmp_path / "mixed.bedpe").write_text("\n".join(mixed) + "\n")
    for name in ("pairs", "mixed"):
        done = run(f"{name}.bedpe", "-o", f"{name}.tsv", "--enhancers", "enhancers.bed")
        assert done.exit_code == 0, done.stderr
    assert (tmp_path / "pairs.tsv").read_bytes() == (tmp_path / "mixed.tsv").read_bytes()


def test_regions_that_end_before_they_begin_are_refused_or_counted(run, tmp_path):
    with (tmp_path / "pairs.bedpe").open("a") as handle:
        handle.write("chr1\t90\t10\tchr1\t600\t700\n")
    done = run("pairs.bedpe", "-o", "out.tsv")
    assert done.exit_code == 2
    assert "pairs.bedpe:11: enhancer_start: start 90 lies after end 10" in done.stderr
    done = run("pairs.bedpe", "-o", "out.tsv", "--bad-pairs", "skip")
    assert "rows left out: 1 start after end" in done.stdout

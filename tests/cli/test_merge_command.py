"""`--contigs` and `epipam merge` on the command line: the loop that a scheduler runs."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from epipam.cli import main
from epipam.models import EpipamConfig, create_model, save_model
from epipam.store import Store

SIZES = ["--enhancer-length", "60", "--promoter-length", "40"]


def run(*arguments, code=0):
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def assert_same_table(one, other, **options):
    """Compare tables; what shares a batch with a pair may change its score's last digit."""
    tables = [pd.read_csv(path, sep="\t", comment="#", **options) for path in (one, other)]
    pd.testing.assert_frame_equal(*tables, atol=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A genome of three contigs, regions on two of them, pairs in no order, and a model."""
    path = tmp_path_factory.mktemp("inputs")
    draw = random.Random(5)
    with (path / "genome.fa").open("w") as fasta:
        for name in ("chr1", "chr2", "chrM"):
            fasta.write(f">{name}\n{''.join(draw.choices('ACGT', k=3_000))}\n")
    with (path / "pairs.bedpe").open("w") as pairs:
        for number in range(24):
            chrom, start = f"chr{draw.choice('12')}", draw.randrange(2_000)
            row = (chrom, start, start + 50, chrom, 900, 940, f"e{number}::gene{number % 2}")
            pairs.write("\t".join(map(str, [*row, ".", number % 2])) + "\n")
    for kind, step in (("enhancers", 300), ("promoters", 500)):
        rows = [f"chr{c}\t{at}\t{at + 40}\n" for c in "12" for at in range(0, 2_900, step)]
        (path / f"{kind}.bed").write_text("".join(rows))
    torch.manual_seed(0)
    config = EpipamConfig(enhancer_length=1_000, promoter_length=900)
    save_model(create_model("epipam", config), path / "model", {})
    return path


def test_a_store_is_built_in_parts(folder, tmp_path):
    build = ["build-store", folder / "genome.fa", folder / "pairs.bedpe", *SIZES]
    build += ["--label-column", 9]
    run(*build, "-o", tmp_path / "whole.zarr")
    for contigs in ("chr1,chrM", "2"):
        run(*build, "-o", tmp_path / f"{contigs}.zarr", "--contigs", contigs)
    parts = [tmp_path / "2.zarr", tmp_path / "chr1,chrM.zarr"]
    done = run("merge", *parts, "-o", tmp_path / "merged.zarr")
    assert done.stdout == f"{tmp_path / 'merged.zarr'}: 24 of 24 pairs stored, from 2 parts\n"
    assert done.stderr.splitlines()[-1].startswith("contigs copied: 2/2")
    run("verify", tmp_path / "merged.zarr")
    assert Store(tmp_path / "merged.zarr").attributes == Store(tmp_path / "whole.zarr").attributes
    assert "part          chr2: 1 of 2 chromosomes with pairs" in run("info", parts[0]).stdout

    done = run(*build, "--contigs", "chr1", code=2)
    assert "--contigs makes a part of a store, which needs a name: -o" in done.stderr
    done = run(*build, "--contigs", "chrM", "-o", tmp_path / "none.zarr", code=2)
    assert "no pair on chrM; there are pairs on chr1, chr2" in done.stderr


def test_scores_of_parts_are_those_of_one_run(folder, tmp_path):
    pairs = folder / "pairs.bedpe"
    score = ["score", folder / "model", folder / "genome.fa", pairs, "--device", "cpu"]
    run(*score, "-o", tmp_path / "whole.bedpe", "--genes", tmp_path / "genes.tsv")
    parts = []
    for contig in ("chr2", "1"):
        parts.append(tmp_path / f"{contig}.parquet")
        run(*score, "-o", parts[-1], "--contigs", contig)
    merge = ["merge", *parts, "--pairs", pairs]
    done = run(*merge, "-o", tmp_path / "merged.bedpe", "--genes", tmp_path / "merged.genes.tsv")
    assert done.stdout.splitlines()[0] == f"{tmp_path / 'merged.bedpe'}: 24 pairs, from 2 parts"
    assert_same_table(tmp_path / "merged.bedpe", tmp_path / "whole.bedpe", header=None)
    assert_same_table(tmp_path / "merged.genes.tsv", tmp_path / "genes.tsv")

    done = run(*merge, "-o", tmp_path / "best.interact", "--top", 2, "--json")
    assert json.loads(done.stdout)["written"] == 8  # of two genes on each of two chromosomes
    done = run("merge", *parts, "-o", tmp_path / "as_given.parquet")
    assert done.stdout.splitlines() == [f"{tmp_path / 'as_given.parquet'}: 24 rows, from 2 parts"]

    done = run("merge", *parts, parts[0], "--pairs", pairs, "-o", tmp_path / "x.bedpe", code=2)
    assert "both hold chr2; give each contig once" in done.stderr
    done = run("merge", parts[0], "--pairs", pairs, "-o", tmp_path / "x.bedpe", code=2)
    assert "no part holds the pairs on chr1: add the part" in done.stderr
    assert not (tmp_path / "x.bedpe").exists()


def test_candidates_of_parts_are_those_of_one_run(folder, tmp_path):
    pair = ["candidates", folder / "enhancers.bed", folder / "promoters.bed"]
    run(*pair, "-o", tmp_path / "whole.bedpe")
    parts = [tmp_path / f"{contig}.bedpe.gz" for contig in ("chr1", "chr2")]
    for part in parts:
        run(*pair, "-o", part, "--contigs", part.name.split(".")[0])
    run("merge", *parts, "-o", tmp_path / "merged.bedpe")
    assert (tmp_path / "merged.bedpe").read_text() == (tmp_path / "whole.bedpe").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.bedpe", "-o", "out.bedpe"], "no.bedpe: no such part"),
        (["{pairs}", "-o", "out.bedpe", "--top", "2"], "the options of scores need --pairs"),
        (
            ["{folder}", "-o", "out", "--pairs", "{pairs}"],
            "--pairs is for scores; parts of a store",
        ),
        (["{folder}", "-o", "out.zarr"], "is no epipam store"),
        (["{pairs}", "-o", "s3://bucket/out.bedpe"], "the whole is written on this machine"),
        (["-o", "out.bedpe"], "Missing argument 'PART...'"),
    ],
)
def test_a_wrong_request_is_one_line(arguments, message, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    places = {"folder": folder, "pairs": folder / "pairs.bedpe"}
    done = run("merge", *(argument.format(**places) for argument in arguments), code=2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_contigs_are_names_with_commas_between(folder, tmp_path):
    score = ["score", folder / "model", folder / "genome.fa", folder / "pairs.bedpe"]
    done = run(*score, "-o", tmp_path / "x.bedpe", "--contigs", " , ", code=2)
    assert "names no contig; give names with commas between: chr1,chr2" in done.stderr
    done = run(*score, "-o", tmp_path / "x.bedpe", "--contigs", "chr1,chr7", code=2)
    assert "genome.fa: has no contig chr7; it has chr1, chr2, chrM" in done.stderr

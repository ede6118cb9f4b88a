"""`epipam variants` and `epipam mutagenesis` on the command line: what they say, and exit with."""

import gzip
import json
import os
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from epipam.cli import main
from epipam.models import EpipamConfig, create_model, save_model

VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("variants")
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 8_000))
    (folder / "genome.fa").write_text(f">chr1\n{letters}\n")
    (folder / "pairs.bedpe").write_text("chr1\t2000\t2010\tchr1\t6000\t6010\te::p\n")
    base = letters[2_004]
    other = "CGTA"["ACGT".index(base)]
    (folder / "v.vcf").write_text(
        VCF + f"1\t2005\t.\t{base}\t{other}\t.\t.\t.\n1\t2005\t.\t{other}\t{base}\t.\t.\t.\n"
        f"1\t2005\t.\t{base}\t<DEL>\t.\t.\t.\n1\t7900\t.\tA\tT\t.\t.\t.\n"
    )
    torch.manual_seed(0)
    config = EpipamConfig(enhancer_length=1_300, promoter_length=1_250)
    save_model(create_model("epipam", config), folder / "model", {"about": "random weights"})
    return folder, base, other


@pytest.fixture
def run(inputs, monkeypatch, tmp_path):
    folder, *_ = inputs
    monkeypatch.chdir(folder)

    def run(command, *arguments):
        return CliRunner().invoke(main, [command, "model", "genome.fa", *map(str, arguments)])

    return run


def test_variants_are_counted_and_mismatches_named(run, inputs, tmp_path):
    _, base, other = inputs
    out = tmp_path / "o.tsv"
    done = run("variants", "pairs.bedpe", "v.vcf", "-o", out)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{out}: 1 rows",
        "  1 of 4 alleles, in 1 pairs",
        "  in no window: 1 alleles",
        "  not scored: 1 symbolic ALT (no sequence given)",
        "  not scored: 1 REF that is not the genome's",
    ]
    assert f"v.vcf: 1:2005: REF is {other}, the genome has {base}\n" in done.stderr
    assert "model: random weights" in done.stderr
    assert "note: read 1 of the variants as chr1" in done.stderr
    assert pd.read_csv(out, sep="\t")["anchor"].tolist() == ["enhancer"]


def test_variants_print_json(run, tmp_path):
    done = run("variants", "pairs.bedpe", "v.vcf", "-o", tmp_path / "o.parquet", "--json")
    found = json.loads(done.stdout)
    assert (found["rows"], found["alleles"], found["scored"], found["outside"]) == (1, 4, 1, 1)
    assert len(found["mismatches"]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pairs.bedpe", "absent.vcf", "-o", "x.tsv"], "absent.vcf: no such file"),
        (["pairs.bedpe", "genome.fa", "-o", "x.tsv"], "genome.fa: is no VCF or BCF"),
        (["absent.bedpe", "v.vcf", "-o", "x.tsv"], "absent.bedpe: no such file"),
        (["pairs.bedpe", "v.vcf", "-o", "x.bed"], "the ending must be one of .tsv"),
        (["pairs.bedpe", "v.vcf"], "Missing option"),
    ],
)
def test_a_wrong_request_for_variants_is_one_line(run, inputs, arguments, said):
    done = run("variants", *arguments)
    assert done.exit_code == 2
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert len(errors) == 1
    assert said in errors[0]
    assert not list(inputs[0].glob("*x.*"))


def test_mutagenesis_writes_a_table_and_a_figure(run, tmp_path):
    out, figure = tmp_path / "o.tsv", tmp_path / "o.svg"
    region = ["--region", "chr1:2,001-2,010"]
    done = run("mutagenesis", "pairs.bedpe", "-o", out, "--figure", figure, *region)
    assert done.exit_code == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first.startswith(f"{out}: 30 changes of row 1, probability 0.")
    assert second.startswith("  strongest: chr1:20")
    assert third == f"{figure}: the figure"
    assert len(pd.read_csv(out, sep="\t")) == 30
    assert figure.exists()


def test_mutagenesis_prints_json(run, tmp_path):
    arguments = ["-o", tmp_path / "o.tsv", "--region", "1:2001-2002", "--row", 1, "--json"]
    found = json.loads(run("mutagenesis", "pairs.bedpe", *arguments).stdout)
    assert (found["rows"], found["row"]) == (6, 1)
    assert set(found["strongest"]) == {"change", "delta_logit"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "x.tsv", "--row", "2"], "has 1 pairs; there is no row 2"),
        (["-o", "x.tsv", "--region", "chr1"], "must be CHROM:START-END"),
        (["-o", "x.tsv", "--region", "chr1:1-10"], "--region holds no base of the pair"),
        (["-o", "x.tsv", "--figure", "x.pdf"], "the ending must be one of .png, .svg"),
        (["-o", "x.bed"], "the ending must be one of .tsv"),
    ],
)
def test_a_wrong_request_for_mutagenesis_is_one_line(run, inputs, arguments, said):
    done = run("mutagenesis", "pairs.bedpe", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr.splitlines()[-1]
    assert not list(inputs[0].glob("*x.*"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_variants_from_a_pipe_give_those_of_the_file(run, inputs, tmp_path, pack):
    content = pack((inputs[0] / "v.vcf").read_bytes())
    assert run("variants", "pairs.bedpe", "v.vcf", "-o", tmp_path / "file.tsv").exit_code == 0
    os.mkfifo(tmp_path / "pipe.vcf")
    writer = threading.Thread(target=(tmp_path / "pipe.vcf").write_bytes, args=(content,))
    writer.start()
    done = run("variants", "pairs.bedpe", tmp_path / "pipe.vcf", "-o", tmp_path / "pipe.tsv")
    writer.join()
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "pipe.tsv").read_text() == (tmp_path / "file.tsv").read_text()

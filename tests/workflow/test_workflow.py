"""The Snakemake workflow: both parts planned and run at small scale, and each wrapper alone."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / "workflow"
SNAKEMAKE = ROOT / ".venv-workflow/bin/snakemake"
MODEL = ROOT / "kipoi_model/EPIPAM"
WRAPPERS = ("build-store", "train", "score")

needs_snakemake = pytest.mark.skipif(
    not SNAKEMAKE.exists(), reason="no .venv-workflow: bin/workflow setup makes it"
)

MOTIFS = """MEME version 4

ALPHABET= ACGT

MOTIF CCACGT
letter-probability matrix: alength= 4 w= 6
0.1 0.7 0.1 0.1
0.1 0.7 0.1 0.1
0.7 0.1 0.1 0.1
0.1 0.7 0.1 0.1
0.1 0.1 0.7 0.1
0.1 0.1 0.1 0.7
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with the demo's genome and pairs, and regions made of them."""
    for name in ("genome.fa.gz", "pairs.tsv", "candidates.bedpe"):
        shutil.copy(ROOT / "store/demo" / name, tmp_path)
    with (tmp_path / "pairs.tsv").open() as handle:
        rows = list(csv.reader(handle, delimiter="\t"))[1:]
    for name, columns in (("enhancers", slice(0, 4)), ("promoters", slice(4, 8))):
        (tmp_path / f"{name}.bed").write_text("".join("\t".join(r[columns]) + "\n" for r in rows))
    (tmp_path / "motifs.meme").write_text(MOTIFS)
    return tmp_path


@pytest.fixture
def snakemake(folder, warm_path, matplotlib_folder):
    """Return `snakemake(snakefile, *options)`, which runs it in the folder on one core."""

    def snakemake(snakefile, *options, code=0):
        environment = {
            **os.environ,
            "PATH": warm_path,
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "MPLCONFIGDIR": str(matplotlib_folder),
            "PYTHONWARNINGS": "ignore",
            "CUDA_VISIBLE_DEVICES": "",
        }
        done = subprocess.run(
            [SNAKEMAKE, "--snakefile", snakefile, "--cores", "1", *options],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    return snakemake


def configured(folder: Path, **config) -> list[str]:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return ["--configfile", str(path)]


def score_config(folder: Path, **more) -> list[str]:
    given = {
        "genome": "genome.fa.gz",
        "enhancers": "enhancers.bed",
        "promoters": "promoters.bed",
        "model": str(MODEL),
        "output": "out",
        "candidates": {"max-distance": 50_000},
        "parts": 2,
        "threads": 1,
    }
    return configured(folder, **given, **more)


def crossval_config(folder: Path) -> list[str]:
    options = {"bootstrap": 20, "batch-size": 10}
    return configured(
        folder,
        genome="genome.fa.gz",
        output="out",
        datasets={"demo": {"pairs": "pairs.tsv"}},
        store={"augment": 0},
        crossvals={
            "honest": {
                "models": ["epi", "kmer-gbm"],
                "folds": [0],
                "options": {**options, "epochs": 1, "alphas": "1"},
            },
            "random": {
                "models": ["kmer-gbm"],
                "folds": [0],
                "options": {**options, "split": "random"},
            },
        },
        motifs={
            "databases": ["motifs.meme"],
            "model": "epi",
            "options": {"min-sites": 1, "logos": "none"},
        },
        threads=1,
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


@needs_snakemake
def test_both_parts_are_planned(folder, snakemake):
    planned = snakemake(WORKFLOW / "score.smk", *score_config(folder), "--dry-run")
    assert {"candidates", "merge", "track"} <= {line.split(" ")[0] for line in planned.split("\n")}
    planned = snakemake(WORKFLOW / "crossval.smk", *crossval_config(folder), "--dry-run")
    counts = dict(line.split() for line in planned.splitlines() if len(line.split()) == 2)
    assert (counts["fold"], counts["crossval"], counts["motifs"]) == ("2", "2", "1")


@needs_snakemake
def test_a_slip_in_the_configuration_is_named(folder, snakemake):
    said = snakemake(WORKFLOW / "score.smk", *score_config(folder, trakcs=[]), "-n", code=1)
    assert "trakcs" in said


@needs_snakemake
@pytest.mark.slow
def test_regions_become_scored_and_annotated_candidates(folder, snakemake):
    snakemake(WORKFLOW / "score.smk", *score_config(folder, tracks=["interact.gz"]))
    with gzip.open(folder / "out/candidates.bedpe.gz", "rt") as handle:
        candidates = [line.split("\t") for line in handle if not line.startswith("#")]
    with gzip.open(folder / "out/scores.bedpe.gz", "rt") as handle:
        scores = [line.split("\t") for line in handle if not line.startswith("#")]
    assert len(scores) == 500
    assert sorted(row[:7] for row in scores) == sorted(row[:7] for row in candidates)
    assert all(0 <= float(row[7]) <= 1 for row in scores)
    assert (folder / "out/scores.bedpe.gz.tbi").exists()

    best = {
        row["gene"]: float(row["probability"]) for row in reversed(rows(folder / "out/genes.tsv"))
    }
    assert len(best) == 80
    for gene, probability in best.items():
        of_gene = [float(row[7]) for row in scores if row[6].endswith(f"::{gene}")]
        assert probability == pytest.approx(max(of_gene), rel=1e-6)
    with gzip.open(folder / "out/scores.interact.gz", "rt") as handle:
        assert sum(not line.startswith(("track", "#")) for line in handle) == 500


@needs_snakemake
@pytest.mark.slow
def test_pair_lists_become_tables_figures_and_motifs(folder, snakemake):
    snakemake(WORKFLOW / "crossval.smk", *crossval_config(folder))
    tables = folder / "out/tables"
    (pairs,) = rows(tables / "table1_pairs.tsv")
    assert (pairs["dataset"], pairs["positives"], pairs["negatives"]) == ("demo", "40", "40")
    assert rows(tables / "figure5_overlap.tsv")[0]["share"] == "0"

    found = {
        (row["crossval"], row["model"], row["ratio"]): row for row in rows(tables / "crossval.tsv")
    }
    result = json.loads((folder / "out/crossval/honest/crossval.json").read_text())
    for row in result["summary"]:
        mean = row["auroc_mean"]
        written = found["honest", row["model"], row["ratio"]]["auroc_mean"]
        assert written == "." if mean is None else float(written) == pytest.approx(mean, rel=1e-5)
    gained = {
        row["model"]: row for row in rows(tables / "differences.tsv") if row["ratio"] == "1:1"
    }
    expected = float(found["random", "kmer-gbm", "1:1"]["auroc_mean"])
    expected -= float(found["honest", "kmer-gbm", "1:1"]["auroc_mean"])
    assert float(gained["kmer-gbm"]["auroc_difference"]) == pytest.approx(expected, abs=1e-4)

    assert (folder / "out/motifs/demo/motifs.meme").exists()
    assert {row["dataset"] for row in rows(tables / "table2_motifs.tsv")} <= {"demo"}
    for figure in ("figure5_overlap.png", "crossval.png"):
        assert (tables / figure).read_bytes().startswith(b"\x89PNG")


@needs_snakemake
@pytest.mark.slow
@pytest.mark.parametrize("name", WRAPPERS)
def test_each_wrapper_runs_alone(name, folder, snakemake):
    prefix = folder / "prefix/master"
    prefix.mkdir(parents=True)
    (prefix / "bio").symlink_to(WORKFLOW / "wrappers")
    (folder / "model").symlink_to(MODEL)
    if name == "train":
        from epipam.store import StoreSettings, build_store

        settings = StoreSettings(augment=2)
        build_store(folder / "genome.fa.gz", folder / "pairs.tsv", folder / "pairs.zarr", settings)
    snakefile = WORKFLOW / "wrappers/epipam" / name / "test/Snakefile"
    snakemake(snakefile, "--wrapper-prefix", f"file:{prefix.parent}/")
    written = {
        "build-store": "pairs.zarr/zarr.json",
        "train": "run/metrics.json",
        "score": "scores.bedpe.gz",
    }[name]
    assert (folder / written).exists()
    assert (folder / f"logs/{name}.log").exists()


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapper_says_what_it_takes(name):
    wrapper = WORKFLOW / "wrappers/epipam" / name
    meta = yaml.safe_load((wrapper / "meta.yaml").read_text())
    assert meta["name"] == f"epipam {name}"
    code = (wrapper / "wrapper.py").read_text()
    for item in meta["input"]:
        (named,) = item
        assert f"snakemake.input.{named}" in code
    assert any("snakemake.output" in line for line in code.splitlines())


@pytest.mark.parametrize("name", ["score", "crossval"])
def test_the_example_fits_its_schema(name):
    from jsonschema import Draft7Validator

    schema = yaml.safe_load((WORKFLOW / f"schemas/{name}.yaml").read_text())
    config = yaml.safe_load((WORKFLOW / f"config/{name}.yaml").read_text())
    # What this version of jsonschema knows of a schema's own keys is enough for these.
    schema.pop("$schema")
    assert not list(Draft7Validator(schema).iter_errors(config))
    assert list(Draft7Validator(schema).iter_errors({**config, "no_such_key": 1}))

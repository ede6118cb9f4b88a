"""Kipoi's own command on exported folders, in each of the ways it can find them."""

from __future__ import annotations

import csv
import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from epipam.kipoi.export import export_folder
from epipam.models import EpipamConfig, create_model, save_model
from epipam.pairs.table import COLUMNS, read_pairs
from epipam.scoring.score import load_engine, score_file

COMMANDS = Path(sys.executable).parent
REPOSITORY = Path(__file__).parents[2]
BUNDLED = REPOSITORY / "kipoi_model" / "EPIPAM"
DATA = REPOSITORY.parent / "shared" / "data"


def run(
    home: Path, *command: str | Path, cwd: Path | None = None, fails: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment with a home folder of its own."""
    done = subprocess.run(
        [COMMANDS / command[0], *map(str, command[1:])],
        env={**os.environ, "HOME": str(home), "CUDA_VISIBLE_DEVICES": ""},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with one in it, EPIPAM, of small windows."""
    folder = tmp_path_factory.mktemp("kipoi")
    config = EpipamConfig(enhancer_length=1300, promoter_length=1250)
    save_model(create_model("epipam", config), folder / "trained", {"about": "random weights"})
    return export_folder(folder / "trained", folder / "models" / "EPIPAM").parent


@pytest.fixture(scope="module")
def genome(models: Path) -> Path:
    return models / "EPIPAM" / "example_files" / "genome.fa"


@pytest.fixture(scope="module")
def example(models: Path) -> Path:
    return models / "EPIPAM" / "example_files" / "pairs.tsv"


def scores(models: Path, genome: Path, pairs: Path, out: Path) -> np.ndarray:
    """What `epipam score` gives."""
    score_file(load_engine(models / "EPIPAM", device="cpu"), genome, pairs, out / "epipam.tsv")
    return pd.read_csv(out / "epipam.tsv", sep="\t")["probability"].to_numpy()


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert len(expected) > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_in_place_to_all_formats_with_metadata_and_two_workers(
    models: Path, genome: Path, example: Path, tmp_path: Path
) -> None:
    done = run(
        tmp_path,
        *("kipoi", "predict", "models/EPIPAM", "--source=dir"),
        *("--dataloader_args", f"genome={genome}", f"pairs={example}", "batch_size=3"),
        *("-m", "--num_workers", "2"),
        *("-o", tmp_path / "out.tsv", tmp_path / "out.h5", tmp_path / "out.parquet"),
        cwd=models.parent,
    )
    assert "predicting on cpu" in done.stdout
    expected = scores(models, genome, example, tmp_path)
    pairs = pd.read_csv(example, sep="\t")
    tsv = pd.read_csv(tmp_path / "out.tsv", sep="\t")
    parquet = pd.read_parquet(tmp_path / "out.parquet")
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["preds"].shape == (len(pairs), 1)
        hdf5 = pd.DataFrame(
            {
                name: file[name].asstr()[:] if file[name].dtype.kind == "O" else file[name][:]
                for name in tsv.columns
                if name.startswith("metadata/")
            }
        ).assign(**{"preds/0": file["preds"][:, 0]})
    for table in (tsv, parquet, hdf5):
        assert_close(table["preds/0"].to_numpy(), expected)
        assert table["metadata/row"].tolist() == [*range(len(pairs))]
        for anchor, length in (("enhancer", 1300), ("promoter", 1250)):
            for key, column in (("chr", "chrom"), ("start",) * 2, ("end",) * 2, ("id", "name")):
                assert (
                    table[f"metadata/{anchor}/{key}"].tolist()
                    == pairs[f"{anchor}_{column}"].tolist()
                )
            window = f"metadata/{anchor}_window"
            assert (table[f"{window}/end"] - table[f"{window}/start"] == length).all()


def test_by_name_after_register(models: Path, genome: Path, example: Path, tmp_path: Path) -> None:
    """With BEDPE, in a home where kipoi has never run."""
    frame = read_pairs(example).frame
    bedpe = tmp_path / "pairs.bedpe"
    anchors = [
        f"{anchor}_{x}" for anchor in ("enhancer", "promoter") for x in ("chrom", "start", "end")
    ]
    frame[anchors].to_csv(bedpe, sep="\t", header=False, index=False)
    run(tmp_path, "epipam", "kipoi", "register", "--folder", models)
    config = (tmp_path / ".kipoi" / "config.yaml").read_text()
    assert "github.com/kipoi/models.git" in config  # Kipoi's own zoo is still there
    run(
        tmp_path,
        *("kipoi", "predict", "EPIPAM", "--source=epipam"),
        *("--dataloader_args", f'{{"genome": "{genome}", "pairs": "{bedpe}"}}'),
        *("-o", "out.tsv"),
        cwd=tmp_path,
    )
    found = pd.read_csv(tmp_path / "out.tsv", sep="\t")
    assert found.columns.tolist() == ["preds/0"]
    assert_close(found["preds/0"].to_numpy(), scores(models, genome, example, tmp_path))


def test_by_name_alone_where_kipois_own_source_is_this_folder(
    models: Path, genome: Path, example: Path, tmp_path: Path
) -> None:
    """With a compressed ChIA-PET list of CRLF lines, keeping the inputs."""
    names = ["chr_r1", "start_r1", "end_r1", "name_r1", "chr_r2", "start_r2", "end_r2", "name_r2"]
    with gzip.open(tmp_path / "pairs.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)  # ends lines with CRLF
        writer.writerow([*names, "label"])
        writer.writerows(read_pairs(example).frame[list(COLUMNS)].to_numpy().tolist())
    config = tmp_path / ".kipoi" / "config.yaml"
    config.parent.mkdir()
    config.write_text(f"model_sources:\n  kipoi:\n    type: local\n    local_path: {models}\n")
    run(
        tmp_path,
        *("kipoi", "predict", "EPIPAM"),
        *("--dataloader_args", f"genome={genome}", f"pairs={tmp_path / 'pairs.csv.gz'}"),
        *("--batch_size", "5", "--keep_inputs", "-o", "out.h5"),
        cwd=tmp_path,
    )
    with h5py.File(tmp_path / "out.h5") as file:
        assert_close(file["preds"][:, 0], scores(models, genome, example, tmp_path))
        assert file["inputs/enhancer"].shape == (8, 4, 1300)
        assert file["inputs/enhancer"].dtype == np.float32


def test_kipoi_test_passes_from_any_folder(tmp_path: Path) -> None:
    done = run(tmp_path, "kipoi", "test", BUNDLED, "--source=dir", cwd=tmp_path)
    assert "All predictions match" in done.stdout
    assert "dataloader.output_schema is compatible with model.schema" in done.stdout


def test_kipoi_test_fails_where_predictions_are_others(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "EPIPAM"
    shutil.copytree(models / "EPIPAM", folder)
    with h5py.File(folder / "expected_predictions.h5", "a") as file:
        file["preds"][2] += 1e-3
    done = run(tmp_path, "kipoi", "test", folder, "--source=dir", fails=True)
    assert "don't match the expected predictions" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"real data is not there: {DATA}")
def test_real_candidates_score_as_epipam_scores_them(tmp_path: Path) -> None:
    """Every HUVEC enhancer against every promoter of the real megabase."""
    genome = DATA / "genome" / "hg19_chr20_2Mb.fa.gz"
    regions = []
    for kind in ("enhancers", "promoters"):
        table = pd.read_csv(
            DATA / "regions" / f"HUVEC_{kind}.bed.gz",
            sep="\t",
            header=None,
            usecols=[0, 1, 2],
            names=["chrom", "start", "end"],
        )
        inside = (table.chrom == "chr20") & (table.start >= 1_000_000) & (table.end <= 2_000_000)
        regions.append(table[inside])
    pairs = tmp_path / "pairs.bedpe"
    regions[0].merge(regions[1], how="cross").to_csv(pairs, sep="\t", header=False, index=False)
    run(
        tmp_path,
        *("kipoi", "predict", BUNDLED, "--source=dir"),
        *("--dataloader_args", f"genome={genome}", f"pairs={pairs}", "-o", tmp_path / "out.tsv"),
    )
    found = pd.read_csv(tmp_path / "out.tsv", sep="\t")["preds/0"].to_numpy()
    assert len(found) == 216
    assert_close(found, scores(BUNDLED.parent, genome, pairs, tmp_path))

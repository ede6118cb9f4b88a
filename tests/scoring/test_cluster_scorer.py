"""Scores that workers compute: the rows of a run alone, in its order, whoever dies on the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from epipam.cli import main
from epipam.errors import GenomeError
from epipam.models import EpipamConfig, create_model, save_model
from epipam.runtime import cluster
from epipam.runtime.cluster import Workforce, workers_of
from epipam.runtime.worker_pool import WorkerPool
from epipam.scoring.cluster_scorer import ClusterScorer
from epipam.scoring.score import load_engine, score_file
from epipam.scoring.settings import EngineRecipe

N_ROWS = 60
DIE_ONCE = """
import os, signal
from collections.abc import Iterator
from pathlib import Path
from epipam.scoring import cluster_scorer as spread_scoring

marker = Path({marker!r})

def die_once(*arguments, read_windows=spread_scoring.read_windows):
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return read_windows(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

spread_scoring.read_windows = die_once
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with a genome, a model and candidates, some of which cannot be scored."""
    folder = tmp_path_factory.mktemp("spread")
    draw = np.random.default_rng(3)
    letters = "".join(draw.choice(list("ACGT"), 9_000))
    (folder / "genome.fa").write_text(f">chr1\n{letters}\n")
    torch.manual_seed(0)
    config = EpipamConfig(enhancer_length=1_300, promoter_length=1_251)
    save_model(create_model("epipam", config), folder / "model", {"about": "random weights"})
    with (folder / "candidates.bedpe").open("w") as handle:
        for i in range(N_ROWS):
            start = int(draw.integers(0, 8_000))
            end = 99_999 if i % 20 == 7 else start + 500
            handle.write(f"chr1\t{start}\t{end}\tchr1\t{start // 2}\t{start // 2 + 9}\tpair{i}\n")
    return folder


def score(engine, folder, out, **options):
    pairs = folder / "candidates.bedpe"
    return score_file(engine, folder / "genome.fa", pairs, out, bad_pairs="skip", **options)


@pytest.fixture(scope="module")
def expected(folder, tmp_path_factory) -> pd.DataFrame:
    """The rows of a run alone."""
    out = tmp_path_factory.mktemp("alone") / "scores.tsv"
    result = score(load_engine(folder / "model", "cpu"), folder, out)
    assert result.skipped == {"coordinates outside the contig": 3}
    return pd.read_csv(out, sep="\t", na_values=".")


@pytest.fixture(scope="module")
def workers():
    with workers_of(Workforce(2)) as workers:
        yield workers


def assert_same_rows(path: Path, expected: pd.DataFrame) -> None:
    found = pd.read_csv(path, sep="\t", comment="#")
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)


@pytest.mark.parametrize("piece_rows", [1, 7, 60, 100])
def test_rows_are_those_of_a_run_alone(workers, folder, tmp_path, expected, piece_rows):
    told: list[int] = []
    recipe = EngineRecipe(folder / "model", "cpu")
    scorer = ClusterScorer(workers, recipe, piece_rows)
    result = score(scorer, folder, tmp_path / "scores.tsv", on_rows=told.append)
    assert_same_rows(result.path, expected)
    assert result.rows == sum(told) == N_ROWS
    assert result.skipped == {"coordinates outside the contig": 3}
    assert max(told) <= piece_rows


def test_a_worker_killed_in_mid_task_changes_nothing(folder, tmp_path, expected, monkeypatch):
    marker = tmp_path / "died"
    first = (DIE_ONCE.format(marker=str(marker)), {})
    monkeypatch.setattr(cluster, "WorkerPool", partial(WorkerPool, prepare=exec, arguments=first))
    with workers_of(Workforce(2)) as workers:
        scorer = ClusterScorer(workers, EngineRecipe(folder / "model", "cpu"), 7)
        result = score(scorer, folder, tmp_path / "scores.tsv")
    assert marker.exists()
    assert_same_rows(result.path, expected)


def test_memory_holds_few_pieces(workers, folder, tmp_path):
    scorer = ClusterScorer(workers, EngineRecipe(folder / "model", "cpu"), 1)
    tables = scorer.score_tables
    taken = written = 0

    def counted(pieces, genome):
        def count():
            nonlocal taken
            for piece in pieces:
                taken += 1
                yield piece

        return tables(count(), genome)

    def check(rows: int) -> None:
        nonlocal written
        written += rows
        assert taken - written <= 4

    scorer.score_tables = counted
    score(scorer, folder, tmp_path / "scores.tsv", on_rows=check)
    assert taken == written == N_ROWS


def test_an_error_on_a_worker_leaves_nothing(workers, folder, tmp_path):
    genome, out = tmp_path / "genome.fa", tmp_path / "out" / "scores.tsv"
    genome.write_bytes((folder / "genome.fa").read_bytes())
    scorer = ForgetfulScorer(workers, EngineRecipe(folder / "model", "cpu"), genome)
    with pytest.raises(GenomeError, match=r"genome\.fa: no such FASTA file"):
        score_file(scorer, genome, folder / "candidates.bedpe", out, bad_pairs="skip")
    assert list(out.parent.iterdir()) == []


class ForgetfulScorer(ClusterScorer):
    """Loses the genome when its one table has been checked."""

    def __init__(self, workers, recipe: EngineRecipe, genome: Path) -> None:
        super().__init__(workers, recipe, piece_rows=N_ROWS)
        self._lost = genome

    def _task(self, *arguments):
        task = super()._task(*arguments)
        self._lost.unlink()
        return task


def test_a_worker_that_stays_does_not_keep_a_model_or_genome_that_was_replaced(
    workers, folder, tmp_path, expected
):
    for name in ("model", "genome.fa"):
        copy = shutil.copytree if name == "model" else shutil.copy
        copy(folder / name, tmp_path / name)
    recipe = EngineRecipe(tmp_path / "model", "cpu")

    def scores(out: str) -> pd.DataFrame:
        pairs, genome = folder / "candidates.bedpe", tmp_path / "genome.fa"
        scorer = ClusterScorer(workers, recipe, 7)
        result = score_file(scorer, genome, pairs, tmp_path / out, bad_pairs="skip")
        return pd.read_csv(result.path, sep="\t", na_values=".")

    assert np.allclose(scores("1.tsv")["logit"], expected["logit"], equal_nan=True, atol=1e-4)
    torch.manual_seed(1)
    config = EpipamConfig(enhancer_length=1_300, promoter_length=1_251)
    save_model(create_model("epipam", config), tmp_path / "model", {"about": "others"})
    other_model = scores("2.tsv")["logit"]
    assert not np.allclose(other_model, expected["logit"], equal_nan=True)
    letters = (folder / "genome.fa").read_text().replace("G", "C")
    (tmp_path / "genome.fa").write_text(letters)
    (tmp_path / "genome.fa.fai").unlink(missing_ok=True)
    assert not np.allclose(scores("3.tsv")["logit"], other_model, equal_nan=True)


@pytest.fixture
def scheduler() -> Iterator[str]:
    """Return the address of a dask scheduler that has two workers."""
    distributed = pytest.importorskip("distributed")
    kinds = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**kinds, processes=False) as cluster:
        yield cluster.scheduler_address


def test_the_command_scores_with_workers_and_with_a_scheduler(
    scheduler, folder, tmp_path, expected
):
    arguments = ["score", folder / "model", folder / "genome.fa", folder / "candidates.bedpe"]
    arguments += ["--bad-pairs", "skip", "--device", "cpu"]
    for number, who in enumerate((["--workers", 2], ["--scheduler", scheduler])):
        out = tmp_path / f"{number}.tsv"
        result = CliRunner().invoke(main, [*map(str, [*arguments, "-o", out, *who])])
        assert result.exit_code == 0, result.output
        assert "device: cpu, of 2 workers of " in result.stderr
        assert_same_rows(out, expected)


def test_workers_and_scheduler_exclude_each_other(folder, tmp_path):
    both = ["--workers", "2", "--scheduler", "tcp://127.0.0.1:1", "-o", str(tmp_path / "o.tsv")]
    paths = [str(folder / name) for name in ("model", "genome.fa", "candidates.bedpe")]
    result = CliRunner().invoke(main, ["score", *paths, *both])
    assert result.exit_code == 2
    assert "--workers and --scheduler both say who works: give one" in result.stderr

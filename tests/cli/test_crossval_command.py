"""`epipam crossval`: what it prints, what it refuses, and being killed."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pandas as pd
import psutil
import pytest
from click.testing import CliRunner

from epipam.cli import main
from epipam.cli.crossval import crossval as command
from epipam.simulate import SimulationSettings, simulate
from epipam.store import StoreSettings, build_store

QUICK = ["--epochs", 2, "--batch-size", 8, "--bootstrap", 5, "--accelerator", "cpu"]
TREES = ["--models", "kmer-gbm", *QUICK]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crossval_command")
    settings = SimulationSettings(contigs=8, contig_length=150_000, positives=64, seed=3)
    simulate(folder / "sim", settings)
    inputs = (folder / "sim/genome.fa", folder / "sim/pairs.tsv")
    build_store(*inputs, folder / "cells.zarr", StoreSettings(300, 200, augment=2))
    return folder


def invoke(*arguments):
    return CliRunner().invoke(main, ["crossval", *map(str, arguments)])


def run(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result


def test_it_prints_a_table_a_line_per_model_and_baseline_and_what_they_say(folder, tmp_path):
    result = run(folder / "cells.zarr", "-o", tmp_path / "cv", *TREES)
    lines = result.stdout.splitlines()
    for word in ("honest", "validation pairs", "by chromosome"):
        assert word in lines[0]
    table = pd.read_csv(tmp_path / "cv/summary.tsv", sep="\t").set_index("model")
    for model in ("kmer-gbm", "distance", "frequency"):
        (line,) = [line for line in lines if line.startswith(f"{model} ")]
        row = table.loc[model]
        assert line.split()[1] == "3"
        assert f"{row.auroc_mean_1to1:.3f} ({row.auroc_sd_1to1:.3f})" in line
    assert any(line.startswith("cells: kmer-gbm ") and "no interval" in line for line in lines)
    assert "runs: 3/3 cells, kmer-gbm, fold 2" in result.stderr
    assert result.stderr.startswith("runs: 0/3 finished before; on CPU (")


def test_json_is_what_crossval_json_holds(folder, tmp_path):
    result = run(folder / "cells.zarr", "-o", tmp_path / "cv", *TREES, "--folds", "1", "--json")
    found = json.loads(result.stdout)
    assert found.pop("output") == str(tmp_path / "cv")
    assert found == json.loads((tmp_path / "cv/crossval.json").read_text())


def test_folds_that_are_not_finished_are_named(folder, tmp_path):
    result = run(folder / "cells.zarr", "-o", tmp_path / "cv", *TREES, "--folds", "1")
    assert result.stdout.splitlines()[-1] == "not finished: cells, kmer-gbm: fold 0, 2"


def test_published_and_random_are_marked_in_words(folder, tmp_path):
    marked = [*TREES, "--protocol", "published", "--split", "random", "--folds", "0"]
    lines = run(folder / "cells.zarr", "-o", tmp_path / "cv", *marked).stdout.splitlines()
    for word in ("published", "TEST pairs", "at random"):
        assert word in lines[0]
    assert any("flatter" in line for line in lines)
    assert any(line.startswith("cells: The split is random and leaks") for line in lines)
    model = tmp_path / "cv/runs/cells/kmer-gbm/fold-0/model"
    judged = ["evaluate", model, folder / "cells.zarr", "-o", tmp_path / "judged"]
    judged += ["--bootstrap", 5]
    shown = CliRunner().invoke(main, [str(argument) for argument in judged])
    assert "note: the model's epoch was chosen on these very pairs" in shown.stderr


def test_a_shape_may_be_of_one_model_or_of_all(folder, tmp_path):
    run(folder / "cells.zarr", "-o", tmp_path / "a", *TREES, "--folds", 0, "--set", "k=3")
    run(folder / "cells.zarr", "-o", tmp_path / "b", *TREES, "--folds", 0, "--set", "kmer-gbm:k=3")
    one, other = (
        (tmp_path / name / "runs/cells/kmer-gbm/fold-0/model/model.safetensors").read_bytes()
        for name in ("a", "b")
    )
    assert one == other
    config = json.loads((tmp_path / "a/runs/cells/kmer-gbm/fold-0/model/config.json").read_text())
    assert config["k"] == 3


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--models", "epipan"], "no model is called 'epipan'"),
        (["--models", "kmer-gbm,kmer-gbm"], "kmer-gbm is given twice"),
        (["--models", "kmer-gbm", "--folds", "a"], "--folds a: is no comma-separated list"),
        (["--models", "kmer-gbm", "--alphas", "2"], "2 is not from 0 to 1"),
        (["--models", "kmer-gbm", "--alphas", "0.5,0.5"], "0.5 is given twice"),
        (["--models", "kmer-gbm", "--set", "epi:dropout=0.1"], "epi is given a shape"),
        (["--models", "kmer-gbm", "--set", "k"], "is not FIELD=VALUE"),
        (["--models", "kmer-gbm", "--folds", "0,0"], "fold 0 is given twice"),
        (["--models", "kmer-gbm", "--embedding", "v.npy"], "leave out --embedding"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(folder, tmp_path, options, problem):
    result = invoke(folder / "cells.zarr", "-o", tmp_path / "cv", *options)
    assert result.exit_code == 2, result.output
    assert problem in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "cv").exists()


def test_another_request_is_refused_in_a_line_that_says_what_differs(folder, tmp_path):
    run(folder / "cells.zarr", "-o", tmp_path / "cv", *TREES, "--folds", "1")
    result = invoke(folder / "cells.zarr", "-o", tmp_path / "cv", *TREES, "--seed", 1)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "was begun with other data.seed, training.kmer-gbm.seed" in line


def test_help_needs_no_torch():
    code = (
        "import sys; from click.testing import CliRunner; from epipam.cli import main; "
        "CliRunner().invoke(main, ['crossval', '--help']); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
    assert {option.name for option in command.params} >= {"protocol", "split", "jobs", "folds"}


DIE_IN_THE_SECOND_RUN = """
import os, signal, sys
from epipam.cli import main
from epipam.training.crossval import jobs

train_one = jobs.train_one

def die_in_the_second(folder, run):
    if run.fold == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return train_one(folder, run)

jobs.train_one = die_in_the_second
main(sys.argv[1:])
"""


WAIT_IN_EVERY_RUN = """
import os, sys, threading
from epipam.cli import main
from epipam.training.crossval import jobs

def wait(folder, run):
    with open("begun", "w") as begun:
        begun.write(f"{os.getpid()}\\n")
    threading.Event().wait()

jobs.train_one = wait
if __name__ == "__main__":
    main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_no_job_outlives_the_command_that_started_it(folder, tmp_path, how, code):
    script = tmp_path / "wait.py"
    script.write_text(WAIT_IN_EVERY_RUN)
    os.mkfifo(tmp_path / "begun")
    arguments = ["crossval", folder / "cells.zarr", "-o", "cv", *TREES, "--jobs", 2]
    command = [sys.executable, script, *map(str, arguments)]
    with (
        open(tmp_path / "begun", "r+b", buffering=0) as begun,
        subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process,
    ):
        children = [psutil.Process(int(begun.readline())) for _ in range(2)]
        process.send_signal(how)
        _, alive = psutil.wait_procs([process, *children], timeout=100)
        assert alive == []
        said = process.stderr.read().splitlines()
    assert process.returncode == code
    if how == signal.SIGTERM:
        assert said[-1] == "wait.py crossval: cv: stopped; the same command goes on"
        assert list((tmp_path / "cv").rglob(".*")) == []


def test_a_killed_job_is_gone_on_with_by_the_same_command(folder, warm_path, tmp_path):
    script = tmp_path / "die.py"
    script.write_text(DIE_IN_THE_SECOND_RUN)
    arguments = [str(a) for a in (folder / "cells.zarr", "-o", tmp_path / "cv", *TREES)]
    killed = subprocess.run(
        [shutil.which("python", path=warm_path), script, "crossval", *arguments],
        timeout=300,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    first = tmp_path / "cv/runs/cells/kmer-gbm/fold-0/metrics.json"
    finished = first.stat().st_mtime_ns
    assert not (tmp_path / "cv/crossval.json").exists()
    run(*arguments)
    assert first.stat().st_mtime_ns == finished
    run(folder / "cells.zarr", "-o", tmp_path / "other", *TREES)
    ours, theirs = (
        json.loads((tmp_path / name / "crossval.json").read_text()) for name in ("cv", "other")
    )
    assert ours == theirs

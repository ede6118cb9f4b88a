"""Training on several processes: gradients, steps, what is written, stopping and going on."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed
from safetensors.torch import load_file
from torch import Tensor, nn

from epipam.genome.encoding import pack
from epipam.loading.loader import Batch
from epipam.models import EpipamConfig, create_model
from epipam.simulate import SimulationSettings, simulate
from epipam.store import Store, StoreSettings, build_store
from epipam.training.fit import PairClassifier, TrainSettings

ENHANCER, PROMOTER = 1_300, 1_250
BATCH_SIZE, PROCESSES, EPOCHS = 8, 2, 2
RunCommand = Callable[..., subprocess.CompletedProcess[str]]
# Runs `train` as a script does; STOP_AT makes it fail before that step.
SCRIPT = """
import os, sys
from epipam.training import fit as training
from epipam.loading.data_module import DataSettings
from epipam.loading.splits import explicit_split
from epipam.store import Store

if __name__ == "__main__":
    training.CHECKPOINT_STEPS = 3
    step_once = training.PairClassifier.training_step

    def step(self, batch, batch_index):
        if self.global_step == int(os.environ.get("STOP_AT", -1)):
            raise OSError("the machine went away")
        return step_once(self, batch, batch_index)

    training.PairClassifier.training_step = step
    store = Store(sys.argv[1])
    split = explicit_split(store.contigs, validation=["chr2"], test=["chr3"])
    settings = training.TrainSettings(epochs=2, seed=1, accelerator="cpu", devices=sys.argv[3])
    data = DataSettings(batch_size=8, buffer_rows=200)
    training.train(store, split, sys.argv[2], settings, data, progress=False)
"""


@pytest.fixture(scope="module")
def store(make_once) -> Store:
    def make(folder: Path) -> None:
        settings = SimulationSettings(contigs=3, contig_length=700_000, positives=60, seed=3)
        simulate(folder / "sim", settings)
        paths = folder / "sim/genome.fa", folder / "sim/pairs.tsv", folder / "s.zarr"
        build_store(*paths, StoreSettings(ENHANCER, PROMOTER, augment=2))

    return Store(make_once("distributed-store", make) / "s.zarr")


@pytest.fixture(scope="module")
def run_command(warm_path: str) -> RunCommand:
    """Return `run_command(command, **variables)`; what it starts has imported the libraries."""

    def run_command(
        command: list[str | Path], **variables: str
    ) -> subprocess.CompletedProcess[str]:
        common = {"PATH": warm_path, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        name = shutil.which(command[0], path=warm_path)
        assert name is not None
        return subprocess.run(
            [name, *command[1:]],
            env={**os.environ, **common, **variables},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    return run_command


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("script") / "run.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def finished(store, script, run_command, make_once) -> Path:
    def make(folder: Path) -> None:
        done = run_command(["python", script, store.path, folder / "run", str(PROCESSES)])
        assert done.returncode == 0, done.stderr

    return make_once("distributed-finished", make) / "run"


@pytest.fixture(scope="module")
def from_command_line(store, run_command, make_once) -> tuple[Path, str]:
    def make(folder: Path) -> None:
        command = ["epipam", "train", store.path, "-o", folder / "run"]
        options = f"--test chr3 --validation chr2 --epochs {EPOCHS} --batch-size {BATCH_SIZE}"
        machine = f"--accelerator cpu --devices {PROCESSES} --workers 1"
        done = run_command([*command, *options.split(), *machine.split()])
        assert done.returncode == 0, done.stderr
        (folder / "said.txt").write_text(done.stdout + done.stderr)

    folder = make_once("distributed-command", make)
    return folder / "run", (folder / "said.txt").read_text()


def test_every_process_makes_the_same_number_of_steps(store, from_command_line):
    run, _ = from_command_line
    counts = store.attributes["contigs"]["chr1"]
    n_rows = 2 * counts["positives"] + counts["negatives"]
    last = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    assert last["global_step"] == EPOCHS * (n_rows // (BATCH_SIZE * PROCESSES))


def test_results_are_written_and_said_once(store, from_command_line):
    run, said = from_command_line
    names = {path.name for path in run.iterdir()}
    assert names == {"model", "metrics.json", "history.csv", "predictions.tsv", "checkpoints"}
    assert len((run / "history.csv").read_text().splitlines()) == 1 + EPOCHS
    for line in ("train: chr1", "device: CPU", f"epoch {EPOCHS} of {EPOCHS}", "best epoch"):
        assert said.count(line) == 1, said
    assert "the first of 2 processes" in said


def test_the_final_evaluation_covers_every_pair_once_in_order(store, from_command_line):
    run, _ = from_command_line
    predictions = pd.read_csv(run / "predictions.tsv", sep="\t")
    assert list(predictions.enhancer_name) == list(store.pairs("chr3").enhancer_name)
    assert predictions.probability.between(0, 1).all()


def test_a_run_that_was_stopped_goes_on_to_the_uninterrupted_end(
    finished, store, script, run_command, tmp_path
):
    command = ["python", script, store.path, tmp_path / "run", str(PROCESSES)]
    stopped = run_command(command, STOP_AT="5")
    assert stopped.returncode != 0
    assert "the machine went away" in stopped.stderr
    assert not (tmp_path / "run/metrics.json").exists()
    done = run_command(command)
    assert done.returncode == 0, done.stderr
    ours = load_file(tmp_path / "run/model/model.safetensors")
    for name, tensor in load_file(finished / "model/model.safetensors").items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=0)


def test_torchrun_starts_the_processes_and_gives_the_same_model(
    finished, store, script, run_command, tmp_path
):
    done = run_command(
        [
            *("torchrun", "--standalone"),
            *("--nproc-per-node", str(PROCESSES), script, store.path, tmp_path / "run", "auto"),
        ]
    )
    assert done.returncode == 0, done.stderr
    ours = load_file(tmp_path / "run/model/model.safetensors")
    for name, tensor in load_file(finished / "model/model.safetensors").items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-5, atol=1e-6)


def test_a_refused_run_leaves_nothing(store, run_command, tmp_path):
    command = ["epipam", "train", store.path, "-o", tmp_path / "r"]
    options = "--test chr3 --validation chr2 --batch-size 120 --accelerator cpu --devices 2"
    done = run_command([*command, *options.split()])
    assert done.returncode == 2
    assert "on each of 2 ranks" in done.stderr
    assert not (tmp_path / "r").exists()


def test_a_run_is_not_gone_on_with_by_another_number_of_processes(
    store, script, run_command, tmp_path
):
    command = ["python", script, store.path, tmp_path / "run"]
    assert run_command([*command, str(PROCESSES)], STOP_AT="1").returncode != 0
    alone = run_command([*command, "1"])
    assert "begun with other settings" in alone.stderr


# Gradients


class Loss(nn.Module):
    """The training loss as a module, which is what DistributedDataParallel wraps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        config = EpipamConfig(enhancer_length=ENHANCER, promoter_length=PROMOTER)
        # In evaluation dropout is off and batch-norm statistics are frozen.
        network = create_model("epipam", config).eval()
        self.classifier = PairClassifier(network, TrainSettings())
        self.classifier.log = lambda *args, **kwargs: None

    def forward(self, batch: Batch) -> Tensor:
        return self.classifier.training_step(batch, 0)


def batch_of(rows: slice) -> Batch:
    rng = np.random.default_rng(5)
    codes = np.array([8, 4, 2, 1, 0], dtype=np.uint8)
    windows = [pack(codes[rng.integers(0, 5, (12, length))]) for length in (ENHANCER, PROMOTER)]
    return Batch(
        *(torch.from_numpy(packed[rows]) for packed in windows),
        torch.from_numpy(rng.integers(0, 2, 12).astype(np.int8)[rows]),
        torch.zeros(12, dtype=torch.int32)[rows],
        torch.arange(12)[rows],
    )


def gradients_of_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    # A file to meet at, as a port that is free now may be another's in a moment.
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=PROCESSES
    )
    torch.save(averaged_gradients(rank), f"{folder}/{rank}.pt")
    # Where what wraps the model is the last to let go of the group, it does so with Python's lock,
    # for which a thread of the group may be waiting: gone first, it cannot be the last.
    gc.collect()
    torch.distributed.destroy_process_group()


def averaged_gradients(rank: int) -> list[Tensor | None]:
    loss = nn.parallel.DistributedDataParallel(Loss())
    size = 12 // PROCESSES
    loss(batch_of(slice(rank * size, (rank + 1) * size))).backward()
    return [parameter.grad for parameter in loss.module.parameters()]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_two_processes_have_the_gradients_of_one_with_twice_the_batch(warm_path, tmp_path):
    python = shutil.which("python", path=warm_path)
    ranks = [subprocess.Popen([python, __file__, str(n), tmp_path]) for n in range(PROCESSES)]
    assert [process.wait(timeout=400) for process in ranks] == [0] * PROCESSES
    alone = Loss()
    alone(batch_of(slice(None))).backward()
    for rank in range(PROCESSES):
        gradients = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for ours, parameter in zip(gradients, alone.parameters(), strict=True):
            assert parameter.grad is not None
            torch.testing.assert_close(ours, parameter.grad, rtol=1e-4, atol=1e-7)


if __name__ == "__main__":
    gradients_of_rank(int(sys.argv[1]), sys.argv[2])

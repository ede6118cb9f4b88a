"""The loop: it stops where numbers end, mends checkpoints, and works inside a scheduler's job."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file

from epipam.errors import EpipamError
from epipam.loading.data_module import DataSettings, PairDataModule
from epipam.loading.splits import explicit_split
from epipam.simulate import SimulationSettings, simulate
from epipam.store import Store, StoreSettings, build_store
from epipam.training.classifier import PairClassifier, TrainingDiverged
from epipam.training.fit import initial_network, train
from epipam.training.settings import TrainSettings
from epipam.training.trainer import fit, make_trainer

DATA = DataSettings(batch_size=4, buffer_rows=200)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("trainer")
    simulate(folder / "sim", SimulationSettings(contigs=3, contig_length=400_000, positives=24))
    build_store(
        folder / "sim/genome.fa",
        folder / "sim/pairs.tsv",
        folder / "s.zarr",
        StoreSettings(1_300, 1_250, augment=1),
    )
    return Store(folder / "s.zarr")


def run_training(store, run, **changes):
    split = explicit_split(store.contigs, validation=["chr2"], test=["chr3"])
    settings = TrainSettings(**{"model": "epi", "epochs": 2, "accelerator": "cpu", **changes})
    return train(store, split, run, settings, DATA, progress=False)


@pytest.mark.parametrize("rate", [1e9, 1e30])
def test_a_rate_that_is_far_too_high_stops_and_leaves_no_model(store, tmp_path, rate):
    with pytest.raises(TrainingDiverged) as caught:
        run_training(store, tmp_path / "run", learning_rate=rate)
    message = str(caught.value)
    assert "training diverged: in epoch 1" in message
    assert f"a lower --learning-rate than {rate:g}" in message
    assert "\n" not in message
    assert not (tmp_path / "run/model").exists()
    assert not (tmp_path / "run/metrics.json").exists()


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_the_batch_at_which_numbers_end_is_named(store, tmp_path, monkeypatch, what):
    step_once = PairClassifier.training_step

    def poisoned(self, batch, batch_index):
        loss = step_once(self, batch, batch_index)
        if batch_index == 2 and what == "loss":
            loss = loss * torch.inf
            self._loss = loss.detach()
        elif batch_index == 2:
            next(self.parameters()).register_hook(lambda gradient: gradient * torch.nan)
        return loss

    monkeypatch.setattr(PairClassifier, "training_step", poisoned)
    with pytest.raises(TrainingDiverged, match=f"in epoch 1 the {what} of batch 3 is no number"):
        run_training(store, tmp_path / "run")


def stopped_at(monkeypatch, step):
    """Make the training step of that number fail, counted over all epochs."""
    taken = 0
    step_once = PairClassifier.training_step

    def stop(self, batch, batch_index):
        nonlocal taken
        taken += 1
        if taken == step:
            raise OSError("the machine went away")
        return step_once(self, batch, batch_index)

    monkeypatch.setattr(PairClassifier, "training_step", stop)


def test_a_run_whose_last_checkpoint_is_cut_ends_as_an_uninterrupted_one(
    store, tmp_path, monkeypatch, caplog
):
    whole = run_training(store, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("epipam.training.trainer.CHECKPOINT_STEPS", 2)
        stopped_at(patch, 6)
        with pytest.raises(OSError, match="went away"):
            run_training(store, tmp_path / "run")
    last = tmp_path / "run/checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    result = run_training(store, tmp_path / "run")
    assert "going on from the one before" in caplog.text
    ours, theirs = (load_file(r.run / "model/model.safetensors") for r in (result, whole))
    # A step more or less moves weights by about 0.001, the learning rate.
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    names = {path.name for path in (tmp_path / "run/checkpoints").iterdir()}
    assert names == {"best.ckpt", "last.ckpt", "request.json"}


def test_a_checkpoint_whose_states_are_not_this_runs_is_named(store, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("epipam.training.trainer.CHECKPOINT_STEPS", 2)
        stopped_at(patch, 3)
        with pytest.raises(OSError, match="went away"):
            run_training(store, tmp_path / "run")
    last = tmp_path / "run/checkpoints/last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    torch.save({**checkpoint, "optimizer_states": [{"state": 7}]}, last)
    with pytest.raises(EpipamError, match=r"last\.ckpt: cannot be gone on from .*; remove "):
        run_training(store, tmp_path / "run")


JOB = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "train.sh",
    "SLURM_NTASKS": "4",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_NNODES": "1",
    "SLURM_NODEID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_PROCID": "0",
}
TASK = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "3"}


@pytest.mark.parametrize(
    ("task", "devices"), [({}, "auto"), ({}, "1"), (TASK, "1")], ids=["batch", "batch-1", "srun-1"]
)
def test_it_trains_alone_inside_a_batch_job_of_several_tasks(
    store, tmp_path, monkeypatch, task, devices
):
    for name, value in {**JOB, **task}.items():
        monkeypatch.setenv(name, value)
    result = run_training(store, tmp_path / "run", devices=devices, epochs=1)
    assert result.best_epoch == 1
    assert (tmp_path / "run/model/config.json").exists()
    assert (tmp_path / "run/checkpoints/last.ckpt").exists()


def test_the_rate_of_a_cycle_rises_at_first_and_ends_near_zero(store, tmp_path):
    rates = []

    class Noted(Callback):
        def on_train_batch_start(self, trainer, module, *batch):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    settings = TrainSettings(model="pairwise", epochs=8, accelerator="cpu")
    split = explicit_split(store.contigs, validation=["chr2"], test=["chr3"])
    trainer = make_trainer(tmp_path / "run", settings, progress=False)
    trainer.callbacks.append(Noted())
    classifier = PairClassifier(initial_network(store, settings), settings)
    fit(trainer, classifier, PairDataModule(store, split, DATA), tmp_path / "run")
    full = int(np.argmax(rates))
    assert rates[full] == pytest.approx(0.002, rel=0.3)
    assert full < len(rates) / 2
    assert full > 0
    assert max(rates[0], rates[-1]) < 0.3 * rates[full]
    assert rates[full:] == sorted(rates[full:], reverse=True)

"""Training runs one after the other, or several at a time in processes of their own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.queues import Queue

import torch

from epipam.errors import EpipamError, RequestError
from epipam.models.catalogue import find_model
from epipam.runtime.devices import describe_device
from epipam.runtime.memory import keep_freed_memory
from epipam.runtime.worker_pool import WorkerPool
from epipam.store import Store
from epipam.training.crossval.folder import CrossvalFolder
from epipam.training.crossval.plan import PlannedRun
from epipam.training.fit import train
from epipam.training.run_folder import RunFinished, RunStopped, RunTaken, drop_optimizer_states
from epipam.training.settings import TrainSettings

# Called with a run that ended, and whether it is finished: another process may be training it.
Advance = Callable[[PlannedRun, bool], None]

_slot = 0


def default_jobs(accelerator: str) -> int:
    """Return how many runs to train at a time: one on each GPU, or one on the CPU."""
    return max(1, _n_gpus(accelerator))


def describe_devices(accelerator: str, jobs: int) -> str:
    """Say on what runs are trained, and how many at a time."""
    gpus = [torch.device("cuda", number) for number in range(min(jobs, _n_gpus(accelerator)))]
    devices = ", ".join(describe_device(device) for device in gpus or [torch.device("cpu")])
    if not gpus and accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        devices = "mps"
    return devices if jobs == 1 else f"{devices}, {jobs} at a time"


def train_all(
    folder: CrossvalFolder, runs: Sequence[PlannedRun], jobs: int, advance: Advance
) -> None:
    """Train runs; one that fails stops no other.

    Parameters
    ----------
    jobs
        How many at a time. Each has a GPU to itself where there are as many, and its share of
        the processor's threads.
    advance
        Called with each run that ended well.

    Raises
    ------
    EpipamError
        At the end, where runs failed, naming the first; at once, where training was stopped or a
        process killed. What is finished stays.
    """
    failures: list[tuple[PlannedRun, Exception]] = []
    for run, outcome in _outcomes(folder, runs, jobs):
        if isinstance(outcome, Exception):
            failures.append((run, outcome))
        else:
            advance(run, outcome)
    if failures:
        run, error = failures[0]
        kind = RequestError if isinstance(error, RequestError) else EpipamError
        text = str(error) if isinstance(error, EpipamError) else f"{type(error).__name__}: {error}"
        others = f"; and {len(failures) - 1} more runs failed" if len(failures) > 1 else ""
        raise kind(f"{run}: {text}{others}") from error


def _outcomes(
    folder: CrossvalFolder, runs: Sequence[PlannedRun], jobs: int
) -> Iterator[tuple[PlannedRun, bool | Exception]]:
    """Yield each run with what `train_one` returned or raised, as they end."""
    if jobs == 1 or len(runs) < 2:
        for run in runs:
            yield run, _outcome(folder, run)
        return
    spawn = multiprocessing.get_context("spawn")
    slots = spawn.Queue()
    for slot in range(jobs):
        slots.put(slot)
    threads = max(1, torch.get_num_threads() // jobs)
    with WorkerPool(jobs, prepare=_prepare, arguments=(slots, threads)) as pool:
        try:
            running = {pool.submit(_outcome, folder, run): run for run in runs}
            for future in as_completed(running):
                yield running[future], future.result()
        except BrokenProcessPool:
            raise EpipamError(
                f"{folder.path}: a process was killed, for want of memory perhaps; the same "
                f"command goes on, with fewer --jobs where memory is short"
            ) from None
        except KeyboardInterrupt:
            raise RunStopped(f"{folder.path}: stopped; the same command goes on") from None


def _outcome(folder: CrossvalFolder, run: PlannedRun) -> bool | Exception:
    try:
        return train_one(folder, run)
    except RunStopped:
        raise
    except Exception as error:
        return error


def train_one(folder: CrossvalFolder, run: PlannedRun) -> bool:
    """Train one run, or go on with it.

    Returns
    -------
    bool
        False where another process is training it.
    """
    path = folder.run(run)
    try:
        training = _on_device(run.training)
        train(Store(run.store), run.split, path, training, run.data, progress=False)
    except RunTaken:
        return False
    except RunFinished:
        return True
    drop_optimizer_states(path)
    return True


def _prepare(slots: Queue[int], threads: int) -> None:
    """Give a process its number and its threads."""
    global _slot
    from threadpoolctl import threadpool_limits

    _slot = slots.get()
    torch.set_num_threads(threads)
    # scikit-learn's threads are not torch's.
    threadpool_limits(threads)
    keep_freed_memory()


def _on_device(training: TrainSettings) -> TrainSettings:
    """Return the settings with this process's own device, one of them."""
    n_gpus = _n_gpus(training.accelerator)
    if n_gpus and not find_model(training.model).boosted:
        return replace(training, accelerator="gpu", devices=f"{_slot % n_gpus},", nodes=1)
    return replace(training, devices="1", nodes=1)


def _n_gpus(accelerator: str) -> int:
    return torch.cuda.device_count() if accelerator in ("auto", "gpu", "cuda") else 0

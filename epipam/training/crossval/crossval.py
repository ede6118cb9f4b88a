"""Cross-validating models on stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from epipam.errors import RequestError
from epipam.store import Store
from epipam.training.crossval.folder import CrossvalFolder
from epipam.training.crossval.gathering import write_results
from epipam.training.crossval.jobs import default_jobs, describe_devices, train_all
from epipam.training.crossval.plan import Plan
from epipam.training.crossval.results import CrossvalResult
from epipam.training.crossval.settings import CrossvalSettings

Progress = Callable[[int, int, str], None]


def crossval(
    stores: Sequence[Store],
    out: str | Path,
    settings: CrossvalSettings,
    *,
    folds: Sequence[int] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> CrossvalResult:
    """Train every model on every fold of every store; choose, average and compare.

    Parameters
    ----------
    stores
        One for each data set, of whatever window lengths; no two folders of one name.
    out
        Folder of the cross-validation. One that was begun with the same settings is gone on with:
        a finished run is not run again, and one that was stopped goes on from its checkpoint.
        Several processes may work on it at the same time, on the same folds or on others.
    folds
        Which to train; None for all that a store has. What is written is of all folds finished so
        far, whoever trained them.
    jobs
        Runs at a time; None is one on each GPU, or one on the CPU.
    progress
        Called with finished runs, runs in all, and what was just done.

    Raises
    ------
    RequestError
        For what cannot be cross-validated as asked; nothing is written then.
    EpipamError
        Where a run fails or is stopped. The same call goes on.
    """
    folder = CrossvalFolder(Path(out))
    plan = Plan.of(stores, settings)
    if jobs is not None and jobs < 1:
        raise RequestError(f"jobs is {jobs} but must be at least 1")
    if twice := [fold for fold in folds or () if list(folds or ()).count(fold) > 1]:
        raise RequestError(f"fold {twice[0]} is given twice")
    runs = [
        run
        for dataset in plan.stores
        for fold in (plan.folds(dataset) if folds is None else folds)
        for run in plan.runs(dataset, fold)
    ]
    left = [run for run in runs if not folder.is_finished(run)]
    for run in {(run.dataset, run.fold): run for run in left}.values():
        plan.check(run)
    folder.begin(plan.request())
    done = len(runs) - len(left)

    def advance(note: str) -> None:
        if progress is not None:
            progress(done, len(runs), note)

    jobs = jobs or default_jobs(settings.training.accelerator)
    if left:
        advance(f"finished before; on {describe_devices(settings.training.accelerator, jobs)}")

    def ended(run: object, finished: bool) -> None:
        nonlocal done
        done += finished
        advance(str(run) if finished else f"{run}: another process is training it")

    train_all(folder, left, jobs, ended)
    return write_results(folder, plan)

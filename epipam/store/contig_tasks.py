"""Writing a contig on a worker, which may be killed, or be given up and go on all the same."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from epipam.errors import RequestError
from epipam.genome.packed_contig import ContigMemory
from epipam.runtime.memory import share_one_arena
from epipam.store.contig_writer import ContigJob, write_contig
from epipam.store.remote_build import RemoteBuild

_MEMORY = ContigMemory()  # of a worker that writes one contig after the other


@dataclass(frozen=True)
class Attempt:
    """A contig that was written elsewhere: its group's folder, and its summary."""

    group: Path
    summary: dict[str, Any]


@dataclass(frozen=True)
class UploadJob:
    """A contig to write and to put at a URL; the root of `job` is of no account."""

    job: ContigJob
    build: RemoteBuild


def write_attempt(job: ContigJob) -> Attempt:
    """Write a contig's group below the job's root, in a new folder that nobody else writes in.

    Raises
    ------
    RequestError
        Where this machine does not have the root.
    """
    share_one_arena()
    try:
        folder = Path(tempfile.mkdtemp(prefix="", dir=job.root))
    except FileNotFoundError:
        raise RequestError(
            f"{job.root}: is not there on a worker: workers on other machines need a path that all "
            f"of them share, or a URL"
        ) from None
    try:
        memory = _MEMORY if job.keeps_memory else None
        summary = write_contig(replace(job, root=folder), memory)
        return Attempt(folder / job.name, summary)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def write_and_put(task: UploadJob) -> dict[str, Any]:
    """Write a contig's group on this machine and put it at the store's URL; return its summary."""
    share_one_arena()
    with tempfile.TemporaryDirectory(prefix="epipam-", dir=_scratch()) as folder:
        job = replace(task.job, root=Path(folder))
        summary = write_contig(job)
        task.build.put_contig(job.root / job.name)
    return summary


def _scratch() -> str | None:
    """Return the folder of this dask worker, which dask removes if it is killed; else None."""
    from epipam.runtime.cluster import worker_folder

    return worker_folder()

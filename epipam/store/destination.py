"""Where contigs are written to, alone or by workers: a folder of this machine, or a URL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from epipam.genome.packed_contig import ContigMemory
from epipam.runtime.cluster import as_done
from epipam.store.contig_tasks import UploadJob, write_and_put, write_attempt
from epipam.store.contig_writer import ContigJob, finished_contig, write_contig
from epipam.store.remote_build import RemoteBuild
from epipam.store.work_folder import WorkFolder, finish, put_contig_in_place, put_in_place

if TYPE_CHECKING:
    from epipam.runtime.cluster import Workers

Written = Iterator[tuple[int, dict[str, Any]]]


class Destination(Protocol):
    """Takes contigs, and becomes a store when all are there."""

    def finished_contig(self, name: str) -> dict[str, Any] | None:
        """Return the summary of a contig that an earlier build has written to its end."""

    def write(self, job: ContigJob) -> dict[str, Any]:
        """Write a contig in this process; return its summary."""

    def write_on_workers(self, jobs: list[ContigJob], workers: Workers) -> Written:
        """Yield (number of the job, summary) of contigs in the order in which they are done."""

    def finish(self, attributes: dict[str, Any]) -> None:
        """Make it a store under its name."""


class FolderDestination:
    """A work folder, which in the end is renamed.

    Parameters
    ----------
    work
        Where contigs are gathered.
    out
        The store's name.
    """

    def __init__(self, work: WorkFolder, out: Path) -> None:
        self.work = work
        self.out = out
        self._memory = ContigMemory()

    def finished_contig(self, name: str) -> dict[str, Any] | None:
        return finished_contig(self.work.path / name)

    def write(self, job: ContigJob) -> dict[str, Any]:
        return write_contig(replace(job, root=self.work.path), self._memory)

    def write_on_workers(self, jobs: list[ContigJob], workers: Workers) -> Written:
        root = self.work.attempts
        tasks = [_for_workers(replace(job, root=root), workers) for job in jobs]
        for number, attempt in as_done(workers, write_attempt, tasks):
            # Here and not on the worker: what was given up may still be running there.
            put_contig_in_place(attempt.group, self.work.path)
            yield number, attempt.summary

    def finish(self, attributes: dict[str, Any]) -> None:
        finish(self.work.path, attributes)
        put_in_place(self.work.path, self.out)


class UrlDestination:
    """A URL, to which whole contigs are copied."""

    def __init__(self, build: RemoteBuild) -> None:
        self.build = build

    def finished_contig(self, name: str) -> dict[str, Any] | None:
        return self.build.finished_contig(name)

    def write(self, job: ContigJob) -> dict[str, Any]:
        return write_and_put(UploadJob(job, self.build))

    def write_on_workers(self, jobs: list[ContigJob], workers: Workers) -> Written:
        tasks = [UploadJob(_for_workers(job, workers), self.build) for job in jobs]
        yield from as_done(workers, write_and_put, tasks)

    def finish(self, attributes: dict[str, Any]) -> None:
        self.build.finish(attributes)


def _for_workers(job: ContigJob, workers: Workers) -> ContigJob:
    """Return a job for a worker of ours, or for one that was started in another folder."""
    if workers.are_here:  # of this process: errors name paths as they were given
        return replace(job, keeps_memory=True)
    return replace(job, root=job.root.absolute(), genome=job.genome.absolute())

"""Writing a store: one contig at a time, whole or absent under its final name."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pandas as pd
import zarr

from epipam import __version__
from epipam.checks import PairCheck, check_pairs, require_usable
from epipam.errors import RequestError
from epipam.genome import Genome
from epipam.pairs import PairTable, digest, read_pairs
from epipam.store import schema
from epipam.store.contig_writer import ContigJob, finished_contig, write_contig
from epipam.store.settings import StoreSettings
from epipam.store.work_folder import finish, put_in_place, require_free, work_folder


@dataclass(frozen=True)
class BuildResult:
    """What `build_store` made: the folder, its attributes, and what was taken from a killed run."""

    path: Path
    attributes: dict[str, Any]
    renamed: dict[str, str]
    resumed: list[str]


def build_store(
    genome_path: str | Path,
    pairs_path: str | Path,
    out: str | Path,
    settings: StoreSettings | None = None,
    *,
    label_column: str | None = None,
    bad_pairs: str = "fail",
    workers: int = 1,
    overwrite: bool = False,
    on_start: Callable[[list[str], list[str] | None], None] = lambda to_write, found: None,
    on_contig: Callable[[str], None] = lambda name: None,
) -> BuildResult:
    """Write the windows of a pair table as a Zarr store.

    The work is done in `.NAME.building` beside `out`; a run that was killed goes on there, contig
    by contig, when the same build is asked for again.

    Parameters
    ----------
    genome_path, pairs_path
        FASTA, and pair table in any of the three formats.
    out
        Folder of the store; must not exist, or be a store where `overwrite`.
    settings
        Lengths, augmentation and seed; the defaults are the paper's.
    bad_pairs
        `fail` or `skip`: what to do with pairs that cannot be windowed.
    workers
        Processes; each writes whole contigs, so the bytes do not depend on their number.
    on_start, on_contig
        Called with the names of the contigs to write and of those that a killed run of the same
        build has written, or None where there was no such run; and with each contig's name when
        it is done.

    Raises
    ------
    RequestError
        For bad inputs, and where `out` exists.
    StoreError
        Where another build to `out` is running.
    """
    settings = settings or StoreSettings()
    out = Path(out)
    require_free(out, overwrite=overwrite)
    genome = Genome(genome_path)
    table = read_pairs(pairs_path, label_column, malformed=bad_pairs)
    check = check_pairs(table, genome, settings.enhancer_length, settings.promoter_length)
    require_usable(table, check, genome, bad_pairs)
    frame = table.frame.assign(pair=np.arange(len(table)))[check.usable]
    by_contig = _group_by_contig(frame, check.contigs)
    # Grouped by contig, the pairs need not be held as one table as well.
    table = replace(table, frame=table.frame[[]])
    del frame
    _require_group_names(table.path, by_contig)

    request = _request(genome, table, label_column, bad_pairs, settings)
    with work_folder(out, request, overwrite=overwrite) as work:
        jobs = [
            ContigJob(work.path, genome.path, name, check.contigs[name], pairs, settings)
            for name, pairs in by_contig.items()
        ]
        done = {job.name: found for job in jobs if (found := finished_contig(work.path / job.name))}
        found_names = list(done)
        todo = [job for job in jobs if job.name not in done]
        on_start([job.name for job in todo], found_names if work.continued else None)
        for job, summary in zip(todo, _run(todo, workers), strict=True):
            done[job.name] = summary
            on_contig(job.name)
        attributes = _root_attributes(genome, table, check, settings, list(by_contig), done)
        finish(work.path, attributes)
        put_in_place(work.path, out)
    return BuildResult(out, attributes, check.renamed, found_names)


def _group_by_contig(frame: pd.DataFrame, contigs: dict[str, str]) -> dict[str, pd.DataFrame]:
    """Return the pairs of each contig by its chromosome's name in the first of them.

    Grouped by the genome's contig: a contig spelled in two ways would otherwise be two groups, of
    which one may train and the other test.
    """
    groups = frame.groupby(frame["enhancer_chrom"].map(contigs), sort=False)
    return {str(rows["enhancer_chrom"].iat[0]): rows for _, rows in groups}


def _run(jobs: list[ContigJob], workers: int) -> Iterator[dict[str, Any]]:
    if workers <= 1 or len(jobs) <= 1:
        yield from map(write_contig, jobs)
        return
    # spawn: zarr's event loop thread does not survive a fork.
    workers = min(workers, len(jobs))
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        yield from pool.map(write_contig, jobs)


def _end_with_parent() -> None:
    """Let no worker outlive a killed build: the next build writes the same files."""

    def watch() -> None:
        if (parent := parent_process()) is not None:
            connection.wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _root_attributes(
    genome: Genome,
    table: PairTable,
    check: PairCheck,
    settings: StoreSettings,
    names: list[str],
    done: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    counts = ("pairs", "positives", "negatives", "rows")
    return {
        "format": schema.FORMAT,
        "format_version": schema.FORMAT_VERSION,
        "created_by": f"epipam {__version__}",
        "enhancer_length": settings.enhancer_length,
        "promoter_length": settings.promoter_length,
        "augmentation": {"copies": settings.augment, "max_shift": settings.max_shift},
        "seed": settings.seed,
        "genome": {
            "name": genome.path.name,
            "contigs": {
                name: {key: done[name][key] for key in ("contig", "length", "md5")}
                for name in names
            },
        },
        "pairs": {
            "name": table.path.name,
            "sha256": digest(table.path),
            "rows": len(table) + check.malformed,
            "stored": int(check.usable.sum()),
            "skipped": check.skipped,
        },
        "contigs": {name: {key: done[name][key] for key in counts} for name in names},
    }


def _require_group_names(path: Path, names: Iterable[str]) -> None:
    """Refuse chromosome names that cannot name a group of a Zarr store."""
    for name in names:
        reserved = name == schema.METADATA_FILE or name.startswith("__") or not name.strip(".")
        if reserved or "/" in name:
            raise RequestError(
                f"{path}: a store cannot hold a chromosome called {name!r}; "
                f"rename it in the genome and in the pairs"
            )


def _request(
    genome: Genome,
    table: PairTable,
    label_column: str | None,
    bad_pairs: str,
    settings: StoreSettings,
) -> dict[str, Any]:
    """Return what must be equal for a killed build to be gone on with."""
    stat = genome.path.stat()
    return {
        "format_version": schema.FORMAT_VERSION,
        "versions": [__version__, zarr.__version__, numcodecs.__version__],
        "genome": [str(genome.path.resolve()), stat.st_size, stat.st_mtime_ns],
        "pairs": digest(table.path),
        "label_column": label_column,
        "bad_pairs": bad_pairs,
        "zstd_level": schema.ZSTD_LEVEL,
        "settings": asdict(settings),
    }

"""Writing a store: one contig at a time, whole or absent under its final name."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pandas as pd
import zarr

from epipam.errors import RequestError
from epipam.genome.contigs import Aliases, canonical_name
from epipam.genome.fasta import Genome
from epipam.pairs.checks import (
    PairCheck,
    check_pairs,
    contig_names,
    require_usable,
    rows_by_contig,
)
from epipam.pairs.contig_part import ContigPart
from epipam.pairs.formats import Columns
from epipam.pairs.pair_lists import mark_contradictions
from epipam.pairs.table import PairTable, digest, read_pairs
from epipam.runtime.cluster import Workers, Workforce, workers_of
from epipam.runtime.locations import RemoteFolder, locate
from epipam.runtime.memory import return_freed_memory
from epipam.store import schema
from epipam.store.contig_writer import ContigJob, ContigPairs, all_threads
from epipam.store.destination import Destination, FolderDestination, UrlDestination
from epipam.store.file_checks import FileNote, note_of
from epipam.store.parts import PART, StorePart, skipped_rows, take_part
from epipam.store.remote_build import remote_build, require_free_url
from epipam.store.settings import StoreSettings
from epipam.store.work_folder import require_free, work_folder
from epipam.version import __version__

_CHROMOSOME = re.compile(r"[0-9]+|[MXYZW]")


@dataclass(frozen=True)
class BuildResult:
    """What `build_store` made: where, its attributes, and what was taken from a killed run.

    The attributes are those of the root, as `schema.json` has them, without `files`.
    `repeated` counts the rows that repeat a pair of a row before them with its label;
    `share_of_n` is that of N in all stored windows, from 0 to 1.
    """

    path: Path | str
    attributes: dict[str, Any]
    renamed: dict[str, str]
    resumed: list[str]
    repeated: int = 0
    share_of_n: float = 0.0


def build_store(
    genome_path: str | Path,
    pairs_path: str | Path,
    out: str | Path,
    settings: StoreSettings | None = None,
    *,
    label_column: str | None = None,
    columns: Columns | None = None,
    aliases: Aliases | None = None,
    bad_pairs: str = "fail",
    workers: int = 1,
    scheduler: str | None = None,
    contigs: Sequence[str] | None = None,
    overwrite: bool = False,
    on_start: Callable[[list[str], list[str] | None], None] = lambda to_write, found: None,
    on_contig: Callable[[str], None] = lambda name: None,
) -> BuildResult:
    """Write the windows of a pair table as a Zarr store.

    The work is done in `.NAME.building` beside `out`; a run that was killed goes on there, contig
    by contig, when the same build is asked for again. At a URL, contigs are written on this machine
    and put there one by one.

    Parameters
    ----------
    genome_path, pairs_path
        FASTA, and pair table in any of the three formats.
    out
        Folder or URL of the store; must not exist, or be a store where `overwrite`.
    settings
        Lengths, augmentation and seed; the defaults are the paper's.
    columns
        Which columns of the table are which, as `epipam.pairs.table.read_pairs` takes them.
    aliases
        Further names of the genome's contigs. Those that the pairs have are noted in the store.
    bad_pairs
        `fail` or `skip`: what to do with pairs that cannot be windowed.
    workers
        Processes; each writes whole contigs, so the bytes do not depend on their number.
    scheduler
        Address of a dask scheduler whose workers write the contigs instead.
    contigs
        Only the pairs of these contigs: a part, which `merge_stores` puts together with others.
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
    EpipamError
        Where a URL cannot be reached, and where workers keep dying.
    """
    settings = settings or StoreSettings()
    place = locate(out)
    if isinstance(place, RemoteFolder):
        require_free_url(place, overwrite=overwrite)
    else:
        require_free(place, overwrite=overwrite)
    genome = Genome(genome_path, aliases)
    chosen = None if contigs is None else ContigPart(genome, contigs)
    workforce = Workforce(workers, scheduler)
    with workers_of(workforce) as crew:
        table, part, n_rows = read_table(pairs_path, label_column, bad_pairs, chosen, columns)
        check = check_pairs(table, genome, settings.enhancer_length, settings.promoter_length)
        require_usable(table, check, genome, bad_pairs)
        repeats = mark_contradictions(table, check, bad_pairs)
        about_pairs, about_part = _about_pairs(table, check, n_rows, label_column, columns, part)
        jobs = contig_jobs(table, check, genome, settings)
        # Grouped by contig, the pairs need not be held as one table as well.
        table = replace(table, frame=table.frame[[]])
        return_freed_memory()

        sha256 = about_pairs["sha256"]
        request = _request(genome, sha256, label_column, bad_pairs, settings, part)
        if columns:
            request["columns"] = dict(sorted(columns.items()))
        if schema.ALIASES in about_pairs:
            request[schema.ALIASES] = about_pairs[schema.ALIASES]
        with _destination(place, request, overwrite=overwrite) as (destination, continued):
            done = {
                job.name: found for job in jobs if (found := destination.finished_contig(job.name))
            }
            found_names = list(done)
            todo = [job for job in jobs if job.name not in done]
            on_start([job.name for job in todo], found_names if continued else None)
            # Closed before the destination: no worker writes into what is being cleared.
            with closing(_write(destination, todo, workforce, crew)) as written:
                for job, summary in written:
                    done[job.name] = summary
                    on_contig(job.name)
            groups = {job.name: done[job.name] for job in jobs}
            attributes = {
                **root_attributes(genome.path.name, about_pairs, settings, groups),
                **about_part,
            }
            destination.finish(attributes)
    path = place.url if isinstance(place, RemoteFolder) else place
    n_rows = sum(group["rows"] for group in groups.values())
    # All rows are of one length.
    share = sum(group.get("share_of_n", 0) * group["rows"] for group in groups.values()) / n_rows
    return BuildResult(
        path,
        schema.without_files(attributes),
        check.renamed,
        found_names,
        repeats.repeated,
        round(share, 6),
    )


@contextmanager
def _destination(
    place: Path | RemoteFolder, request: dict[str, Any], *, overwrite: bool
) -> Iterator[tuple[Destination, bool]]:
    """Lock the place of a store; yield it, and whether an earlier build is resumed there."""
    if isinstance(place, RemoteFolder):
        with remote_build(place, request, overwrite=overwrite) as (build, continued):
            yield UrlDestination(build), continued
    else:
        with work_folder(place, request, overwrite=overwrite) as work:
            yield FolderDestination(work, place), work.continued


def _write(
    destination: Destination,
    jobs: list[ContigJob],
    workforce: Workforce,
    workers: Workers,
) -> Generator[tuple[ContigJob, dict[str, Any]], None, None]:
    """Yield every contig in order with its summary, when it and those before it are written."""
    if workforce.alone(len(jobs)):
        for job in jobs:
            yield job, destination.write(replace(job, threads=all_threads()))
        return
    order = sorted(range(len(jobs)), key=lambda number: -_work(jobs[number]))
    summaries: dict[int, dict[str, Any]] = {}
    next_one = 0
    for number, summary in destination.write_on_workers([jobs[i] for i in order], workers):
        summaries[order[number]] = summary
        while next_one in summaries:
            yield jobs[next_one], summaries.pop(next_one)
            next_one += 1


def _work(job: ContigJob) -> int:
    """Return a measure of the work that a contig is: the rows that it will have."""
    positives = int((job.pairs.label == 1).sum())
    return len(job.pairs.label) + job.settings.augment * positives


def read_table(
    path: str | Path,
    label_column: str | None,
    malformed: str,
    chosen: ContigPart | None,
    columns: Columns | None,
) -> tuple[PairTable, StorePart | None, int]:
    """Read a pair table; return it, or the part of it that is wanted, and how many rows it has.

    Its column `pair` numbers the rows of the whole table.
    """
    table = read_pairs(path, label_column, malformed=malformed, columns=columns)
    table.frame["pair"] = np.arange(len(table))
    n_rows = len(table) + len(table.malformed)
    if chosen is None:
        return table, None, n_rows
    return *take_part(chosen, table, label_column), n_rows


def contig_jobs(
    table: PairTable, check: PairCheck, genome: Genome, settings: StoreSettings
) -> list[ContigJob]:
    """Return what is to be written for each contig, without where.

    Raises
    ------
    RequestError
        For a chromosome whose name cannot be that of a group.
    """
    by_contig = _group_by_contig(table.frame, check.usable, check.contigs)
    names = {contig: _group_name(name, contig) for contig, (name, _) in by_contig.items()}
    _require_group_names(table.path, names.values())
    return [
        ContigJob(Path(), genome.path, names[contig], contig, pairs, settings)
        for contig, (_, pairs) in by_contig.items()
    ]


def _group_by_contig(
    frame: pd.DataFrame, usable: np.ndarray, contigs: dict[str, str]
) -> dict[str, tuple[str, ContigPairs]]:
    """Return the usable pairs of each contig, and its chromosome's name in the first of them.

    Grouped by the genome's contig: a contig spelled in two ways would otherwise be two groups, of
    which one may train and the other test.
    """
    chromosome = frame["enhancer_chrom"]
    groups = rows_by_contig(contig_names(chromosome, contigs).where(usable))
    return {
        contig: (str(chromosome.iat[rows[0]]), ContigPairs.of_frame(frame, rows))
        for contig, rows in groups.items()
    }


def _group_name(name: str, contig: str) -> str:
    """Return what the group of a contig is called that the pairs call `name`.

    So do the pairs, unless that is an alias of it such as `NC_000020.10`: splits know chromosomes.
    """
    key = canonical_name(name)
    return name if key == canonical_name(contig) or _CHROMOSOME.fullmatch(key) else contig


def root_attributes(
    genome: str, pairs: dict[str, Any], settings: StoreSettings, groups: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return the root's own attributes, as `schema.json` has them.

    Parameters
    ----------
    genome
        Name of the FASTA's file.
    pairs
        The attribute `pairs`.
    groups
        The summary of each chromosome's group, in the order of the pair table.
    """
    return {
        "format": schema.FORMAT,
        "format_version": schema.FORMAT_VERSION,
        "created_by": f"epipam {__version__}",
        "enhancer_length": settings.enhancer_length,
        "promoter_length": settings.promoter_length,
        "augmentation": {"copies": settings.augment, "max_shift": settings.max_shift},
        "seed": settings.seed,
        "genome": {
            "name": genome,
            "contigs": _columns(groups, ("contig", "length", "md5")),
        },
        "pairs": pairs,
        "contigs": _columns(groups, ("pairs", "positives", "negatives", "rows")),
        schema.LAYOUT: {
            "rows_per_chunk": settings.rows_per_chunk,
            "rows_per_shard": settings.rows_per_shard,
        },
        schema.FILES: _files(groups),
    }


def _files(groups: dict[str, dict[str, Any]]) -> dict[str, FileNote]:
    """Return what is noted of every file of a store, by its path."""
    return {
        f"{name}/{file}": note
        for name, group in groups.items()
        for file, note in (
            *group["files"].items(),
            (schema.METADATA_FILE, note_of(schema.group_document(group))),
        )
    }


def _columns(groups: dict[str, dict[str, Any]], keys: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    return {name: {key: group[key] for key in keys} for name, group in groups.items()}


def _about_pairs(
    table: PairTable,
    check: PairCheck,
    n_rows: int,
    label_column: str | None,
    columns: Columns | None,
    part: StorePart | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the attribute `pairs`, and `part` where there is one."""
    skipped, about_part = check.skipped, {}
    if part is not None:
        skipped, unplaced = skipped_rows(table, check)
        about_part = {PART: part.attributes(unplaced)}
    about_pairs = {
        "name": table.path.name,
        "sha256": digest(table.path),
        "rows": n_rows,
        "stored": int(check.usable.sum()),
        "skipped": skipped,
        "label_column": label_column,
    }
    if columns:
        about_pairs[schema.COLUMNS] = dict(sorted(columns.items()))
    if check.aliased:
        about_pairs[schema.ALIASES] = check.aliased
    return about_pairs, about_part


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
    sha256: str,
    label_column: str | None,
    bad_pairs: str,
    settings: StoreSettings,
    part: StorePart | None,
) -> dict[str, Any]:
    """Return the settings that a resumed build must share with the one it resumes."""
    stat = genome.path.stat()
    return {
        "format_version": schema.FORMAT_VERSION,
        "versions": [__version__, zarr.__version__, numcodecs.__version__],
        "genome": [str(genome.path.resolve()), stat.st_size, stat.st_mtime_ns],
        "pairs": sha256,
        "label_column": label_column,
        "bad_pairs": bad_pairs,
        "zstd_level": schema.ZSTD_LEVEL,
        "settings": asdict(settings),
        "contigs": None if part is None else list(part.contigs),
    }

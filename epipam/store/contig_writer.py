"""Writing one contig's group of a store: its windows, their rows, its pairs, its digests."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import zarr

from epipam.genome.encoding import packed_length
from epipam.genome.fasta import Genome
from epipam.genome.packed_contig import ContigMemory, PackedContig
from epipam.genome.windows import WindowPlan, keyed_draw, plan_windows, resize
from epipam.runtime.memory import return_freed_memory
from epipam.runtime.placing import sync, sync_folders
from epipam.store import schema
from epipam.store.settings import StoreSettings
from epipam.store.written_files import WrittenFiles, create_array

if TYPE_CHECKING:
    import pandas as pd

# Names are read whole: few large chunks.
_NAME_BYTES = 1 << 20
# Files that wait for the disk while further ones are written.
_SYNCS = 4
# A contig is read and hashed by two; more than this leave most of the time to that.
_MOST_THREADS = 8


class ContigPairs(NamedTuple):
    """The pairs of one contig in input order, in arrays: text objects would take many times more.

    Attributes
    ----------
    region
        int64 (n_pairs, 5): columns as in `schema.REGION_COLUMNS`.
    label
        int8 (n_pairs,).
    names
        For each of `schema.NAME_COLUMNS`, uint8: UTF-8, one line for each pair.
    """

    region: np.ndarray
    label: np.ndarray
    names: dict[str, np.ndarray]

    @classmethod
    def of_frame(cls, frame: pd.DataFrame, rows: np.ndarray | slice = slice(None)) -> ContigPairs:
        """Take some rows of a table with the canonical columns and `pair`."""
        region = [frame[column].to_numpy(dtype=np.int64)[rows] for column in schema.REGION_COLUMNS]
        return cls(
            np.stack(region, axis=1),
            frame["label"].to_numpy(dtype=np.int8)[rows],
            {column: _lines(frame[column].to_numpy()[rows]) for column in schema.NAME_COLUMNS},
        )

    def column(self, name: str) -> np.ndarray:
        """Return a column of `region`, int64 (n_pairs,)."""
        return self.region[:, schema.REGION_COLUMNS.index(name)]


@dataclass(frozen=True)
class ContigJob:
    """All that one process needs to write one contig's group."""

    root: Path
    genome: Path
    name: str
    contig: str
    pairs: ContigPairs
    settings: StoreSettings
    threads: int = 1  # that copy and compress windows; the bytes do not depend on their number
    keeps_memory: bool = False  # whether the process is of this build alone, and ends with it


def write_contig(job: ContigJob, memory: ContigMemory | None = None) -> dict[str, Any]:
    """Write one contig's group; return its summary, which is also its marker of completeness.

    Parameters
    ----------
    memory
        Where to pack the contig, if it is not the only one that is written.
    """
    folder, settings = job.root / job.name, job.settings
    shutil.rmtree(folder, ignore_errors=True)
    genome = Genome(job.genome)
    lengths = _window_lengths(settings)
    margin = max(lengths.values()) + settings.max_shift
    several = job.threads > 1
    return_freed_memory()
    with _Tasks(_SYNCS) as disk, _Tasks(job.threads) as threads:
        # On one core nothing is gained by threads that hand blocks to each other.
        run = threads.submit if several else _run
        files = WrittenFiles(folder, partial(disk.submit, sync))
        planned = run(_shuffled_rows, job)
        contig = PackedContig(genome, job.contig, margin, memory, hash_apart=several)
        rows = planned.result()
        run(_write_rows, files, rows, settings.rows_per_shard)
        run(_write_pairs, files, job.pairs, settings.rows_per_shard)
        for name, length in lengths.items():
            array = create_array(
                files,
                name,
                (len(rows.plan), packed_length(length)),
                np.dtype(np.uint8),
                dimensions=schema.DIMENSIONS[name],
                chunk_rows=settings.rows_per_chunk,
                shard_rows=settings.rows_per_shard,
            )
            for part in _files_of(array):
                run(_write_windows, array, part, contig, rows.starts[name], length)

    label = job.pairs.label
    summary: dict[str, Any] = {
        "contig": job.contig,
        "length": genome.contigs[job.contig],
        "md5": contig.md5,
        "pairs": len(label),
        "positives": int((label == 1).sum()),
        "negatives": int((label == 0).sum()),
        "rows": len(rows.plan),
        "share_of_n": round(contig.share_of_n(), 6),
        "digests": {name: files.digests[name] for name in sorted(files.digests, key=PurePath)},
        "files": {name: files.notes[name] for name in sorted(files.notes, key=PurePath)},
    }
    sync_folders(folder)  # each file is synced when it is written
    marker = folder / schema.METADATA_FILE
    marker.write_bytes(schema.group_document(summary))
    sync(marker)
    sync(folder)
    return summary


def all_threads() -> int:
    """Return how many threads use the cores of this process and are of use to one contig."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux knows which cores are ours
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cores, _MOST_THREADS)


def finished_contig(folder: Path) -> dict[str, Any] | None:
    """Return the summary of a contig's group, or None where it was not written to its end."""
    try:
        document = json.loads((folder / schema.METADATA_FILE).read_text(encoding="utf-8"))
        return document["attributes"][schema.ATTRIBUTE]
    except (OSError, ValueError, KeyError, TypeError):
        return None


class _Tasks:
    """Threads that work through tasks in order; leaving waits for all, and raises what failed."""

    def __init__(self, n_threads: int) -> None:
        self._pool = ThreadPoolExecutor(n_threads)
        self._futures: list[Future[Any]] = []

    def submit(self, task: Callable[..., Any], *arguments: object) -> Future[Any]:
        future = self._pool.submit(task, *arguments)
        self._futures.append(future)
        return future

    def __enter__(self) -> _Tasks:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for future in self._futures:
                future.result()


def _run(task: Callable[..., Any], *arguments: object) -> Future[Any]:
    done: Future[Any] = Future()
    done.set_result(task(*arguments))
    return done


class _Rows(NamedTuple):
    """A contig's rows in stored order: what they are, their labels, and their windows' starts."""

    plan: WindowPlan
    label: np.ndarray
    starts: dict[str, np.ndarray]


def _shuffled_rows(job: ContigJob) -> _Rows:
    settings = job.settings
    pair, label = job.pairs.column("pair"), job.pairs.label
    plan = plan_windows(
        pair, label, augment=settings.augment, max_shift=settings.max_shift, seed=settings.seed
    )
    key = zlib.crc32(job.name.encode())
    plan = plan[np.argsort(keyed_draw(settings.seed, key, plan.pair, plan.copy), kind="stable")]
    index = np.searchsorted(pair, plan.pair)
    shifts = {schema.ENHANCER: plan.enhancer_shift, schema.PROMOTER: plan.promoter_shift}
    starts = {
        anchor: _starts(job.pairs, anchor, length)[index] + shifts[anchor]
        for anchor, length in _window_lengths(settings).items()
    }
    return _Rows(plan, label[index], starts)


def _window_lengths(settings: StoreSettings) -> dict[str, int]:
    return {
        schema.ENHANCER: settings.enhancer_length,
        schema.PROMOTER: settings.promoter_length,
    }


def _starts(pairs: ContigPairs, anchor: str, length: int) -> np.ndarray:
    return resize(pairs.column(f"{anchor}_start"), pairs.column(f"{anchor}_end"), length)


def _files_of(array: zarr.Array) -> Iterator[slice]:
    """Yield the rows of each file of an array."""
    step = (array.shards or array.chunks)[0]
    for start in range(0, array.shape[0], step):
        yield slice(start, min(start + step, array.shape[0]))


def _write_windows(
    array: zarr.Array, rows: slice, contig: PackedContig, starts: np.ndarray, length: int
) -> None:
    array[rows] = contig.windows(starts[rows], length)


def _write_table(
    files: WrittenFiles,
    name: str,
    values: np.ndarray,
    chunk_rows: int,
    columns: tuple[str, ...] | None = None,
) -> None:
    array = create_array(
        files,
        name,
        values.shape,
        values.dtype,
        chunk_rows=chunk_rows,
        dimensions=schema.DIMENSIONS[name],
        columns=columns,
    )
    array[:] = values


def _write_rows(files: WrittenFiles, rows: _Rows, chunk: int) -> None:
    """Write what each row is, columns as in schema.WINDOW_COLUMNS."""
    _write_table(files, schema.LABEL, rows.label, chunk)
    columns = (
        rows.plan.pair,
        rows.plan.copy,
        rows.plan.enhancer_shift,
        rows.plan.promoter_shift,
        rows.starts[schema.ENHANCER],
        rows.starts[schema.PROMOTER],
    )
    array = create_array(
        files,
        schema.WINDOW,
        (len(rows.plan), len(columns)),
        np.dtype(np.int64),
        chunk_rows=chunk,
        dimensions=schema.DIMENSIONS[schema.WINDOW],
        columns=schema.WINDOW_COLUMNS,
    )
    for part in _files_of(array):
        array[part] = np.stack([column[part].astype(np.int64) for column in columns], axis=1)


def _write_pairs(files: WrittenFiles, pairs: ContigPairs, chunk: int) -> None:
    """Write the pairs themselves: regions, labels, and names as one UTF-8 line each."""
    zarr.create_group(files, path=schema.PAIRS)
    region = f"{schema.PAIRS}/{schema.REGION}"
    _write_table(files, region, pairs.region, chunk, schema.REGION_COLUMNS)
    _write_table(files, f"{schema.PAIRS}/{schema.LABEL}", pairs.label, chunk)
    for column, lines in pairs.names.items():
        _write_table(files, f"{schema.PAIRS}/{column}", lines, _NAME_BYTES)


def _lines(names: np.ndarray) -> np.ndarray:
    text = "\n".join([*names.tolist(), ""])
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)

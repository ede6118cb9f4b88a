"""Writing a store: one contig at a time, whole or absent under its final name."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from zarr.codecs import ZstdCodec

from epipam import __version__
from epipam.checks import PairCheck, check_pairs, require_usable
from epipam.encoding import encode, pack, packed_length
from epipam.errors import RequestError, StoreError
from epipam.genome import Genome
from epipam.pairs import PairTable, digest, read_pairs
from epipam.store import schema
from epipam.windows import (
    ENHANCER_LENGTH,
    MAX_SHIFT,
    PROMOTER_LENGTH,
    WindowPlan,
    keyed_draw,
    plan_windows,
    resize,
)

_GATHER_ROWS = 2_048


@dataclass(frozen=True)
class StoreSettings:
    """What a store is made of, besides its genome and its pairs.

    Attributes
    ----------
    enhancer_length, promoter_length
        Window lengths, bp.
    augment
        Shifted copies of each positive pair.
    max_shift
        Largest shift of a copy, bp.
    seed
        Seed of shifts and of the order of rows.
    """

    enhancer_length: int = ENHANCER_LENGTH
    promoter_length: int = PROMOTER_LENGTH
    augment: int = 10
    max_shift: int = MAX_SHIFT
    seed: int = 0


@dataclass(frozen=True)
class BuildResult:
    """What `build_store` made: the folder, its attributes, and what was taken from a killed run."""

    path: Path
    attributes: dict[str, Any]
    renamed: dict[str, str]
    resumed: list[str]


@dataclass(frozen=True)
class _ContigJob:
    """All that one process needs to write one contig's group."""

    root: Path
    genome: Path
    name: str
    contig: str
    pairs: pd.DataFrame  # canonical columns and `pair`, input order
    settings: StoreSettings


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
    on_start: Callable[[int, list[str]], None] = lambda total, resumed: None,
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
        Folder of the store; must not exist unless `overwrite`.
    settings
        Lengths, augmentation and seed; the defaults are the paper's.
    bad_pairs
        `fail` or `skip`: what to do with pairs that cannot be windowed.
    workers
        Processes; each writes whole contigs, so the bytes do not depend on their number.
    on_start, on_contig
        Called with the number of contigs to write and the names of those already there; and
        with each contig's name when it is done.

    Raises
    ------
    RequestError
        For bad inputs, and where `out` exists.
    """
    settings = settings or StoreSettings()
    out = Path(out)
    if out.exists() and not overwrite:
        raise RequestError(f"{out}: exists already; choose another name or pass --overwrite")
    genome = Genome(genome_path)
    table = read_pairs(pairs_path, label_column, malformed=bad_pairs)
    check = check_pairs(table, genome, settings.enhancer_length, settings.promoter_length)
    require_usable(table, check, genome, bad_pairs)
    jobs_frame = table.frame.assign(pair=np.arange(len(table)))[check.usable]

    building = out.with_name(f".{out.name}.building")
    with _building_folder(building, _fingerprint(genome, table, label_column, bad_pairs, settings)):
        jobs = [
            _ContigJob(building, genome.path, str(name), check.contigs[str(name)], pairs, settings)
            for name, pairs in jobs_frame.groupby("enhancer_chrom", sort=False)
        ]
        done = {job.name: found for job in jobs if (found := _finished(building / job.name))}
        todo = [job for job in jobs if job.name not in done]
        on_start(len(jobs), list(done))
        resumed = list(done)
        for job, summary in zip(todo, _run(todo, workers), strict=True):
            done[job.name] = summary
            on_contig(job.name)
        attributes = _root_attributes(genome, table, check, settings, [j.name for j in jobs], done)
        _finish(building, attributes)
        _put_in_place(building, out)
    return BuildResult(out, attributes, check.renamed, resumed)


def _run(jobs: list[_ContigJob], workers: int) -> Iterator[dict[str, Any]]:
    if workers <= 1 or len(jobs) <= 1:
        yield from map(_write_contig, jobs)
        return
    # spawn: zarr's event loop thread does not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_write_contig, jobs)


def _write_contig(job: _ContigJob) -> dict[str, Any]:
    """Write one contig's group; return its summary, which is also its marker of completeness."""
    folder = job.root / job.name
    shutil.rmtree(folder, ignore_errors=True)
    genome, settings = Genome(job.genome), job.settings
    margin = max(settings.enhancer_length, settings.promoter_length) + settings.max_shift
    codes, md5 = _read_contig(genome, job.contig, margin)

    pair = job.pairs["pair"].to_numpy()
    label = job.pairs["label"].to_numpy()
    plan = plan_windows(
        pair, label, augment=settings.augment, max_shift=settings.max_shift, seed=settings.seed
    )
    key = zlib.crc32(job.name.encode())
    plan = plan[np.argsort(keyed_draw(settings.seed, key, plan.pair, plan.copy), kind="stable")]
    index = np.searchsorted(pair, plan.pair)
    starts = {
        schema.ENHANCER: _starts(job.pairs, "enhancer", settings.enhancer_length)[index]
        + plan.enhancer_shift,
        schema.PROMOTER: _starts(job.pairs, "promoter", settings.promoter_length)[index]
        + plan.promoter_shift,
    }

    group = zarr.create_group(folder, zarr_format=3)
    lengths = {
        schema.ENHANCER: settings.enhancer_length,
        schema.PROMOTER: settings.promoter_length,
    }
    for array, length in lengths.items():
        _write_windows(group, array, codes, starts[array] + margin, length)
    _write_rows(group, schema.LABEL, label[index])
    _write_rows(group, schema.WINDOW, _window_table(plan, starts), schema.WINDOW_COLUMNS)
    _write_pairs(group, job.pairs)

    summary: dict[str, Any] = {
        "contig": job.contig,
        "length": genome.contigs[job.contig],
        "md5": md5,
        "pairs": len(pair),
        "positives": int(np.sum(label == 1)),
        "negatives": int(np.sum(label == 0)),
        "rows": len(plan),
        "digests": _file_digests(folder),
    }
    _sync_tree(folder)
    group.attrs.update({schema.ATTRIBUTE: summary})
    return summary


def _read_contig(genome: Genome, contig: str, margin: int) -> tuple[np.ndarray, str]:
    """Return the contig's codes between two margins of N, uint8, and its MD5."""
    length = genome.contigs[contig]
    codes = np.zeros(length + 2 * margin, dtype=np.uint8)
    md5 = hashlib.md5(usedforsecurity=False)
    for start, letters in genome.blocks(contig):
        md5.update(letters.upper())
        codes[margin + start : margin + start + len(letters)] = encode(letters)
    return codes, md5.hexdigest()


def _starts(pairs: pd.DataFrame, anchor: str, length: int) -> np.ndarray:
    return resize(pairs[f"{anchor}_start"].to_numpy(), pairs[f"{anchor}_end"].to_numpy(), length)


def _write_windows(
    group: zarr.Group, name: str, codes: np.ndarray, starts: np.ndarray, length: int
) -> None:
    """Write the windows that begin at `starts` of `codes`, a shard at a time."""
    width = packed_length(length)
    shard = min(schema.ROWS_PER_SHARD, _round_up(len(starts), schema.ROWS_PER_CHUNK))
    array = group.create_array(
        name,
        shape=(len(starts), width),
        dtype="uint8",
        chunks=(schema.ROWS_PER_CHUNK, width),
        shards=(shard, width),
        compressors=ZstdCodec(level=schema.ZSTD_LEVEL),
        fill_value=0,
    )
    windows = np.lib.stride_tricks.sliding_window_view(codes, length)
    for first in range(0, len(starts), shard):
        rows = starts[first : first + shard]
        block = np.empty((len(rows), width), dtype=np.uint8)
        for low in range(0, len(rows), _GATHER_ROWS):
            high = low + _GATHER_ROWS
            block[low:high] = pack(windows[rows[low:high]])
        array[first : first + len(rows)] = block


def _window_table(plan: WindowPlan, starts: dict[str, np.ndarray]) -> np.ndarray:
    """Return int64 (n_rows, 6), columns as in schema.WINDOW_COLUMNS."""
    columns = [
        plan.pair,
        plan.copy,
        plan.enhancer_shift,
        plan.promoter_shift,
        starts[schema.ENHANCER],
        starts[schema.PROMOTER],
    ]
    return np.stack([column.astype(np.int64) for column in columns], axis=1)


def _write_rows(
    group: zarr.Group, name: str, values: np.ndarray, columns: tuple[str, ...] | None = None
) -> None:
    """Write a table of numbers that has as many rows as the windows, or as the pairs."""
    chunk = min(schema.ROWS_PER_SHARD, max(1, len(values)))
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=(chunk, *values.shape[1:]),
        compressors=ZstdCodec(level=schema.ZSTD_LEVEL),
        fill_value=0,
        attributes={"columns": list(columns)} if columns else None,
    )
    array[:] = values


def _write_pairs(group: zarr.Group, pairs: pd.DataFrame) -> None:
    """Write the pairs themselves: regions, labels, and names as one UTF-8 line each."""
    table = group.create_group(schema.PAIRS)
    regions = pairs[list(schema.REGION_COLUMNS)].to_numpy(dtype=np.int64)
    _write_rows(table, "region", regions, schema.REGION_COLUMNS)
    _write_rows(table, schema.LABEL, pairs["label"].to_numpy())
    for column in schema.NAME_COLUMNS:
        text = "".join(f"{name}\n" for name in pairs[column])
        _write_rows(table, column, np.frombuffer(text.encode("utf-8"), dtype=np.uint8))


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


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


def _fingerprint(
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
        "created_by": __version__,
        "chunk": [schema.ROWS_PER_CHUNK, schema.ROWS_PER_SHARD, schema.ZSTD_LEVEL],
        "genome": [str(genome.path.resolve()), stat.st_size, stat.st_mtime_ns],
        "pairs": digest(table.path),
        "label_column": label_column,
        "bad_pairs": bad_pairs,
        "settings": asdict(settings),
    }


@contextmanager
def _building_folder(building: Path, fingerprint: dict[str, Any]) -> Iterator[None]:
    """Hold the work folder: locked against a second build, emptied unless it is the same build."""
    building.parent.mkdir(parents=True, exist_ok=True)
    lock = building.with_name(f"{building.name}.lock")
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"{building}: another build is writing here; wait for it") from None
        request = building / "request.json"
        if not request.is_file() or request.read_text() != json.dumps(fingerprint):
            shutil.rmtree(building, ignore_errors=True)
            zarr.create_group(building, zarr_format=3)
            request.write_text(json.dumps(fingerprint))
        yield
        lock.unlink()


def _finished(folder: Path) -> dict[str, Any] | None:
    """Return the summary of a contig's group, or None where it was not written to its end."""
    try:
        return json.loads((folder / "zarr.json").read_text())["attributes"][schema.ATTRIBUTE]
    except (OSError, ValueError, KeyError):
        return None


def _finish(building: Path, attributes: dict[str, Any]) -> None:
    """Make the folder a store: its attributes, by which readers know it, are written last."""
    (building / "request.json").unlink()
    zarr.open_group(building, mode="r+").attrs[schema.ATTRIBUTE] = attributes
    schema.validate_attributes({schema.ATTRIBUTE: attributes}, str(building))
    _sync_tree(building)


def _put_in_place(building: Path, out: Path) -> None:
    if out.exists():
        old = out.with_name(f".{out.name}.replaced")
        shutil.rmtree(old, ignore_errors=True)
        out.rename(old)
        building.rename(out)
        shutil.rmtree(old)
    else:
        building.rename(out)


def _file_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every shard file, by its path below the contig's group."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "c" in path.parts)
    return {
        path.relative_to(folder).as_posix(): digest(path)
        for path in files
        if path.name != "zarr.json"
    }


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

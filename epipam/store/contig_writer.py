"""Writing one contig's group of a store: its windows, their rows, its pairs, its digests."""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from zarr.codecs import ZstdCodec

from epipam.encoding import encode, pack, packed_length
from epipam.genome import Genome
from epipam.pairs import digest
from epipam.store import schema
from epipam.store.settings import StoreSettings
from epipam.store.work_folder import sync, sync_tree
from epipam.windows import WindowPlan, keyed_draw, plan_windows, resize

_GATHER_ROWS = 512
# Names are read whole: few large chunks.
_NAME_BYTES = 1 << 20
# A chunk of zeros is written too: a file that is not there is damage, never zeros.
_EVERY_CHUNK: Any = {"write_empty_chunks": True}
_COMPRESSOR = ZstdCodec(level=schema.ZSTD_LEVEL, checksum=True)


@dataclass(frozen=True)
class ContigJob:
    """All that one process needs to write one contig's group."""

    root: Path
    genome: Path
    name: str
    contig: str
    pairs: pd.DataFrame  # canonical columns and `pair`, input order
    settings: StoreSettings


def write_contig(job: ContigJob) -> dict[str, Any]:
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
        _write_windows(group, array, codes, starts[array] + margin, length, settings)
    chunk = settings.rows_per_shard
    _write_rows(group, schema.LABEL, label[index], chunk)
    _write_rows(group, schema.WINDOW, _window_table(plan, starts), chunk, schema.WINDOW_COLUMNS)
    _write_pairs(group, job.pairs, chunk)

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
    sync_tree(folder)
    group.attrs.update({schema.ATTRIBUTE: summary})
    sync(folder / schema.METADATA_FILE)
    sync(folder)
    return summary


def finished_contig(folder: Path) -> dict[str, Any] | None:
    """Return the summary of a contig's group, or None where it was not written to its end."""
    try:
        document = json.loads((folder / schema.METADATA_FILE).read_text(encoding="utf-8"))
        return document["attributes"][schema.ATTRIBUTE]
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
    group: zarr.Group,
    name: str,
    codes: np.ndarray,
    starts: np.ndarray,
    length: int,
    settings: StoreSettings,
) -> None:
    """Write the windows of `length` bp that begin at `starts` of `codes`, a shard at a time."""
    width = packed_length(length)
    chunk = settings.rows_per_chunk
    shard = min(settings.rows_per_shard, _round_up(len(starts), chunk))
    array = group.create_array(
        name,
        shape=(len(starts), width),
        dtype="uint8",
        chunks=(chunk, width),
        shards=(shard, width),
        compressors=_COMPRESSOR,
        fill_value=0,
        config=_EVERY_CHUNK,
    )
    windows = np.lib.stride_tricks.sliding_window_view(codes, length)
    buffer = np.empty((min(shard, len(starts)), width), dtype=np.uint8)
    for first in range(0, len(starts), shard):
        rows = starts[first : first + shard]
        block = buffer[: len(rows)]
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
    group: zarr.Group,
    name: str,
    values: np.ndarray,
    chunk: int,
    columns: tuple[str, ...] | None = None,
) -> None:
    """Write a table of numbers, `chunk` rows to a file."""
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=(min(chunk, len(values)), *values.shape[1:]),
        compressors=_COMPRESSOR,
        fill_value=0,
        attributes={"columns": list(columns)} if columns else None,
        config=_EVERY_CHUNK,
    )
    array[:] = values


def _write_pairs(group: zarr.Group, pairs: pd.DataFrame, chunk: int) -> None:
    """Write the pairs themselves: regions, labels, and names as one UTF-8 line each."""
    table = group.create_group(schema.PAIRS)
    regions = pairs[list(schema.REGION_COLUMNS)].to_numpy(dtype=np.int64)
    _write_rows(table, schema.REGION, regions, chunk, schema.REGION_COLUMNS)
    _write_rows(table, schema.LABEL, pairs["label"].to_numpy(), chunk)
    for column in schema.NAME_COLUMNS:
        text = "".join(f"{name}\n" for name in pairs[column])
        _write_rows(table, column, np.frombuffer(text.encode("utf-8"), dtype=np.uint8), _NAME_BYTES)


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def _file_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a contig's arrays, by its path below the group."""
    own = folder / schema.METADATA_FILE
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != own)
    return {path.relative_to(folder).as_posix(): digest(path) for path in files}

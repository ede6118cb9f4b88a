"""Putting parts of a store together: the whole has the bytes that one build would have given it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from epipam.errors import RequestError
from epipam.genome.contigs import listed_contigs
from epipam.runtime.placing import sync_tree
from epipam.store import schema
from epipam.store.contig_writer import finished_contig
from epipam.store.parts import PART, total_skipped
from epipam.store.reader import Store
from epipam.store.settings import StoreSettings
from epipam.store.work_folder import finish, put_in_place, require_free, work_folder
from epipam.store.writer import root_attributes

# What must be equal in all parts: where it lies in their attributes, and what it is called.
_ALIKE = {
    "format_version": "format",
    "created_by": "program",
    "genome/name": "genome",
    f"{PART}/genome": "digest of the genome's contigs",
    "pairs/name": "pair table",
    "pairs/sha256": "digest of the pair table",
    f"{PART}/label_column": "label column",
    f"pairs/{schema.COLUMNS}": "choice of columns",
    f"{PART}/unplaced": "count of rows on no contig",
    "enhancer_length": "enhancer length",
    "promoter_length": "promoter length",
    "augmentation": "augmentation",
    "seed": "seed",
    schema.LAYOUT: "layout of chunks and shards",
}


@dataclass(frozen=True)
class MergedStore:
    """What `merge_stores` made: where, and its attributes."""

    path: Path
    attributes: dict[str, Any]


def merge_stores(
    parts: Sequence[str | Path],
    out: Path,
    *,
    overwrite: bool = False,
    on_contig: Callable[[str], None] = lambda name: None,
) -> MergedStore:
    """Make one store of the parts that `build_store(..., contigs=...)` has made of one pair table.

    Every file is compared with its digest while it is copied.

    Parameters
    ----------
    parts
        Folders or URLs, in any order.
    out
        Folder of the store; must not exist, or be a store where `overwrite`.
    on_contig
        Called with the name of each chromosome when it is copied.

    Raises
    ------
    RequestError
        For parts of different builds, parts that overlap or are not all there, and damaged files.
    """
    require_free(out, overwrite=overwrite)
    stores = [Store(part) for part in parts]
    _require_parts_of_one_build(stores)
    _require_whole(stores)
    groups = sorted(
        ((store, name) for store in stores for name in store.contigs),
        key=lambda group: group[0].first_pair(group[1]),
    )
    request = {"merge": [store.attributes for store in stores]}
    with work_folder(out, request, overwrite=overwrite) as work:
        summaries = {}
        for store, name in groups:
            _copy(store, name, work.path)
            summaries[name] = finished_contig(work.path / name) or {}
            on_contig(name)
        attributes = _whole_attributes(stores, summaries)
        finish(work.path, attributes)
        put_in_place(work.path, out)
    return MergedStore(out, schema.without_files(attributes))


def _require_parts_of_one_build(stores: list[Store]) -> None:
    for store in stores:
        if PART not in store.attributes:
            raise RequestError(
                f"{store.path}: is a whole store, no part of one: build-store --contigs makes parts"
            )
        if schema.LAYOUT not in store.attributes:
            raise RequestError(
                f"{store.path}: is a part of format {store.attributes['format_version']}, and this "
                f"epipam merges those of format {schema.FORMAT_VERSION}: build it again"
            )
    first, *others = stores
    for path, what in _ALIKE.items():
        wanted = _value(first, path)
        for store in others:
            if (found := _value(store, path)) != wanted:
                raise RequestError(
                    f"{store.path}: its {what} is {found}, that of {first.path} is {wanted}: "
                    f"parts of one store need the same inputs and settings; build it again"
                )


def _value(store: Store, path: str) -> Any:
    value: Any = store.attributes
    for key in path.split("/"):
        value = value.get(key)
    return value


def _require_whole(stores: list[Store]) -> None:
    """Refuse parts that have a contig in common, or lack one that has pairs."""
    held = [set(store.attributes[PART]["contigs"]) for store in stores]
    for (one, contigs), (other, others) in combinations(zip(stores, held, strict=True), 2):
        if shared := contigs & others:
            raise RequestError(
                f"{one.path} and {other.path}: both hold {listed_contigs(shared)}; "
                f"give each contig once"
            )
    if missing := set(stores[0].attributes[PART]["of"]) - set().union(*held):
        raise RequestError(
            f"no part holds the pairs on {listed_contigs(missing)}: build them with "
            f"build-store --contigs and give that part as well"
        )


def _copy(store: Store, name: str, folder: Path) -> None:
    """Copy a chromosome's group; its metadata, which mark it as written, are copied last."""
    shutil.rmtree(folder / name, ignore_errors=True)
    for file, data in store.group_files(name):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path == folder / name / schema.METADATA_FILE:
            sync_tree(folder / name)
        path.write_bytes(data)
    sync_tree(folder / name)


def _whole_attributes(stores: list[Store], groups: dict[str, dict[str, Any]]) -> dict[str, Any]:
    own = [store.attributes for store in stores]
    first = own[0]
    pairs = {
        **first["pairs"],
        "stored": sum(attributes["pairs"]["stored"] for attributes in own),
        "skipped": total_skipped(
            [first[PART]["unplaced"], *(attributes["pairs"]["skipped"] for attributes in own)]
        ),
    }
    aliases = {
        k: v for attributes in own for k, v in attributes["pairs"].get(schema.ALIASES, {}).items()
    }
    if aliases:
        pairs[schema.ALIASES] = dict(sorted(aliases.items()))
    whole = root_attributes(
        first["genome"]["name"], pairs, StoreSettings.of_attributes(first), groups
    )
    return {**whole, **{key: first[key] for key in ("format_version", "created_by")}}

"""The store: packed windows of pairs, chromosome by chromosome, in a Zarr folder."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from epipam.store.merging import MergedStore, merge_stores
    from epipam.store.reader import Damage, Rows, Store
    from epipam.store.settings import StoreSettings
    from epipam.store.writer import BuildResult, build_store

__all__ = [
    "BuildResult",
    "Damage",
    "MergedStore",
    "Rows",
    "Store",
    "StoreSettings",
    "build_store",
    "merge_stores",
]

_MODULES = {
    "BuildResult": "writer",
    "Damage": "reader",
    "MergedStore": "merging",
    "Rows": "reader",
    "Store": "reader",
    "StoreSettings": "settings",
    "build_store": "writer",
    "merge_stores": "merging",
}


def __getattr__(name: str) -> object:
    # At first use: a process that writes a contig needs no pandas, and starts sooner.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

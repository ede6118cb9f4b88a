"""The store: packed windows of pairs, chromosome by chromosome, in a Zarr folder."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from epipam.store.merging import MergedStore, merge_stores
    from epipam.store.reader import Damage, Rows, Store
    from epipam.store.repair import Repair, repair_store
    from epipam.store.settings import StoreSettings
    from epipam.store.writer import BuildResult, build_store

__all__ = [
    "BuildResult",
    "Damage",
    "MergedStore",
    "Repair",
    "Rows",
    "Store",
    "StoreSettings",
    "build_store",
    "merge_stores",
    "repair_store",
]

_MODULES = {
    "BuildResult": "writer",
    "Damage": "reader",
    "MergedStore": "merging",
    "Repair": "repair",
    "Rows": "reader",
    "Store": "reader",
    "StoreSettings": "settings",
    "build_store": "writer",
    "merge_stores": "merging",
    "repair_store": "repair",
}


def __getattr__(name: str) -> object:
    # At first use: a process that writes a contig needs no pandas, and starts sooner.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

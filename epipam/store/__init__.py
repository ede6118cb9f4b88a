"""The store: packed windows of pairs, chromosome by chromosome, in a Zarr folder."""

from epipam.store.reader import Damage, Rows, Store
from epipam.store.settings import StoreSettings
from epipam.store.writer import BuildResult, build_store

__all__ = ["BuildResult", "Damage", "Rows", "Store", "StoreSettings", "build_store"]

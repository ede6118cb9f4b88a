"""`epipam.kipoi.batches` under its old name, which Kipoi folders exported by epipam 0.1 import.

It stays for one minor version.
"""

from __future__ import annotations

import warnings

from epipam.kipoi.batches import OnehotScorer, PairTableBatches, only_batch, restore_numpy_names

__all__ = ["OnehotScorer", "PairTableBatches", "only_batch", "restore_numpy_names"]

warnings.warn(
    "epipam.kipoi_batches is now epipam.kipoi.batches: export the Kipoi folder again with "
    "`epipam kipoi export`, since the old name goes with the next minor version",
    DeprecationWarning,
    stacklevel=2,
)

"""Names that modules had before, which exported Kipoi folders import."""

import importlib
import sys

import pytest

from epipam.kipoi import batches


def test_the_old_name_of_the_batches_gives_the_same_objects_and_says_what_to_do():
    sys.modules.pop("epipam.kipoi_batches", None)
    with pytest.warns(DeprecationWarning, match="export the Kipoi folder again"):
        old = importlib.import_module("epipam.kipoi_batches")
    # What model.py and dataloader.py of a folder exported by epipam 0.1 import.
    for name in ("OnehotScorer", "PairTableBatches", "only_batch", "restore_numpy_names"):
        assert getattr(old, name) is getattr(batches, name)

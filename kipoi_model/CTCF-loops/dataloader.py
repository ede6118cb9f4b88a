"""The dataloader Kipoi imports: batches of one-hot windows for the rows of a pair table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kipoi.data import BatchDataset
from kipoi_utils.external.torch.data import DataLoader

from epipam.kipoi.batches import PairTableBatches, only_batch, restore_numpy_names

# kipoi 0.8.6's HDF5 writer compares dtypes with `np.string_` and `np.unicode_`, which numpy 2
# dropped. Kipoi imports this file before it writes anything, so this is the place to mend it.
restore_numpy_names()

# Kipoi imports this file with the model folder as the current one, and sets no `__file__`.
FOLDER = Path.cwd()


class EpipamPairs(BatchDataset):
    """Every row of a pair table once, in input order.

    Parameters
    ----------
    genome
        FASTA of the reference genome.
    pairs
        Pair table in any of epipam's three formats.
    batch_size
        Pairs per batch; without it, what `kipoi predict --batch_size` says.
    """

    def __init__(self, genome: str, pairs: str, batch_size: int | None = None) -> None:
        self.batches = PairTableBatches(FOLDER, genome, pairs)
        self.batch_size_given = batch_size is not None
        if batch_size is not None:
            self.batches.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.batches[index]

    def _batch_iterable(
        self, num_workers: int = 0, batch_size: int | None = None, **_: Any
    ) -> DataLoader:
        size = self.batches.batch_size
        if batch_size is not None and not self.batch_size_given:
            size = batch_size
        # Each iterator has batches of its own, whose size no other one changes. They are what
        # workers get: they pickle, and this class, imported by path, does not.
        batches = self.batches.in_batches_of(size)
        return DataLoader(batches, collate_fn=only_batch, num_workers=num_workers)

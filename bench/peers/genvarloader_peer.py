"""GenVarLoader's reference windows of pairs as one-hot; runs in an environment of its own.

For every line on standard input, one shuffled pass in one worker process; prints its seconds. The
genome is in the worker's memory, as GenVarLoader keeps it by default. One-hot comes from seqpro,
the library it is built on, or with `table` from a NumPy look-up, which is quicker.
"""

from __future__ import annotations

import json
import sys
import time

import genvarloader
import numpy as np
import polars
import seqpro
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

TABLE = np.zeros((256, 4), dtype=np.uint8)
TABLE[list(b"ACGT"), range(4)] = 1
# Four bytes are one number, which is quicker to look up.
NUMBERS = TABLE.view(np.uint32)[:, 0]


class Pairs(Dataset):
    """Enhancer and promoter windows of many rows at a time, opened where they are read."""

    def __init__(self, genome: str, tables: tuple[str, str], encoding: str, n_rows: int) -> None:
        self.genome = genome
        self.tables = tables
        self.encoding = encoding
        self.n_rows = n_rows
        self.opened: list[genvarloader.RefDataset] = []

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, rows: list[int]) -> list[torch.Tensor]:
        if not self.opened:
            reference = genvarloader.Reference.from_path(self.genome)
            for table in self.tables:
                windows = read_table(table)
                length = int(windows["chromEnd"][0] - windows["chromStart"][0])
                self.opened.append(genvarloader.RefDataset(reference, windows).with_len(length))
        return [self.onehot(windows[np.asarray(rows)]) for windows in self.opened]

    def onehot(self, letters: np.ndarray) -> torch.Tensor:
        if self.encoding == "table":
            numbers = NUMBERS[letters.view(np.uint8)]
            return torch.from_numpy(numbers.view(np.uint8).reshape(*letters.shape, 4))
        return torch.from_numpy(seqpro.DNA.ohe(letters))


def read_table(path: str) -> polars.DataFrame:
    """Read a BED file of three columns."""
    columns = ["chrom", "chromStart", "chromEnd"]
    return polars.read_csv(path, separator="\t", has_header=False, new_columns=columns)


def main() -> None:
    """Serve passes."""
    genome, enhancers, promoters, batch_size, encoding = sys.argv[1:]
    pairs = Pairs(genome, (enhancers, promoters), encoding, len(read_table(enhancers)))
    loader = DataLoader(
        pairs,
        batch_size=None,
        sampler=BatchSampler(RandomSampler(pairs), int(batch_size), drop_last=False),
        num_workers=1,
        persistent_workers=True,
        # Its threads do not outlive a fork.
        multiprocessing_context="spawn",
    )
    for _ in sys.stdin:
        began = time.perf_counter()
        n_rows = 0
        last = None
        for batch in loader:
            n_rows += len(batch[0])
            last = batch
        seconds = time.perf_counter() - began
        assert n_rows == len(pairs)
        assert last is not None
        bases = [int(windows[0].sum()) for windows in last]
        print(json.dumps({"seconds": seconds, "bases": bases}), flush=True)


if __name__ == "__main__":
    main()

"""kipoiseq's one-hot intervals of both windows of pairs; runs in an environment of its own.

For every line on standard input, one shuffled pass in one worker process; prints its seconds.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from kipoi.data import Dataset
from kipoiseq.dataloaders import SeqIntervalDl


class Pairs(Dataset):
    """Enhancer and promoter windows, each from its own interval file."""

    def __init__(self, genome: str, enhancers: str, promoters: str) -> None:
        options = {"dtype": np.uint8, "ignore_targets": True}
        self.enhancers = SeqIntervalDl(enhancers, genome, **options)
        self.promoters = SeqIntervalDl(promoters, genome, **options)

    def __len__(self) -> int:
        return len(self.enhancers)

    def __getitem__(self, row: int) -> dict[str, np.ndarray]:
        return {
            "enhancer": self.enhancers[row]["inputs"],
            "promoter": self.promoters[row]["inputs"],
        }


def main() -> None:
    """Serve passes."""
    genome, enhancers, promoters, batch_size = sys.argv[1:]
    pairs = Pairs(genome, enhancers, promoters)
    for _ in sys.stdin:
        began = time.perf_counter()
        batches = pairs.batch_iter(batch_size=int(batch_size), shuffle=True, num_workers=1)
        n_rows = 0
        last = None
        for batch in batches:
            n_rows += len(batch["enhancer"])
            last = batch
        seconds = time.perf_counter() - began
        assert n_rows == len(pairs)
        assert last is not None
        bases = [int(np.sum(last[name][0])) for name in ("enhancer", "promoter")]
        print(json.dumps({"seconds": seconds, "bases": bases}), flush=True)


if __name__ == "__main__":
    main()

"""Gradient-boosted trees on k-mer counts: what composition alone tells, without any position.

The trees are tensors, so that they are saved without a pickle, read without the library that grew
them, and run wherever a network does. `epipam.training.boosting` grows them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from epipam.errors import ModelError
from epipam.genome.encoding import BASES
from epipam.models.embedding import kmer_tokens
from epipam.models.network import Network, WindowConfig

LONGEST_KMER = 10


@dataclass(frozen=True)
class KmerGbmConfig(WindowConfig):
    """What is counted, and the size of the trees.

    Attributes
    ----------
    k
        Length of the k-mers.
    trees, nodes, depth
        How many trees, how many nodes they have together, and the longest way to a leaf.
    """

    k: int = 5
    trees: int = 0
    nodes: int = 0
    depth: int = 0

    def __post_init__(self) -> None:
        """Refuse k-mers of which there are too many to count."""
        if not 1 <= self.k <= LONGEST_KMER:
            raise ModelError(f"k is {self.k} but must be from 1 to {LONGEST_KMER}")


class KmerGbm(Network):
    """Boosted trees on the k-mer counts of both anchors.

    A k-mer and its reverse complement count as one, since windows have no strand; k-mers with N do
    not count. With k = 5 these are 512 counts for each anchor.

    Parameters
    ----------
    config
        The shape; without trees, every pair has the same logit.

    Attributes
    ----------
    baseline
        float64 (1,): the logit before any tree.
    root
        int64 (trees,): where each tree begins among the nodes.
    feature, threshold, left, right
        int64, float32, int64, int64 (nodes,): a pair whose count `feature` is at most `threshold`
        goes on to node `left`, else to `right`. A leaf goes on to itself.
    value
        float64 (nodes,): what a leaf adds to the logit.
    """

    config_class = KmerGbmConfig
    found_fields = ("trees", "nodes", "depth")
    config: KmerGbmConfig
    baseline: Tensor
    root: Tensor
    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor
    columns: Tensor

    def __init__(self, config: KmerGbmConfig | None = None) -> None:
        config = KmerGbmConfig() if config is None else config
        super().__init__(config)
        self.register_buffer("baseline", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("root", torch.zeros(config.trees, dtype=torch.int64))
        for name in ("feature", "left", "right"):
            self.register_buffer(name, torch.zeros(config.nodes, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(config.nodes))
        self.register_buffer("value", torch.zeros(config.nodes, dtype=torch.float64))
        self.register_buffer("columns", canonical_columns(config.k), persistent=False)

    def forward(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        """Return the logits, as `Network.forward` says, float64."""
        return self.baseline + self.contributions(self.counts(enhancer, promoter)).sum(dim=1)

    def counts(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        """Count the k-mers of both anchors' windows.

        Returns
        -------
        int32 (N, 2 * n): the enhancer's n counts, in lexical order of the k-mers that stand
        before their reverse complement, then the promoter's.
        """
        lengths = (self.config.enhancer_length, self.config.promoter_length)
        return torch.cat(
            [
                self._counts(windows, length)
                for windows, length in zip((enhancer, promoter), lengths, strict=True)
            ],
            dim=1,
        )

    def contributions(self, counts: Tensor) -> Tensor:
        """Return what each tree adds to each logit, float64 (N, trees), for `counts`."""
        node = self.root.expand(len(counts), -1)
        for _ in range(self.config.depth):
            few = counts.gather(1, self.feature[node]) <= self.threshold[node]
            node = torch.where(few, self.left[node], self.right[node])
        return self.value[node]

    def _counts(self, windows: Tensor, length: int) -> Tensor:
        column = self.columns[kmer_tokens(windows, length, self.config.k)]
        n_columns = int(self.columns.max()) + 1
        counts = torch.zeros((len(windows), n_columns), dtype=torch.int32, device=windows.device)
        # Column 0 is of what does not count.
        return counts.scatter_add_(1, column, torch.ones_like(column, dtype=torch.int32))[:, 1:]


def canonical_columns(k: int) -> Tensor:
    """Return the column, from 1, in which each k-mer counts: int64 (4^k + 1,).

    Entry 0, of k-mers with N, is 0. A k-mer shares the column of its reverse complement.
    """
    number = np.arange(len(BASES) ** k)
    mirrored = np.zeros_like(number)
    for place in range(k):
        # A and T, C and G are mirror images in the order of the bases.
        mirrored = mirrored * len(BASES) + (len(BASES) - 1 - number // len(BASES) ** place % 4)
    _, column = np.unique(np.minimum(number, mirrored), return_inverse=True)
    return torch.from_numpy(np.r_[0, column + 1])

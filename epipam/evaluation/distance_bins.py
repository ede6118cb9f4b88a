"""Bins of pairs whose two regions lie at a similar distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from epipam.pairs.table import distance

if TYPE_CHECKING:
    import pandas as pd

MOST_BINS = 10
# Of the rarer class, in each bin; with fewer there is little to permute.
PAIRS_PER_BIN = 10


def distance_bins(pairs: pd.DataFrame) -> np.ndarray:
    """Put pairs into bins of similar distance, the same for both classes.

    The edges are quantiles of the distance between midpoints (those of its logarithm are the
    same), in which positive and negative pairs weigh equally however many there are of each:
    where one class lies nearer, both have edges. There are as many bins, at most `MOST_BINS`, as
    leave `PAIRS_PER_BIN` pairs of the rarer class to each. Pairs across chromosomes are farthest.

    Parameters
    ----------
    pairs
        Canonical pair table; unlabelled pairs get a bin and have no say in the edges.

    Returns
    -------
    numpy.ndarray
        int64 (n_pairs,): number of the bin, from 0 for the nearest; none is empty.
    """
    distances = np.nan_to_num(distance(pairs), nan=np.inf)
    labels = pairs["label"].to_numpy(np.int64)
    counts = np.array([(labels == label).sum() for label in (0, 1)])
    n_bins = int(np.clip(counts.min() // PAIRS_PER_BIN, 1, MOST_BINS))
    if n_bins == 1:
        return np.zeros(len(pairs), dtype=np.int64)
    # In whole numbers: all negative pairs together weigh what all positive ones do.
    weights = np.select([labels == 0, labels == 1], [counts[1], counts[0]])
    order = np.argsort(distances, kind="stable")
    below = n_bins * np.cumsum(weights[order])
    edges = distances[order][np.searchsorted(below, np.arange(1, n_bins) * weights.sum())]
    # Equal distances share a bin, which may leave others empty.
    return np.unique(np.searchsorted(edges, distances), return_inverse=True)[1]

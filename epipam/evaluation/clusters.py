"""What an interval resamples as a whole: pairs that share a region are not independent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from epipam.errors import RequestError
from epipam.evaluation.metrics import LEAST_CLUSTERS, effective_number

if TYPE_CHECKING:
    import pandas as pd

CLUSTERS, PROMOTERS, CHROMOSOMES, PAIRS = "clusters", "promoters", "chromosomes", "pairs"
RESAMPLE = (CLUSTERS, PROMOTERS, CHROMOSOMES, PAIRS)
GROUPS = "groups"
_MEANING = {
    CLUSTERS: "clusters of pairs that share enhancers or promoters",
    PROMOTERS: "promoters, each with its pairs",
    CHROMOSOMES: "chromosomes",
    PAIRS: "single pairs, as if none shared a region",
    GROUPS: "the groups that were given",
}


@dataclass(frozen=True)
class Resampling:
    """What stands behind the intervals of an evaluation.

    Attributes
    ----------
    unit
        What is drawn as a whole: one of `RESAMPLE`, or `groups` where the caller gave them.
    n_units
        How many there are.
    n_effective
        As how many of equal size they count, for the class that has fewer.
    """

    unit: str
    n_units: int
    n_effective: float

    @property
    def is_enough(self) -> bool:
        """Whether intervals are made."""
        return self.n_effective >= LEAST_CLUSTERS

    def sentence(self) -> str:
        """Say what is resampled, and whether that is enough."""
        counted = f"{self.n_units:,}, which count as {self.n_effective:.1f} of equal size"
        if self.is_enough:
            return f"Intervals resample {_MEANING[self.unit]} ({counted})."
        return (
            f"No intervals: there are too few {_MEANING[self.unit]} to resample ({counted}; "
            f"{LEAST_CLUSTERS} are needed)."
        )


def resampling_groups(pairs: pd.DataFrame, resample: str) -> tuple[str, np.ndarray]:
    """Return what is drawn as a whole, and the group of each pair, int64 (n_pairs,).

    `clusters` are the pairs connected through regions that overlap: an enhancer of two promoters
    joins their pairs. Where so few clusters are left that they cannot be resampled, since nearly
    all pairs of a chromosome hang together, promoters are taken.

    Parameters
    ----------
    pairs
        Canonical pair table, labelled 1 or 0.
    resample
        One of `RESAMPLE`.

    Raises
    ------
    RequestError
        For another word.
    """
    if resample not in RESAMPLE:
        raise RequestError(f"resample is {resample!r} but must be one of {', '.join(RESAMPLE)}")
    if resample == PAIRS:
        return PAIRS, np.arange(len(pairs))
    if resample == CHROMOSOMES:
        return CHROMOSOMES, _numbered(pairs["promoter_chrom"].to_numpy(object))
    promoter = merged_regions(pairs, "promoter")
    if resample == CLUSTERS:
        connected = _connected(merged_regions(pairs, "enhancer"), promoter)
        if effective_number(pairs["label"].to_numpy(), connected) >= LEAST_CLUSTERS:
            return CLUSTERS, connected
    return PROMOTERS, promoter


def merged_regions(pairs: pd.DataFrame, anchor: str) -> np.ndarray:
    """Number the regions of an anchor, those that overlap as one: int64 (n_pairs,), from 0."""
    contig = _numbered(pairs[f"{anchor}_chrom"].to_numpy(object))
    start, end = (pairs[f"{anchor}_{side}"].to_numpy(np.int64) for side in ("start", "end"))
    order = np.lexsort((end, start, contig))
    number = np.empty(len(pairs), dtype=np.int64)
    last, reached, here = -1, 0, -1
    for row in order.tolist():
        # One of no length lies where it begins.
        if contig[row] != here or start[row] >= reached:
            last, here, reached = last + 1, contig[row], 0
        reached = max(reached, int(end[row]), int(start[row]) + 1)
        number[row] = last
    return number


def _connected(enhancer: np.ndarray, promoter: np.ndarray) -> np.ndarray:
    """Return the component of each pair, in the graph whose edges are the pairs."""
    if len(enhancer) == 0:
        return np.empty(0, dtype=np.int64)
    n_enhancers = int(enhancer.max()) + 1
    n_nodes = n_enhancers + int(promoter.max()) + 1
    edges = coo_array(
        (np.ones(len(enhancer), dtype=np.int8), (enhancer, n_enhancers + promoter)),
        shape=(n_nodes, n_nodes),
    )
    return _numbered(connected_components(edges, directed=False)[1][enhancer])


def _numbered(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)

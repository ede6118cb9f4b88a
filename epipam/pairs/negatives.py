"""Negatives for a plain list of enhancer-promoter pairs, drawn from all other pairs of regions.

They lie at the distances of the positives: as in TargetFinder, the positives' distances are cut
into quantiles, and each of these bins gets its own negatives (Whalen, Truty, Pollard, Nat Genet
2016;48:488). Distances are those of midpoints, in bp, exact to the half.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from epipam.errors import RequestError
from epipam.pairs.candidates import Candidates, iter_candidates, shared_contigs
from epipam.pairs.overlaps import meetings, places_of
from epipam.pairs.region_pool import places, positions
from epipam.pairs.regions import Regions
from epipam.pairs.smallest_keys import SmallestKeys
from epipam.pairs.table import COLUMNS, distance

# How many negatives each strategy draws for each positive: TargetFinder's number, and as many as
# the regions of a promoter in many positives can bear.
PER_POSITIVE = {"distance": 20, "frequency": 1}
BINS = 5


class Positives(NamedTuple):
    """The pairs to draw negatives for.

    Attributes
    ----------
    table
        Canonical pair table; every label is 1, each pair there once.
    taken
        Canonical pair table: what no negative may overlap, which are the positives of the list,
        used or not, and its pairs of unknown label where others have one.
    left_out
        Positives of the list that are not used, by the reason.
    negatives
        How many negatives the list has of its own.
    """

    table: pd.DataFrame
    taken: pd.DataFrame
    left_out: dict[str, int]
    negatives: int


class DistanceBin(NamedTuple):
    """Pairs whose distance lies in one bin.

    Attributes
    ----------
    low, high
        Distances in bp; `high` belongs to the bin, and `low` to the first one alone.
    positives, wanted, drawn
        How many positives, negatives asked for, and negatives found.
    others
        Pairs at that distance which overlap no positive, of which they are drawn.
    """

    low: float
    high: float
    positives: int
    wanted: int
    drawn: int
    others: int


class Negatives(NamedTuple):
    """Negatives, and what they were drawn from.

    Attributes
    ----------
    table
        Canonical pair table; every label is 0. Sorted as `epipam.pairs.candidates` sorts.
    bins
        Nearest first.
    overlapping
        Pairs at the positives' distances that were not drawn from, for they overlap a positive.
    foreign
        Positives whose enhancer or promoter is none of the regions that negatives are made of.
    missing
        Negatives that could not be found, by the reason.
    """

    table: pd.DataFrame
    bins: tuple[DistanceBin, ...]
    overlapping: int
    foreign: int
    missing: dict[str, int]


def plain_positives(
    pairs: pd.DataFrame, min_distance: float | None = None, max_distance: float | None = None
) -> Positives:
    """Take the positives of a list: its pairs of label 1, or all pairs where none has a label.

    Parameters
    ----------
    pairs
        Canonical pair table.
    min_distance, max_distance
        Limits in bp, both included; positives beyond them are left out.

    Raises
    ------
    RequestError
        Where no positive is left.
    """
    labels = pairs["label"].to_numpy()
    plain = bool((labels == -1).all())
    positive = pairs[(labels == 1) | plain]
    far = distance(positive)
    trans = np.isnan(far)
    near = far < (-np.inf if min_distance is None else min_distance)
    beyond = far > (np.inf if max_distance is None else max_distance)
    unusable = trans | near | beyond
    anchors = [column for column in COLUMNS if not column.endswith(("name", "label"))]
    repeated = positive.duplicated(anchors).to_numpy() & ~unusable
    table = positive[~(unusable | repeated)].assign(label=1).reset_index(drop=True)
    if table.empty:
        raise RequestError(
            f"none of {len(pairs):,} pairs is positive (label 1), on one chromosome and within "
            "the limits of the distance"
        )
    left_out = {
        "between two chromosomes": trans,
        "nearer than asked for": near,
        "farther than asked for": beyond,
        "listed before": repeated,
    }
    return Positives(
        table,
        pairs[labels != 0].reset_index(drop=True),
        {reason: int(flags.sum()) for reason, flags in left_out.items() if flags.any()},
        int((labels == 0).sum()),
    )


def draw_negatives(
    positives: Positives,
    enhancers: Regions,
    promoters: Regions,
    *,
    strategy: str = "distance",
    per_positive: int | None = None,
    bins: int = BINS,
    per_chromosome: bool = False,
    seed: int = 0,
) -> Negatives:
    """Draw pairs that overlap no positive, at the distances of the positives.

    All pairs of regions at these distances are passed once and numbered by a random key; each bin
    keeps those of the smallest keys (Efraimidis and Spirakis, Inf Process Lett 2006;97:181), so
    memory is that of the regions and of what is drawn.

    Parameters
    ----------
    enhancers, promoters
        Of which pairs are made, each region once; contigs spelled as in the positives.
    strategy
        `distance`: all pairs of a bin are as likely as each other. `frequency`: a pair is the
        likelier, the more often its enhancer and its promoter are expected to be in a positive:
        in proportion to the product of both `expected_uses`.
    per_positive
        How many negatives for each positive of a bin; None: that of `PER_POSITIVE`.
    bins
        How many bins; fewer where many positives have one distance.
    per_chromosome
        Whether each chromosome gets as many negatives per positive as the others.
    seed
        The same seed and regions give the same negatives.

    Raises
    ------
    RequestError
        Where the regions have no contig in common, or hold none of the positives' regions, by
        which `frequency` goes.
    """
    table = positives.table
    per_positive = PER_POSITIVE[strategy] if per_positive is None else per_positive
    contigs = shared_contigs(enhancers, promoters)
    strata = _Strata(distance_bins(distance(table), bins), enhancers.contigs, per_chromosome)
    of_positive = strata.of(distance(table), _contig_codes(enhancers, table))
    n_positives = strata.counts(of_positive)
    wanted = per_positive * n_positives
    own = [
        positions(regions, places_of(table, anchor))
        for anchor, regions in (("enhancer", enhancers), ("promoter", promoters))
    ]
    enhancer_weight, promoter_weight = (
        _weights(strategy, found, regions)
        for found, regions in zip(own, (enhancers, promoters), strict=True)
    )
    taken = _taken(positives.taken, enhancers, promoters)
    generator = np.random.default_rng(seed)
    sample = SmallestKeys(wanted, columns=2)
    others = np.zeros_like(wanted)
    n_taken = 0
    for pairs in iter_candidates(enhancers, promoters, contigs, *strata.limits):
        # Of all, wanted or not: so a pair's key depends on nothing but the regions.
        key = generator.exponential(size=len(pairs.distance))
        stratum = strata.of(pairs.distance, enhancers.contig[pairs.enhancer])
        at_distance = stratum >= 0
        free = at_distance & ~_is_taken(pairs, len(promoters), taken)
        n_taken += int(at_distance.sum() - free.sum())
        enhancer, promoter = pairs.enhancer[free], pairs.promoter[free]
        key = key[free] / (enhancer_weight[enhancer] * promoter_weight[promoter])
        sample.add(stratum[free], key, np.stack([enhancer, promoter], axis=1))
        others += strata.counts(stratum[free])
    drawn = sample.kept()
    n_drawn = strata.counts(drawn.stratum)
    return Negatives(
        _table(drawn.value, enhancers, promoters),
        strata.bins(n_positives, wanted, n_drawn, others),
        n_taken,
        int(((own[0] < 0) | (own[1] < 0)).sum()),
        _missing(wanted, n_drawn, per_positive * int((of_positive < 0).sum()), per_chromosome),
    )


def expected_uses(uses: np.ndarray) -> np.ndarray:
    """Estimate how many positives each region would have in another list like this one.

    A region that one positive uses is expected to have less than one, a region that none uses
    more than none: the uses are taken as Poisson about a rate, and the rates as gamma with the
    shape r that explains how much the uses differ from region to region. The estimate is
    the posterior mean, (uses + r) / (1 + r / mean uses), with r = mean^2 / (variance - mean)
    (Robbins, Proc Third Berkeley Symp 1956;1:157). Where uses differ no more than by chance, all
    regions are expected to have the mean.

    Parameters
    ----------
    uses
        int64 (n_regions,): how many positives each region has.

    Returns
    -------
    numpy.ndarray
        float64 (n_regions,).
    """
    mean, variance = float(uses.mean()), float(uses.var())
    if variance <= mean:
        return np.full(len(uses), mean)
    shape = mean**2 / (variance - mean)
    return (uses + shape) / (1 + shape / mean)


class _Strata:
    """What negatives are drawn within: distance bins, and chromosomes where these count.

    Parameters
    ----------
    edges
        float64 (n_bins + 1,), bp.
    contigs
        Those of the regions.
    per_chromosome
        Whether every chromosome has bins of its own.
    """

    def __init__(self, edges: np.ndarray, contigs: list[str], per_chromosome: bool) -> None:
        self._edges = edges
        self._n_bins = len(edges) - 1
        self._per_chromosome = per_chromosome
        self._number = self._n_bins * (len(contigs) if per_chromosome else 1)

    @property
    def limits(self) -> tuple[int, int]:
        """The farthest and the nearest whole distance that need be looked at."""
        return math.ceil(self._edges[-1]), math.floor(self._edges[0])

    def of(self, far: np.ndarray, contig: np.ndarray) -> np.ndarray:
        """Return which stratum each distance on a contig is in, int64; -1 where in none."""
        found = np.maximum(np.searchsorted(self._edges, far, side="left") - 1, 0)
        known = (far >= self._edges[0]) & (far <= self._edges[-1])
        if self._per_chromosome:
            found += self._n_bins * contig
            known &= contig >= 0
        return np.where(known, found, -1)

    def counts(self, stratum: np.ndarray) -> np.ndarray:
        """Count rows by stratum, int64 (n_strata,)."""
        return np.bincount(stratum[stratum >= 0], minlength=self._number)

    def bins(self, *counts: np.ndarray) -> tuple[DistanceBin, ...]:
        """Return counts by stratum as counts by bin."""
        by_bin = np.stack([count.reshape(-1, self._n_bins).sum(axis=0) for count in counts], axis=1)
        edges = self._edges.tolist()
        return tuple(
            DistanceBin(low, high, *row)
            for low, high, row in zip(edges[:-1], edges[1:], by_bin.tolist(), strict=True)
        )


def distance_bins(far: np.ndarray, bins: int) -> np.ndarray:
    """Return quantiles of distances as edges of bins, float64: each once, and two at least."""
    edges = np.unique(np.quantile(far, np.linspace(0, 1, bins + 1)))
    return edges if len(edges) > 1 else np.repeat(edges, 2)


def _contig_codes(regions: Regions, pairs: pd.DataFrame) -> np.ndarray:
    return pd.Index(regions.contigs).get_indexer(pairs["enhancer_chrom"])


def _weights(strategy: str, own: np.ndarray, regions: Regions) -> np.ndarray:
    """Return what makes a pair with each region likelier, float64 (n_regions,), above 0.

    `own` is which region each positive has, -1 where none.
    """
    if strategy == "distance":
        return np.ones(len(regions))
    uses = np.bincount(own[own >= 0], minlength=len(regions))
    if not uses.any():
        raise RequestError(
            f"{regions.path}: holds no region of a positive pair, of the same start and end, so "
            "how often each is used is not known; --strategy distance does without"
        )
    return expected_uses(uses)


def _taken(pairs: pd.DataFrame, enhancers: Regions, promoters: Regions) -> np.ndarray:
    """Return the numbers of the pairs of regions that overlap one of `pairs`, in either order."""
    ends = (places_of(pairs, "enhancer"), places_of(pairs, "promoter"))
    found = meetings(places(enhancers), places(promoters), ends)
    return np.unique(found.enhancer * len(promoters) + found.promoter)


def _is_taken(pairs: Candidates, n_promoters: int, taken: np.ndarray) -> np.ndarray:
    """Flag, bool (n_pairs,), the pairs whose number is among the sorted ones of `_taken`."""
    number = pairs.enhancer * n_promoters + pairs.promoter
    return np.searchsorted(taken, number, "right") > np.searchsorted(taken, number, "left")


def _table(drawn: np.ndarray, enhancers: Regions, promoters: Regions) -> pd.DataFrame:
    """Return pairs of regions, int64 (n, 2), as a canonical table."""
    columns: dict[str, object] = {}
    for anchor, regions, rows in zip(
        ("enhancer", "promoter"), (enhancers, promoters), drawn.T, strict=True
    ):
        chrom, _, _ = places(regions)
        columns[f"{anchor}_chrom"] = chrom[rows]
        columns[f"{anchor}_start"] = regions.start[rows]
        columns[f"{anchor}_end"] = regions.end[rows]
        columns[f"{anchor}_name"] = np.array(regions.names, dtype=object)[rows]
    columns["label"] = np.zeros(len(drawn), dtype=np.int8)
    return pd.DataFrame(columns)[list(COLUMNS)]


def _missing(
    wanted: np.ndarray, drawn: np.ndarray, unplaced: int, per_chromosome: bool
) -> dict[str, int]:
    where = " of the chromosome" if per_chromosome else ""
    missing = {
        f"no other pair left in the distance bin{where}": int((wanted - drawn).sum()),
        "no region on the chromosome of the positive": unplaced,
    }
    return {reason: n for reason, n in missing.items() if n}

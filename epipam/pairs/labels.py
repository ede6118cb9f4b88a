"""Labels for candidate pairs, from chromatin loops: a pair whose anchors a loop joins is positive.

A candidate is positive where one of its regions meets one end of a loop and the other region the
other end, either way round. All other candidates are negatives, or some of them at the distances
of the positives. Distances are those of midpoints, in bp, exact to the half.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from epipam.errors import RequestError
from epipam.genome.contigs import Aliases
from epipam.genome.lengths import read_contig_lengths
from epipam.pairs.negative_lists import ENDINGS, write_pairs
from epipam.pairs.negatives import distance_bins
from epipam.pairs.overlaps import Places, meetings, overlapping, places_of
from epipam.pairs.pair_lists import PairList, read_pair_list
from epipam.pairs.region_pool import listed_regions, places, positions
from epipam.pairs.roles import swapped_anchors_note
from epipam.pairs.spellings import Spellings
from epipam.pairs.table import distance
from epipam.runtime.files import check_new_file

NEGATIVES = ("all", "matched", "same-distance")
BINS = 5
# How far the distance of a negative may be from its positive's, as a share of it.
DISTANCE_TOLERANCE = 0.05

TRANS = "anchors on two chromosomes"
NEAR, FAR = "nearer than asked for", "farther than asked for"
NOT_DRAWN = "not drawn"


class Joined(NamedTuple):
    """How candidates lie to the ends of loops, each array of shape (n_candidates,).

    Attributes
    ----------
    both
        bool: the two regions meet the two ends of one loop.
    ends
        int8: how many of the two regions meet any end of any loop.
    loops
        How many loops join a candidate.
    """

    both: np.ndarray
    ends: np.ndarray
    loops: int


@dataclass(frozen=True)
class LabelResult:
    """What `label` wrote, and by which rule.

    Attributes
    ----------
    path
        The pair table.
    positives, negatives
        How many pairs it holds.
    candidates
        How many there were.
    loops, loops_used
        How many loops there were, and how many join a candidate.
    negatives_by_rule
        Of the negatives: how many of their two regions meet the end of a loop.
    left_out
        Candidates that are in neither class, by the reason.
    loops_left_out
        Loops that were not used, by the reason.
    notes
        What to know of how the files were read.
    """

    path: Path
    positives: int
    negatives: int
    candidates: int
    loops: int
    loops_used: int
    negatives_by_rule: dict[str, int]
    left_out: dict[str, int]
    loops_left_out: dict[str, int]
    notes: tuple[str, ...] = ()


def label(
    candidates: str | Path,
    loops: str | Path,
    out: str | Path,
    *,
    slop: int = 0,
    min_overlap: int = 1,
    negatives: str = "all",
    per_positive: int = 1,
    min_distance: int | None = None,
    max_distance: int | None = None,
    genome: str | Path | None = None,
    aliases: Aliases | None = None,
    bad_pairs: str = "fail",
    seed: int = 0,
    overwrite: bool = False,
) -> LabelResult:
    """Write candidate pairs with labels: 1 where a loop joins the two regions, else 0.

    Parameters
    ----------
    candidates
        A list of pairs, such as `epipam candidates` writes; labels of its own are not looked at.
    loops
        A list of pairs, such as BEDPE or a HiCCUPS list; where it has labels, those of label 1.
    out
        Pair table, `.tsv` or `.tsv.gz` (bgzip), in the order of the candidates.
    slop
        By how many bp each end of a loop is widened to either side.
    min_overlap
        How many bases a region and an end share, at least; where either is shorter than that, all
        of it has to lie within the other.
    negatives
        `all`: all other candidates. `matched`: as many as asked for in each fifth of the
        positives' distances, from all chromosomes together. `same-distance`: for each positive as
        many as asked for on its chromosome, at its distance give or take 5%.
    per_positive
        How many negatives for each positive, but for `all`.
    min_distance, max_distance
        Leave out candidates beyond these, midpoint to midpoint in bp, both included.
    genome
        FASTA, or table of contig lengths: all must lie inside its contigs, and the pairs bear its
        names. Without it, `chr1` and `1` are one contig, too, with the name that came first.
    aliases
        Further names of contigs.
    bad_pairs
        `fail` or `skip`: what becomes of rows that cannot be read, or regions that end before they
        begin.
    seed
        Of the draw of negatives.

    Raises
    ------
    RequestError
        Where no candidate is joined by a loop, or `out` exists.
    PairTableError
        For rows that cannot be used.
    """
    out = Path(out)
    ending = check_new_file(out, "the pairs", ENDINGS, overwrite=overwrite)
    spellings = Spellings(None if genome is None else read_contig_lengths(genome), aliases)
    listed = read_pair_list(candidates, spellings, bad_pairs=bad_pairs)
    contacts, loops_left_out = _usable_loops(read_pair_list(loops, spellings, bad_pairs=bad_pairs))
    frame, left_out = _usable_candidates(listed, min_distance, max_distance)
    joined = join(listed.path, frame, _loop_ends(contacts, slop), min_overlap)
    if not joined.both.any():
        raise RequestError(
            f"{candidates}: no pair within the limits has its regions at the two ends of a loop of "
            f"{loops}; are both of one assembly? --slop widens the ends"
        )
    chosen = choose_negatives(
        frame, joined.both, negatives, per_positive, np.random.default_rng(seed)
    )
    n_dropped = int((~joined.both & ~chosen).sum())
    if n_dropped:
        left_out[NOT_DRAWN] = n_dropped
    kept = frame.assign(label=joined.both.astype(np.int8))[joined.both | chosen]
    write_pairs(out, ending, [kept])
    by_ends = Counter(joined.ends[chosen].tolist())
    rules = ("neither region meets a loop's end", "one region meets a loop's end",
             "both regions meet ends, but of no loop in common")  # fmt: skip
    swapped = swapped_anchors_note(candidates, listed.frame)
    return LabelResult(
        out,
        int(joined.both.sum()),
        int(chosen.sum()),
        len(listed.frame),
        len(contacts),
        joined.loops,
        {rule: by_ends[n] for n, rule in enumerate(rules) if by_ends[n]},
        left_out,
        loops_left_out,
        (*spellings.notes(), *filter(None, [swapped])),
    )


def join(
    path: Path, pairs: pd.DataFrame, ends: tuple[Places, Places], min_overlap: int = 1
) -> Joined:
    """Find which pairs a loop joins.

    Parameters
    ----------
    path
        The file of the pairs.
    pairs
        Canonical pair table.
    ends
        The two ends of each loop.
    min_overlap
        As for `meetings`.
    """
    distinct = [listed_regions(path, pairs, anchor) for anchor in ("enhancer", "promoter")]
    own = [
        positions(regions, places_of(pairs, anchor))
        for regions, anchor in zip(distinct, ("enhancer", "promoter"), strict=True)
    ]
    enhancers, promoters = (places(regions) for regions in distinct)
    found = meetings(enhancers, promoters, ends, min_overlap)
    number = own[0] * len(distinct[1]) + own[1]
    numbers = found.enhancer * len(distinct[1]) + found.promoter
    at_an_end = np.zeros(len(pairs), dtype=np.int8)
    either = Places(*(np.concatenate(both) for both in zip(*ends, strict=True)))
    for regions, of_pair in zip((enhancers, promoters), own, strict=True):
        touched = np.zeros(len(regions.start), dtype=bool)
        touched[overlapping(regions, either, min_overlap)[0]] = True
        at_an_end += touched[of_pair]
    used = np.unique(found.contact[np.isin(numbers, number)])
    return Joined(np.isin(number, numbers), at_an_end, len(used))


def choose_negatives(
    pairs: pd.DataFrame,
    positive: np.ndarray,
    negatives: str,
    per_positive: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return which pairs are the negatives, bool (n_pairs,).

    Parameters
    ----------
    pairs
        Canonical pair table, each pair on one chromosome.
    positive
        bool (n_pairs,).
    negatives, per_positive
        As for `label`.
    """
    if negatives == "all":
        return ~positive
    far = distance(pairs)
    if negatives == "matched":
        return _matched(far, positive, per_positive, generator)
    chosen = np.zeros(len(pairs), dtype=bool)
    chroms = pairs["enhancer_chrom"].to_numpy(dtype=object)
    for chrom in pd.unique(chroms[positive]):
        here = np.flatnonzero(chroms == chrom)
        drawn = _at_distances(far[here], positive[here], per_positive, generator)
        chosen[here[drawn]] = True
    return chosen


def _matched(
    far: np.ndarray, positive: np.ndarray, per_positive: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw from each bin of the positives' distances as many others for each of its positives."""
    edges = distance_bins(far[positive], BINS)
    bins = np.maximum(np.searchsorted(edges, far, side="left") - 1, 0)
    bins[(far < edges[0]) | (far > edges[-1])] = -1
    chosen = np.zeros(len(far), dtype=bool)
    for number in range(len(edges) - 1):
        others = np.flatnonzero((bins == number) & ~positive)
        wanted = per_positive * int(((bins == number) & positive).sum())
        chosen[generator.permutation(others)[:wanted]] = True
    return chosen


def _at_distances(
    far: np.ndarray, positive: np.ndarray, per_positive: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw for each positive others at its distance, none twice; return their rows."""
    others = np.flatnonzero(~positive)
    others = others[np.argsort(far[others], kind="stable")]
    distances = far[others]
    free = np.ones(len(others), dtype=bool)
    drawn = []
    for wanted in far[positive]:
        low = np.searchsorted(distances, wanted * (1 - DISTANCE_TOLERANCE), "left")
        high = np.searchsorted(distances, wanted * (1 + DISTANCE_TOLERANCE), "right")
        able = low + np.flatnonzero(free[low:high])
        taken = generator.permutation(able)[:per_positive]
        free[taken] = False
        drawn.append(others[taken])
    return np.concatenate([np.empty(0, dtype=np.int64), *drawn])


def _usable_loops(listed: PairList) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the loops on one chromosome, of label 1 where there are labels, and the rest."""
    frame, left_out = listed.frame, dict(listed.skipped)
    labels = frame["label"].to_numpy()
    labelled = bool((labels != -1).any())
    trans = (frame["enhancer_chrom"] != frame["promoter_chrom"]).to_numpy()
    other = labelled & (labels != 1) & ~trans
    for reason, rows in ((TRANS, trans), ("not of label 1", other)):
        if rows.any():
            left_out[reason] = int(rows.sum())
    return frame[~(trans | other)].reset_index(drop=True), left_out


def _loop_ends(loops: pd.DataFrame, slop: int) -> tuple[Places, Places]:
    first, second = (places_of(loops, anchor) for anchor in ("enhancer", "promoter"))
    return _widened(first, slop), _widened(second, slop)


def _widened(ends: Places, slop: int) -> Places:
    # An end of no width is the base at its start.
    last = np.maximum(ends.end, ends.start + 1)
    return Places(ends.chrom, np.maximum(0, ends.start - slop), last + slop)


def _usable_candidates(
    listed: PairList, min_distance: int | None, max_distance: int | None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the candidates on one chromosome and within the limits, and the rest by reason."""
    far = distance(listed.frame)
    trans = np.isnan(far)
    near = far < (-np.inf if min_distance is None else min_distance)
    beyond = far > (np.inf if max_distance is None else max_distance)
    left_out = dict(listed.skipped)
    for reason, rows in ((TRANS, trans), (NEAR, near), (FAR, beyond)):
        if rows.any():
            left_out[reason] = int(rows.sum())
    return listed.frame[~(trans | near | beyond)].reset_index(drop=True), left_out

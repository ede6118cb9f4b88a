"""Pairs taken apart: every enhancer with the promoter of another pair, and nothing else changed.

An enhancer gets the promoter of a pair *of its own label and distance bin*. So each class keeps
its enhancers and its promoters, each as often as before: what an enhancer alone tells of the
label, and what a promoter alone tells, is all there still, and only which goes with which is lost.
Were promoters exchanged across labels, what a promoter tells would be lost as well: a model that
reads nothing but promoters would fall to an AUROC of 0.5, and be taken for one that reads pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from epipam.evaluation.baselines import REGION
from epipam.evaluation.distance_bins import distance_bins

if TYPE_CHECKING:
    import pandas as pd

NOBODY = -1
_SWEEPS = 50


@dataclass(frozen=True)
class Partners:
    """Whose promoter each pair is given.

    Attributes
    ----------
    rows
        int64 (n_pairs,): the row whose promoter each row is given, `NOBODY` for rows that have
        none to take: unlabelled ones and those of `n_stuck`. Among the others it is a
        permutation: each promoter is given as often as it is taken.
    n_bins
        Distance bins.
    n_stuck
        Labelled pairs that keep their promoter, since their label and bin hold too few others.
    n_contacts
        Pairs, of those with another promoter, that are a positive pair of the table all the same.
    """

    rows: np.ndarray
    n_bins: int
    n_stuck: int
    n_contacts: int


class PartnerScores(NamedTuple):
    """Pairs taken apart, and what a model makes of them.

    Attributes
    ----------
    partners
        Whose promoter each pair was given.
    probabilities
        float64 (n_pairs,): of each enhancer with that promoter; NaN where `partners` has nobody.
    """

    partners: Partners
    probabilities: np.ndarray

    def of(self, kept: np.ndarray) -> PartnerScores:
        """Return those of some of the pairs; a row number then tells only whether there is one.

        Parameters
        ----------
        kept
            bool (n_pairs,); the pairs left out have no partner.
        """
        rows = self.partners.rows[kept]
        return PartnerScores(replace(self.partners, rows=rows), self.probabilities[kept])


def region_numbers(pairs: pd.DataFrame, anchor: str) -> np.ndarray:
    """Number the distinct regions of an anchor: int64 (n_pairs,), from 0 in order of appearance."""
    columns = [f"{anchor}_{part}" for part in REGION]
    return pairs.groupby(columns, observed=True, sort=False).ngroup().to_numpy(np.int64)


def draw_partners(pairs: pd.DataFrame, *, seed: int = 0) -> Partners:
    """Give every enhancer the promoter of another pair of the same label at the same distance.

    No pair is given its own promoter, the same region that is. A pair that the table holds as
    positive (this enhancer and this promoter are in contact) is avoided by exchanges among
    others; what cannot be avoided is counted.

    Parameters
    ----------
    pairs
        Canonical pair table.
    seed
        Of the drawing.
    """
    labels = pairs["label"].to_numpy(np.int64)
    bins = distance_bins(pairs)
    promoter = region_numbers(pairs, "promoter")
    generator = np.random.default_rng([seed, len(pairs)])
    rows = np.arange(len(pairs))
    group = np.where(labels == -1, -1, 2 * bins + labels)
    for number in np.unique(group[labels != -1]):
        members = np.flatnonzero(group == number)
        rows[members] = members[_derangement(promoter[members], generator)]
    moved = np.flatnonzero(promoter[rows] != promoter)
    contacts = _Contacts(pairs, promoter)
    rows = _mixed(rows, moved, group, promoter, contacts, generator)
    return Partners(
        rows=np.where(promoter[rows] != promoter, rows, NOBODY),
        n_bins=len(np.unique(bins)),
        n_stuck=int((labels != -1).sum()) - len(moved),
        n_contacts=int(contacts.among(moved, rows[moved]).sum()),
    )


class _Contacts:
    """The positive pairs of a table, by enhancer and promoter."""

    def __init__(self, pairs: pd.DataFrame, promoter: np.ndarray) -> None:
        self.enhancer = region_numbers(pairs, "enhancer") * (int(promoter.max(initial=0)) + 1)
        self.promoter = promoter
        positive = pairs["label"].to_numpy() == 1
        self.known = np.unique((self.enhancer + promoter)[positive])

    def among(self, enhancer_row: np.ndarray, promoter_row: np.ndarray) -> np.ndarray:
        """Say which enhancers are known to be in contact with which promoters: bool, same shape."""
        return np.isin(self.enhancer[enhancer_row] + self.promoter[promoter_row], self.known)


def _derangement(promoter: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Permute n pairs so that as few as possible keep their promoter: int64 (n,).

    Sorted by promoter, the pairs of one lie together; a rotation by at least the length of the
    longest such run, and at most n less that, takes every pair out of its own. A promoter of more
    than half of the pairs leaves a surplus that stays where it is.
    """
    numbers, count = np.unique(promoter, return_inverse=True, return_counts=True)[1:]
    surplus = max(0, 2 * int(count.max()) - len(promoter))
    commonest = np.flatnonzero(numbers == count.argmax())
    stay = generator.choice(commonest, surplus, replace=False)
    leave = np.setdiff1d(np.arange(len(promoter)), stay)
    run = generator.permutation(len(count))[numbers[leave]]
    order = leave[np.lexsort((generator.random(len(leave)), run))]
    longest = int(count.max()) - surplus
    turn = int(generator.integers(longest, len(leave) - longest, endpoint=True))
    taken = np.arange(len(promoter))
    taken[order] = np.roll(order, -turn)
    return taken


def _mixed(
    rows: np.ndarray,
    moved: np.ndarray,
    group: np.ndarray,
    promoter: np.ndarray,
    contacts: _Contacts,
    generator: np.random.Generator,
) -> np.ndarray:
    """Pass promoters on among two or three random pairs of a group, where nothing gets worse."""
    rows = rows.copy()
    for sweep in range(_SWEEPS):
        size = 2 + sweep % 2
        order = moved[np.lexsort((generator.random(len(moved)), group[moved]))]
        order = order[generator.integers(size) :]  # or the same pairs stand at the ends of groups
        some = order[: len(order) // size * size].reshape(-1, size)
        old, new = rows[some], np.roll(rows[some], 1, axis=1)
        agreed = (
            (group[some] == group[some[:, :1]]).all(axis=1)
            & (promoter[new] != promoter[some]).all(axis=1)
            & (contacts.among(some, new).sum(axis=1) <= contacts.among(some, old).sum(axis=1))
        )
        rows[some[agreed]] = new[agreed]
    return rows

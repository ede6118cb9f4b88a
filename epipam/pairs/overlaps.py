"""Which regions of two lists overlap: pyranges' joins, for columns of numbers.

pyranges keeps one table for each chromosome, which takes a minute for the thousands of contigs of a
draft assembly. Here the contigs lie one behind the other on a single axis instead.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pyranges import PyRanges

# Longer than any contig, so that no region reaches into the positions of the next one.
_CONTIG_STEP = 2**42


class Places(NamedTuple):
    """Where some regions lie, each array of shape (n_regions,).

    Attributes
    ----------
    chrom
        object: chromosome names.
    start, end
        int64: bp, 0-based and half-open; a region of no width means the base at its start.
    """

    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray


class Meetings(NamedTuple):
    """Pairs of regions that meet the two ends of a contact, each array int64 (n_meetings,).

    Attributes
    ----------
    enhancer, promoter
        Which region of either list.
    contact
        Which contact.
    """

    enhancer: np.ndarray
    promoter: np.ndarray
    contact: np.ndarray


def places_of(pairs: pd.DataFrame, anchor: str) -> Places:
    """Return where the regions of one anchor of a canonical pair table lie, one for each pair."""
    return Places(
        pairs[f"{anchor}_chrom"].to_numpy(dtype=object),
        pairs[f"{anchor}_start"].to_numpy(np.int64),
        pairs[f"{anchor}_end"].to_numpy(np.int64),
    )


def overlapping(
    first: Places, second: Places, min_overlap: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return every pair of a region of one list and one of the other that overlap.

    Parameters
    ----------
    min_overlap
        How many bases they share, at least; where either is shorter than that, all of it has to
        lie within the other.

    Returns
    -------
    tuple of numpy.ndarray
        int64 (n_overlaps,) each: which region of `first`, and which of `second`; sorted.
    """
    if not (len(first.start) and len(second.start)):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    one, other = _on_one_axis(first, second)
    with _quiet():
        joined = one.join(other, apply_strand_suffix=False).df
    if joined.empty:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    of_first, of_second = (joined[name].to_numpy(dtype=np.int64) for name in ("Row", "Row_b"))
    order = np.lexsort((of_second, of_first))
    if min_overlap > 1:
        enough = _share_enough(first, of_first, second, of_second, min_overlap)
        order = order[enough[order]]
    return of_first[order], of_second[order]


def count_overlapping(first: Places, second: Places) -> np.ndarray:
    """Count how many regions of the second list share a base with each of the first.

    Memory is that of the regions, however often they overlap.

    Returns
    -------
    numpy.ndarray
        int64 (n_first,).
    """
    counts = np.zeros(len(first.start), dtype=np.int64)
    if len(first.start) and len(second.start):
        one, other = _on_one_axis(first, second)
        with _quiet():
            counted = one.count_overlaps(other).df
        counts[counted["Row"].to_numpy()] = counted["NumberOverlaps"].to_numpy()
    return counts


def meetings(
    enhancers: Places, promoters: Places, ends: tuple[Places, Places], min_overlap: int = 1
) -> Meetings:
    """Return every enhancer and promoter that meet the two ends of a contact, either way round.

    Parameters
    ----------
    enhancers, promoters
        The regions; each best once, for equal ones give equal rows.
    ends
        The two ends of each contact, (n_contacts,) both.
    min_overlap
        Of a region and the end that it meets, as for `overlapping`.

    Returns
    -------
    Each triple once, sorted by enhancer, promoter and contact.
    """
    n_contacts = len(ends[0].start)
    either = Places(*(np.concatenate(both) for both in zip(*ends, strict=True)))
    sides = {}
    for name, regions in (("enhancer", enhancers), ("promoter", promoters)):
        region, end = overlapping(regions, either, min_overlap)
        sides[name] = pd.DataFrame({name: region, "end": end})
    # The enhancer meets one end, the promoter the other one of the same contact.
    sides["promoter"]["end"] = (sides["promoter"]["end"] + n_contacts) % max(1, 2 * n_contacts)
    both = sides["enhancer"].merge(sides["promoter"], on="end")
    both["contact"] = both["end"] % max(1, n_contacts)
    columns = ["enhancer", "promoter", "contact"]
    both = both[columns].drop_duplicates().sort_values(columns)
    return Meetings(*(both[name].to_numpy(dtype=np.int64) for name in columns))


def _share_enough(
    regions: Places, region: np.ndarray, ends: Places, end_of: np.ndarray, least: int
) -> np.ndarray:
    """Flag overlaps of as many bases as asked for, or of all that the shorter one has."""
    start, end = regions.start[region], _end(regions)[region]
    other_start, other_end = ends.start[end_of], _end(ends)[end_of]
    shared = np.minimum(end, other_end) - np.maximum(start, other_start)
    shorter = np.minimum(end - start, other_end - other_start)
    flags: np.ndarray = shared >= np.minimum(shorter, least)
    return flags


def _end(places: Places) -> np.ndarray:
    return np.maximum(places.end, places.start + 1)


def _on_one_axis(*lists: Places) -> list[PyRanges]:
    """Return lists of regions as PyRanges on one axis; `Row` is the place in the list."""
    with _quiet():
        from pyranges import PyRanges

    contig, _ = pd.factorize(np.concatenate([places.chrom for places in lists]))
    # pyranges searches positions from 0 on; a window may begin a little before its contig.
    offsets = np.split(
        (contig.astype(np.int64) + 1) * _CONTIG_STEP,
        np.cumsum([len(places.start) for places in lists])[:-1],
    )
    return [
        PyRanges(
            pd.DataFrame(
                {
                    "Chromosome": "all",
                    "Start": places.start + offset,
                    "End": _end(places) + offset,
                    "Row": np.arange(len(places.start)),
                }
            )
        )
        for places, offset in zip(lists, offsets, strict=True)
    ]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what pyranges 0.1 calls in ways that a later pandas will not know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield

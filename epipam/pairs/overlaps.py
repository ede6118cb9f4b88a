"""Which regions of two lists overlap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from ncls import NCLS

# Apart enough that no region of one chromosome reaches into the next one's positions.
_CHROMOSOME_STEP = 2**42


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


def overlapping(first: Places, second: Places) -> tuple[np.ndarray, np.ndarray]:
    """Return every pair of a region of one list and one of the other that share a base.

    The search is by nested containment lists, those of pyranges (Alekseyenko and Lee,
    Bioinformatics 2007;23:1386).

    Returns
    -------
    tuple of numpy.ndarray
        int64 (n_overlaps,) each: which region of `first`, and which of `second`.
    """
    chrom, _ = pd.factorize(np.concatenate([first.chrom, second.chrom]))
    starts, ends = (
        np.concatenate(both) + chrom * _CHROMOSOME_STEP
        for both in ((first.start, second.start), (first.end, second.end))
    )
    ends = np.maximum(ends, starts + 1)
    n_first, n_second = len(first.start), len(second.start)
    searched = NCLS(starts[n_first:], ends[n_first:], np.arange(n_second))
    found = searched.all_overlaps_both(starts[:n_first], ends[:n_first], np.arange(n_first))
    of_first, of_second = (np.asarray(rows, dtype=np.int64) for rows in found)
    return of_first, of_second

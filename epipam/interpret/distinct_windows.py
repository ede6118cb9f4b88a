"""The windows of a store, each once, however many pairs share it.

Lists of pairs repeat their regions: a promoter may be in twenty pairs. What is counted over windows
counts regions, then, and not how often a list names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from epipam.loading.loader import require_contigs
from epipam.store import Store, schema

ANCHORS = ("enhancer", "promoter")

_COPY = schema.WINDOW_COLUMNS.index("copy")


class Windows(NamedTuple):
    """Some windows of one anchor.

    Attributes
    ----------
    packed
        uint8 (n, ceil(L / 2)): packed one-hot.
    label
        int8 (n,): 1 where a positive pair has this window, 0 where only negative ones have, -1
        where no labelled pair has.
    """

    packed: np.ndarray
    label: np.ndarray


def distinct_windows(store: Store, contigs: Sequence[str], anchor: str) -> Iterator[Windows]:
    """Yield the distinct unshifted windows of an anchor, those of a chunk of the store at a time.

    Memory is that of a chunk and of one chromosome's window starts, some 100 bytes a pair.

    Parameters
    ----------
    anchor
        `enhancer` or `promoter`.

    Raises
    ------
    RequestError
        For no chromosome, or one the store does not have.
    """
    require_contigs(store, contigs)
    for contig in contigs:
        row, label = _first_rows(store, contig, anchor)
        chunk = store.chunk_rows(contig)
        bounds = np.arange(0, store.n_rows(contig) + chunk, chunk)
        cuts = np.searchsorted(row, bounds)
        for start, low, high in zip(bounds.tolist(), cuts[:-1], cuts[1:], strict=False):
            if low < high:
                packed = getattr(store.read(contig, start, start + chunk), anchor)
                yield Windows(packed[row[low:high] - start], label[low:high])


def _first_rows(store: Store, contig: str, anchor: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each distinct window, ascending, and the window's label."""
    column = schema.WINDOW_COLUMNS.index(f"{anchor}_start")
    rows, starts, labels = [], [], []
    before = 0
    for label, window in store.read_places(contig):
        unshifted = np.flatnonzero(window[:, _COPY] == 0)
        rows.append(before + unshifted)
        starts.append(window[unshifted, column])
        labels.append(label[unshifted])
        before += len(label)
    row = np.concatenate(rows)
    _, first, which = np.unique(np.concatenate(starts), return_index=True, return_inverse=True)
    # Positive is more than negative, and that more than unknown.
    best = np.full(len(first), -1, dtype=np.int8)
    np.maximum.at(best, which, np.concatenate(labels))
    order = np.argsort(first)
    return row[first[order]], best[order]

"""The default layout: every pair has two anchors of its own, and no two windows overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd

from epipam.errors import RequestError
from epipam.simulate.grammar import deal_states
from epipam.simulate.planting import Planting
from epipam.simulate.sequence import complement, contig_random

ENHANCER_LENGTHS = (400, 3_000)
PROMOTER_LENGTHS = (800, 2_500)
DISTANCES = (10_000, 500_000)

CELL_LENGTH = 3_210
"""Room for the longest anchor: a window of 3,000 bp shifted by up to 100 bp either way."""

LARGEST_CELL = 6_000
CELLS_PER_ANCHOR = 1.25
_LAYOUT, _LABELS, _STATES = 20, 21, 22
_TRIES_PER_PAIR, _TRIES_PER_CONTIG = 100, 20


def lay_out_pairs(
    grammar: str,
    seed: int,
    lengths: dict[str, int],
    gaps: dict[str, np.ndarray],
    n_positives: int,
    negatives_per_positive: int,
) -> Planting:
    """Place pairs on the contigs, label them without regard to distance, deal their states.

    Contigs get positives in proportion to their length, and `negatives_per_positive` times as many
    negatives. The enhancer always lies upstream of its promoter.

    Raises
    ------
    RequestError
        Where a contig is too short for its pairs; the message says how long it must be.
    """
    shares = _shares(n_positives, np.array(list(lengths.values())))
    tables = []
    for (contig, length), n_here in zip(lengths.items(), map(int, shares), strict=True):
        n_pairs = n_here * (1 + negatives_per_positive)
        if n_pairs:
            cells = _place_in_cells(seed, contig, length, gaps[contig], n_pairs)
            tables.append(_anchors_in_cells(seed, contig, cells, negatives_per_positive))
    pairs = pd.concat(tables, ignore_index=True)
    for kind in ("enhancer", "promoter"):
        names = [f"{kind}_{number:05d}" for number in range(len(pairs))]
        pairs.insert(list(pairs).index(f"{kind}_end") + 1, f"{kind}_name", names)
    states = deal_states(
        grammar,
        pairs["label"].to_numpy(),
        pd.factorize(pairs["enhancer_chrom"])[0],
        contig_random(seed, "", _STATES),
    )
    regions = [
        _region_table(pairs, "enhancer", states.enhancer_motif, states.enhancer_strand),
        _region_table(pairs, "promoter", states.promoter_motif, states.promoter_strand),
    ]
    numbers = np.arange(len(pairs))
    return Planting(pairs, pd.concat(regions, ignore_index=True), numbers, len(pairs) + numbers)


def _shares(total: int, weights: np.ndarray) -> np.ndarray:
    """Split `total` into whole shares in proportion to the weights, largest remainder first."""
    exact = total * weights / weights.sum()
    shares = np.floor(exact).astype(np.int64)
    missing = total - int(shares.sum())
    shares[np.argsort(shares - exact, kind="stable")[:missing]] += 1
    return shares


def _place_in_cells(
    seed: int, contig: str, length: int, gaps: np.ndarray, n_pairs: int
) -> np.ndarray:
    """Choose two cells per pair; returns (pairs, 4): both cells' start, then both cells' end."""
    free = complement(gaps, length)
    usable = int((free[:, 1] - free[:, 0]).sum())
    n_cells_needed = int(np.ceil(CELLS_PER_ANCHOR * 2 * n_pairs)) + 1
    roomy = int(usable / (1.1 * n_cells_needed))
    cell_length = min(max(roomy, CELL_LENGTH), LARGEST_CELL)
    cells = np.concatenate([np.arange(a, b - cell_length + 1, cell_length) for a, b in free])
    random = contig_random(seed, contig, _LAYOUT)
    for _ in range(_TRIES_PER_CONTIG if len(cells) >= n_cells_needed else 0):
        chosen = _choose_cells(cells, cell_length, n_pairs, random)
        if chosen is not None:
            starts = cells[chosen]
            return np.column_stack([starts, starts + cell_length])
    factor = 1.1 * max(1.0, n_cells_needed / max(len(cells), 1))
    needed = max(n_cells_needed * CELL_LENGTH, 10 * DISTANCES[0], int(length * factor))
    raise RequestError(
        f"{contig}: {n_pairs} pairs do not fit in {length} bp; about "
        f"{-(-needed // 10_000) * 10_000} bp are needed, or fewer pairs per contig"
    )


def _choose_cells(
    cells: np.ndarray, cell_length: int, n_pairs: int, random: np.random.Generator
) -> np.ndarray | None:
    """Choose cells at log-uniform distances (pairs, 2), or None where the draw ran into a wall."""
    is_free = np.ones(len(cells), bool)
    chosen = np.empty((n_pairs, 2), np.int64)
    low, high = np.log(DISTANCES)
    # A cell's anchors lie anywhere in it, so keep a cell's length off both limits.
    nearest, furthest = DISTANCES[0] + cell_length, DISTANCES[1] - cell_length
    for pair in range(n_pairs):
        for _ in range(_TRIES_PER_PAIR):
            enhancer = int(random.integers(len(cells)))
            target = cells[enhancer] + np.exp(random.uniform(low, high))
            if not is_free[enhancer]:
                continue
            first, last = np.searchsorted(
                cells, [cells[enhancer] + nearest, cells[enhancer] + furthest + 1]
            )
            if first == last or target > cells[-1] + cell_length:
                continue
            candidates = first + np.flatnonzero(is_free[first:last])
            if len(candidates):
                promoter = candidates[np.argmin(np.abs(cells[candidates] - target))]
                break
        else:
            return None
        is_free[[enhancer, promoter]] = False
        chosen[pair] = enhancer, promoter
    return chosen


def _anchors_in_cells(
    seed: int, contig: str, cells: np.ndarray, negatives_per_positive: int
) -> pd.DataFrame:
    """Draw an anchor in every cell and a label for every pair; canonical columns, no names."""
    random = contig_random(seed, contig, _LABELS)
    anchors: dict[str, object] = {}
    for number, (kind, limits) in enumerate(
        [("enhancer", ENHANCER_LENGTHS), ("promoter", PROMOTER_LENGTHS)]
    ):
        region_lengths = random.integers(limits[0], limits[1] + 1, len(cells))
        cell_starts, cell_ends = cells[:, number], cells[:, 2 + number]
        centres = random.integers(cell_starts + CELL_LENGTH // 2, cell_ends - CELL_LENGTH // 2 + 1)
        starts = centres - region_lengths // 2
        anchors |= {
            f"{kind}_chrom": contig,
            f"{kind}_start": starts,
            f"{kind}_end": starts + region_lengths,
        }
    pairs = pd.DataFrame(anchors)
    distances = (pairs["promoter_start"] - pairs["enhancer_start"]).to_numpy()
    # One positive among neighbours in distance, so that distance alone tells nothing.
    groups = np.argsort(distances, kind="stable").reshape(-1, 1 + negatives_per_positive)
    labels = np.zeros(len(pairs), np.int8)
    rows = np.arange(len(groups))
    labels[groups[rows, random.integers(groups.shape[1], size=len(groups))]] = 1
    pairs["label"] = labels
    return pairs.sort_values(["enhancer_start", "promoter_start"], ignore_index=True)


def _region_table(
    pairs: pd.DataFrame, kind: str, motif: np.ndarray, strand: np.ndarray
) -> pd.DataFrame:
    """Return one region per pair: its anchor of this kind and what that carries."""
    return pd.DataFrame(
        {
            "contig": pairs[f"{kind}_chrom"],
            "start": pairs[f"{kind}_start"],
            "end": pairs[f"{kind}_end"],
            "kind": kind,
            "name": pairs[f"{kind}_name"],
            "motif": motif,
            "strand": strand,
        }
    )

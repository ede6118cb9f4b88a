"""Laying the grammar under given coordinates and labels, as far as shared regions allow."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from epipam.errors import RequestError
from epipam.genome.contigs import resolve_names
from epipam.genome.windows import REASONS, unusable_reason
from epipam.pairs.checks import chromosomes, contig_names
from epipam.pairs.table import read_pairs
from epipam.simulate.grammar import CTCF, FORWARD, MOTIFS, NO_MOTIF, REVERSE
from epipam.simulate.planting import (
    WINDOW_LENGTHS,
    Planting,
    enhancer_is_left,
    planting_zones,
    region_windows,
)
from epipam.simulate.sequence import contig_random

LEFT, RIGHT = 0, 1
POINTS_RIGHT, POINTS_LEFT, NOTHING = 0, 1, 2
"""The contents of a region under `both`; under `match` they are the numbers of the motifs."""

TARGET_BOTH = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])
"""Share of the three contents among the left and the right anchors of negatives."""

_ORDER, _STRANDS = 30, 31


class GivenPairs(NamedTuple):
    """Pairs under the contigs' names, and the names of the file that were read as another."""

    frame: pd.DataFrame
    renamed: dict[str, str]


def read_given_pairs(path: Path, lengths: dict[str, int]) -> GivenPairs:
    """Read a pair table and check that it lies on the contigs, whose names it is given.

    A chromosome is found under its name, or one that differs by `chr` alone (`1`, `chr1`).

    Raises
    ------
    RequestError
        For a pair on a contig without a length or beyond a contig's end, or on two contigs.
    """
    table = read_pairs(path)
    contigs = resolve_names(chromosomes(table.frame), lengths)
    frame = table.frame.assign(
        **{
            column: contig_names(table.frame[column], contigs).fillna(table.frame[column])
            for column in ("enhancer_chrom", "promoter_chrom")
        }
    )
    reasons = unusable_reason(frame, lengths)
    wrong = np.flatnonzero(reasons)
    if len(wrong):
        row = frame.iloc[wrong[0]]
        anchors = " and ".join(
            f"{kind} {row[f'{kind}_chrom']}:{row[f'{kind}_start']}-{row[f'{kind}_end']}"
            for kind in WINDOW_LENGTHS
        )
        raise RequestError(
            f"{path}:{table.line[wrong[0]]}: {anchors}: {REASONS[int(reasons[wrong[0]])]} "
            f"({len(wrong)} such rows); leave them out, or give the sizes of the right genome"
        )
    return GivenPairs(frame, {name: c for name, c in contigs.items() if name != c})


def plant_given_pairs(
    grammar: str, seed: int, pairs: pd.DataFrame, lengths: dict[str, int], n_sites: int
) -> Planting:
    """Choose what every region carries, positives first, so that few labels are contradicted.

    Every distinct region gets one content. Under `both`, positives are realised in the order of
    the table as long as no region would need both strands. Under `match`, regions joined by
    positives share a motif. The other regions then follow, those in most negatives first, because
    they bind most others. Each takes the content that makes the fewest negatives interact, given
    what was chosen before and what windows see of neighbouring regions; among equals, the content
    that is most behind its share.
    """
    regions, enhancer_region, promoter_region = _distinct_regions(pairs, lengths)
    left = enhancer_is_left(pairs)
    sides = np.where(left, [enhancer_region, promoter_region], [promoter_region, enhancer_region])
    labels = pairs["label"].to_numpy()
    random = contig_random(seed, "", _ORDER)
    if grammar == "both":
        contents = _fix_positives(sides[:, labels == 1], len(regions))
        groups = [np.array([region]) for region in np.flatnonzero(contents < 0)]
        target = TARGET_BOTH
    else:
        contents = np.full(len(regions), -1)
        groups = _joined_regions(sides[:, labels == 1], len(regions))
        target = np.full((2, len(MOTIFS)), 1 / len(MOTIFS))
    zones = planting_zones(regions, lengths, n_sites)
    is_negative = labels == 0
    chooser = _Chooser(
        grammar,
        contents,
        sides[:, is_negative],
        left[is_negative],
        _viewers(regions, zones),
        target,
    )
    groups = [groups[i] for i in random.permutation(len(groups))]
    for group in sorted(groups, key=chooser.n_uses, reverse=True):
        chooser.choose(group)
    if grammar == "both":
        motif = np.where(contents == NOTHING, NO_MOTIF, CTCF)
        strand = np.select([contents == POINTS_RIGHT, contents == POINTS_LEFT], [FORWARD, REVERSE])
    else:
        motif = contents
        strand = contig_random(seed, "", _STRANDS).choice([FORWARD, REVERSE], len(regions))
    regions = regions.assign(motif=motif.astype(np.int8), strand=strand.astype(np.int8))
    return Planting(pairs, regions, enhancer_region, promoter_region)


def realised_conflicts(grammar: str, planting: Planting, implied: np.ndarray) -> dict[str, int]:
    """Count the labelled pairs whose windows imply another label, by reason.

    `shared_regions`: the contents of the two regions already contradict the label.
    `neighbouring_sites`: a window of a negative reaches a site of another region.
    `no_room`: sites of a positive found no room.
    """
    labels = planting.pairs["label"].to_numpy()
    contents = [
        planting.regions[["motif", "strand"]].to_numpy()[region]
        for region in (planting.enhancer_region, planting.promoter_region)
    ]
    if grammar == "match":
        own = contents[0][:, 0] == contents[1][:, 0]
    else:
        is_left = enhancer_is_left(planting.pairs)[:, None]
        own = (np.where(is_left, *contents)[:, 1] == FORWARD) & (
            np.where(is_left, *contents[::-1])[:, 1] == REVERSE
        )
    differs = (labels != -1) & (implied != labels)
    contradicted = own != (labels == 1)
    return {
        "shared_regions": int((differs & contradicted).sum()),
        "neighbouring_sites": int((differs & ~contradicted & (labels == 0)).sum()),
        "no_room": int((differs & ~contradicted & (labels == 1)).sum()),
    }


def _distinct_regions(
    pairs: pd.DataFrame, lengths: dict[str, int]
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the distinct regions, and each pair's enhancer and promoter among them.

    A region used as both kinds counts as a promoter, whose narrower window lies in the other.
    """
    columns = ["contig", "start", "end"]
    anchors = []
    for kind in ("promoter", "enhancer"):
        names = pairs[f"{kind}_name"].fillna("").astype(str)
        anchors.append(
            pd.DataFrame(
                {
                    "contig": pairs[f"{kind}_chrom"].astype(str),
                    "start": pairs[f"{kind}_start"],
                    "end": pairs[f"{kind}_end"],
                    "kind": kind,
                    "name": names.where(~names.isin(["", "."]), "."),
                }
            )
        )
    both = pd.concat(anchors, ignore_index=True)
    first = both.drop_duplicates(columns)
    rank = first["contig"].map({contig: rank for rank, contig in enumerate(lengths)})
    regions = first.assign(rank=rank).sort_values(["rank", "start", "end"])
    regions = regions.drop(columns="rank").reset_index(drop=True)
    index = pd.MultiIndex.from_frame(regions[columns])
    numbers = index.get_indexer(pd.MultiIndex.from_frame(both[columns])).astype(np.int64)
    return regions, numbers[len(pairs) :], numbers[: len(pairs)]


def _fix_positives(sides: np.ndarray, n_regions: int) -> np.ndarray:
    """Give positives' regions their strand, first come first served; -1 stays open."""
    contents = np.full(n_regions, -1)
    for left, right in sides.T:
        if left == right or contents[left] == POINTS_LEFT or contents[right] == POINTS_RIGHT:
            continue
        contents[left], contents[right] = POINTS_RIGHT, POINTS_LEFT
    return contents


def _joined_regions(sides: np.ndarray, n_regions: int) -> list[np.ndarray]:
    """Return the groups of regions that positives join."""
    parent = np.arange(n_regions)

    def root(region: int) -> int:
        while parent[region] != region:
            parent[region] = parent[parent[region]]
            region = parent[region]
        return region

    for left, right in sides.T:
        parent[root(left)] = root(right)
    roots = np.array([root(region) for region in range(n_regions)], np.int64)
    members = np.argsort(roots, kind="stable")
    return np.split(members, np.flatnonzero(np.diff(roots[members])) + 1)


def _viewers(regions: pd.DataFrame, zones: np.ndarray) -> list[np.ndarray]:
    """Return for each region those whose window may hold sites of it, itself included."""
    windows, window_length = region_windows(regions)
    longest = int(window_length.max(initial=0))
    viewers: list[np.ndarray] = [np.empty(0, np.int64)] * len(regions)
    by_contig = regions.groupby("contig", sort=False).indices
    for rows in map(np.asarray, by_contig.values()):
        by_window = rows[np.argsort(windows[rows], kind="stable")]
        sorted_windows = windows[by_window]
        first = np.searchsorted(sorted_windows, zones[rows, 0] - longest, side="right")
        last = np.searchsorted(sorted_windows, zones[rows, 1], side="left")
        for row, low, high in zip(rows, first, last, strict=True):
            near = by_window[low:high]
            viewers[row] = near[windows[near] + window_length[near] > zones[row, 0]]
    return viewers


class _Use(NamedTuple):
    """A region's part in one negative pair; `role` tells side and kind apart, 0 to 3."""

    side: int
    role: int
    partner: int


class _Chooser:
    """Chooses contents one group of regions at a time; `contents` (regions,) is filled in."""

    def __init__(
        self,
        grammar: str,
        contents: np.ndarray,
        negatives: np.ndarray,
        enhancer_is_left: np.ndarray,
        viewers: list[np.ndarray],
        target: np.ndarray,
    ) -> None:
        self.grammar = grammar
        self.contents = contents
        self.viewers = viewers
        self.target = np.tile(target, (2, 1))
        self.uses: dict[int, list[_Use]] = defaultdict(list)
        for (left, right), kind in zip(negatives.T.tolist(), enhancer_is_left, strict=True):
            self.uses[left].append(_Use(LEFT, LEFT + 2 * int(kind), right))
            self.uses[right].append(_Use(RIGHT, RIGHT + 2 * int(kind), left))
        self.seen = np.zeros((len(contents), target.shape[1]), bool)
        self.dealt = np.zeros(self.target.shape)
        for region in np.flatnonzero(contents >= 0).tolist():
            self._settle(region, int(contents[region]))

    def n_uses(self, group: np.ndarray) -> int:
        """Count the group's parts in negative pairs."""
        return sum(len(self.uses.get(region, ())) for region in group.tolist())

    def choose(self, group: np.ndarray) -> None:
        """Settle one group on the content with the fewest conflicts, then the best balance."""
        weight = np.zeros(len(self.target))
        for region in group.tolist():
            for role, count in Counter(use.role for use in self.uses[region]).items():
                weight[role] += count
        n_contents = self.target.shape[1]
        conflicts = [self._conflicts(group, content) for content in range(n_contents)]
        behind = self.target * (self.dealt.sum(axis=1) + weight)[:, None] - self.dealt
        gain = weight @ behind if weight.any() else behind.sum(axis=0)
        content = min(range(n_contents), key=lambda c: (conflicts[c], -gain[c]))
        for region in group.tolist():
            self._settle(region, content)

    def _settle(self, region: int, content: int) -> None:
        self.contents[region] = content
        self.seen[self.viewers[region], content] = True
        for use in self.uses[region]:
            self.dealt[use.role, content] += 1

    def _conflicts(self, group: np.ndarray, content: int) -> int:
        """Count the negatives that this content would make interact."""
        conflicts = 0
        for region in group.tolist():
            for viewer in self.viewers[region].tolist():
                for use in self.uses.get(viewer, ()):
                    clashing = self._clashing(content, use.side)
                    conflicts += clashing is not None and bool(self.seen[use.partner, clashing])
        return conflicts

    def _clashing(self, content: int, side: int) -> int | None:
        """Return the content of the other side that would make a pair interact."""
        if self.grammar == "match":
            return content
        return {(POINTS_RIGHT, LEFT): POINTS_LEFT, (POINTS_LEFT, RIGHT): POINTS_RIGHT}.get(
            (content, side)
        )

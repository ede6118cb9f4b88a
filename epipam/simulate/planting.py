"""Where the sites of every region lie, their letters, and the labels that they imply."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from epipam.genome.windows import ENHANCER_LENGTH, MAX_SHIFT, PROMOTER_LENGTH, resize
from epipam.simulate.grammar import (
    CTCF,
    FORWARD,
    LONGEST_MOTIF,
    MOTIFS,
    NO_MOTIF,
    reverse_complement,
)
from epipam.simulate.sequence import contig_random

WINDOW_LENGTHS = {"enhancer": ENHANCER_LENGTH, "promoter": PROMOTER_LENGTH}
WINDOW_MARGIN = MAX_SHIFT + 10
"""Sites keep this far from a window's ends, because training shifts windows."""

_SITES, _LETTERS = 10, 11
_ATTEMPTS = 50


class Planting(NamedTuple):
    """Pairs, the regions they join and the sites to plant.

    `pairs` holds the canonical columns. `regions` has the columns contig, start, end, kind, name,
    motif (a number in `MOTIFS` or `NO_MOTIF`) and strand. `enhancer_region` and
    `promoter_region`, int64 (pairs,), say which region each pair's anchors are.
    """

    pairs: pd.DataFrame
    regions: pd.DataFrame
    enhancer_region: np.ndarray
    promoter_region: np.ndarray


class Sites(NamedTuple):
    """Planted sites, one table row each, and how many found no room.

    `table` has the columns contig, start, end, strand (+ or -), motif, anchor, anchor_name and
    sequence (5' to 3' on the site's strand), sorted by contig in the given order and start.
    """

    table: pd.DataFrame
    n_without_room: int


def region_windows(regions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return start and length of each region's window, int64 (regions,) both."""
    starts, ends = (regions[edge].to_numpy() for edge in ("start", "end"))
    is_enhancer = (regions["kind"] == "enhancer").to_numpy()
    enhancer, promoter = (resize(starts, ends, length) for length in WINDOW_LENGTHS.values())
    window_lengths = np.where(is_enhancer, ENHANCER_LENGTH, PROMOTER_LENGTH)
    return np.where(is_enhancer, enhancer, promoter), window_lengths


def planting_zones(regions: pd.DataFrame, lengths: dict[str, int], n_sites: int) -> np.ndarray:
    """Return the interval (regions, 2) in which the sites of each region may lie.

    That is the region's share of the inner part of its window, or the whole inner part where the
    share is too short for `n_sites`.
    """
    starts, ends = (regions[column].to_numpy() for column in ("start", "end"))
    windows, window_length = region_windows(regions)
    contig_ends = regions["contig"].map(lengths).to_numpy()
    inner_starts = np.clip(windows + WINDOW_MARGIN, 0, contig_ends)
    inner_ends = np.clip(windows + window_length - WINDOW_MARGIN, inner_starts, contig_ends)
    zone_starts, zone_ends = np.maximum(starts, inner_starts), np.minimum(ends, inner_ends)
    too_short = zone_ends - zone_starts < n_sites * LONGEST_MOTIF
    return np.column_stack(
        [
            np.where(too_short, inner_starts, zone_starts),
            np.where(too_short, inner_ends, zone_ends),
        ]
    )


def plant_sites(regions: pd.DataFrame, lengths: dict[str, int], n_sites: int, seed: int) -> Sites:
    """Draw positions and letters of `n_sites` sites for every region that carries a motif.

    No two sites overlap, those of overlapping regions included: where the drawn places are taken
    others are drawn, and after some attempts the site is left out and counted.
    """
    zones = planting_zones(regions, lengths, n_sites)
    carries = (regions["motif"] != NO_MOTIF).to_numpy()
    tables, n_without_room = [], 0
    for contig in lengths:
        chosen = np.flatnonzero(carries & (regions["contig"] == contig).to_numpy())
        starts, owners = _draw_starts(zones[chosen], n_sites, contig_random(seed, contig, _SITES))
        n_without_room += len(chosen) * n_sites - len(starts)
        tables.append(_site_table(regions.iloc[chosen[owners]], starts, seed, contig))
    return Sites(pd.concat(tables, ignore_index=True), n_without_room)


def _draw_starts(
    zones: np.ndarray, n_sites: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the starts of sites that do not overlap, and the zone of each, sorted by start."""
    by_start = np.argsort(zones[:, 0], kind="stable")
    longest_zone = int((zones[:, 1] - zones[:, 0]).max(initial=0))
    starts: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    # Only zones shortly before this one can hold sites in it, and they are the last ones drawn.
    first_near = 0
    for i, zone in enumerate(by_start):
        zone_start, zone_end = zones[zone]
        while zones[by_start[first_near], 0] < zone_start - longest_zone - LONGEST_MOTIF:
            first_near += 1
        nearby = starts[first_near:i]
        taken = np.concatenate(nearby) if nearby else np.empty(0, np.int64)
        drawn = _draw_in_zone(zone_start, zone_end, n_sites, taken, random)
        starts.append(drawn)
        owners.append(np.full(len(drawn), zone))
    if not starts:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    all_starts, all_owners = np.concatenate(starts), np.concatenate(owners)
    order = np.argsort(all_starts, kind="stable")
    return all_starts[order], all_owners[order]


def _draw_in_zone(
    zone_start: int, zone_end: int, n_sites: int, taken: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Draw up to `n_sites` starts in a zone, clear of each other and of the taken starts."""
    best = np.empty(0, np.int64)
    n_fitting = min(n_sites, (zone_end - zone_start) // LONGEST_MOTIF)
    spare = zone_end - zone_start - n_fitting * LONGEST_MOTIF
    for _ in range(_ATTEMPTS):
        offsets = np.sort(random.integers(0, spare + 1, n_fitting))
        drawn = zone_start + offsets + LONGEST_MOTIF * np.arange(n_fitting)
        clear = np.abs(drawn[:, None] - taken).min(axis=1, initial=LONGEST_MOTIF) >= LONGEST_MOTIF
        if clear.sum() > len(best):
            best = drawn[clear]
        if len(best) == n_fitting:
            break
    return best


def _site_table(owners: pd.DataFrame, starts: np.ndarray, seed: int, contig: str) -> pd.DataFrame:
    """Draw the letters of one contig's sites; `owners` has the region of each."""
    random = contig_random(seed, contig, _LETTERS)
    motifs = owners["motif"].to_numpy()
    sequences = np.empty(len(starts), object)
    for number, motif in enumerate(MOTIFS):
        chosen = np.flatnonzero(motifs == number)
        letters = motif.sample(len(chosen), random)
        sequences[chosen] = [row.tobytes().decode() for row in letters]
    widths = np.array([len(motif) for motif in MOTIFS])[motifs]
    return pd.DataFrame(
        {
            "contig": contig,
            "start": starts,
            "end": starts + widths,
            "strand": np.where(owners["strand"] == FORWARD, "+", "-"),
            "motif": np.array([motif.name for motif in MOTIFS])[motifs],
            "anchor": owners["kind"].to_numpy(),
            "anchor_name": owners["name"].to_numpy(),
            "sequence": sequences,
        }
    )


def planted_letters(sites: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (n,), int64, and forward-strand letters (n,), uint8, of one contig."""
    positions = [np.empty(0, np.int64)]
    letters = [np.empty(0, np.uint8)]
    for start, end, strand, sequence in zip(
        sites["start"], sites["end"], sites["strand"], sites["sequence"], strict=True
    ):
        site = np.frombuffer(sequence.encode(), np.uint8)
        positions.append(np.arange(start, end))
        letters.append(site if strand == "+" else reverse_complement(site))
    return np.concatenate(positions), np.concatenate(letters)


def protected_windows(pairs: pd.DataFrame, lengths: dict[str, int]) -> dict[str, np.ndarray]:
    """Return per contig the intervals (k, 2) that N gaps must spare: windows, shifted or not."""
    intervals: dict[str, list[np.ndarray]] = {contig: [] for contig in lengths}
    for kind, window_length in WINDOW_LENGTHS.items():
        for name, group in pairs.groupby(f"{kind}_chrom"):
            contig = str(name)
            starts, ends = (group[f"{kind}_{edge}"].to_numpy() for edge in ("start", "end"))
            windows = resize(starts, ends, window_length)
            low = np.minimum(windows - WINDOW_MARGIN, starts)
            high = np.maximum(windows + window_length + WINDOW_MARGIN, ends)
            intervals[contig].append(np.clip(np.column_stack([low, high]), 0, lengths[contig]))
    empty = np.empty((0, 2), np.int64)
    return {contig: np.vstack([empty, *found]) for contig, found in intervals.items()}


def enhancer_is_left(pairs: pd.DataFrame) -> np.ndarray:
    """Tell for each pair whether its enhancer's centre precedes its promoter's, bool (pairs,)."""
    enhancers = pairs["enhancer_start"] + pairs["enhancer_end"]
    return (enhancers <= pairs["promoter_start"] + pairs["promoter_end"]).to_numpy()


def implied_labels(grammar: str, pairs: pd.DataFrame, sites: pd.DataFrame) -> np.ndarray:
    """Return the label, int8 (pairs,), that the sites wholly inside each pair's windows imply.

    `both`: 1 where the left window holds a forward and the right one a reverse CTCF site.
    `match`: 1 where both windows hold a site of the same motif.
    """
    inside = {
        kind: _sites_inside(pairs, kind, length, sites) for kind, length in WINDOW_LENGTHS.items()
    }
    if grammar == "match":
        enhancer, promoter = (found.any(axis=2) for found in inside.values())
        return np.any(enhancer & promoter, axis=1).astype(np.int8)
    left = enhancer_is_left(pairs)
    ctcf = {kind: found[:, CTCF] for kind, found in inside.items()}
    left_forward = np.where(left, ctcf["enhancer"][:, 0], ctcf["promoter"][:, 0])
    right_reverse = np.where(left, ctcf["promoter"][:, 1], ctcf["enhancer"][:, 1])
    return (left_forward & right_reverse).astype(np.int8)


def _sites_inside(
    pairs: pd.DataFrame, kind: str, window_length: int, sites: pd.DataFrame
) -> np.ndarray:
    """Tell which motifs and strands (+, -) the windows hold, bool (pairs, motifs, 2)."""
    window = resize(
        pairs[f"{kind}_start"].to_numpy(), pairs[f"{kind}_end"].to_numpy(), window_length
    )
    found = np.zeros((len(pairs), len(MOTIFS), 2), bool)
    numbers = {motif.name: number for number, motif in enumerate(MOTIFS)}
    rows_of_contig = pairs.groupby(f"{kind}_chrom", sort=False).indices
    for key, group in sites.groupby(["contig", "motif", "strand"], sort=False):
        contig, name, strand = map(str, cast(tuple, key))
        rows = rows_of_contig.get(contig)
        if rows is None:
            continue
        starts, width = np.sort(group["start"].to_numpy()), len(MOTIFS[numbers[name]])
        first = np.searchsorted(starts, window[rows])
        last = np.searchsorted(starts, window[rows] + window_length - width, side="right")
        found[rows, numbers[name], int(strand == "-")] = last > first
    return found

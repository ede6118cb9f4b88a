"""Contacts between peaks: positives from chromatin loops, and negatives that differ in one respect.

The published ChIA-PET lists are made this way (Liu, Zhu, Zhang, Comput Biomed 2026;1:202525).
Coordinates are 0-based and half-open; `left` is the anchor that begins first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from epipam.errors import RequestError
from epipam.genome.windows import resize
from epipam.pairs.formats import COLUMNS
from epipam.pairs.overlaps import Places, meetings, overlapping
from epipam.pairs.regions import Regions
from epipam.pairs.spellings import Spellings

WINDOW_LENGTH = 1_000
MOVE = 2_000
PER_POSITIVE = 4
# How far the distance of a matched negative may be from its positive's, as a share of it.
DISTANCE_TOLERANCE = 0.05

# Of a positive's left and right anchor: where its four moved negatives lie, in units of the move.
MOVES = ((1, 1), (-1, -1), (0, 1), (-1, 0))
CONTACT_COLUMNS = ("chrom", "left_start", "left_end", "right_start", "right_end")
PEAK_COLUMNS = ("chrom", "start", "end", "signal")

_ATTEMPTS = 200


class Contacts(NamedTuple):
    """Contacts and what was left out.

    Attributes
    ----------
    table
        str `chrom`, int64 `left_start left_end right_start right_end`: windows of one length.
    left_out
        Number of loops, or of negatives, by the reason.
    """

    table: pd.DataFrame
    left_out: dict[str, int]


def loops_from_pairs(pairs: pd.DataFrame) -> Contacts:
    """Return the anchors of a canonical pair table as loops, the left one first.

    Loops between two chromosomes are left out.
    """
    pairs = Spellings().pairs(pairs)
    cis = (pairs["enhancer_chrom"] == pairs["promoter_chrom"]).to_numpy()
    pairs = pairs[cis]
    first, second = (
        pairs[[f"{anchor}_start", f"{anchor}_end"]].to_numpy()
        for anchor in ("enhancer", "promoter")
    )
    swapped = (second[:, :1] < first[:, :1]) | (
        (second[:, :1] == first[:, :1]) & (second[:, 1:] < first[:, 1:])
    )
    anchors = np.where(swapped, np.hstack([second, first]), np.hstack([first, second]))
    table = pd.DataFrame(anchors, columns=list(CONTACT_COLUMNS[1:]))
    table.insert(0, "chrom", pairs["enhancer_chrom"].to_numpy(dtype=object))
    return Contacts(table, _counted({"between two chromosomes": int((~cis).sum())}))


def peaks_from_regions(regions: Regions) -> pd.DataFrame:
    """Return regions as a table of peaks, `chrom start end signal`."""
    chrom = np.array(regions.contigs, dtype=object)[regions.contig]
    columns = (chrom, regions.start, regions.end, regions.signal)
    return pd.DataFrame(dict(zip(PEAK_COLUMNS, columns, strict=True)))


def contacts_between_peaks(
    loops: pd.DataFrame, peaks: pd.DataFrame, length: int = WINDOW_LENGTH
) -> Contacts:
    """Keep the loops of which both anchors meet a peak, as windows about those peaks.

    An anchor that meets several peaks stands for the strongest of them, the leftmost where equal.

    Parameters
    ----------
    loops
        As `loops_from_pairs` gives them.
    peaks
        `chrom start end signal`; `chr1` and `1` are one chromosome, here and in the loops.
    length
        Of the windows, bp.

    Raises
    ------
    RequestError
        Where loops and peaks share no chromosome.
    """
    loops, peaks = _one_spelling(loops, peaks)
    left, right = (_strongest_peak(loops, side, peaks) for side in ("left", "right"))
    met = (left >= 0) & (right >= 0)
    shared = met & (left == right)
    windows = resize(peaks["start"].to_numpy(), peaks["end"].to_numpy(), length)
    chosen = np.flatnonzero(met & ~shared)
    table = _windows(
        loops["chrom"].to_numpy(dtype=object)[chosen],
        windows[left[chosen]],
        windows[right[chosen]],
        length,
    )
    outside = (table["left_start"] < 0).to_numpy()
    repeated = table.duplicated().to_numpy() & ~outside
    left_out = {
        "an anchor meets no peak": int((~met).sum()),
        "both anchors meet the same peak": int(shared.sum()),
        "a window begins before its chromosome": int(outside.sum()),
        "the same two peaks as a loop before": int(repeated.sum()),
    }
    return Contacts(table[~(outside | repeated)].reset_index(drop=True), _counted(left_out))


def within_distance(
    contacts: Contacts, min_distance: int | None, max_distance: int | None
) -> Contacts:
    """Leave out contacts whose midpoints are nearer or farther than asked for, both included."""
    table = contacts.table
    middles = [table[f"{side}_start"] + table[f"{side}_end"] for side in ("left", "right")]
    twice = (middles[1] - middles[0]).abs().to_numpy()
    near = twice < 2 * (0 if min_distance is None else min_distance)
    far = np.zeros(len(table), dtype=bool) if max_distance is None else twice > 2 * max_distance
    left_out = {
        "nearer than asked for": int(near.sum()),
        "farther than asked for": int(far.sum()),
    }
    kept = table[~(near | far)].reset_index(drop=True)
    return Contacts(kept, {**contacts.left_out, **_counted(left_out)})


def moved_negatives(positives: pd.DataFrame, move: int = MOVE) -> Contacts:
    """Move the anchors of every positive: both right, both left, the right one, the left one.

    The moved window has lost its peak, and so finding a motif in each anchor is enough to tell
    these negatives from positives, whether or not the two go together.

    Parameters
    ----------
    positives
        Windows of contacts.
    move
        How far, bp.

    Returns
    -------
    Contacts
        Four for every positive, in its order, but for those that overlap a positive pair.
    """
    steps = move * np.array(MOVES)
    repeated = positives.loc[positives.index.repeat(len(MOVES))].reset_index(drop=True)
    for side, by_side in zip(("left", "right"), steps.T, strict=True):
        moved = np.tile(by_side, len(positives))
        repeated[f"{side}_start"] += moved
        repeated[f"{side}_end"] += moved
    outside = (repeated["left_start"] < 0).to_numpy()
    in_contact = overlaps_contact(repeated, positives) & ~outside
    left_out = {
        "a window begins before its chromosome": int(outside.sum()),
        "overlaps a positive pair": int(in_contact.sum()),
    }
    return Contacts(repeated[~(outside | in_contact)].reset_index(drop=True), _counted(left_out))


def matched_negatives(
    positives: pd.DataFrame,
    loops: pd.DataFrame,
    peaks: pd.DataFrame,
    *,
    per_positive: int = PER_POSITIVE,
    seed: int = 0,
) -> Contacts:
    """Draw pairs of peaks that are not in contact, at the distances of the positives.

    Both anchors keep their peaks: what tells them from positives is the pairing itself.

    Parameters
    ----------
    positives
        Windows of contacts.
    loops
        All loops, kept or not: no negative overlaps one of them.
    peaks
        As for `contacts_between_peaks`.
    per_positive
        How many for each positive, on its chromosome, at its distance give or take 5%.

    Returns
    -------
    Contacts
        Distinct pairs, in the order of the positives.
    """
    lengths = positives["left_end"].to_numpy() - positives["left_start"].to_numpy()
    length = int(lengths[0])
    loops, peaks = _one_spelling(loops, peaks)
    generator = np.random.default_rng(seed)
    found, missing = [], 0
    for chrom, here in positives.groupby("chrom", sort=False):
        own = peaks[peaks["chrom"] == chrom]
        starts = np.unique(resize(own["start"].to_numpy(), own["end"].to_numpy(), length))
        starts = starts[starts >= 0]
        in_contact = _window_pairs_in_contact(starts, length, loops[loops["chrom"] == chrom])
        drawn = _draw(starts, here, in_contact, length, per_positive, generator)
        missing += per_positive * len(here) - len(drawn)
        names = np.full(len(drawn), chrom, dtype=object)
        found.append(_windows(names, drawn[:, 0], drawn[:, 1], length))
    return Contacts(
        pd.concat(found, ignore_index=True), _counted({"no pair of peaks at its distance": missing})
    )


def overlaps_contact(pairs: pd.DataFrame, contacts: pd.DataFrame) -> np.ndarray:
    """Flag, bool (n_pairs,), pairs whose two windows overlap the two anchors of one contact."""
    sides = [_distinct(_anchor(pairs, side)) for side in ("left", "right")]
    found = meetings(
        sides[0][0], sides[1][0], (_anchor(contacts, "left"), _anchor(contacts, "right"))
    )
    # Pairs share their windows: each pair of windows is one number.
    step = len(sides[1][0].start)
    flags: np.ndarray = np.isin(
        sides[0][1] * step + sides[1][1], found.enhancer * step + found.promoter
    )
    return flags


def labelled_pairs(positives: pd.DataFrame, negatives: pd.DataFrame) -> pd.DataFrame:
    """Return both as one canonical pair table, left anchor as enhancer, right as promoter."""
    parts = []
    for contacts, label in ((positives, 1), (negatives, 0)):
        columns = {
            "enhancer_chrom": contacts["chrom"],
            "enhancer_start": contacts["left_start"],
            "enhancer_end": contacts["left_end"],
            "enhancer_name": _names(contacts, "left"),
            "promoter_chrom": contacts["chrom"],
            "promoter_start": contacts["right_start"],
            "promoter_end": contacts["right_end"],
            "promoter_name": _names(contacts, "right"),
            "label": label,
        }
        parts.append(pd.DataFrame(columns)[list(COLUMNS)])
    return pd.concat(parts, ignore_index=True)


def _strongest_peak(loops: pd.DataFrame, side: str, peaks: pd.DataFrame) -> np.ndarray:
    """Return which peak each loop's anchor stands for, int64 (n_loops,); -1 where it meets none."""
    best = np.full(len(loops), -1, dtype=np.int64)
    loop, peak = overlapping(_anchor(loops, side), _peak_places(peaks))
    if len(loop):
        signal, start = peaks["signal"].to_numpy()[peak], peaks["start"].to_numpy()[peak]
        order = np.lexsort((start, -signal, loop))
        first = np.unique(loop[order], return_index=True)
        best[first[0]] = peak[order][first[1]]
    return best


def _draw(
    starts: np.ndarray,
    positives: pd.DataFrame,
    in_contact: set[tuple[int, int]],
    length: int,
    per_positive: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Return starts of the windows of pairs of peaks on one chromosome, int64 (n, 2)."""
    taken = set(in_contact)
    drawn = []
    for distance in (positives["right_start"] - positives["left_start"]).to_numpy():
        wanted = per_positive
        # Of all peaks that have a partner at this distance, in random order.
        low = np.searchsorted(starts, starts + distance * (1 - DISTANCE_TOLERANCE), "left")
        high = np.searchsorted(starts, starts + distance * (1 + DISTANCE_TOLERANCE), "right")
        able = np.flatnonzero((high > low) & (starts[np.minimum(low, len(starts) - 1)] > starts))
        for left in generator.permutation(able)[:_ATTEMPTS]:
            right = int(generator.integers(low[left], high[left]))
            pair = (int(starts[left]), int(starts[right]))
            if pair in taken or pair[1] - pair[0] < length:
                continue
            taken.add(pair)
            drawn.append(pair)
            wanted -= 1
            if not wanted:
                break
    return np.array(drawn, dtype=np.int64).reshape(-1, 2)


def _window_pairs_in_contact(
    starts: np.ndarray, length: int, loops: pd.DataFrame
) -> set[tuple[int, int]]:
    """Return the starts of the two windows of each pair that overlaps a loop, on one chromosome."""
    chrom = np.full(len(starts), loops["chrom"].iloc[0] if len(loops) else "", dtype=object)
    windows = Places(chrom, starts, starts + length)
    found = meetings(windows, windows, (_anchor(loops, "left"), _anchor(loops, "right")))
    return set(zip(starts[found.enhancer].tolist(), starts[found.promoter].tolist(), strict=True))


def _anchor(contacts: pd.DataFrame, side: str) -> Places:
    chrom = contacts["chrom"].to_numpy(dtype=object)
    return Places(chrom, *(contacts[f"{side}_{part}"].to_numpy() for part in ("start", "end")))


def _peak_places(peaks: pd.DataFrame) -> Places:
    chrom = peaks["chrom"].to_numpy(dtype=object)
    return Places(chrom, peaks["start"].to_numpy(), peaks["end"].to_numpy())


def _distinct(places: Places) -> tuple[Places, np.ndarray]:
    """Return each place once, and which of them every place is, int64 (n_places,)."""
    table = pd.DataFrame(places._asdict())
    code = table.groupby(list(table), sort=False).ngroup().to_numpy(np.int64)
    first = table[~table.duplicated().to_numpy()]
    return Places(*(first[name].to_numpy() for name in table)), code


def _windows(chrom: np.ndarray, first: np.ndarray, second: np.ndarray, length: int) -> pd.DataFrame:
    left, right = np.minimum(first, second), np.maximum(first, second)
    columns = (chrom, left, left + length, right, right + length)
    return pd.DataFrame(dict(zip(CONTACT_COLUMNS, columns, strict=True)))


def _one_spelling(loops: pd.DataFrame, peaks: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both with one name for each chromosome, the loops' where they have it."""
    spellings = Spellings()
    spelled = [
        table.assign(
            chrom=np.array([spellings.of(str(name)) for name in table["chrom"]], dtype=object)
        ).reset_index(drop=True)
        for table in (loops, peaks)
    ]
    if not spelled[1]["chrom"].isin(set(spelled[0]["chrom"])).any():
        raise RequestError(
            f"loops (on {_some(loops['chrom'])}) and peaks (on {_some(peaks['chrom'])}) share no "
            "chromosome; are they of one assembly?"
        )
    return spelled[0], spelled[1]


def _some(chroms: pd.Series) -> str:
    return ", ".join(map(str, chroms.unique()[:3].tolist())) or "none"


def _names(contacts: pd.DataFrame, side: str) -> pd.Series:
    starts, ends = contacts[f"{side}_start"].astype(str), contacts[f"{side}_end"].astype(str)
    return contacts["chrom"].astype(str) + ":" + starts + "-" + ends


def _counted(left_out: dict[str, int]) -> dict[str, int]:
    return {reason: n for reason, n in left_out.items() if n}

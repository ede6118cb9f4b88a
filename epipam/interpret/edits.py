"""What a variant makes of a window: one stretch of bases replaced, the window's length kept.

The rule is the same for both anchors. A window is cut about the centre of its region, so the
centre is what stays: the bases between the centre and the variant keep their places, and so does
everything on the other side of the centre. What lies beyond the variant, seen from the centre,
moves: an insertion pushes bases out at the window's edge, a deletion draws in what follows there.
No more than half of a window ever moves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

Fetch = Callable[[int, int], str]


class Edit(NamedTuple):
    """Bases of a contig, [start, end), 0-based, and what takes their place.

    An insertion has `start == end`: it lies between the bases `start - 1` and `start`.
    """

    start: int
    end: int
    inserted: str


def trimmed(start: int, ref: str, alt: str) -> Edit:
    """Return what an allele changes, without the bases that REF and ALT share.

    Those at the end are taken away first, then those at the beginning: `CAA` to `CA` deletes the
    base behind the C. Upper and lower case are the same.

    Parameters
    ----------
    start
        0-based position of the first base of REF.
    """
    ref, alt = ref.upper(), alt.upper()
    shorter = min(len(ref), len(alt))
    tail = 0
    while tail < shorter and ref[-1 - tail] == alt[-1 - tail]:
        tail += 1
    head = 0
    while head < shorter - tail and ref[head] == alt[head]:
        head += 1
    return Edit(start + head, start + len(ref) - tail, alt[head : len(alt) - tail])


def touches(edit: Edit, start: int, end: int) -> bool:
    """Whether an edit lies, in part at least, within the window [start, end).

    An insertion right before a window's first base, or right behind its last, does not.
    """
    return edit.start < end and edit.end > start


def removes(edit: Edit, start: int, end: int) -> bool:
    """Whether an edit leaves no base of the window [start, end)."""
    return edit.start <= start and edit.end >= end


def edited_window(fetch: Fetch, edit: Edit, start: int, length: int) -> str:
    """Return the bases of the window of `length` bp from `start` on, after an edit.

    Parameters
    ----------
    fetch
        Returns the bases of [start, end) of the contig, N where they stick out of it.
    edit
        An insertion right at the centre, `start + length // 2`, moves what follows it. Where the
        replaced bases lie on both sides of the centre, as many inserted bases lie left of it as
        there were replaced ones, or all of them where they are fewer.
    """
    left, centre = length // 2, start + length // 2
    right = length - left
    before = edit.start < centre
    behind = edit.end > centre or not before
    cut = centre - edit.start if behind else len(edit.inserted)
    if before:
        bases = edit.inserted[:cut] + fetch(min(edit.end, centre), centre)
        missing = max(left - len(bases), 0)
        bases = fetch(edit.start - missing, edit.start) + bases
        first_half = bases[len(bases) - left :]
    else:
        first_half = fetch(start, centre)
    if behind:
        bases = fetch(centre, max(edit.start, centre)) + edit.inserted[max(cut, 0) :]
        missing = max(right - len(bases), 0)
        second_half = (bases + fetch(edit.end, edit.end + missing))[:right]
    else:
        second_half = fetch(centre, start + length)
    return first_half + second_half

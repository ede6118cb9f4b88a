"""The windows of pairs, sorted on disk, and passed through beside sorted variants.

Pairs come in any order and number; variants come by position. Each pair is written down twice,
once under each of its windows, and sorted; at any time only the windows are held that the variant
at hand may lie in.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from epipam.interpret.edits import Edit, touches
from epipam.runtime.sorted_rows import Columns, SortedRows

# Contig, start, anchor, pair: all of them numbers.
_COLUMNS = Columns(key=(0, 1, 2, 3), contigs=())
_FIELDS = 9
_ANCHORS = ("enhancer", "promoter")


class Place(NamedTuple):
    """Where a window lies: the number of its contig, and its start, 0-based."""

    contig: int
    start: int


class Pair(NamedTuple):
    """A pair: which row of its table it is, where its windows lie, and its columns as text."""

    number: int
    enhancer: Place
    promoter: Place
    text: str


class Hit(NamedTuple):
    """A pair of which an edit changes the enhancer's window, the promoter's, or both."""

    pair: Pair
    in_enhancer: bool
    in_promoter: bool


class _Window(NamedTuple):
    anchor: int
    start: int
    end: int
    pairs: list[Pair]


class SortedWindows:
    """All windows of some pairs, by contig and start, in a file of their own.

    Parameters
    ----------
    folder
        Holds them while they are sorted, and after: about 300 bytes for each pair, twice.
    enhancer_length, promoter_length
        Window lengths in bp.
    """

    def __init__(self, folder: Path, enhancer_length: int, promoter_length: int) -> None:
        self.lengths = (enhancer_length, promoter_length)
        self.path = folder / "windows"
        self.offsets: dict[int, int] = {}
        self._rows = SortedRows(folder, _COLUMNS.of)

    def add(self, pair: Pair) -> None:
        """Take a pair in."""
        places = f"{pair.number}\t{pair.enhancer.contig}\t{pair.enhancer.start}"
        places += f"\t{pair.promoter.contig}\t{pair.promoter.start}\t{pair.text}\n"
        self._rows.add(
            f"{place.contig}\t{place.start}\t{anchor}\t{places}".encode("utf-8", "surrogateescape")
            for anchor, place in enumerate((pair.enhancer, pair.promoter))
        )

    def finish(self) -> None:
        """Sort what was taken in; note where each contig begins."""
        offset = 0
        with self.path.open("wb") as handle:
            for row in self._rows.merged():
                self.offsets.setdefault(int(row.split(b"\t", 1)[0]), offset)
                offset += handle.write(row)


class WindowSweep:
    """Finds the pairs that an edit changes; edits are best asked for by position.

    Others are found as well, at the price of going through a contig's windows again.

    Parameters
    ----------
    windows
        Sorted, and there while this is used.
    """

    def __init__(self, windows: SortedWindows) -> None:
        self._lengths = windows.lengths
        self._offsets = windows.offsets
        self._handle = windows.path.open("rb")
        self._contig = self._passed = -1
        self._held: list[_Window] = []
        self._next: tuple[int, int, Pair] | None = None

    def close(self) -> None:
        """Close the file of windows."""
        self._handle.close()

    def hits(self, contig: int, position: int, edit: Edit) -> list[Hit]:
        """Return the pairs with a window that an edit touches, in the order of their table.

        Parameters
        ----------
        position
            Where the edit's record begins: what is sorted in a file of variants.
        """
        if contig != self._contig or position < self._passed:
            self._enter(contig)
        self._passed = position
        self._hold(position, edit)
        found: dict[int, tuple[Pair, set[int]]] = {}
        for window in self._held:
            if touches(edit, window.start, window.end):
                for pair in window.pairs:
                    found.setdefault(pair.number, (pair, set()))[1].add(window.anchor)
        return [
            Hit(pair, 0 in anchors, 1 in anchors) for _, (pair, anchors) in sorted(found.items())
        ]

    def _enter(self, contig: int) -> None:
        self._contig = contig
        self._held = []
        self._next = None
        if contig in self._offsets:
            self._handle.seek(self._offsets[contig])
            self._next = self._read()

    def _hold(self, position: int, edit: Edit) -> None:
        """Take in the windows that begin before an edit's end; let go of those that are passed."""
        self._held = [window for window in self._held if window.end > position]
        while self._next is not None and self._next[1] < edit.end:
            anchor, start, pair = self._next
            end = start + self._lengths[anchor]
            if end > position:
                last = self._held[-1] if self._held else None
                if last is None or (last.anchor, last.start) != (anchor, start):
                    last = _Window(anchor, start, end, [])
                    self._held.append(last)
                last.pairs.append(pair)
            self._next = self._read()

    def _read(self) -> tuple[int, int, Pair] | None:
        """Return anchor, start and pair of the next row; None where the contig ends."""
        row = self._handle.readline().decode("utf-8", "surrogateescape").rstrip("\n")
        if not row:
            return None
        *numbers, text = row.split("\t", _FIELDS - 1)
        contig, start, anchor, number, *places = map(int, numbers)
        if contig != self._contig:
            return None
        return anchor, start, Pair(number, Place(*places[:2]), Place(*places[2:]), text)

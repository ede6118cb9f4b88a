"""Which pairs of a table can be windowed on a genome, and why the others cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd

from epipam.errors import MAX_REPORTED_ROWS, PairTableError
from epipam.genome.contigs import canonical_name
from epipam.genome.encoding import encode
from epipam.genome.fasta import Genome
from epipam.genome.windows import (
    BOTH_LABELS,
    DIFFERENT_CONTIGS,
    ENHANCER_ALL_N,
    NOT_IN_GENOME,
    OUTSIDE_CONTIG,
    PROMOTER_ALL_N,
    REASONS,
    START_AFTER_END,
    USABLE,
    resize,
    unusable_reason,
)
from epipam.pairs.table import PairTable

# So many letters in the middle of a window tell nearly always that it is not all N.
_GLIMPSE = 16
_BASES = frozenset("ACGTacgt")
# Others are read whole, a stretch at a time, up to a block and without the longer gaps between.
_BLOCK = 500_000
_GAP = 20_000
MALFORMED = "row that cannot be read"
_NO_END = 2**62
_ALL_N = {"enhancer": ENHANCER_ALL_N, "promoter": PROMOTER_ALL_N}


@dataclass(frozen=True)
class PairCheck:
    """The verdict on every pair of a table.

    Attributes
    ----------
    reason
        int8 (n_pairs,): 0 where usable, else a key of `windows.REASONS`.
    contigs
        The genome's contig for each chromosome name of the table that has one.
    malformed
        How many further rows could not be read at all.
    """

    reason: np.ndarray
    contigs: dict[str, str]
    malformed: int

    @property
    def usable(self) -> np.ndarray:
        """Bool (n_pairs,)."""
        return self.reason == USABLE

    @property
    def skipped(self) -> dict[str, int]:
        """How many rows are left out for which reason, zero counts omitted."""
        counts = {text: int(np.sum(self.reason == code)) for code, text in REASONS.items()}
        counts[MALFORMED] = self.malformed
        return {text: count for text, count in counts.items() if count}

    @property
    def renamed(self) -> dict[str, str]:
        """Chromosome names of the table that were read as another name of the genome."""
        return {name: contig for name, contig in self.contigs.items() if name != contig}

    @property
    def aliased(self) -> dict[str, str]:
        """Those of `renamed` that only an alias makes contigs of the genome, sorted by name."""
        return {
            name: contig
            for name, contig in sorted(self.renamed.items())
            if canonical_name(name) != canonical_name(contig)
        }


def check_pairs(
    table: PairTable,
    genome: Genome,
    enhancer_length: int,
    promoter_length: int,
    *,
    allow_trans: bool = False,
) -> PairCheck:
    """Check every pair of a table against a genome.

    Parameters
    ----------
    table, genome
        What to check against what.
    enhancer_length, promoter_length
        Window lengths in bp.
    allow_trans
        Whether the anchors may lie on different contigs of the genome.
    """
    frame = table.frame
    # Two spellings of one contig are one contig.
    contigs = genome.resolve(chromosomes(frame))
    check = check_places(table, genome, contigs, allow_trans=allow_trans)
    reason = check.reason
    contig = {a: contig_names(frame[f"{a}_chrom"], contigs) for a in ("enhancer", "promoter")}
    windows: dict[str, list[_Windows]] = {}
    for anchor, length in (("enhancer", enhancer_length), ("promoter", promoter_length)):
        start = resize(frame[f"{anchor}_start"], frame[f"{anchor}_end"], length)
        for name, rows in rows_by_contig(contig[anchor].where(reason == USABLE)).items():
            windows.setdefault(name, []).append(_Windows(rows, start[rows], length, _ALL_N[anchor]))
    for name, here in windows.items():
        for rows, code in _pairs_without_base(genome, name, here):
            # Of a pair without any base the enhancer is named, whichever contig is looked at first.
            lacking = rows[(reason[rows] == USABLE) | (reason[rows] > code)]
            reason[lacking] = code
    return check


def check_places(
    table: PairTable, genome: Contigs | None, contigs: dict[str, str], *, allow_trans: bool
) -> PairCheck:
    """Check the coordinates of every pair of a table, without looking at any sequence.

    Parameters
    ----------
    table
        What to check.
    genome
        Where contigs end; None where that is not known.
    contigs
        The one contig for each name of the table; absent where the genome has none.
    allow_trans
        Whether the anchors may lie on different contigs.
    """
    names = {a: contig_names(table.frame[f"{a}_chrom"], contigs) for a in ("enhancer", "promoter")}
    on_contigs = table.frame.assign(**{f"{a}_chrom": found for a, found in names.items()})
    lengths = dict.fromkeys(contigs.values(), _NO_END) if genome is None else genome.contigs
    reason = unusable_reason(on_contigs, lengths, allow_trans=allow_trans)
    return PairCheck(reason, contigs, len(table.malformed))


def contig_names(chromosome: pd.Series, contigs: dict[str, str]) -> pd.Series:
    """Return the genome's contig for each chromosome name, None where it has none."""
    # As `map`, which would make a text of its own for each row.
    codes, distinct = pd.factorize(chromosome)
    found = np.array([contigs.get(name) for name in distinct], dtype=object)
    return pd.Series(found[codes], index=chromosome.index, dtype=object)


def chromosomes(frame: pd.DataFrame) -> list[str]:
    """Return the chromosome names of both anchors, in order of first appearance."""
    return list(pd.unique(pd.concat([frame["enhancer_chrom"], frame["promoter_chrom"]])))


def rows_by_contig(contig: pd.Series) -> dict[str, np.ndarray]:
    """Return the rows on each contig, int64, in order; rows of no contig are left out.

    Parameters
    ----------
    contig
        As `contig_names` returns it. The result has its contigs in order of first appearance.
    """
    rows = contig.groupby(contig.to_numpy(), sort=False).indices
    return dict(sorted(rows.items(), key=lambda item: item[1][0]))


class Contigs(Protocol):
    """What says how long contigs are: a `Genome`, or a `ContigLengths`."""

    @property
    def path(self) -> Path: ...

    @property
    def contigs(self) -> dict[str, int]: ...

    def resolve(self, names: Iterable[str]) -> dict[str, str]: ...


class Tally:
    """What is wrong with the pairs of a table that is checked piece by piece.

    Parameters
    ----------
    path, genome
        The table's file, and the genome it is checked against; None where there is none.

    Attributes
    ----------
    rows, usable
        Rows seen, and those that can be used.
    skipped
        The others by reason.
    renamed
        Chromosome names of the table that were read as another name of the genome.
    """

    def __init__(self, path: Path, genome: Contigs | None) -> None:
        self.path = path
        self.genome = genome
        self.rows = self.usable = 0
        self.skipped: Counter[str] = Counter()
        self.renamed: dict[str, str] = {}
        self._listed: list[str] = []
        self._hint = ""

    def add(self, table: PairTable, check: PairCheck) -> None:
        """Count a piece of the table; the first 20 unusable rows are described."""
        self.rows += len(table) + check.malformed
        self.usable += int(check.usable.sum())
        self.skipped.update(check.skipped)
        self.renamed |= check.renamed
        if not check.contigs and self.genome is not None:
            self._hint = self._hint or naming_hint(table.frame, self.genome)
        if (room := MAX_REPORTED_ROWS - len(self._listed)) > 0:
            bad = np.flatnonzero(check.reason != USABLE)[:room]
            described = [
                f"{table.path}:{table.line[i]}: {describe(table, self.genome, check, int(i))}"
                for i in bad
            ]
            found = sorted([*table.malformed[:room], *described], key=partial(_line, self.path))
            self._listed += found[:room]

    def require(self, bad_pairs: str, remedy: str = "--bad-pairs skip leaves them out") -> None:
        """Raise where a pair is unusable and `bad_pairs` is `fail`, or where none is usable.

        Parameters
        ----------
        bad_pairs
            `fail` or `skip`.
        remedy
            The way out of `fail`, in words.

        Raises
        ------
        PairTableError
        """
        counts = ", ".join(f"{count} {reason}" for reason, count in self.skipped.items())
        where = "" if self.genome is None else f" on {self.genome.path}"
        if bad_pairs == "fail" and self.skipped:
            n_bad = self.skipped.total()
            way_out = f"; {remedy}:" if self.usable else self._hint or ":"
            raise PairTableError(
                f"{self.path}: {n_bad} of {self.rows} pairs cannot be used{where} "
                f"({counts}){way_out}",
                self._listed,
                n_bad,
            )
        if not self.usable:
            listed = [] if self._hint else self._listed
            raise PairTableError(
                f"{self.path}: no usable pair{where} ({counts or 'no rows'}){self._hint}"
                f"{':' if listed else ''}",
                listed,
                self.skipped.total(),
            )


def require_usable(
    table: PairTable,
    check: PairCheck,
    genome: Genome,
    bad_pairs: str,
    remedy: str = "--bad-pairs skip leaves them out",
) -> None:
    """Raise a PairTableError where a whole table must not be used; as `Tally.require` does."""
    tally = Tally(table.path, genome)
    tally.add(table, check)
    tally.require(bad_pairs, remedy)


def naming_hint(frame: pd.DataFrame, genome: Contigs) -> str:
    """Say how table and genome name chromosomes, where they have no name in common."""
    pairs, contigs = chromosomes(frame)[:3], list(genome.contigs)[:3]
    if not pairs or genome.resolve(chromosomes(frame)):
        return ""
    return (
        f"; the table says {', '.join(pairs)}, the genome {', '.join(contigs)}: "
        f"is it the genome of these coordinates?"
    )


def _line(path: Path, row: str) -> int:
    """Return the line of a `file:line: ...` row; the file's own name may hold colons."""
    return int(row.removeprefix(f"{path}:").partition(":")[0])


def describe(table: PairTable, genome: Contigs | None, check: PairCheck, index: int) -> str:
    """Return `column: what is wrong` of one unusable pair; the column by the table's own name."""
    row = table.frame.iloc[index]
    code = int(check.reason[index])
    column, detail = "row", REASONS[code]
    if code == NOT_IN_GENOME:
        anchor = "enhancer" if row.enhancer_chrom not in check.contigs else "promoter"
        column, detail = f"{anchor}_chrom", f"{row[f'{anchor}_chrom']!r} is not in the genome"
    elif code == DIFFERENT_CONTIGS:
        column = "promoter_chrom"
        detail = f"the anchors lie on {row.enhancer_chrom} and {row.promoter_chrom}"
    elif code == START_AFTER_END:
        anchor = "enhancer" if row.enhancer_start > row.enhancer_end else "promoter"
        column = f"{anchor}_start"
        detail = f"start {row[f'{anchor}_start']} lies after end {row[f'{anchor}_end']}"
    elif code == OUTSIDE_CONTIG:
        lengths = {} if genome is None else genome.contigs
        length = {
            a: lengths.get(check.contigs[row[f"{a}_chrom"]]) for a in ("enhancer", "promoter")
        }
        own = length["enhancer"]
        inside = row.enhancer_start >= 0 and (own is None or row.enhancer_end <= own)
        anchor = "promoter" if inside else "enhancer"
        column = f"{anchor}_start" if row[f"{anchor}_start"] < 0 else f"{anchor}_end"
        reach = "from 0 on" if length[anchor] is None else f"0 to {length[anchor]}"
        detail = f"{row[column]} lies outside {row[f'{anchor}_chrom']} ({reach})"
    elif code == BOTH_LABELS:
        column, detail = "label", f"{row.label} here, but another label in another row of this pair"
    return f"{table.layout.name(column)}: {detail}"


class _Windows(NamedTuple):
    """Windows of one anchor on one contig: rows of their pairs and starts, int64 (n,).

    `all_n` is the reason of a pair whose window here is all N.
    """

    pair: np.ndarray
    start: np.ndarray
    length: int
    all_n: int

    def middle(self) -> np.ndarray:
        """Return where to take a glimpse of each; -1 where it would show more than the window."""
        inside = self.start + (self.length - _GLIMPSE) // 2
        return np.where(self.length < _GLIMPSE, -1, inside)


def _pairs_without_base(
    genome: Genome, contig: str, windows: list[_Windows]
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the rows of pairs with a window that holds no base at all, and the reason."""
    # All in one pass over the contig, whose pages take longer than the letters on them.
    seen = _show_base(genome, contig, np.concatenate([some.middle() for some in windows]))
    for some in windows:
        doubtful, seen = np.flatnonzero(~seen[: len(some.pair)]), seen[len(some.pair) :]
        all_n = _all_n(genome, contig, some.start[doubtful], some.length)
        yield some.pair[doubtful[all_n]], some.all_n


def _show_base(genome: Genome, contig: str, middle: np.ndarray) -> np.ndarray:
    """Return where a glimpse of a few letters shows a base, bool (n,).

    Where it shows none that says nothing, nor where the genome is compressed: a few letters then
    cost as much as a block of them.
    """
    if genome.compressed:
        return np.zeros(len(middle), dtype=bool)
    places, of_row = np.unique(middle, return_inverse=True)
    inside = (places >= 0) & (places + _GLIMPSE <= genome.contigs[contig])
    seen = [
        here and bool(_BASES & set(genome.fetch(contig, place, place + _GLIMPSE)))
        for place, here in zip(places.tolist(), inside.tolist(), strict=True)
    ]
    return np.array(seen, dtype=bool)[of_row]


def _all_n(genome: Genome, contig: str, start: np.ndarray, length: int) -> np.ndarray:
    """Return which windows hold no base at all, bool (n,)."""
    # Pairs share their anchors: each window is looked at once.
    start, window_of_row = np.unique(start, return_inverse=True)
    return _all_n_in_order(genome, contig, start, length)[window_of_row]


def _all_n_in_order(genome: Genome, contig: str, start: np.ndarray, length: int) -> np.ndarray:
    """Return the same of windows in order, reading the contig in order."""
    empty = np.empty(len(start), dtype=bool)
    apart = np.diff(start) > length + _GAP
    other_block = np.diff(np.floor_divide(start, _BLOCK)) > 0
    for windows in np.split(np.arange(len(start)), np.flatnonzero(apart | other_block) + 1):
        if len(windows):
            origin = int(start[windows[0]])
            end = int(start[windows[-1]]) + length
            known = encode(genome.fetch(contig, origin, end).encode("ascii")) != 0
            seen = np.zeros(len(known) + 1, dtype=np.int32)
            np.cumsum(known, out=seen[1:])
            offset = start[windows] - origin
            empty[windows] = seen[offset + length] == seen[offset]
    return empty

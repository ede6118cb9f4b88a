"""Whole lists of pairs, read and checked: coordinates, names of contigs, repeats, contradictions.

What `epipam build-store` asks of every pair but for the sequence, for commands that read none.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from epipam.errors import MAX_REPORTED_ROWS, PairTableError
from epipam.genome.windows import BOTH_LABELS, REASONS
from epipam.pairs.checks import (
    PairCheck,
    Tally,
    check_places,
    chromosomes,
    contig_names,
    describe,
)
from epipam.pairs.formats import COLUMNS, Columns
from epipam.pairs.spellings import Spellings
from epipam.pairs.table import PairTable, read_pairs

CONTRADICTORY = REASONS[BOTH_LABELS]
_ANCHORS = ("enhancer", "promoter")
_PLACES = tuple(column for column in COLUMNS if not column.endswith(("name", "label")))


class Repeats(NamedTuple):
    """Pairs of a list that are there more than once; names do not count, nor do spellings.

    Attributes
    ----------
    repeated
        Rows that say what a row before them says: the same pair with the same label.
    contradictory
        Pairs that are positive in one row and negative in another.
    contradictory_rows
        int64, ascending: all rows of these pairs, those without a label too.
    """

    repeated: int
    contradictory: int
    contradictory_rows: np.ndarray

    def sentences(self) -> list[str]:
        """Say what there is of either kind."""
        said = []
        if self.repeated:
            said.append(f"{self.repeated:,} rows repeat a pair with the same label")
        if self.contradictory:
            said.append(
                f"{self.contradictory:,} pairs have both labels, in "
                f"{len(self.contradictory_rows):,} rows"
            )
        return said


class RepeatFinder:
    """Finds repeats in a list that comes piece by piece; it remembers 9 bytes for each pair."""

    def __init__(self) -> None:
        self._keys: list[np.ndarray] = []
        self._labels: list[np.ndarray] = []

    def add(self, pairs: pd.DataFrame) -> None:
        """Take in a piece: a canonical pair table with one spelling for each contig."""
        # A hash of 64 bits stands for a pair: among ten million, two of one are next to impossible.
        places = pairs[list(_PLACES)]
        self._keys.append(pd.util.hash_pandas_object(places, index=False).to_numpy(np.uint64))
        self._labels.append(pairs["label"].to_numpy(np.int8))

    def found(self) -> Repeats:
        """Return the repeats of all pieces together; rows count from the first piece on."""
        keys = np.concatenate([np.empty(0, np.uint64), *self._keys])
        labels = np.concatenate([np.empty(0, np.int8), *self._labels])
        repeated = int(pd.DataFrame({"key": keys, "label": labels}).duplicated().sum())
        both = np.intersect1d(keys[labels == 1], keys[labels == 0])
        return Repeats(repeated, len(both), np.flatnonzero(np.isin(keys, both)))


class PairList(NamedTuple):
    """The usable pairs of a list.

    Attributes
    ----------
    path
        The file they came from.
    frame
        Canonical pair table, with one spelling for each contig.
    skipped
        How many rows were left out, by the reason.
    repeats
        What is there more than once; its rows are those of `frame`.
    """

    path: Path
    frame: pd.DataFrame
    skipped: dict[str, int]
    repeats: Repeats

    def consistent(self) -> PairList:
        """Return the list without the pairs that have both labels."""
        rows = self.repeats.contradictory_rows
        if not len(rows):
            return self
        kept = np.ones(len(self.frame), dtype=bool)
        kept[rows] = False
        frame = self.frame[kept].reset_index(drop=True)
        return PairList(
            self.path, frame, {**self.skipped, CONTRADICTORY: len(rows)}, find_repeats(frame)
        )


def find_repeats(pairs: pd.DataFrame) -> Repeats:
    """Return what is there more than once in a canonical pair table."""
    finder = RepeatFinder()
    finder.add(pairs)
    return finder.found()


def mark_contradictions(table: PairTable, check: PairCheck, bad_pairs: str) -> Repeats:
    """Mark the usable pairs of a table that have both labels as unusable, in `check`.

    Parameters
    ----------
    table
        The pairs.
    check
        The verdict on them so far.
    bad_pairs
        `fail` raises where there are such pairs, `skip` marks them.

    Returns
    -------
    What is there more than once among the usable pairs; its rows are those of the table.

    Raises
    ------
    PairTableError
        Where it was asked for, and where no pair is left; it counts repeats, too.
    """
    pairs = table.frame
    rows = np.flatnonzero(check.usable)
    names = {f"{a}_chrom": contig_names(pairs[f"{a}_chrom"], check.contigs) for a in _ANCHORS}
    found = find_repeats(pairs.assign(**names).iloc[rows])
    contradictory = rows[found.contradictory_rows]
    check.reason[contradictory] = BOTH_LABELS
    if len(contradictory) and (bad_pairs == "fail" or not check.usable.any()):
        way_out = "" if bad_pairs == "skip" else "; --bad-pairs skip leaves the latter out"
        raise PairTableError(
            f"{table.path}: {'; '.join(found.sentences())}{way_out}:",
            [
                f"{table.path}:{table.line[row]}: {describe(table, None, check, row)}"
                for row in contradictory[:MAX_REPORTED_ROWS].tolist()
            ],
            len(contradictory),
        )
    return found._replace(contradictory_rows=contradictory)


def read_pair_list(
    path: str | Path,
    spellings: Spellings | None = None,
    *,
    label_column: str | None = None,
    columns: Columns | None = None,
    bad_pairs: str = "fail",
) -> PairList:
    """Read a list of pairs; all that is wrong with its coordinates is found.

    Parameters
    ----------
    path
        As `epipam.pairs.table.read_pairs` reads it.
    spellings
        Gives each contig its one name, and where they are known its length.
    label_column, columns
        As for `read_pairs`.
    bad_pairs
        `fail` raises where a row cannot be read, a region ends before it begins, or lies outside
        its contig; `skip` leaves these pairs out and counts them. Pairs between two chromosomes
        stay.

    Raises
    ------
    PairTableError
    """
    spellings = spellings or Spellings()
    table = read_pairs(path, label_column, malformed="skip", columns=columns)
    contigs = {name: spellings.of(name) for name in chromosomes(table.frame)}
    if spellings.lengths is not None:
        contigs = {name: c for name, c in contigs.items() if c in spellings.lengths.contigs}
    check = check_places(table, spellings.lengths, contigs, allow_trans=True)
    tally = Tally(table.path, spellings.lengths)
    tally.add(table, check)
    tally.require(bad_pairs)
    frame = spellings.pairs(table.frame[check.usable].reset_index(drop=True))
    return PairList(table.path, frame, dict(tally.skipped), find_repeats(frame))


def require_consistent(pairs: PairList, bad_pairs: str) -> PairList:
    """Return a list without contradictions: those left out, or an error where `fail` is asked.

    Raises
    ------
    PairTableError
    """
    if pairs.repeats.contradictory and bad_pairs == "fail":
        raise PairTableError(
            f"{pairs.path}: {'; '.join(pairs.repeats.sentences())}; --bad-pairs skip leaves the "
            "pairs with both labels out"
        )
    return pairs.consistent()

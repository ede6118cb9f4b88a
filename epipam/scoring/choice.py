"""Which pairs of a list are scored: those of some genes, in a region, or far enough apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from epipam.errors import PairTableError, RequestError
from epipam.genome.fasta import Genome
from epipam.pairs.checks import contig_names
from epipam.pairs.names import pair_names
from epipam.pairs.table import PairTable, distance

_STRETCH = re.compile(r"(?P<contig>.+):(?P<start>[0-9,]{1,20})-(?P<end>[0-9,]{1,20})")


@dataclass(frozen=True)
class Stretch:
    """A stretch of a genome, 0-based and half-open."""

    contig: str
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Stretch:
        """Return the stretch of `chr20:1,200,000-1,300,000`, 1-based with both ends included.

        Raises
        ------
        RequestError
            For anything else.
        """
        match = _STRETCH.fullmatch(text)
        digits = [match[name].replace(",", "") for name in ("start", "end")] if match else ["", ""]
        if match is None or not all(digits) or not 1 <= int(digits[0]) <= int(digits[1]):
            raise RequestError(
                f"{text!r} is no region: write chr20:1200001-1300000, from 1, both ends included"
            )
        return cls(match["contig"], int(digits[0]) - 1, int(digits[1]))


@dataclass(frozen=True)
class Choice:
    """Which pairs of a list are scored; all by default.

    Attributes
    ----------
    genes
        Only pairs whose promoter has one of these names, in any case.
    region
        Only pairs of which an anchor lies in it or reaches into it.
    min_distance
        Only pairs whose midpoints are so far apart, in bp; pairs on two chromosomes are.
    """

    genes: tuple[str, ...] = ()
    region: Stretch | None = None
    min_distance: int | None = None


EVERY_PAIR = Choice()


class ChosenPairs:
    """Takes out of a table, piece by piece, the pairs of a choice.

    Parameters
    ----------
    choice
        Which pairs.
    genome
        By whose names of contigs the region is found.

    Raises
    ------
    RequestError
        For a region on a contig that the genome does not have.
    """

    def __init__(self, choice: Choice, genome: Genome) -> None:
        self.choice = choice
        self._genome = genome
        self._genes = {name.casefold() for name in choice.genes}
        self._missing = dict(zip(map(str.casefold, choice.genes), choice.genes, strict=True))
        self._found = 0
        region = choice.region
        if region is not None and region.contig not in genome.resolve([region.contig]):
            raise RequestError(f"{genome.path}: has no contig {region.contig}")

    def of(self, table: PairTable) -> PairTable:
        """Return the pairs of a piece that are chosen, and the rows that cannot be read."""
        if self.choice == EVERY_PAIR:
            return table
        chosen = np.ones(len(table), dtype=bool)
        if self._genes:
            names = [name.casefold() for name in pair_names(table).promoter]
            chosen &= np.array([name in self._genes for name in names], dtype=bool)
            for name in self._missing.keys() & set(names):
                del self._missing[name]
        if self.choice.region is not None:
            chosen &= self._touches(table, self.choice.region)
        if self.choice.min_distance is not None:
            chosen &= ~(distance(table.frame) < self.choice.min_distance)
        self._found += int(chosen.sum())
        return replace(table.take(np.flatnonzero(chosen)), malformed=table.malformed)

    def require(self, path: str | Path) -> None:
        """Raise a PairTableError where a gene has no pair in the table, or nothing was chosen."""
        if self.choice == EVERY_PAIR:
            return
        if self._missing:
            raise PairTableError(
                f"{path}: no promoter is called {_listed(list(self._missing.values()))}: genes go "
                "by the column promoter_name, or by what follows :: in column 7 of a BEDPE"
            )
        if not self._found:
            raise PairTableError(f"{path}: no pair is left of those that were asked for")

    def _touches(self, table: PairTable, region: Stretch) -> np.ndarray:
        """Return which pairs have an anchor that shares a base with a region, bool (n_pairs,)."""
        (contig,) = self._genome.resolve([region.contig]).values()
        touches = np.zeros(len(table), dtype=bool)
        for anchor in ("enhancer", "promoter"):
            chromosome = table.frame[f"{anchor}_chrom"]
            contigs = contig_names(chromosome, self._genome.resolve(chromosome.unique()))
            start, end = (table.frame[f"{anchor}_{part}"].to_numpy() for part in ("start", "end"))
            there = (contigs == contig).to_numpy()
            touches |= there & (start < region.end) & (np.maximum(end, start + 1) > region.start)
        return touches


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

"""The part of a pair table that lies on some contigs: what `--contigs` asks of a command.

A pair belongs to the contig of its enhancer. Parts whose contigs are together those of the table
hold each of its pairs once, so any scheduler can split the work and `epipam merge` end it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from epipam.errors import PairTableError, RequestError
from epipam.genome.contigs import find_contigs, listed_contigs
from epipam.genome.fasta import Genome
from epipam.pairs.checks import contig_names
from epipam.pairs.table import PairTable


class ContigPart:
    """Takes out of a table, piece by piece, the pairs that lie on some contigs.

    Parameters
    ----------
    genome
        Whose contigs they are. A table may spell them otherwise (`1` for `chr1`).
    names
        The contigs.

    Attributes
    ----------
    contigs
        The genome's contigs that were asked for, in natural order.

    Raises
    ------
    RequestError
        A name that is not in the genome.
    """

    def __init__(self, genome: Genome, names: Sequence[str]) -> None:
        self.genome = genome
        self.contigs, missing = find_contigs(list(genome.contigs), names, genome.aliases)
        if missing:
            raise RequestError(
                f"{genome.path}: has no contig {', '.join(missing)}; it has "
                f"{listed_contigs(genome.contigs)}"
            )
        self._pairs = 0
        self._seen: set[str] = set()

    def of(self, table: PairTable) -> PairTable:
        """Return the pairs of a piece that belong to the part, and the rows that cannot be read."""
        return self.take(table)[0]

    def take(
        self, table: PairTable, *, either_anchor: bool = False, unplaced: bool = False
    ) -> tuple[PairTable, np.ndarray]:
        """Return some pairs of a piece, and which rows they are; as `of`, but on request more.

        Parameters
        ----------
        either_anchor
            Also the pairs with their promoter alone on the contigs.
        unplaced
            Also the pairs whose enhancer lies on no contig of the genome.

        Returns
        -------
        pairs
            With the rows that cannot be read.
        rows
            int64, ascending.
        """
        enhancer, promoter = (
            self._contigs_of(table.frame[f"{anchor}_chrom"]) for anchor in ("enhancer", "promoter")
        )
        belongs = enhancer.isin(self.contigs)
        if either_anchor:
            belongs |= promoter.isin(self.contigs)
        self._pairs += int(belongs.sum())
        self._seen.update(pd.unique(table.frame["enhancer_chrom"]))
        rows = np.flatnonzero(belongs | (enhancer.isna() & unplaced))
        return replace(table.take(rows), malformed=table.malformed), rows

    def includes(self, chromosome: str) -> bool:
        """Whether a chromosome's name is that of one of the contigs."""
        return self.genome.resolve([chromosome]).get(chromosome) in self.contigs

    def require(self, path: str | Path) -> None:
        """Raise a PairTableError where no pair belonged to the part.

        That is most often a slip, and an empty result would hide it. Contigs without a pair are
        no harm beside others that have some.
        """
        if not self._pairs:
            raise PairTableError(
                f"{path}: no pair on {', '.join(self.contigs)}; there are pairs on "
                f"{listed_contigs(self._seen)}"
            )

    def _contigs_of(self, chromosome: pd.Series) -> pd.Series:
        return contig_names(chromosome, self.genome.resolve(pd.unique(chromosome)))

"""Parts of a store: what `build-store --contigs` notes, so that parts become the whole store.

A part is a store with the attribute `part`. It holds the pairs whose enhancers lie on its contigs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from epipam.genome.contigs import natural_order
from epipam.genome.fasta import Genome
from epipam.genome.windows import REASONS
from epipam.pairs.checks import MALFORMED, PairCheck, contig_names
from epipam.pairs.contig_part import ContigPart
from epipam.pairs.table import PairTable

PART = "part"


@dataclass(frozen=True)
class StorePart:
    """What tells a part of a store from the whole.

    Attributes
    ----------
    contigs, of
        The genome's contigs on which pairs of the part lie, and on which those of the table do.
    genome
        SHA-256 of the names and lengths of the genome's contigs.
    label_column
        As the build was given it: the digest of a table does not tell what was read of it.
    """

    contigs: tuple[str, ...]
    of: tuple[str, ...]
    genome: str
    label_column: str | None

    def attributes(self, unplaced: dict[str, int]) -> dict[str, Any]:
        """Return the value of `part`; `unplaced` are rows on no contig of the genome, by reason."""
        return {
            "contigs": list(self.contigs),
            "of": list(self.of),
            "unplaced": unplaced,
            "genome": self.genome,
            "label_column": self.label_column,
        }


def take_part(
    chosen: ContigPart, table: PairTable, label_column: str | None
) -> tuple[PairTable, StorePart]:
    """Return the pairs of a part, and what it is.

    Pairs on no contig of the genome come along: they are wrong in the whole build as well.

    Raises
    ------
    PairTableError
        Where no pair of the table lies on the contigs.
    """
    named = natural_order(chosen.genome.resolve(pd.unique(table.frame["enhancer_chrom"])).values())
    part, _ = chosen.take(table, unplaced=True)
    chosen.require(table.path)
    contigs = tuple(contig for contig in named if contig in chosen.contigs)
    return part, StorePart(contigs, named, contigs_digest(chosen.genome), label_column)


def skipped_rows(table: PairTable, check: PairCheck) -> tuple[dict[str, int], dict[str, int]]:
    """Count rows left out by reason: those on contigs of the genome, and those on none."""
    placed = contig_names(table.frame["enhancer_chrom"], check.contigs).notna().to_numpy()
    on_contigs = replace(check, reason=check.reason[placed], malformed=0)
    on_none = replace(check, reason=check.reason[~placed])
    return on_contigs.skipped, on_none.skipped


def total_skipped(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Add counts of rows left out, in the order in which `PairCheck.skipped` has the reasons."""
    counts = list(counts)
    totals = {
        reason: sum(count.get(reason, 0) for count in counts)
        for reason in (*REASONS.values(), MALFORMED)
    }
    return {reason: count for reason, count in totals.items() if count}


def contigs_digest(genome: Genome) -> str:
    """Return the SHA-256 of a line `NAME<tab>LENGTH` for each contig of a FASTA, in its order."""
    lines = "".join(f"{name}\t{length}\n" for name, length in genome.contigs.items())
    return hashlib.sha256(lines.encode()).hexdigest()

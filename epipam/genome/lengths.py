"""Lengths of contigs, from a genome or from a file that lists them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from epipam.errors import GenomeError
from epipam.genome.contigs import Aliases, resolve_names
from epipam.genome.fasta import Genome
from epipam.genome.text_lines import read_lines


@dataclass(frozen=True)
class ContigLengths:
    """How long contigs are, in bp, by their names; and the file that says so."""

    path: Path
    contigs: dict[str, int]

    def resolve(self, names: Iterable[str], aliases: Aliases | None = None) -> dict[str, str]:
        """Map names of chromosomes to contigs as `resolve_names` does."""
        return resolve_names(names, self.contigs, aliases)


def read_contig_lengths(path: str | Path) -> ContigLengths:
    """Read the lengths of a FASTA's contigs, or a table of names and lengths.

    Parameters
    ----------
    path
        FASTA, plain or bgzip; its index, `.fai`; or UCSC's `.chrom.sizes`: two columns or more.

    Raises
    ------
    GenomeError
        Where it is none of these, naming the line.
    """
    path = Path(path)
    lengths: dict[str, int] = {}
    for number, line in read_lines(path, "a FASTA or a table of contig lengths", GenomeError):
        if line.startswith(">") and not lengths:
            return ContigLengths(path, dict(Genome(path).contigs))
        fields = line.split("\t") if "\t" in line else line.split()
        if not fields or line.startswith("#"):
            continue
        if len(fields) < 2 or not fields[1].isdecimal() or int(fields[1]) == 0:
            raise GenomeError(
                f"{path}:{number}: neither a FASTA nor a table of a contig's name and its length"
            )
        if fields[0] in lengths:
            raise GenomeError(f"{path}:{number}: contig {fields[0]} appears twice")
        lengths[fields[0]] = int(fields[1])
    if not lengths:
        raise GenomeError(f"{path}: no contigs: neither a FASTA nor a table of contig lengths")
    return ContigLengths(path, lengths)

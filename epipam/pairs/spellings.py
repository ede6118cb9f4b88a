"""One spelling for each contig, within a file and between the files of one command."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from epipam.genome.contigs import Aliases, canonical_name, resolve_names
from epipam.genome.lengths import ContigLengths
from epipam.pairs.regions import Regions


class Spellings:
    """Gives every contig one name: the genome's where it is known, else the first that came.

    Parameters
    ----------
    lengths
        The genome's contigs; None where no genome is known.
    aliases
        Names that mean one contig, beyond `chr1` and `1`.

    Attributes
    ----------
    renamed
        Names that came so far and were read as another, and as which.
    """

    def __init__(
        self, lengths: ContigLengths | None = None, aliases: Aliases | None = None
    ) -> None:
        self.lengths = lengths
        self.aliases = aliases
        self.renamed: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._by_key: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return the one spelling of a contig.

        Raises
        ------
        RequestError
            Where the aliases give the name to two contigs of the genome.
        """
        known = self._names.get(name)
        if known is None:
            known = self._names[name] = self._find(name)
            if known != name:
                self.renamed[name] = known
        return known

    def regions(self, regions: Regions) -> Regions:
        """Return regions on contigs of these spellings; two contigs of one name become one."""
        spelled = [self.of(name) for name in regions.contigs]
        if spelled == regions.contigs:
            return regions
        contigs = list(dict.fromkeys(spelled))
        code = np.array([contigs.index(name) for name in spelled], dtype=np.int32)
        return replace(regions, contigs=contigs, contig=code[regions.contig])

    def pairs(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return a canonical pair table with contigs of these spellings."""
        columns = {}
        for column in ("enhancer_chrom", "promoter_chrom"):
            codes, names = pd.factorize(pairs[column])
            spelled = np.array([self.of(str(name)) for name in names], dtype=object)
            columns[column] = pd.Series(spelled[codes], index=pairs.index, dtype=object)
        return pairs.assign(**columns)

    def length(self, contig: str) -> int | None:
        """Return the length of a contig in bp; None where it is not known."""
        return None if self.lengths is None else self.lengths.contigs.get(contig)

    def notes(self) -> list[str]:
        """Say which names were read as another."""
        if not self.renamed:
            return []
        some = ", ".join(f"{name} as {other}" for name, other in list(self.renamed.items())[:5])
        more = f", ... ({len(self.renamed)} names)" if len(self.renamed) > 5 else ""
        return [f"contigs spelled in several ways are one: read {some}{more}"]

    def _find(self, name: str) -> str:
        if self.lengths is not None:
            found = resolve_names([name], self.lengths.contigs, self.aliases)
            if found:
                return found[name]
        return self._by_key.setdefault(canonical_name(name, self.aliases), name)

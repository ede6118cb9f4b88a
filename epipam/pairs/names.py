"""What the regions of a pair are called, whichever way its table says so."""

from __future__ import annotations

from typing import NamedTuple

from epipam.pairs.table import SEPARATOR, UNKNOWN_NAMES, PairTable


class PairNames(NamedTuple):
    """Names of each pair of a table; empty where it gives none."""

    pair: list[str]
    enhancer: list[str]
    promoter: list[str]


def pair_names(table: PairTable) -> PairNames:
    """Return the names of a table's pairs.

    The regions' are those of the canonical table. The pair's is that of a BEDPE's column 7 where
    its fields were kept, else the regions' with `::` between them.
    """
    enhancer, promoter = (
        ["" if name in UNKNOWN_NAMES else name for name in table.frame[f"{anchor}_name"]]
        for anchor in ("enhancer", "promoter")
    )
    both = zip(enhancer, promoter, strict=True)
    pair = [SEPARATOR.join(filter(None, names)) for names in both]
    place = table.layout.pair_name
    if place is not None and table.fields:
        given = [fields[place] if place < len(fields) else "" for fields in table.fields]
        pair = [
            joined if name in UNKNOWN_NAMES or name == SEPARATOR else name
            for name, joined in zip(given, pair, strict=True)
        ]
    return PairNames(pair, enhancer, promoter)

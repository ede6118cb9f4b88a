"""What the regions of a pair are called, whichever way its table says so."""

from __future__ import annotations

from typing import NamedTuple

from epipam.pairs.table import PairTable

# Between the enhancer's and the promoter's name in column 7 of a BEDPE.
SEPARATOR = "::"
_BEDPE_NAME = 6
_UNKNOWN = frozenset({"", "."})


class PairNames(NamedTuple):
    """Names of each pair of a table; empty where it gives none."""

    pair: list[str]
    enhancer: list[str]
    promoter: list[str]


def pair_names(table: PairTable) -> PairNames:
    """Return the names of a table's pairs.

    They have columns of their own, or are column 7 of a BEDPE: `ENHANCER::PROMOTER` as `epipam
    candidates` writes it, or another name of the pair as a whole. The last `::` counts, for motif
    names may hold one and gene names do not. A BEDPE's fields must have been kept.
    """
    if {"enhancer_name", "promoter_name"} & table.layout.positions.keys():
        enhancer, promoter = (
            ["" if name in _UNKNOWN else name for name in table.frame[f"{anchor}_name"]]
            for anchor in ("enhancer", "promoter")
        )
        both = zip(enhancer, promoter, strict=True)
        return PairNames(
            [SEPARATOR.join(filter(None, names)) for names in both], enhancer, promoter
        )
    pair = [fields[_BEDPE_NAME] if len(fields) > _BEDPE_NAME else "" for fields in table.fields]
    split = [name.rpartition(SEPARATOR) for name in pair]
    return PairNames(
        ["" if name in _UNKNOWN else name for name in pair],
        ["" if enhancer in _UNKNOWN else enhancer for enhancer, _, _ in split],
        ["" if not by or promoter in _UNKNOWN else promoter for _, by, promoter in split],
    )

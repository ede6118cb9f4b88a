"""Whether the enhancers of a file look like promoters, and its promoters like enhancers.

In a plain BEDPE the first anchor is the enhancer, for nothing in it says otherwise. What its names
and numbers hint at is said, and never acted upon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pandas as pd

# As many promoters for each enhancer, and so many at least, are far more than genomes have.
_MANY_TIMES, _MANY = 5, 8
_MOST_NAMES = 1_000
_SHOWN = 3
_GENE = re.compile(
    r"ENS[A-Z]*[GT][0-9]{6,}(\.[0-9]+)?|N[MR]_[0-9]{4,}(\.[0-9]+)?"
    r"|[A-Z][A-Z0-9]{2,9}(-[A-Z0-9]{1,6})?|[A-Z][a-z]{2,8}[0-9]{0,4}[a-z]{0,2}[0-9]{0,2}"
)
_NO_GENE = re.compile(
    r"(PEAK|ENH|PROMOTER|REGION|SITE|LOOP|ANCHOR|EH3[78]|CCRE|CHR[0-9XYM]|ELEMENT|NAME|NONE)", re.I
)


def swapped_files_note(
    enhancers: Sequence[str], promoters: Sequence[str], n_enhancers: int, n_promoters: int
) -> str | None:
    """Say why two lists of regions look as if they had been given the other way round.

    Parameters
    ----------
    enhancers, promoters
        Names of the regions that are taken for either; none where they have no names.
    n_enhancers, n_promoters
        How many distinct regions there are.

    Returns
    -------
    What is odd, as the beginning of a sentence; None where nothing is.
    """
    genes_first, genes_second = gene_names(enhancers), gene_names(promoters)
    if 2 * len(genes_first) > len(set(enhancers)) and 10 * len(genes_second) < len(set(promoters)):
        some = ", ".join(genes_first[:_SHOWN])
        return f"the enhancers bear names of genes ({some}), and the promoters do not"
    if n_promoters >= max(_MANY, _MANY_TIMES * n_enhancers):
        return (
            f"there are {n_promoters:,} promoters and {n_enhancers:,} enhancers, "
            f"{n_promoters / max(1, n_enhancers):.0f} for each"
        )
    return None


def swapped_anchors_note(path: object, pairs: pd.DataFrame, *, whole: bool = True) -> str | None:
    """Say why the anchors of a list of pairs look as if the promoter came first, and what to do.

    Parameters
    ----------
    path
        The file, for the message.
    pairs
        Canonical pair table.
    whole
        Whether it is all of the list: of a piece the number of regions says nothing.

    Returns
    -------
    One line; None where nothing is odd.
    """
    names, numbers = [], []
    for anchor in ("enhancer", "promoter"):
        distinct = pairs.drop_duplicates([f"{anchor}_{part}" for part in ("chrom", "start", "end")])
        named = distinct[f"{anchor}_name"].astype(str)
        names.append([name for name in named.tolist() if name not in ("", ".")])
        numbers.append(len(distinct) if whole else 0)
    odd = swapped_files_note(names[0], names[1], *numbers)
    if odd is None:
        return None
    return (
        f"{path}: {odd}; where the promoter is first, name the columns (enhancer_chrom, ..., "
        "promoter_chrom, ...) in a header, which decides"
    )


def gene_names(names: Iterable[str]) -> list[str]:
    """Return the names that look like symbols or identifiers of genes, each once."""
    distinct = list(dict.fromkeys(names))[:_MOST_NAMES]
    found = [n for n in distinct if _GENE.fullmatch(n) and not _NO_GENE.match(n)]
    # Names that differ by a number alone, as site1 and site2, count something.
    stems = {re.sub(r"[0-9.]+$", "", name) for name in found if not name.startswith("ENS")}
    identifiers = any(name.startswith(("ENS", "NM_", "NR_")) for name in found)
    return found if identifiers or 2 * len(stems) > len(found) else []

"""The regions that pairs are made of, each once: those of a list of pairs, or of a region file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from epipam.genome.contigs import other_spellings
from epipam.pairs.overlaps import Places
from epipam.pairs.regions import Regions


def listed_regions(path: Path, pairs: pd.DataFrame, anchor: str) -> Regions:
    """Return the regions of one anchor of a canonical pair table, in order of first appearance.

    Two are the same where contig, start and end are; the first gives the name.

    Parameters
    ----------
    path
        The file that the pairs came from.
    anchor
        `enhancer` or `promoter`.
    """
    contig, contigs = pd.factorize(pairs[f"{anchor}_chrom"].to_numpy(dtype=object))
    return distinct_regions(
        Regions(
            path,
            [str(name) for name in contigs],
            contig.astype(np.int32),
            pairs[f"{anchor}_start"].to_numpy(np.int64),
            pairs[f"{anchor}_end"].to_numpy(np.int64),
            pairs[f"{anchor}_name"].tolist(),
            ["."] * len(pairs),
            np.zeros(len(pairs)),
        )
    )


def distinct_regions(regions: Regions) -> Regions:
    """Return the regions without those that lie where one before them does."""
    places = pd.DataFrame({"contig": regions.contig, "start": regions.start, "end": regions.end})
    rows = np.flatnonzero(~places.duplicated().to_numpy())
    return replace(
        regions,
        contig=regions.contig[rows],
        start=regions.start[rows],
        end=regions.end[rows],
        names=[regions.names[row] for row in rows.tolist()],
        strands=[regions.strands[row] for row in rows.tolist()],
        signal=regions.signal[rows],
    )


def spelled_as(regions: Regions, names: Collection[str]) -> Regions:
    """Return the regions with their contigs spelled as `names` are, where `chr` alone differs.

    A contig that is none of them keeps its name. Two contigs that come to one name become one.
    """
    known = set(names)
    spelled = [
        next((other for other in (name, *other_spellings(name)) if other in known), name)
        for name in regions.contigs
    ]
    contigs = list(dict.fromkeys(spelled))
    code = np.array([contigs.index(name) for name in spelled], dtype=np.int32)
    return replace(regions, contigs=contigs, contig=code[regions.contig])


def places(regions: Regions) -> Places:
    """Return where the regions lie."""
    chrom = np.array(regions.contigs, dtype=object)[regions.contig]
    return Places(chrom, regions.start, regions.end)


def positions(regions: Regions, wanted: Places) -> np.ndarray:
    """Return which of distinct regions lies at each place, int64 (n,); -1 where none does."""
    index = pd.MultiIndex.from_arrays(list(places(regions)))
    found: np.ndarray = index.get_indexer(pd.MultiIndex.from_arrays(list(wanted)))
    return found.astype(np.int64)

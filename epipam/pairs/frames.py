"""Pairs and regions as pandas and PyRanges hold them: names of columns told apart, values checked.

The columns of a table are known by name, in any order, with any further ones between them:
`epipam`'s own (`enhancer_chrom`, ...), those of BEDPE as bioframe has them (`chrom1`, ...), those
of published ChIA-PET lists (`chr_r1`, ...), and what PyRanges makes of two sets of regions by
`join`, `nearest` or `k_nearest` (`Chromosome`, `Start`, `End`, `Start_b`, `End_b`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from epipam.errors import PairTableError, RegionError, RequestError
from epipam.pairs.candidates import MAX_DISTANCE, Candidates, iter_candidates, shared_contigs
from epipam.pairs.formats import (
    BEDPE_POSITIONS,
    CHIAPET_COLUMNS,
    COLUMNS,
    COORDINATE_COLUMNS,
    OPTIONAL_COLUMNS,
    Layout,
)
from epipam.pairs.genes import GeneFeatures
from epipam.pairs.region_files import read_regions
from epipam.pairs.regions import Regions
from epipam.pairs.spellings import Spellings
from epipam.pairs.table import UNKNOWN_CHROMS, PairTable

if TYPE_CHECKING:
    from pyranges import PyRanges

    PairFrame: TypeAlias = pd.DataFrame | PyRanges
    RegionFrame: TypeAlias = pd.DataFrame | PyRanges | str | Path

REQUIRED = tuple(column for column in COLUMNS if column not in OPTIONAL_COLUMNS)
# Of each kind of table, what it calls the required columns, in their order.
PAIR_NAMES = {
    "table": REQUIRED,
    "bedpe": ("chrom1", "start1", "end1", "chrom2", "start2", "end2"),
    "chiapet": tuple(
        name
        for column, name in zip(COLUMNS, CHIAPET_COLUMNS, strict=True)
        if column in BEDPE_POSITIONS
    ),
    "pyranges": ("Chromosome", "Start", "End", "Chromosome", "Start_b", "End_b"),
}
# What tables of regions call contig, start, end, and where they have them name and strand.
REGION_NAMES = (
    ("Chromosome", "Start", "End", "Name", "Strand"),
    ("chrom", "start", "end", "name", "strand"),
)

# Up to here a float holds whole numbers exactly, and no contig is so long.
_LARGEST = 2**53


class FramePairs(NamedTuple):
    """The pairs of a table that can be read, and what is wrong with the others.

    Attributes
    ----------
    table
        The pairs, with the canonical columns. They are of no file: its path and lines mean nothing.
    rows
        int64 (n_pairs,): which row of the frame, from 0, each is.
    problems
        `column: what is wrong` of the other rows.
    """

    table: PairTable
    rows: np.ndarray
    problems: dict[int, str]


def as_frame(pairs: PairFrame) -> pd.DataFrame:
    """Return a table as a DataFrame: itself, or that of a PyRanges.

    Raises
    ------
    RequestError
        For anything else.
    """
    frame = pairs if isinstance(pairs, pd.DataFrame) else getattr(pairs, "df", None)
    if isinstance(frame, pd.DataFrame):
        return frame
    way_out = "; epipam.pair_regions pairs two sets of regions" if isinstance(pairs, tuple) else ""
    raise RequestError(
        "pairs and regions are tables, a pandas DataFrame or a PyRanges, not "
        f"{type(pairs).__name__}{way_out}"
    )


def read_pair_frame(frame: pd.DataFrame) -> FramePairs:
    """Read the anchors of the pairs of a table.

    Parameters
    ----------
    frame
        With the columns of one of `PAIR_NAMES`, and any others.

    Raises
    ------
    PairTableError
        Where it has the columns of none, or one of them twice.
    """
    layout = _layout(frame)
    problems: dict[int, str] = {}
    columns: dict[str, np.ndarray] = {}
    for column in REQUIRED:
        values = frame.iloc[:, layout.positions[column]]
        parse = _coordinates if column in COORDINATE_COLUMNS else _contigs
        columns[column], bad = parse(values)
        for row in np.flatnonzero(bad).tolist():
            problems.setdefault(row, f"{layout.name(column)}: {_complaint(column, values, row)}")
    rows = np.setdiff1d(np.arange(len(frame)), list(problems))
    readable = pd.DataFrame({column: columns[column][rows] for column in REQUIRED})
    blank = {"enhancer_name": "", "promoter_name": "", "label": np.int8(-1)}
    canonical = readable.assign(**blank)[list(COLUMNS)]
    table = PairTable(Path("pairs"), canonical, rows + 1, layout)
    return FramePairs(table, rows, problems)


def pair_regions(
    enhancers: RegionFrame,
    promoters: RegionFrame,
    *,
    max_distance: int = MAX_DISTANCE,
    min_distance: int = 0,
    ignore_chr: bool = True,
) -> pd.DataFrame:
    """Pair every enhancer with every promoter nearby, as `epipam candidates` does.

    Parameters
    ----------
    enhancers, promoters
        Regions, 0-based and half-open: a PyRanges; a DataFrame with `Chromosome`, `Start`, `End` or
        `chrom`, `start`, `end`, and perhaps `Name` or `name`; or a file that `epipam candidates`
        reads (BED, narrowPeak, broadPeak; promoters also from GTF and GFF3).
    max_distance, min_distance
        In bp, midpoint to midpoint, both included. `chr1` and `1` are one contig, and the pairs
        bear the name that came first.
    ignore_chr
        Changes nothing: older programs say here what is always so now.

    Returns
    -------
    DataFrame
        The columns `enhancer_chrom`, `enhancer_start`, `enhancer_end`, `enhancer_name`, the same of
        the promoter, and `distance`, float64 in bp; sorted by contig, enhancer and promoter. A
        region without a name is called by its place.

    Raises
    ------
    RegionError
        For regions that cannot be read.
    RequestError
        Where both have no contig in common, and for limits that no distance meets.
    """
    if not 0 <= min_distance <= max_distance:
        raise RequestError(
            f"min_distance is {min_distance} and max_distance {max_distance}, but 0 <= "
            "min_distance <= max_distance must hold"
        )
    spellings = Spellings()
    enhancer = spellings.regions(_regions(enhancers, "enhancers", None))
    promoter = spellings.regions(_regions(promoters, "promoters", GeneFeatures()))
    if not (len(enhancer) and len(promoter)):
        pieces = []
    else:
        contigs = shared_contigs(enhancer, promoter)
        pieces = list(iter_candidates(enhancer, promoter, contigs, max_distance, min_distance))
    nothing = Candidates(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    found = Candidates(*map(np.concatenate, zip(nothing, *pieces, strict=True)))
    return pd.DataFrame(
        {
            **_anchor("enhancer", enhancer, found.enhancer),
            **_anchor("promoter", promoter, found.promoter),
            "distance": found.distance,
        }
    )


def _layout(frame: pd.DataFrame) -> Layout:
    """Find the kind of a table: the first whose columns it has."""
    names = [str(name) for name in frame.columns]
    kind = next((kind for kind, needed in PAIR_NAMES.items() if set(needed) <= set(names)), None)
    if kind is None:
        raise PairTableError(
            f"the table has the columns {', '.join(names) or 'of no name'}, but pairs need "
            + ", or ".join(" ".join(dict.fromkeys(needed)) for needed in PAIR_NAMES.values())
        )
    if twice := sorted({name for name in PAIR_NAMES[kind] if names.count(name) > 1}):
        raise PairTableError(f"the table has more than one column {', '.join(twice)}")
    positions = {
        column: names.index(name) for column, name in zip(REQUIRED, PAIR_NAMES[kind], strict=True)
    }
    return Layout(kind, "", positions, tuple(names))


def _coordinates(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return int64 (n,), and which are no whole numbers, bool (n,)."""
    if pd.api.types.is_bool_dtype(values):
        return np.zeros(len(values), np.int64), np.ones(len(values), bool)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    good = np.isfinite(numbers) & (np.abs(numbers) <= _LARGEST) & (numbers == np.round(numbers))
    return np.where(good, numbers, 0).astype(np.int64), ~good


def _contigs(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return text (n,), and which are missing, bool (n,)."""
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    names = np.array([*(str(name) for name in distinct), ""], dtype=object)
    missing = np.array([str(name) in UNKNOWN_CHROMS for name in names], dtype=bool)
    return names[codes], missing[codes]


def _complaint(column: str, values: pd.Series, row: int) -> str:
    if column in COORDINATE_COLUMNS:
        return f"{values.iloc[row]!s} is not a whole number"
    return "no chromosome: the anchor is unknown"


def _regions(given: RegionFrame, what: str, genes: GeneFeatures | None) -> Regions:
    if isinstance(given, str | Path):
        return read_regions(given, genes)
    frame = as_frame(given)
    names = next((names for names in REGION_NAMES if set(names[:3]) <= set(frame.columns)), None)
    if names is None:
        raise RegionError(
            f"{what}: the table has the columns {', '.join(map(str, frame.columns))}, but regions "
            "need " + ", or ".join(" ".join(names[:3]) for names in REGION_NAMES)
        )
    contig, start, end, name, strand = names
    contigs, no_contig = _contigs(frame[contig])
    starts, no_start = _coordinates(frame[start])
    ends, no_end = _coordinates(frame[end])
    _require_regions(what, names, no_contig, no_start, no_end, starts > ends)
    codes, distinct = pd.factorize(contigs)
    places = [f"{c}:{s}-{e}" for c, s, e in zip(contigs, starts, ends, strict=True)]
    return Regions(
        Path(what),
        list(distinct),
        codes.astype(np.int32),
        starts,
        ends,
        _texts(frame, name, places),
        _texts(frame, strand, ["."] * len(frame)),
        np.zeros(len(frame)),
    )


def _require_regions(what: str, names: tuple[str, ...], *bad: np.ndarray) -> None:
    """Raise where a region has no contig, no start, no end, or starts after its end."""
    contig, start, end, *_ = names
    wrong = (
        f"{contig}: no chromosome",
        f"{start}: is not a whole number",
        f"{end}: is not a whole number",
        f"{start}: lies after {end}",
    )
    rows = np.flatnonzero(np.any(bad, axis=0)).tolist()
    if rows:
        reasons = (next(w for w, b in zip(wrong, bad, strict=True) if b[row]) for row in rows)
        listed = [f"row {row}: {reason}" for row, reason in zip(rows, reasons, strict=True)]
        raise RegionError(f"{what}: {len(rows)} of {len(bad[0])} rows are no regions:", listed)


def _texts(frame: pd.DataFrame, column: str, instead: list[str]) -> list[str]:
    """Return a column as text, and something else where it is missing."""
    if column not in frame.columns:
        return instead
    missing = frame[column].isna()
    return [
        other if absent else str(value)
        for value, absent, other in zip(frame[column], missing, instead, strict=True)
    ]


def _anchor(anchor: str, regions: Regions, rows: np.ndarray) -> dict[str, np.ndarray]:
    contigs = np.array(regions.contigs, dtype=object)
    return {
        f"{anchor}_chrom": contigs[regions.contig[rows]],
        f"{anchor}_start": regions.start[rows],
        f"{anchor}_end": regions.end[rows],
        f"{anchor}_name": np.array(regions.names, dtype=object)[rows],
    }

"""Every single-base change of one pair's windows, and what each does to the pair's score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from epipam.errors import RequestError
from epipam.genome.contigs import other_spellings
from epipam.genome.encoding import BASES, LETTER_CODE, decode
from epipam.genome.fasta import Genome
from epipam.genome.windows import resize
from epipam.pairs.checks import check_pairs
from epipam.pairs.formats import Columns
from epipam.pairs.table import PairTable, iter_pairs
from epipam.runtime.column_tables import open_table
from epipam.scoring.engine import Engine, PairWindows
from epipam.scoring.score import probabilities, read_windows

COLUMNS: dict[str, type] = {
    "chrom": str,
    "pos": int,
    "ref": str,
    "alt": str,
    "anchor": str,
    "enhancer_offset": int,
    "promoter_offset": int,
    "ref_probability": float,
    "alt_probability": float,
    "ref_logit": float,
    "alt_logit": float,
    "delta_logit": float,
}

# So many changed windows are scored at once: some megabytes.
_BATCH = 1_536


class Region(NamedTuple):
    """Part of a contig, 0-based, half-open."""

    contig: str
    start: int
    end: int


class Mutagenesis(NamedTuple):
    """All single-base changes of a pair.

    Attributes
    ----------
    changes
        `COLUMNS`; offsets are Int64, missing where a base is not in that window. Sorted by
        anchor (enhancer, both, promoter as they begin), position and base.
    probability, logit
        Of the pair as it is.
    title
        Where the pair lies, for people.
    """

    changes: pd.DataFrame
    probability: float
    logit: float
    title: str


def parse_region(text: str) -> Region:
    """Return the region that `CHROM:START-END` means: 1-based, both ends included, as samtools.

    Raises
    ------
    RequestError
        For any other text.
    """
    contig, _, span = text.rpartition(":")
    numbers = span.replace(",", "").split("-")
    if not contig or len(numbers) != 2 or not all(n.isdecimal() for n in numbers):
        raise RequestError(
            f"--region {text}: must be CHROM:START-END, as chr20:1,000,001-1,000,100"
        )
    start, end = (int(number) for number in numbers)
    if not 1 <= start <= end:
        raise RequestError(f"--region {text}: holds no base: START is 1 or more, and END no less")
    return Region(contig, start - 1, end)


def read_pair(path: str | Path, row: int, columns: Columns | None = None) -> PairTable:
    """Return one pair of a table, by its number among the rows that can be read, from 1.

    Raises
    ------
    RequestError
        Where there are fewer.
    """
    before = 0
    for table in iter_pairs(path, malformed="skip", columns=columns):
        if row <= before + len(table):
            one = slice(row - before - 1, row - before)
            return PairTable(table.path, table.frame.iloc[one], table.line[one], table.layout)
        before += len(table)
    raise RequestError(f"{path}: has {before:,} pairs; there is no row {row:,}")


def mutate_pair(
    engine: Engine,
    genome: Genome,
    table: PairTable,
    region: Region | None = None,
    on_changes: Callable[[int], None] = lambda changes: None,
) -> Mutagenesis:
    """Score every single-base change of a pair's windows.

    A base that lies in both windows is changed in both. Bases that are not A, C, G or T have no
    changes.

    Parameters
    ----------
    table
        One pair.
    region
        Only bases that lie in it.
    on_changes
        Called with the number of changes scored since the last call.

    Raises
    ------
    RequestError
        Where the pair cannot be windowed on the genome, and where no base is left to change.
    """
    lengths = (engine.enhancer_length, engine.promoter_length)
    check = check_pairs(table, genome, *lengths, allow_trans=True)
    if not check.usable.all():
        reason = ", ".join(check.skipped)
        raise RequestError(
            f"{table.path}:{table.line[0]}: cannot be used on {genome.path}: {reason}"
        )
    pair = table.frame.iloc[0]
    windows = read_windows(table.frame, genome, check.contigs, *lengths)
    sites = _sites(pair, check.contigs, windows, lengths)
    if region is not None:
        sites = sites[_inside(sites, region, check.contigs)]
    if sites.empty:
        where = "its windows hold" if region is None else "--region holds"
        raise RequestError(f"{table.path}:{table.line[0]}: {where} no base of the pair to change")
    # Three rows for each site: the bases that it has not.
    changes = sites.loc[sites.index.repeat(len(BASES))].reset_index(drop=True)
    changes["alt"] = list(BASES) * len(sites)
    changes = changes[changes["alt"] != changes["ref"]].reset_index(drop=True)
    logit = float(engine.logits(windows)[0])
    alternative = np.empty(len(changes))
    for first in range(0, len(changes), _BATCH):
        some = changes.iloc[first : first + _BATCH]
        alternative[first : first + len(some)] = engine.logits(_changed(windows, some))
        on_changes(len(some))
    for anchor in ("enhancer", "promoter"):
        offset = changes[f"{anchor}_offset"]
        changes[f"{anchor}_offset"] = offset.astype("Int64").mask(offset < 0)
    changes["ref_logit"], changes["alt_logit"] = logit, alternative
    changes["delta_logit"] = alternative - logit
    changes["ref_probability"] = probabilities(changes["ref_logit"].to_numpy())
    changes["alt_probability"] = probabilities(alternative)
    title = " and ".join(
        f"{pair[f'{a}_chrom']}:{pair[f'{a}_start']:,}-{pair[f'{a}_end']:,}"
        for a in ("enhancer", "promoter")
    )
    return Mutagenesis(changes[list(COLUMNS)], float(probabilities(np.array(logit))), logit, title)


def write_changes(found: Mutagenesis, out: Path, ending: str) -> None:
    """Write the changes as a table, whole or not at all; `ending` is one of `ENDINGS`."""
    piece = {
        name: [None if value is pd.NA else value for value in found.changes[name].tolist()]
        for name in COLUMNS
    }
    with open_table(out, ending, COLUMNS) as write:
        write(piece)


def _sites(
    pair: Any, contigs: dict[str, str], windows: PairWindows, lengths: tuple[int, int]
) -> pd.DataFrame:
    """Return each base of the genome that lies in a window, by position.

    The enhancer's contig comes first. An offset of -1 means that a base is not in that window.
    """
    found = []
    for anchor, packed, length in zip(
        ("enhancer", "promoter"), (windows.enhancer, windows.promoter), lengths, strict=True
    ):
        start = int(resize(pair[f"{anchor}_start"], pair[f"{anchor}_end"], length))
        letters = np.frombuffer(decode(packed, length)[0].encode(), dtype="S1").astype(str)
        found.append(
            pd.DataFrame(
                {
                    "chrom": pair[f"{anchor}_chrom"],
                    "contig": contigs[pair[f"{anchor}_chrom"]],
                    "pos": start + np.arange(length) + 1,
                    "ref": letters,
                    f"{anchor}_offset": np.arange(length),
                }
            )
        )
    enhancer, promoter = found
    keys = ["contig", "pos", "ref"]
    sites = enhancer.merge(promoter, on=keys, how="outer", suffixes=("", "_promoter"))
    sites["chrom"] = sites["chrom"].fillna(sites["chrom_promoter"])
    for anchor in ("enhancer", "promoter"):
        sites[f"{anchor}_offset"] = sites[f"{anchor}_offset"].fillna(-1).astype(np.int64)
    in_enhancer, in_promoter = (sites[f"{a}_offset"] >= 0 for a in ("enhancer", "promoter"))
    sites["anchor"] = np.select(
        [in_enhancer & in_promoter, in_enhancer], ["both", "enhancer"], "promoter"
    )
    other = sites["contig"] != enhancer["contig"].iloc[0]
    sites = sites[sites["ref"].isin(list(BASES))]
    return sites.assign(other=other).sort_values(["other", "pos"]).reset_index(drop=True)


def _inside(sites: pd.DataFrame, region: Region, contigs: dict[str, str]) -> pd.Series:
    """Return which sites lie in a region, bool; its contig may be spelled as pairs or genome do."""
    names = {region.contig, *other_spellings(region.contig)}
    here = sites["contig"].isin(names)
    return here & (sites["pos"] > region.start) & (sites["pos"] <= region.end)


def _changed(windows: PairWindows, changes: pd.DataFrame) -> PairWindows:
    """Return the pair once for each change, with its windows changed."""
    codes = LETTER_CODE[changes["alt"].to_numpy().astype("S1").view(np.uint8)]
    packed, rows = [], []
    for anchor, window in (("enhancer", windows.enhancer), ("promoter", windows.promoter)):
        offset = changes[f"{anchor}_offset"].to_numpy()
        here = np.flatnonzero(offset >= 0)
        changed = np.repeat(window, len(here), axis=0)
        byte, high = offset[here] // 2, offset[here] % 2 == 0
        kept = np.where(high, 0x0F, 0xF0).astype(np.uint8)
        at = np.arange(len(here)), byte
        changed[at] = (changed[at] & kept) | np.where(high, codes[here] << 4, codes[here])
        # Row 0 is the window as it is.
        row = np.zeros(len(changes), dtype=np.int64)
        row[here] = 1 + np.arange(len(here))
        packed.append(np.concatenate([window, changed]))
        rows.append(row)
    return PairWindows(packed[0], packed[1], rows[0], rows[1])

"""Candidate pairs: every enhancer with every promoter nearby, streamed to a BEDPE.

The distance of two regions is that of their midpoints, (start + end) / 2, which nothing rounds:
with an odd number of bases a midpoint is a half. Both limits of the distance are included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam

from epipam.errors import RequestError
from epipam.genome.contigs import Aliases, find_contigs, listed_contigs
from epipam.genome.lengths import read_contig_lengths
from epipam.pairs.genes import GeneFeatures
from epipam.pairs.region_files import read_regions
from epipam.pairs.regions import Regions
from epipam.pairs.roles import swapped_files_note
from epipam.pairs.spellings import Spellings
from epipam.runtime.files import check_new_file, whole_file

MAX_DISTANCE = 1_000_000
ENDINGS = (".bedpe", ".bedpe.gz")
HEADER = (
    "#chrom1", "start1", "end1", "chrom2", "start2", "end2",
    "name", "score", "strand1", "strand2", "distance",
)  # fmt: skip

_BLOCK_PAIRS = 50_000
_NAMED_CONTIGS = 5
_BLANKS = str.maketrans("\t\r\n", "   ")


@dataclass(frozen=True)
class CandidatesResult:
    """What `candidates` did.

    Attributes
    ----------
    path
        The BEDPE.
    pairs, enhancers, promoters
        How many pairs it holds, of how many regions.
    without_promoter, without_enhancer
        Contigs that only the enhancers, or only the promoters, lie on.
    renamed
        Names of contigs that were read as another name of the same contig.
    notes
        What to know of how the files were read.
    overlapping
        How many pairs were left out because their regions overlap.
    """

    path: Path
    pairs: int
    enhancers: int
    promoters: int
    without_promoter: list[str]
    without_enhancer: list[str]
    renamed: dict[str, str]
    notes: tuple[str, ...] = ()
    overlapping: int = 0


class Candidates(NamedTuple):
    """Some candidate pairs, each array of shape (n_pairs,).

    Attributes
    ----------
    enhancer, promoter
        int64: which region of either file.
    distance
        float64: from midpoint to midpoint, in bp, a multiple of 0.5.
    """

    enhancer: np.ndarray
    promoter: np.ndarray
    distance: np.ndarray


class SharedContigs(NamedTuple):
    """Contigs that lie in both files.

    Attributes
    ----------
    enhancer
        Which contig of the enhancers each is.
    promoter
        Which contig of the promoters.
    """

    enhancer: list[int]
    promoter: list[int]

    def only(self, codes: Sequence[int]) -> SharedContigs:
        """Return those that are among some contigs of the enhancers."""
        kept = [i for i, code in enumerate(self.enhancer) if code in codes]
        return self._replace(
            enhancer=[self.enhancer[i] for i in kept], promoter=[self.promoter[i] for i in kept]
        )


def candidates(
    enhancers_path: str | Path,
    promoters_path: str | Path,
    out: str | Path,
    *,
    max_distance: int = MAX_DISTANCE,
    min_distance: int = 0,
    keep_overlapping: bool = False,
    genes: GeneFeatures | None = None,
    genome: str | Path | None = None,
    aliases: Aliases | None = None,
    contigs: Sequence[str] | None = None,
    overwrite: bool = False,
    on_pairs: Callable[[int], None] = lambda pairs: None,
) -> CandidatesResult:
    """Write every pair within a distance; memory is that of the regions, not of the pairs.

    The rows are sorted: contigs as they first appear among the enhancers, on each the enhancers by
    start and end, for each the promoters by start and end, equal regions in the order of their
    file. So tabix can index them.

    Parameters
    ----------
    enhancers_path, promoters_path
        As `read_regions` reads them; the promoters may be genes of a GTF or GFF3.
    out
        `.bedpe`, or `.bedpe.gz`, which is bgzip.
    max_distance, min_distance
        In bp, midpoint to midpoint, both included.
    keep_overlapping
        Whether pairs whose regions share a base are written. By default they are left out and
        counted: a promoter in the list of enhancers would be its own enhancer.
    genes
        Which promoters the genes of an annotation have.
    genome
        FASTA, or table of contig lengths: regions must lie inside its contigs, promoters of genes
        end there, and the pairs bear its names. Without it, `chr1` and `1` are one contig, too,
        and the pairs bear the name that came first.
    aliases
        Further names of contigs.
    contigs
        Only the pairs on these contigs, as the enhancers spell them or without `chr`; all without.
    on_pairs
        Called with the number of pairs written since the last call, some thousand at a time.

    Raises
    ------
    RegionError
        As `read_regions` does.
    RequestError
        Where no pair can be made, or `out` exists.
    EpipamError
        Where `out` cannot be written.
    """
    out = Path(out)
    check_candidates(out, max_distance, min_distance, overwrite=overwrite)
    spellings = Spellings(None if genome is None else read_contig_lengths(genome), aliases)
    enhancers = read_regions(enhancers_path, spellings=spellings)
    promoters = read_regions(promoters_path, genes or GeneFeatures(), spellings=spellings)
    shared = shared_contigs(enhancers, promoters)
    asked = (
        (enhancers.contigs, promoters.contigs)
        if contigs is None
        else _asked_contigs(enhancers, promoters, contigs)
    )
    shared = shared.only([enhancers.contigs.index(name) for name in asked[0]])
    n_pairs = reported = n_overlapping = 0
    with whole_file(out, overwrite=overwrite) as partial:
        handle = pysam.BGZFile(str(partial), "w", None) if out.suffix == ".gz" else None
        with closing(handle or partial.open("wb")) as rows:
            rows.write(("\t".join(HEADER) + "\n").encode())
            lines = _Rows(enhancers, promoters)
            for pairs in iter_candidates(enhancers, promoters, shared, max_distance, min_distance):
                if not keep_overlapping:
                    pairs, n_left_out = _apart(pairs, enhancers, promoters)
                    n_overlapping += n_left_out
                rows.write(lines.text(pairs).encode())
                n_pairs += len(pairs.distance)
                if n_pairs - reported >= _BLOCK_PAIRS:  # contigs can be many and small
                    on_pairs(n_pairs - reported)
                    reported = n_pairs
        if n_pairs == 0:
            where = "" if contigs is None else f" on {', '.join(contigs)}"
            raise RequestError(
                f"{enhancers_path}: no promoter of {promoters_path} lies {min_distance:,} to "
                f"{max_distance:,} bp from any enhancer{where}; --max-distance sets another limit"
                + (f"; {_left_out(n_overlapping)}" if n_overlapping else "")
            )
    if n_pairs > reported:
        on_pairs(n_pairs - reported)
    return CandidatesResult(
        out,
        n_pairs,
        len(enhancers),
        len(promoters),
        _others(asked[0], [enhancers.contigs[code] for code in shared.enhancer]),
        _others(asked[1], [promoters.contigs[code] for code in shared.promoter]),
        spellings.renamed,
        (*enhancers.notes, *promoters.notes, *_swapped(enhancers, promoters)),
        n_overlapping,
    )


def check_candidates(out: Path, max_distance: int, min_distance: int, *, overwrite: bool) -> None:
    """Refuse, before any work, an output or limits that cannot be.

    Raises
    ------
    RequestError
        For an unknown ending, an output that exists, and a nearest distance beyond the farthest.
    """
    check_new_file(out, "the pairs", ENDINGS, overwrite=overwrite)
    if not 0 <= min_distance <= max_distance:
        raise RequestError(
            f"no distance is at least {min_distance:,} and at most {max_distance:,} bp: "
            "--min-distance must be 0 or more, and --max-distance no less than it"
        )


def shared_contigs(enhancers: Regions, promoters: Regions) -> SharedContigs:
    """Return the contigs on which both have regions, in the order of the enhancers' file.

    Both must spell them alike, as `epipam.pairs.spellings` makes them do.

    Raises
    ------
    RequestError
        Where there is none.
    """
    codes = {name: code for code, name in enumerate(promoters.contigs)}
    shared = [code for code, name in enumerate(enhancers.contigs) if name in codes]
    if not shared:
        raise RequestError(
            f"{enhancers.path} and {promoters.path} have no contig in common: "
            f"{_some(enhancers.contigs)} against {_some(promoters.contigs)}; are they of one "
            "assembly? --aliases takes a file of the names that mean one contig"
        )
    return SharedContigs(shared, [codes[enhancers.contigs[code]] for code in shared])


def iter_candidates(
    enhancers: Regions,
    promoters: Regions,
    contigs: SharedContigs,
    max_distance: int = MAX_DISTANCE,
    min_distance: int = 0,
) -> Iterator[Candidates]:
    """Yield all pairs within a distance, some thousand at a time, as `candidates` sorts them.

    A piece holds whole enhancers: its size is bounded by the number of promoters on a contig.
    """
    for enhancer_code, promoter_code in zip(*contigs, strict=True):
        enhancer = _sorted_regions(enhancers, enhancer_code)
        promoter = _sorted_regions(promoters, promoter_code)
        # Twice the midpoints are whole numbers.
        enhancer_middle, promoter_middle = (
            regions.start[rows] + regions.end[rows]
            for regions, rows in ((enhancers, enhancer), (promoters, promoter))
        )
        by_middle = np.argsort(promoter_middle, kind="stable")
        middles = promoter_middle[by_middle]
        first = np.searchsorted(middles, enhancer_middle - 2 * max_distance, side="left")
        end = np.searchsorted(middles, enhancer_middle + 2 * max_distance, side="right")
        for block in _blocks(end - first):
            count = (end - first)[block]
            at = np.repeat(np.arange(block.start, block.stop), count)
            # Of each enhancer's run of promoters: the run's first, plus the place within it.
            place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            nearby = by_middle[np.repeat(first[block], count) + place]
            twice = np.abs(enhancer_middle[at] - promoter_middle[nearby])
            keep = np.flatnonzero(twice >= 2 * min_distance)
            keep = keep[np.lexsort((nearby[keep], at[keep]))]
            if len(keep):
                yield Candidates(enhancer[at[keep]], promoter[nearby[keep]], twice[keep] / 2)


def _apart(pairs: Candidates, enhancers: Regions, promoters: Regions) -> tuple[Candidates, int]:
    """Return the pairs whose regions share no base, and how many others there are."""
    e, p = pairs.enhancer, pairs.promoter
    apart = (enhancers.end[e] <= promoters.start[p]) | (promoters.end[p] <= enhancers.start[e])
    return Candidates(*(column[apart] for column in pairs)), int((~apart).sum())


def _left_out(n_overlapping: int) -> str:
    return f"{n_overlapping:,} pairs of regions that overlap (--overlapping keep writes them)"


def _sorted_regions(regions: Regions, code: int) -> np.ndarray:
    """Return which regions lie on a contig, by start and end."""
    rows = np.flatnonzero(regions.contig == code)
    return rows[np.lexsort((regions.end[rows], regions.start[rows]))]


def _blocks(counts: np.ndarray) -> Iterator[slice]:
    """Yield runs of enhancers that have about `_BLOCK_PAIRS` pairs, and one enhancer at least."""
    until = np.cumsum(counts)
    first, done = 0, 0
    while first < len(counts):
        end = int(np.searchsorted(until, done + _BLOCK_PAIRS, side="right"))
        end = max(end, first + 1)
        yield slice(first, end)
        first, done = end, int(until[end - 1])


class _Rows:
    """Rows of the BEDPE; the text that a region gives to each of its rows is made once."""

    def __init__(self, enhancers: Regions, promoters: Regions) -> None:
        self._enhancers = _texts(enhancers)
        self._promoters = _texts(promoters)

    def text(self, pairs: Candidates) -> str:
        rows = []
        for e, p, distance in zip(*(column.tolist() for column in pairs), strict=True):
            place, name, strand = self._enhancers[e]
            other_place, other_name, other_strand = self._promoters[p]
            whole = f"{distance:.1f}".removesuffix(".0")
            rows.append(
                f"{place}\t{other_place}\t{name}::{other_name}\t.\t{strand}\t{other_strand}\t{whole}\n"
            )
        return "".join(rows)


def _texts(regions: Regions) -> list[tuple[str, str, str]]:
    """Return (contig, start and end; name; strand) of each region, as BEDPE has them."""
    contigs = regions.contigs
    places = zip(regions.contig.tolist(), regions.start.tolist(), regions.end.tolist(), strict=True)
    texts = (f"{contigs[code]}\t{start}\t{end}" for code, start, end in places)
    names = (name.translate(_BLANKS) for name in regions.names)
    return list(zip(texts, names, regions.strands, strict=True))


def _asked_contigs(
    enhancers: Regions, promoters: Regions, names: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the enhancers' contigs that are asked for, and the promoters', each as spelled there.

    Raises
    ------
    RequestError
        For a name that is in neither file.
    """
    found, missing = find_contigs(enhancers.contigs, names)
    _, nowhere = find_contigs(promoters.contigs, missing)
    if nowhere:
        raise RequestError(
            f"{enhancers.path} and {promoters.path} have nothing on {', '.join(nowhere)}; they "
            f"have {listed_contigs([*enhancers.contigs, *promoters.contigs])}"
        )
    return list(found), list(find_contigs(promoters.contigs, names)[0])


def _swapped(enhancers: Regions, promoters: Regions) -> list[str]:
    """Say where the files look as if they had been given the other way round."""
    odd = swapped_files_note(enhancers.names, promoters.names, len(enhancers), len(promoters))
    if odd is None:
        return []
    return [f"{odd}: enhancers come first, {promoters.path} second; swap them if they are not"]


def _others(contigs: Iterable[str], shared: Iterable[str]) -> list[str]:
    kept = set(shared)
    return [name for name in contigs if name not in kept]


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED_CONTIGS])
    return f"{shown}, ..." if len(names) > _NAMED_CONTIGS else shown

"""Labelled pairs from chromatin loops and peaks, from file to file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from epipam.errors import RequestError
from epipam.genome.contigs import Aliases
from epipam.genome.lengths import read_contig_lengths
from epipam.pairs import contacts
from epipam.pairs.contacts import MOVE, PER_POSITIVE, WINDOW_LENGTH, Contacts
from epipam.pairs.pair_lists import read_pair_list
from epipam.pairs.region_files import read_regions
from epipam.pairs.regions import Regions
from epipam.pairs.roles import swapped_anchors_note
from epipam.pairs.spellings import Spellings
from epipam.runtime.files import check_new_file, write_text

NEGATIVES = ("moved", "matched")
OUTSIDE = "a window lies outside its chromosome"


@dataclass(frozen=True)
class ChiapetResult:
    """What `chiapet` wrote.

    Attributes
    ----------
    path
        The pair table.
    positives, negatives
        How many pairs it holds.
    loops_left_out, negatives_left_out
        How many loops made no positive, and how many negatives were not made, by the reason.
    notes
        What to know of how the files were read.
    """

    path: Path
    positives: int
    negatives: int
    loops_left_out: dict[str, int]
    negatives_left_out: dict[str, int]
    notes: tuple[str, ...] = ()


def chiapet(
    loops: str | Path,
    peaks: str | Path,
    out: str | Path,
    *,
    negatives: str = "moved",
    length: int = WINDOW_LENGTH,
    move: int = MOVE,
    per_positive: int = PER_POSITIVE,
    min_distance: int | None = None,
    max_distance: int | None = None,
    genome: str | Path | None = None,
    aliases: Aliases | None = None,
    bad_pairs: str = "fail",
    seed: int = 0,
    overwrite: bool = False,
) -> ChiapetResult:
    """Write labelled pairs of the loops whose anchors both meet a peak.

    Parameters
    ----------
    loops
        A table of pairs, such as BEDPE or a HiCCUPS list; where it has labels, those of label 1.
    peaks
        As `read_regions` reads them; the strongest in an anchor stands for it.
    out
        Pair table, `.tsv`: the left anchor as enhancer, the right one as promoter.
    negatives
        `moved`: the anchors of each positive, moved aside; `matched`: pairs of peaks that are not
        in contact, at the distances of the positives.
    length
        Of the window about a peak, bp.
    move
        How far anchors move, bp.
    per_positive
        How many matched negatives each positive gets.
    min_distance, max_distance
        Leave out positives beyond these, midpoint to midpoint in bp, both included.
    genome
        FASTA, or table of contig lengths: all must lie inside its contigs, and the pairs bear its
        names. Without it, `chr1` and `1` are one contig, too, with the name that came first.
    aliases
        Further names of contigs.
    bad_pairs
        `fail` or `skip`: what becomes of loops that cannot be read, or end before they begin.
    seed
        Of the matched negatives.

    Raises
    ------
    RequestError
        Where no loop has a peak in both anchors, or `out` exists.
    PairTableError, RegionError
        For rows that cannot be used.
    """
    out = Path(out)
    check_new_file(out, "pairs", (".tsv",), overwrite=overwrite)
    spellings = Spellings(None if genome is None else read_contig_lengths(genome), aliases)
    listed = read_pair_list(loops, spellings, bad_pairs=bad_pairs)
    regions = read_regions(peaks, spellings=spellings)
    frame, other_labels = _loops_of_label_1(listed.frame)
    if frame.empty:
        raise RequestError(f"{loops}: has labels, but no pair of label 1, and those are the loops")
    found = contacts.loops_from_pairs(frame)
    table = contacts.peaks_from_regions(regions)
    positives = _inside(contacts.contacts_between_peaks(found.table, table, length), spellings)
    if positives.table.empty:
        raise RequestError(f"{loops}: no loop has a peak of {peaks} in both anchors")
    positives = contacts.within_distance(positives, min_distance, max_distance)
    if positives.table.empty:
        raise RequestError(
            f"{loops}: no loop with peaks in both anchors lies within the limits of the distance"
        )
    if negatives == "moved":
        made = contacts.moved_negatives(positives.table, move)
    else:
        made = contacts.matched_negatives(
            positives.table, found.table, table, per_positive=per_positive, seed=seed
        )
    made = _inside(made, spellings)
    pairs = contacts.labelled_pairs(positives.table, made.table)
    write_text(out, pairs.to_csv(sep="\t", index=False, lineterminator="\n"))
    swapped = swapped_anchors_note(loops, listed.frame)
    return ChiapetResult(
        out,
        len(positives.table),
        len(made.table),
        {**listed.skipped, **other_labels, **found.left_out, **positives.left_out},
        made.left_out,
        (*regions.notes, _signal_note(regions), *spellings.notes(), *filter(None, [swapped])),
    )


def _loops_of_label_1(pairs: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the pairs that are loops: those of label 1, or all of a list without any label."""
    labels = pairs["label"].to_numpy()
    if not (labels != -1).any():
        return pairs, {}
    n_others = int((labels != 1).sum())
    return pairs[labels == 1], {"not of label 1": n_others} if n_others else {}


def _inside(found: Contacts, spellings: Spellings) -> Contacts:
    """Leave out windows that end behind their chromosome, where its length is known."""
    if spellings.lengths is None or found.table.empty:
        return found
    lengths = found.table["chrom"].map(spellings.lengths.contigs)
    outside = (found.table["right_end"] > lengths).to_numpy()
    if not outside.any():
        return found
    left_out = {**found.left_out, OUTSIDE: int(outside.sum())}
    return Contacts(found.table[~outside].reset_index(drop=True), left_out)


def _signal_note(peaks: Regions) -> str:
    """Say by what the strongest peak of an anchor was found."""
    if not peaks.signal_name:
        return (
            f"{peaks.path}: read as {peaks.kind}, without a signal: the leftmost peak in an anchor "
            "stands for it"
        )
    if len(peaks) > 1 and len(np.unique(peaks.signal)) == 1:
        return (
            f"{peaks.path}: read as {peaks.kind}, all peaks with one {peaks.signal_name}: the "
            "leftmost peak in an anchor stands for it"
        )
    return f"{peaks.path}: read as {peaks.kind}, peaks compared by {peaks.signal_name}"

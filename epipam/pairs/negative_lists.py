"""A list of positives with negatives drawn for it, from file to file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from epipam.genome.contigs import Aliases
from epipam.genome.lengths import read_contig_lengths
from epipam.pairs.formats import Columns
from epipam.pairs.genes import GeneFeatures
from epipam.pairs.negatives import BINS, DistanceBin, draw_negatives, plain_positives
from epipam.pairs.pair_lists import PairList, read_pair_list
from epipam.pairs.region_files import read_regions
from epipam.pairs.region_pool import distinct_regions, listed_regions
from epipam.pairs.regions import Regions
from epipam.pairs.roles import swapped_anchors_note
from epipam.pairs.spellings import Spellings
from epipam.pairs.table import COLUMNS
from epipam.runtime.column_tables import open_table
from epipam.runtime.files import check_new_file

ENDINGS = (".tsv", ".tsv.gz")


@dataclass(frozen=True)
class NegativesResult:
    """What `negatives` wrote.

    Attributes
    ----------
    path
        The pair table.
    positives, negatives
        How many pairs it holds.
    enhancers, promoters
        Of how many regions negatives were made.
    bins
        What was drawn at which distance.
    overlapping_a_positive
        Pairs at the positives' distances that were not drawn from, for they overlap a positive.
    positives_of_other_regions
        Positives with an enhancer or a promoter that no negative can have.
    own_negatives_left_out
        Negatives of the list itself.
    skipped
        Rows of the list that cannot be used, by the reason.
    positives_left_out, negatives_not_found
        By the reason.
    notes
        What to know of how the files were read.
    """

    path: Path
    positives: int
    negatives: int
    enhancers: int
    promoters: int
    bins: tuple[DistanceBin, ...]
    overlapping_a_positive: int
    positives_of_other_regions: int
    own_negatives_left_out: int
    skipped: dict[str, int]
    positives_left_out: dict[str, int]
    negatives_not_found: dict[str, int]
    notes: tuple[str, ...] = ()


def negatives(
    pairs: str | Path,
    out: str | Path,
    *,
    strategy: str = "distance",
    per_positive: int | None = None,
    bins: int = BINS,
    per_chromosome: bool = False,
    enhancers: str | Path | None = None,
    promoters: str | Path | None = None,
    min_distance: int | None = None,
    max_distance: int | None = None,
    genome: str | Path | None = None,
    aliases: Aliases | None = None,
    label_column: str | None = None,
    columns: Columns | None = None,
    bad_pairs: str = "fail",
    seed: int = 0,
    overwrite: bool = False,
) -> NegativesResult:
    """Write the positives of a list with negatives at their distances.

    Parameters
    ----------
    pairs
        A list of pairs; its positives are those of label 1, or all where none has a label.
    out
        Pair table, `.tsv` or `.tsv.gz` (bgzip): the positives, then the negatives.
    strategy, per_positive, bins, per_chromosome, seed
        As for `draw_negatives`.
    enhancers, promoters
        Files of the regions that negatives are made of, the promoters perhaps a GTF or GFF3; None:
        those of the list.
    min_distance, max_distance
        Leave out positives beyond these, midpoint to midpoint in bp, both included.
    genome
        FASTA, or table of contig lengths: all must lie inside its contigs, and the pairs bear its
        names. Without it, `chr1` and `1` are one contig, too, with the name that came first.
    aliases
        Further names of contigs.
    label_column
        Name or 1-based number of the column that holds the label, for BEDPE.
    bad_pairs
        `fail` or `skip`: what becomes of rows that cannot be read, or regions that end before they
        begin.

    Raises
    ------
    RequestError
        Where no positive is left, regions have no contig in common, or `out` exists.
    PairTableError, RegionError
        For rows that cannot be used.
    """
    out = Path(out)
    ending = check_new_file(out, "the pairs", ENDINGS, overwrite=overwrite)
    spellings = Spellings(None if genome is None else read_contig_lengths(genome), aliases)
    listed = read_pair_list(
        pairs, spellings, label_column=label_column, columns=columns, bad_pairs=bad_pairs
    )
    positives = plain_positives(listed.frame, min_distance, max_distance)
    regions = [
        _regions(given, anchor, listed, spellings)
        for anchor, given in (("enhancer", enhancers), ("promoter", promoters))
    ]
    drawn = draw_negatives(
        positives,
        *regions,
        strategy=strategy,
        per_positive=per_positive,
        bins=bins,
        per_chromosome=per_chromosome,
        seed=seed,
    )
    write_pairs(out, ending, [positives.table, drawn.table])
    swapped = swapped_anchors_note(pairs, listed.frame)
    return NegativesResult(
        out,
        len(positives.table),
        len(drawn.table),
        len(regions[0]),
        len(regions[1]),
        drawn.bins,
        drawn.overlapping,
        drawn.foreign,
        positives.negatives,
        listed.skipped,
        positives.left_out,
        drawn.missing,
        (
            *(note for of_anchor in regions for note in of_anchor.notes),
            *spellings.notes(),
            *filter(None, [swapped]),
        ),
    )


def write_pairs(out: Path, ending: str, tables: Sequence[pd.DataFrame]) -> None:
    """Write canonical pair tables, one behind the other, as one file."""
    kinds = {name: str if name.endswith(("chrom", "name")) else int for name in COLUMNS}
    with open_table(out, ending, kinds) as write:
        for table in tables:
            write({name: table[name].tolist() for name in COLUMNS})


def _regions(
    given: str | Path | None, anchor: str, listed: PairList, spellings: Spellings
) -> Regions:
    """Return the regions of a file, or where there is none those of the list."""
    if given is None:
        return listed_regions(listed.path, listed.frame, anchor)
    genes = GeneFeatures() if anchor == "promoter" else None
    return distinct_regions(read_regions(given, genes, spellings))

"""The pairs of a table, sorted by their windows, so that variants find those they change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from epipam.genome.fasta import Genome
from epipam.genome.windows import resize
from epipam.interpret.window_sweep import Pair, Place, SortedWindows
from epipam.pairs.checks import Tally, check_pairs
from epipam.pairs.contig_part import ContigPart
from epipam.pairs.formats import Columns
from epipam.pairs.names import pair_names
from epipam.pairs.table import PairTable, iter_pairs

PAIR_COLUMNS = {
    "enhancer_chrom": str,
    "enhancer_start": int,
    "enhancer_end": int,
    "enhancer_name": str,
    "promoter_chrom": str,
    "promoter_start": int,
    "promoter_end": int,
    "promoter_name": str,
}

_CHUNK_PAIRS = 20_000
_BLANKS = str.maketrans("\t\r\n", "   ")


def sort_pairs(
    windows: SortedWindows,
    path: Path,
    genome: Genome,
    bad_pairs: str,
    trans: str,
    part: ContigPart | None,
    columns: Columns | None = None,
) -> Tally:
    """Read, check and sort the pairs that variants of a part may change, or all.

    Parameters
    ----------
    windows
        Takes them.
    bad_pairs, trans, columns
        As `epipam.scoring.score.score_file` takes them.

    Raises
    ------
    PairTableError
        For pairs that cannot be used, and where there are none.
    """
    tally = Tally(path, genome)
    codes = {name: code for code, name in enumerate(genome.contigs)}
    n_pairs = 0
    pieces = iter_pairs(
        path, chunk_rows=_CHUNK_PAIRS, keep_fields=True, malformed=bad_pairs, columns=columns
    )
    for table in pieces:
        numbers = np.arange(n_pairs + 1, n_pairs + 1 + len(table))
        n_pairs += len(table)
        if part is not None:
            table, rows = part.take(table, either_anchor=True)
            numbers = numbers[rows]
        check = check_pairs(table, genome, *windows.lengths, allow_trans=trans == "keep")
        tally.add(table, check)
        contigs = {name: codes[contig] for name, contig in check.contigs.items()}
        for pair in _pairs(table, check.usable, contigs, windows.lengths, numbers):
            windows.add(pair)
    if part is not None:
        part.require(path)
    tally.require(bad_pairs)
    windows.finish()
    return tally


def _pairs(
    table: PairTable,
    usable: np.ndarray,
    contigs: dict[str, int],
    lengths: tuple[int, int],
    numbers: np.ndarray,
) -> Iterator[Pair]:
    """Yield the usable rows of a table, with their columns as the output has them.

    A row's number, from 1, is that in the whole table.
    """
    frame = table.frame
    names = pair_names(table)
    frame = frame.assign(enhancer_name=names.enhancer, promoter_name=names.promoter)
    columns = [frame[name].tolist() for name in PAIR_COLUMNS]
    starts = [
        resize(frame[f"{a}_start"].to_numpy(), frame[f"{a}_end"].to_numpy(), length).tolist()
        for a, length in zip(("enhancer", "promoter"), lengths, strict=True)
    ]
    for row in np.flatnonzero(usable).tolist():
        fields = [column[row] for column in columns]
        text = "\t".join(str(field).translate(_BLANKS) for field in fields)
        enhancer = Place(contigs[fields[0]], starts[0][row])
        promoter = Place(contigs[fields[4]], starts[1][row])
        yield Pair(int(numbers[row]), enhancer, promoter, text)

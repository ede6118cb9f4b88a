"""Scoring candidate pairs of a genome: windows from a FASTA, probabilities from a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from epipam.genome.contigs import Aliases
from epipam.genome.encoding import encode_packed
from epipam.genome.fasta import Genome
from epipam.genome.windows import resize
from epipam.models import Epipam, Network, load_model
from epipam.models.logits import probabilities
from epipam.models.pairwise import Pairwise
from epipam.pairs.checks import PairCheck, Tally, check_pairs
from epipam.pairs.contig_part import ContigPart
from epipam.pairs.formats import BEDPE, Columns
from epipam.pairs.roles import swapped_anchors_note
from epipam.pairs.table import PairTable, iter_pairs
from epipam.runtime.devices import choose_device
from epipam.runtime.notes import note
from epipam.runtime.text_files import keep_pipes
from epipam.scoring.choice import EVERY_PAIR, Choice, ChosenPairs
from epipam.scoring.engine import Engine, Letters, PairWindows, PlainEngine
from epipam.scoring.origin import Origin
from epipam.scoring.region_engine import RegionEngine
from epipam.scoring.settings import ALL_PAIRS, BATCH_SIZE, CACHE_SIZE, CHUNK_ROWS, OutputOptions
from epipam.scoring.shared_trunk_engine import SharedTrunkEngine
from epipam.scoring.writers import FurtherColumns, check_output, open_writer

# Formats in which nothing but its place says which anchor is the enhancer.
_ROLES_BY_PLACE = frozenset({BEDPE, "bedpe-columns", "places", "longrange"})

CheckedTable = tuple[PairTable, PairCheck]
Scored = tuple[PairTable, PairCheck, np.ndarray, Letters]


@dataclass(frozen=True)
class ScoreResult:
    """What `score_file` did.

    Attributes
    ----------
    path
        The scores.
    rows
        Rows of the input, but for those that cannot be read.
    written
        Pairs that `path` holds: all rows, but for browser tracks and where fewer are asked for.
    skipped
        Rows without a score by reason.
    renamed
        Chromosome names of the pairs that were read as another name of the genome.
    share_of_n
        Of N in the windows that were scored, from 0 to 1; each is counted once for a piece of the
        table.
    """

    path: Path
    rows: int
    written: int
    skipped: dict[str, int]
    renamed: dict[str, str]
    share_of_n: float = 0.0


def load_engine(
    model: str | Path,
    device: str = "auto",
    batch_size: int = BATCH_SIZE,
    cache_size: int = CACHE_SIZE,
) -> Engine:
    """Load a model folder for scoring.

    Parameters
    ----------
    device
        `auto`, `cpu`, `cuda` or any device torch names.
    batch_size
        Pairs per forward pass, for models other than `epipam`.
    cache_size
        Bytes of what is kept of windows, for `epipam` and `pairwise`.
    """
    return engine_for(load_model(model), choose_device(device), batch_size, cache_size)


def engine_for(
    network: Network,
    device: torch.device,
    batch_size: int = BATCH_SIZE,
    cache_size: int = CACHE_SIZE,
) -> Engine:
    """Return the fastest engine that a network can be scored with, as `load_engine` does."""
    if isinstance(network, Epipam) and network.config.shares_first_block:
        return RegionEngine(network, device, cache_size)
    if isinstance(network, Pairwise):
        return SharedTrunkEngine(network, device, batch_size, cache_size)
    return PlainEngine(network, device, batch_size)


def read_windows(
    frame: pd.DataFrame,
    genome: Genome,
    contigs: dict[str, str],
    enhancer_length: int,
    promoter_length: int,
) -> PairWindows:
    """Cut the windows of some pairs out of a genome, each distinct one once, in genome order.

    Parameters
    ----------
    frame
        Canonical pair table; all of it usable.
    contigs
        The genome's contig for each chromosome name.
    """
    enhancer, enhancer_row = _distinct(frame, "enhancer", genome, contigs, enhancer_length)
    promoter, promoter_row = _distinct(frame, "promoter", genome, contigs, promoter_length)
    return PairWindows(enhancer, promoter, enhancer_row, promoter_row)


def score_table(table: PairTable, check: PairCheck, genome: Genome, engine: Engine) -> np.ndarray:
    """Return the logits of a table's pairs, float64 (n_pairs,); NaN where a pair is unusable."""
    return score_piece(table, check, genome, engine)[0]


def score_piece(
    table: PairTable, check: PairCheck, genome: Genome, engine: Engine
) -> tuple[np.ndarray, Letters]:
    """Return what `score_table` does, and the letters of the windows that were scored."""
    letters = Letters()
    logits = np.full(len(table), np.nan)
    usable = check.usable
    if usable.any():
        windows = read_windows(
            table.frame[usable],
            genome,
            check.contigs,
            engine.enhancer_length,
            engine.promoter_length,
        )
        logits[usable] = engine.logits(windows)
        letters = Letters.of(windows, engine.enhancer_length, engine.promoter_length)
    return logits, letters


class TableScorer(ABC):
    """Scores the pieces of a table elsewhere: what `score_file` takes instead of an engine."""

    @property
    @abstractmethod
    def enhancer_length(self) -> int:
        """Window length, bp."""

    @property
    @abstractmethod
    def promoter_length(self) -> int:
        """Window length, bp."""

    @property
    @abstractmethod
    def piece_rows(self) -> int:
        """How many rows of the table to hand over at a time."""

    @abstractmethod
    def score_tables(self, pieces: Iterator[CheckedTable], genome: Genome) -> Iterator[Scored]:
        """Yield each piece, in order, with what `score_piece` would return."""


def score_file(
    engine: Engine | TableScorer,
    genome_path: str | Path,
    pairs_path: str | Path,
    out: str | Path,
    *,
    label_column: str | None = None,
    bad_pairs: str = "fail",
    trans: str = "error",
    contigs: Sequence[str] | None = None,
    choice: Choice = EVERY_PAIR,
    output: OutputOptions = ALL_PAIRS,
    to_probability: Callable[[np.ndarray], np.ndarray] = probabilities,
    overwrite: bool = False,
    on_rows: Callable[[int], None] = lambda rows: None,
    columns: Columns | None = None,
    aliases: Aliases | None = None,
    origin: Origin | None = None,
) -> ScoreResult:
    """Score every pair of a file, in its order; memory is that of some thousand pairs.

    Parameters
    ----------
    engine
        That scores in this process, or what scores elsewhere.
    out
        A table (`.bedpe`, `.tsv`, `.csv`, `.parquet`) or a browser track (`.interact`, `.inter.bb`,
        `.longrange`, `.igv.bedpe`); text also as `.gz`, which is bgzip.
    bad_pairs
        `fail` checks all pairs first and stops where one cannot be scored; `skip` writes such
        rows without a score.
    trans
        `error` or `keep`: whether anchors on different chromosomes are scored.
    contigs
        Only the pairs of these contigs, as `epipam.pairs.contig_part` has them; all without.
    choice
        Which pairs are scored, and written; a gene without a pair is an error.
    output
        Which pairs are written, in which order, and what beside them.
    to_probability
        What makes probabilities of logits: the sigmoid, or `ProbabilityMap.function`. The logits
        are written as they are in either case.
    on_rows
        Called with the number of rows of each piece when it is written.
    columns
        Which columns of the table are which, as `epipam.pairs.table.read_pairs` takes them.
    aliases
        Further names of the genome's contigs.
    origin
        What makes the scores, as `epipam.scoring.origin.origin_of` returns it; the file says it.

    Raises
    ------
    RequestError
        For bad inputs, an unknown file ending, and where `out` exists.
    EpipamError
        Where `out` cannot be written.
    """
    out = Path(out)
    ending = check_output(out, overwrite=overwrite, options=output)
    genome = Genome(genome_path, aliases)
    part = None if contigs is None else ContigPart(genome, contigs)
    further, learning = FurtherColumns(ending), True

    chosen = ChosenPairs(choice, genome)

    def checked() -> Iterator[CheckedTable]:
        for table in iter_pairs(
            pairs_path,
            label_column,
            chunk_rows=engine.piece_rows if isinstance(engine, TableScorer) else CHUNK_ROWS,
            keep_fields=True,
            malformed=bad_pairs,
            columns=columns,
        ):
            if learning:
                further.learn_types(table)
            if table.layout.kind in _ROLES_BY_PLACE and (
                odd := swapped_anchors_note(pairs_path, table.frame, whole=False)
            ):
                note(odd)
            lengths = (engine.enhancer_length, engine.promoter_length)
            pairs = table if part is None else part.of(table)
            pairs = chosen.of(pairs)
            yield pairs, check_pairs(pairs, genome, *lengths, allow_trans=trans == "keep")
        if part is not None:
            part.require(pairs_path)
        chosen.require(pairs_path)

    with keep_pipes():
        # Types are those of the whole table, of which a part on some contigs has the same.
        if bad_pairs == "fail" or ending == ".parquet":
            before = Tally(Path(pairs_path), genome)
            for table, check in checked():
                before.add(table, check)
            if bad_pairs == "fail":
                before.require(bad_pairs)
        learning = False
        letters = Letters()
        tally = Tally(Path(pairs_path), genome)
        writer = open_writer(
            out,
            overwrite=overwrite,
            options=output,
            genome=genome,
            origin=origin,
            columns=further if ending == ".parquet" else None,
        )
        with writer as write:
            for table, check, logits, counted in _scored(checked(), genome, engine):
                write(table, to_probability(logits), logits)
                tally.add(table, check)
                letters = letters.plus(counted)
                on_rows(len(table))
            tally.require("skip")
    return ScoreResult(
        out,
        tally.rows,
        write.written,
        dict(tally.skipped),
        tally.renamed,
        round(letters.share_of_n(), 6),
    )


def _scored(
    pieces: Iterator[CheckedTable], genome: Genome, engine: Engine | TableScorer
) -> Iterator[Scored]:
    if isinstance(engine, TableScorer):
        yield from engine.score_tables(pieces, genome)
    else:
        for table, check in pieces:
            yield table, check, *score_piece(table, check, genome, engine)


def _distinct(
    frame: pd.DataFrame, anchor: str, genome: Genome, contigs: dict[str, str], length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the packed distinct windows of one anchor, and which of them each pair reads."""
    start = resize(frame[f"{anchor}_start"].to_numpy(), frame[f"{anchor}_end"].to_numpy(), length)
    chrom, names = pd.factorize(frame[f"{anchor}_chrom"])
    # One number per window, in genome order: NumPy is slow to find distinct rows.
    place = chrom * 2**40 + start
    _, at, row = np.unique(place, return_index=True, return_inverse=True)
    sequences = [
        genome.fetch(contigs[names[code]], first, first + length)
        for code, first in zip(chrom[at], start[at].tolist(), strict=True)
    ]
    return encode_packed(sequences, length), row

"""Scoring candidate pairs of a genome: windows from a FASTA, probabilities from a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch

from epipam.checks import PairCheck, Tally, check_pairs
from epipam.devices import choose_device
from epipam.encoding import encode_packed
from epipam.genome import Genome
from epipam.models import Epipam, load_model, unpack
from epipam.pairs import PairTable, iter_pairs
from epipam.score_writers import FurtherColumns, check_output, open_writer
from epipam.windows import resize

BATCH_SIZE = 256
CHUNK_ROWS = 20_000


class PairWindows(NamedTuple):
    """The windows of some pairs, each distinct window once.

    Attributes
    ----------
    enhancer, promoter
        uint8 (n_distinct, ceil(L / 2)): packed one-hot.
    enhancer_row, promoter_row
        int64 (n_pairs,): which distinct window each pair reads.
    """

    enhancer: np.ndarray
    promoter: np.ndarray
    enhancer_row: np.ndarray
    promoter_row: np.ndarray

    def __len__(self) -> int:
        return len(self.enhancer_row)


class Engine(Protocol):
    """What turns windows into logits; a faster one may work per distinct window."""

    @property
    def enhancer_length(self) -> int:
        """Window length, bp."""

    @property
    def promoter_length(self) -> int:
        """Window length, bp."""

    def logits(self, windows: PairWindows) -> np.ndarray:
        """Return float64 (n_pairs,)."""


class PlainEngine:
    """Batched forward passes of the whole network.

    Parameters
    ----------
    network
        The model.
    device
        Where it runs.
    batch_size
        Pairs per forward pass.
    """

    def __init__(self, network: Epipam, device: torch.device, batch_size: int = BATCH_SIZE) -> None:
        self.network = network.to(device).eval()
        self.device = device
        self.batch_size = batch_size

    @property
    def enhancer_length(self) -> int:
        return self.network.config.enhancer_length

    @property
    def promoter_length(self) -> int:
        return self.network.config.promoter_length

    def logits(self, windows: PairWindows) -> np.ndarray:
        found = np.empty(len(windows), dtype=np.float64)
        with torch.inference_mode():
            for start in range(0, len(windows), self.batch_size):
                rows = slice(start, start + self.batch_size)
                enhancer = torch.from_numpy(windows.enhancer[windows.enhancer_row[rows]])
                promoter = torch.from_numpy(windows.promoter[windows.promoter_row[rows]])
                logits = self.network(
                    unpack(enhancer.to(self.device), self.enhancer_length),
                    unpack(promoter.to(self.device), self.promoter_length),
                )
                found[rows] = logits.double().cpu().numpy()
        return found


@dataclass(frozen=True)
class ScoreResult:
    """What `score_file` did.

    Attributes
    ----------
    path
        The scores.
    rows
        Rows of the input; each is a row of the output, but for those that cannot be read.
    skipped
        Rows without a score by reason.
    renamed
        Chromosome names of the pairs that were read as another name of the genome.
    """

    path: Path
    rows: int
    skipped: dict[str, int]
    renamed: dict[str, str]


def load_engine(
    model: str | Path, device: str = "auto", batch_size: int = BATCH_SIZE
) -> PlainEngine:
    """Load a model folder for scoring on `auto`, `cpu`, `cuda` or any device torch names."""
    return PlainEngine(load_model(model), choose_device(device), batch_size)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the sigmoid of logits, float64, same shape."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64)))


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
    return logits


def score_file(
    engine: Engine,
    genome_path: str | Path,
    pairs_path: str | Path,
    out: str | Path,
    *,
    label_column: str | None = None,
    bad_pairs: str = "fail",
    trans: str = "error",
    overwrite: bool = False,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> ScoreResult:
    """Score every pair of a file, in its order; memory is that of some thousand pairs.

    Parameters
    ----------
    out
        `.bedpe`, `.tsv` (both also `.gz`, which is bgzip) or `.parquet`.
    bad_pairs
        `fail` checks all pairs first and stops where one cannot be scored; `skip` writes such
        rows without a score.
    trans
        `error` or `keep`: whether anchors on different chromosomes are scored.
    on_rows
        Called with the number of rows of each piece when it is written.

    Raises
    ------
    RequestError
        For bad inputs, an unknown file ending, and where `out` exists.
    EpipamError
        Where `out` cannot be written.
    """
    out = Path(out)
    ending = check_output(out, overwrite=overwrite)
    genome = Genome(genome_path)

    def checked() -> Iterator[tuple[PairTable, PairCheck]]:
        for table in iter_pairs(
            pairs_path,
            label_column,
            chunk_rows=CHUNK_ROWS,
            keep_fields=True,
            malformed=bad_pairs,
        ):
            lengths = (engine.enhancer_length, engine.promoter_length)
            yield table, check_pairs(table, genome, *lengths, allow_trans=trans == "keep")

    if bad_pairs == "fail":
        before, columns = Tally(Path(pairs_path), genome), FurtherColumns(ending)
        for table, check in checked():
            columns.fit(table)
            before.add(table, check)
        before.require(bad_pairs)
    tally = Tally(Path(pairs_path), genome)
    with open_writer(out, overwrite=overwrite) as write:
        for table, check in checked():
            logits = score_table(table, check, genome, engine)
            write(table, probabilities(logits), logits)
            tally.add(table, check)
            on_rows(len(table))
        tally.require("skip")
    return ScoreResult(out, tally.rows, dict(tally.skipped), tally.renamed)


def _distinct(
    frame: pd.DataFrame, anchor: str, genome: Genome, contigs: dict[str, str], length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the packed distinct windows of one anchor, and which of them each pair reads."""
    start = resize(frame[f"{anchor}_start"].to_numpy(), frame[f"{anchor}_end"].to_numpy(), length)
    chrom, names = pd.factorize(frame[f"{anchor}_chrom"])
    keys, row = np.unique(np.stack([chrom, start], axis=1), axis=0, return_inverse=True)
    sequences = [
        genome.fetch(contigs[names[code]], int(first), int(first) + length) for code, first in keys
    ]
    return encode_packed(sequences, length), row.reshape(-1)

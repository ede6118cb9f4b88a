"""Scoring the pairs of a table in memory: what `epipam score` does to those of a file."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from epipam.errors import PairTableError, RequestError
from epipam.genome.fasta import Genome
from epipam.models import Network
from epipam.models.calibration import read_map
from epipam.models.logits import probabilities
from epipam.models.places import local_folder
from epipam.pairs.checks import MALFORMED, PairCheck, check_pairs, describe, naming_hint
from epipam.pairs.frames import FramePairs, as_frame, read_pair_frame
from epipam.pairs.table import PairTable
from epipam.runtime.devices import choose_device
from epipam.scoring.engine import Engine
from epipam.scoring.score import CHUNK_ROWS, engine_for, load_engine, score_table
from epipam.scoring.settings import BATCH_SIZE, CACHE_SIZE

if TYPE_CHECKING:
    from epipam.pairs.frames import PairFrame

logger = logging.getLogger(__name__)


def score_pairs(
    pairs: PairFrame,
    genome: str | Path | Genome,
    model: str | Path | Network | Engine,
    *,
    bad_pairs: Literal["fail", "skip"] = "fail",
    trans: Literal["error", "keep"] = "error",
    calibrate: Literal["platt", "isotonic"] | None = None,
    prior: float | None = None,
    device: str = "auto",
    batch_size: int = BATCH_SIZE,
    cache_size: int = CACHE_SIZE,
) -> pd.DataFrame:
    """Score the pairs of a table; the scores are those of `epipam score`.

    Parameters
    ----------
    pairs
        One pair a row, coordinates 0-based and half-open: a DataFrame with the columns of a pair
        table (`enhancer_chrom`, `enhancer_start`, `enhancer_end`, `promoter_chrom`, ...), of a
        BEDPE as bioframe reads it (`chrom1`, `start1`, `end1`, `chrom2`, ...: the enhancer first)
        or of a published ChIA-PET list (`chr_r1`, ...); or what PyRanges makes of enhancers
        and promoters by `join`, `nearest` or `k_nearest`. Two PyRanges do not pair up by their
        rows, which PyRanges sorts: `epipam.pair_regions` makes pairs of them.
    genome
        The FASTA, plain or bgzip.
    model
        A model folder, `hf://USER/NAME`, or what `epipam.load_model` returned. What
        `epipam.scoring.score.load_engine` returned keeps what it computed between calls.
    bad_pairs
        `fail` raises where a pair cannot be scored, before any work; `skip` gives it NaN.
    trans
        `error` or `keep`: whether anchors on different chromosomes are scored.
    calibrate
        `platt` or `isotonic`: map the probabilities by what the pairs were that the model was
        validated on; logits stay as they are. `model` must be a folder, or on the hub, with a
        `calibration.json`, as `epipam train` leaves one and `epipam calibrate` makes one. Without,
        the probability is the sigmoid of the logit.
    prior
        With `calibrate`: the share of positives, between 0 and 1, among the pairs that are scored;
        without, it is taken to be that of the pairs of `calibration.json`.
    device
        `auto`, `cpu`, `cuda` or any device torch names. A model given as such is moved there, and
        is in evaluation mode afterwards.
    batch_size, cache_size
        As `epipam.scoring.score.load_engine` takes them.

    Returns
    -------
    DataFrame
        A new one with the rows, index and columns of `pairs`, and two float64 columns:
        `probability` of interaction, and `logit`. Columns of these names are replaced.

    Raises
    ------
    PairTableError
        For a table without such columns, pairs that cannot be scored unless they are skipped, and
        where none can; the first 20 are listed with their row (from 0) and index.
    GenomeError, ModelError
        For a genome, a model or its `calibration.json` that cannot be read.
    RequestError
        For `calibrate` and a model without a folder, and a `prior` that cannot be.
    """
    if isinstance(model, str | Path):
        model = local_folder(model)
    to_probability = _to_probability(model, calibrate, prior)
    frame = as_frame(pairs)
    given = read_pair_frame(frame)
    genome = genome if isinstance(genome, Genome) else Genome(genome)
    if isinstance(model, Path):
        engine = load_engine(model, device, batch_size, cache_size)
    elif isinstance(model, Network):
        engine = engine_for(model, choose_device(device), batch_size, cache_size)
    else:
        engine = model
    pieces = [
        (piece, check_pairs(piece, genome, *_lengths(engine), allow_trans=trans == "keep"))
        for piece in _pieces(given.table)
    ]
    _require_usable(frame, given, pieces, genome, bad_pairs)
    logit = np.full(len(frame), np.nan)
    scores = [score_table(piece, check, genome, engine) for piece, check in pieces]
    logit[given.rows] = np.concatenate([np.empty(0), *scores])
    return frame.assign(probability=to_probability(logit), logit=logit)


def _to_probability(
    model: Path | Network | Engine, method: str | None, prior: float | None
) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes probabilities of logits, calibrated ones where `method` says how."""
    if method is None:
        if prior is not None:
            raise RequestError("prior changes calibrated probabilities: pass calibrate, too")
        return probabilities
    if not isinstance(model, Path):
        raise RequestError(
            f"calibrate reads the calibration.json of a model folder, but the model given is of "
            f"class {type(model).__name__}: pass its folder, or map the logits that come without "
            f"calibrate: "
            f"epipam.models.calibration.read_map(FOLDER).apply(scored['logit'], {method!r})"
        )
    return read_map(model).function(method, prior)


def _lengths(engine: Engine) -> tuple[int, int]:
    return engine.enhancer_length, engine.promoter_length


def _pieces(table: PairTable) -> list[PairTable]:
    """Cut a table as files are cut, so that no more windows are in memory at once."""
    starts = range(0, len(table), CHUNK_ROWS)
    return [
        PairTable(
            table.path,
            table.frame.iloc[start : start + CHUNK_ROWS].reset_index(drop=True),
            table.line[start : start + CHUNK_ROWS],
            table.layout,
        )
        for start in starts
    ]


def _require_usable(
    frame: pd.DataFrame,
    given: FramePairs,
    pieces: list[tuple[PairTable, PairCheck]],
    genome: Genome,
    bad_pairs: str,
) -> None:
    """Raise where a pair cannot be scored and none is skipped, or where none can be scored."""
    problems = dict(given.problems)
    skipped = Counter({MALFORMED: len(problems)} if problems else {})
    renamed: dict[str, str] = {}
    for piece, check in pieces:
        skipped.update(check.skipped)
        renamed |= check.renamed
        for i in np.flatnonzero(~check.usable).tolist():
            problems[int(piece.line[i]) - 1] = describe(piece, genome, check, i)
    if renamed:
        names = ", ".join(f"{name} as {contig}" for name, contig in renamed.items())
        logger.info("the pairs and the genome spell chromosomes differently; read %s", names)
    n_bad = len(problems)
    if not n_bad or (bad_pairs == "skip" and n_bad < len(frame)):
        return
    counts = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
    way_out = (
        "; bad_pairs='skip' gives them NaN"
        if n_bad < len(frame)
        else naming_hint(given.table.frame, genome)
    )
    raise PairTableError(
        f"{n_bad} of {len(frame)} pairs cannot be used on {genome.path} ({counts}){way_out}:",
        [f"row {row} (index {frame.index[row]!r}): {problems[row]}" for row in sorted(problems)],
    )

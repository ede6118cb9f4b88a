"""Scoring on the workers of a cluster: a piece of the pair table is a task.

Each thread of a worker loads the model and the genome's index at its first task and keeps them.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
import pandas as pd

from epipam.genome.fasta import Genome
from epipam.models.folder import WEIGHTS_FILE
from epipam.models.registry import read_config
from epipam.pairs.checks import PairCheck
from epipam.pairs.table import PairTable
from epipam.runtime.cluster import Workers, in_order
from epipam.runtime.memory import keep_freed_memory
from epipam.scoring.engine import Engine, Letters
from epipam.scoring.score import CheckedTable, Scored, TableScorer, load_engine, read_windows
from epipam.scoring.settings import EngineRecipe

# Small enough that the last tasks of a table end at about the same time.
PIECE_ROWS = 5_000
_ANCHOR_COLUMNS = [
    f"{anchor}_{column}"
    for anchor in ("enhancer", "promoter")
    for column in ("chrom", "start", "end")
]


@dataclass(frozen=True)
class ScoreTask:
    """Pairs to score: the columns of both anchors, and the genome's contig for each name."""

    recipe: EngineRecipe
    genome: Path
    anchors: pd.DataFrame
    contigs: dict[str, str]


class ClusterScorer(TableScorer):
    """Scores pieces of a table on the workers of a cluster, a few ahead of the one to be written.

    Parameters
    ----------
    workers
        Who scores.
    recipe
        Of the engine; on workers elsewhere its model must lie at the same path.
    piece_rows
        Rows of a task.
    """

    def __init__(
        self, workers: Workers, recipe: EngineRecipe, piece_rows: int = PIECE_ROWS
    ) -> None:
        self.workers = workers
        self.recipe = replace(recipe, model=recipe.model.absolute())
        self._config = read_config(recipe.model)
        self._piece_rows = piece_rows

    @property
    def enhancer_length(self) -> int:
        return self._config["enhancer_length"]

    @property
    def promoter_length(self) -> int:
        return self._config["promoter_length"]

    @property
    def piece_rows(self) -> int:
        return self._piece_rows

    def score_tables(self, pieces: Iterator[CheckedTable], genome: Genome) -> Iterator[Scored]:
        waiting: deque[CheckedTable] = deque()

        def tasks() -> Iterator[ScoreTask]:
            for table, check in pieces:
                waiting.append((table, check))
                yield self._task(table, check, genome)

        for logits, letters in in_order(self.workers, score_pairs, tasks()):
            table, check = waiting.popleft()
            found = np.full(len(table), np.nan)
            found[check.usable] = logits
            yield table, check, found, letters

    def _task(self, table: PairTable, check: PairCheck, genome: Genome) -> ScoreTask:
        anchors = table.frame.loc[check.usable, _ANCHOR_COLUMNS]
        return ScoreTask(self.recipe, genome.path.absolute(), anchors, check.contigs)


def score_pairs(task: ScoreTask) -> tuple[np.ndarray, Letters]:
    """Return the logits of a task's pairs, float64 (n_pairs,), and their letters; on a worker."""
    if task.anchors.empty:
        return np.empty(0), Letters()
    engine = _engine(task.recipe, _stamp(task.recipe.model / WEIGHTS_FILE))
    windows = read_windows(
        task.anchors,
        _genome(task.genome, _stamp(task.genome)),
        task.contigs,
        engine.enhancer_length,
        engine.promoter_length,
    )
    letters = Letters.of(windows, engine.enhancer_length, engine.promoter_length)
    return engine.logits(windows), letters


_kept_by_thread = local()


def _kept(name: str, key: object, load: Callable[[], Any]) -> Any:
    """Return what this thread loaded last under a name, loading it again where the key differs."""
    kept = getattr(_kept_by_thread, name, None)
    if kept is None or kept[0] != key:
        kept = (key, load())
        setattr(_kept_by_thread, name, kept)
    return kept[1]


def _engine(recipe: EngineRecipe, stamp: object) -> Engine:
    def load() -> Engine:
        keep_freed_memory()
        room = recipe.cache_size // _threads_of_worker()
        return load_engine(recipe.model, recipe.device, recipe.batch_size, room)

    engine: Engine = _kept("engine", (recipe, stamp), load)
    return engine


def _genome(path: Path, stamp: object) -> Genome:
    genome: Genome = _kept("genome", (path, stamp), lambda: Genome(path))
    return genome


def _threads_of_worker() -> int:
    """Return how many tasks the worker that runs this works on at a time."""
    if "distributed" not in sys.modules:  # a process of this machine, which has one thread
        return 1
    from distributed import get_worker

    try:
        return max(1, int(get_worker().state.nthreads))
    except ValueError:  # no worker runs this
        return 1


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is replaced: a worker may outlive several runs."""
    try:
        stat = path.stat()
    except OSError:  # whoever opens it says what is wrong
        return None
    return stat.st_size, stat.st_mtime_ns

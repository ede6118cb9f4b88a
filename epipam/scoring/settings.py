"""Settings of scoring, where a command line finds them without importing torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Pairs per forward pass, for models without position attention.
BATCH_SIZE = 256
# Bytes of what is kept per window, for models with position attention.
CACHE_SIZE = 512_000_000
# Rows of a pair table that are read, scored and written at a time.
CHUNK_ROWS = 20_000


@dataclass(frozen=True)
class EngineRecipe:
    """What an engine is loaded from, here or on a worker: the arguments of `load_engine`."""

    model: Path
    device: str = "auto"
    batch_size: int = BATCH_SIZE
    cache_size: int = CACHE_SIZE


@dataclass(frozen=True)
class OutputOptions:
    """What of the scores is written, and how; by default every pair, as it comes.

    Attributes
    ----------
    min_score
        Only pairs of at least this probability.
    top
        Only so many pairs of each promoter, the best.
    sort
        Sort the rows of a table by position, as tabix needs them.
    index
        Write a tabix index beside the file, which must be bgzip; its rows are sorted.
    genes
        A summary to write: the best enhancers of each gene.
    genes_top
        How many enhancers of each gene.
    """

    min_score: float | None = None
    top: int | None = None
    sort: bool = False
    index: bool = False
    genes: Path | None = None
    genes_top: int = 5


ALL_PAIRS = OutputOptions()

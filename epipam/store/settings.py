"""What a store is made of, besides its genome and its pairs."""

from __future__ import annotations

from dataclasses import dataclass

from epipam.store import schema
from epipam.windows import ENHANCER_LENGTH, MAX_SHIFT, PROMOTER_LENGTH


@dataclass(frozen=True)
class StoreSettings:
    """What a store is made of, besides its genome and its pairs.

    Attributes
    ----------
    enhancer_length, promoter_length
        Window lengths, bp.
    augment
        Shifted copies of each positive pair.
    max_shift
        Largest shift of a copy, bp.
    seed
        Seed of shifts and of the order of rows.
    rows_per_chunk, rows_per_shard
        Layout of the arrays on disk; a shard is a whole number of chunks.
    """

    enhancer_length: int = ENHANCER_LENGTH
    promoter_length: int = PROMOTER_LENGTH
    augment: int = 10
    max_shift: int = MAX_SHIFT
    seed: int = 0
    rows_per_chunk: int = schema.ROWS_PER_CHUNK
    rows_per_shard: int = schema.ROWS_PER_SHARD

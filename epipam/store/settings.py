"""What a store is made of, besides its genome and its pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from epipam.errors import RequestError
from epipam.genome.windows import ENHANCER_LENGTH, MAX_SHIFT, PROMOTER_LENGTH
from epipam.store import schema

MAX_LENGTH = 1_000_000
MAX_COPIES = 2**15 - 1
MAX_SEED = 2**63 - 1
# Smallest and largest value by setting. Shifts and windows are bounded so that no coordinate
# overflows and a contig's margins fit in memory; a copy's number is an int16 and a seed an int64.
RANGES = {
    "enhancer_length": (1, MAX_LENGTH),
    "promoter_length": (1, MAX_LENGTH),
    "augment": (0, MAX_COPIES),
    "max_shift": (0, MAX_LENGTH),
    "seed": (0, MAX_SEED),
}


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

    Raises
    ------
    RequestError
        For a value outside its range in `RANGES`.
    """

    enhancer_length: int = ENHANCER_LENGTH
    promoter_length: int = PROMOTER_LENGTH
    augment: int = 10
    max_shift: int = MAX_SHIFT
    seed: int = 0
    rows_per_chunk: int = schema.ROWS_PER_CHUNK
    rows_per_shard: int = schema.ROWS_PER_SHARD

    def __post_init__(self) -> None:
        for name, (smallest, largest) in RANGES.items():
            value = getattr(self, name)
            if not smallest <= value <= largest:
                raise RequestError(f"{name} is {value} but must be from {smallest} to {largest}")

    @classmethod
    def of_attributes(cls, own: dict[str, Any]) -> StoreSettings:
        """Return the settings by which a store was built, from its attributes; since format 1.2."""
        return cls(
            enhancer_length=own["enhancer_length"],
            promoter_length=own["promoter_length"],
            augment=own["augmentation"]["copies"],
            max_shift=own["augmentation"]["max_shift"],
            seed=own["seed"],
            **own[schema.LAYOUT],
        )

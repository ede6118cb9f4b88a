"""A small genome with everything that may lie in one, and pairs at its awkward places."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import NamedTuple

import pytest

from epipam.pairs import COLUMNS
from epipam.store import Store, StoreSettings, build_store

SETTINGS = StoreSettings(
    enhancer_length=60,
    promoter_length=41,
    augment=3,
    max_shift=20,
    seed=7,
    rows_per_chunk=16,
    rows_per_shard=32,
)
LENGTHS = {"chr1": 3_001, "chr2": 1_402, "c": 700, "tiny": 30}


class Inputs(NamedTuple):
    """A genome, a pair table, the table's rows in order, and settings to make a store of them."""

    genome: Path
    pairs: Path
    rows: list[tuple]
    settings: StoreSettings


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """What the tests of this process write need not outlive a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def inputs(tmp_path_factory) -> Inputs:
    folder = tmp_path_factory.mktemp("inputs")
    draw = random.Random(20)
    with (folder / "genome.fa").open("w") as handle:
        for contig, length in LENGTHS.items():
            letters = draw.choices(
                "ACGTacgtNRY", weights=[9, 9, 9, 9, 3, 3, 3, 3, 1, 1, 1], k=length
            )
            handle.write(f">{contig} some words\n")
            for start in range(0, length, 50):
                handle.write("".join(letters[start : start + 50]) + "\n")
    rows = []
    for contig, length in LENGTHS.items():
        anchors = [(0, 1), (length - 1, length), (0, length), (0, 0), (length, length)]
        anchors += [sorted(draw.choices(range(length + 1), k=2)) for _ in range(20)]
        for number, (start, end) in enumerate(anchors):
            other = anchors[draw.randrange(len(anchors))]
            names = ("", "") if number % 5 == 0 else (f"Verstärker {number}", "gène|π")
            label = (1, 0, 0, -1)[number % 4]
            rows.append((contig, start, end, names[0], contig, *other, names[1], label))
    draw.shuffle(rows)
    with (folder / "pairs.tsv").open("w", encoding="utf-8") as handle:
        handle.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            handle.write("\t".join(map(str, row)) + "\n")
    return Inputs(folder / "genome.fa", folder / "pairs.tsv", rows, SETTINGS)


@pytest.fixture(scope="session")
def built(inputs, tmp_path_factory) -> Store:
    """A store of the inputs, for reading only."""
    out = tmp_path_factory.mktemp("built") / "pairs.zarr"
    build_store(inputs.genome, inputs.pairs, out, inputs.settings)
    return Store(out)

"""What a cross-validation finds where there is nothing to find, and where there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from epipam.store import Store, StoreSettings, build_store
from epipam.training.crossval.crossval import crossval

CONTIGS = [f"chr{number}" for number in (1, 2, 4, 5, 7, 8)]
PAIRS_OF_CONTIG = 220
WINDOW = 60


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A store whose positive pairs are rich in G and C, and one of the same pairs, permuted."""
    folder = tmp_path_factory.mktemp("permuted")
    rng = np.random.default_rng(11)
    rows = []
    with (folder / "genome.fa").open("w") as fasta:
        for contig in CONTIGS:
            label = rng.integers(0, 2, PAIRS_OF_CONTIG)
            odds = np.where(label == 1, 0.65, 0.35)[:, np.newaxis]
            strong = rng.random((PAIRS_OF_CONTIG, 2 * WINDOW)) < odds
            either = rng.integers(0, 2, strong.shape)
            bases = np.where(strong, np.array(["G", "C"])[either], np.array(["A", "T"])[either])
            fasta.write(f">{contig}\n{''.join(bases.ravel())}\n")
            for number in range(PAIRS_OF_CONTIG):
                start = 2 * WINDOW * number
                middle, end = start + WINDOW, start + 2 * WINDOW
                rows.append((contig, start, middle, contig, middle, end, int(label[number])))
    permuted = rng.permutation([row[-1] for row in rows])
    stores = {}
    for name, labels in (("true", [row[-1] for row in rows]), ("permuted", permuted)):
        lines = ["\t".join(map(str, (*row[:-1], y))) for row, y in zip(rows, labels, strict=True)]
        (folder / f"{name}.bedpe").write_text("\n".join(lines) + "\n")
        build_store(
            folder / "genome.fa",
            folder / f"{name}.bedpe",
            folder / f"{name}.zarr",
            StoreSettings(WINDOW, WINDOW, augment=2, max_shift=10),
            label_column="7",
        )
        stores[name] = Store(folder / f"{name}.zarr")
    return stores


@pytest.mark.parametrize("split", ["chromosomes", "random"])
def test_permuted_labels_give_a_half_where_true_ones_are_learned(labelled, trees, tmp_path, split):
    settings = replace(trees, split=split, training=replace(trees.training, epochs=10))
    folds = None if split == "chromosomes" else [0, 1]
    found = crossval(list(labelled.values()), tmp_path / "cv", settings, folds=folds)
    rows = {
        row.dataset: row for row in found.summary if (row.model, row.ratio) == ("kmer-gbm", "all")
    }
    assert rows["permuted"].auroc_mean == pytest.approx(0.5, abs=0.05)
    assert rows["true"].auroc_mean > 0.9

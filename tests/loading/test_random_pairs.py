"""Splits of a store's pairs at random."""

from __future__ import annotations

import random

import numpy as np
import pytest

from epipam.errors import RequestError
from epipam.loading.random_pairs import random_pairs
from epipam.loading.splits import PARTS, fold_split, was_chosen_on_test
from epipam.store import Store, StoreSettings, build_store

CONTIGS = {"chr1": 40, "chr5": 30, "chr9": 20, "chrUn_1": 10}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("random_pairs")
    draw = random.Random(4)
    with (folder / "genome.fa").open("w") as fasta, (folder / "pairs.bedpe").open("w") as bedpe:
        for contig, n_pairs in CONTIGS.items():
            fasta.write(f">{contig}\n{''.join(draw.choices('ACGT', k=500))}\n")
            for number in range(n_pairs):
                label = (1, 0, 0, -1)[number % 4]
                bedpe.write(f"{contig}\t{number}\t90\t{contig}\t200\t290\t{label}\n")
    paths = (folder / "genome.fa", folder / "pairs.bedpe", folder / "s")
    build_store(*paths, StoreSettings(20, 10, augment=1), label_column="7")
    return Store(folder / "s")


def labelled(store: Store) -> set[int]:
    frames = [store.pairs(contig) for contig in ("chr1", "chr5", "chr9")]
    return {pair for frame in frames for pair in frame["pair"][frame["label"] >= 0]}


def test_eight_folds_test_every_labelled_pair_once_and_validate_on_the_next(store):
    splits = [random_pairs(store, fold, seed=5) for fold in range(8)]
    tested = np.concatenate([split.test for split in splits])
    assert sorted(tested) == sorted(labelled(store))
    assert {len(split.test) for split in splits} <= {8, 9}
    for split, following in zip(splits, [*splits[1:], splits[0]], strict=True):
        np.testing.assert_array_equal(split.validation, following.test)
        together = np.concatenate([split.part(name).pairs for name in PARTS])
        assert sorted(together) == sorted(labelled(store))
        for name in PARTS:
            assert np.all(np.diff(split.part(name).pairs) > 0)


def test_it_is_of_the_contigs_that_chromosome_folds_are_of(store):
    split, by_chromosome = random_pairs(store, 0, 0), fold_split(store.contigs, 0)
    assert split.unused == by_chromosome.unused == ("chrUn_1",)
    assert {split.part(name).contigs for name in PARTS} == {("chr1", "chr5", "chr9")}


def test_the_seed_decides(store):
    np.testing.assert_array_equal(random_pairs(store, 3, 1).test, random_pairs(store, 3, 1).test)
    assert not np.array_equal(random_pairs(store, 3, 1).test, random_pairs(store, 3, 2).test)


def test_it_says_what_it_is(store):
    split = random_pairs(store, 2, 7)
    record = split.record()
    assert record["test"] == ["chr1", "chr5", "chr9"]
    counts = {name: len(getattr(split, name)) for name in PARTS}
    drawn = {"fold": 2, "folds": 8, "seed": 7, "pairs": counts, "chosen_on_test": False}
    assert record["random"] == drawn
    assert split.describe("test") == f"{counts['test']} pairs drawn at random"


def test_chosen_on_test_leaves_training_and_test_alone(store):
    split = random_pairs(store, 2, 7)
    published = split.chosen_on_test()
    np.testing.assert_array_equal(published.validation, split.test)
    np.testing.assert_array_equal(published.train, split.train)
    assert was_chosen_on_test(published.record())
    # Each part is on all the contigs, whatever was chosen on it.
    assert not was_chosen_on_test(split.record())


def test_there_are_eight_folds(store):
    with pytest.raises(RequestError, match="no fold 8: a random split has folds 0 to 7"):
        random_pairs(store, 8, 0)


def test_too_few_pairs_are_refused(tmp_path):
    (tmp_path / "g.fa").write_text(">chr1\n" + "ACGT" * 100 + "\n")
    rows = [f"chr1\t{n}\t90\tchr1\t200\t290\t{n % 2}\n" for n in range(7)]
    (tmp_path / "p.bedpe").write_text("".join(rows))
    build_store(
        tmp_path / "g.fa",
        tmp_path / "p.bedpe",
        tmp_path / "s",
        StoreSettings(20, 10, augment=0),
        label_column="7",
    )
    with pytest.raises(RequestError, match="7 labelled pairs are too few"):
        random_pairs(Store(tmp_path / "s"), 0, 0)

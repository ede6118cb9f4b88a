"""Chromosome folds, explicit and random splits, leakage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epipam.errors import RequestError
from epipam.loading.splits import (
    explicit_split,
    fold_split,
    folds,
    leakage,
    random_split,
    was_chosen_on_test,
)

HUMAN = [f"chr{number}" for number in range(1, 23)] + ["chrX"]
# The published folds: docs/architecture.md.
FOLDS = [
    ("chr1", "chr2", "chr3"),
    ("chr4", "chr5", "chr6"),
    ("chr7", "chr8", "chr9"),
    ("chr10", "chr11", "chr12"),
    ("chr13", "chr14", "chr15"),
    ("chr16", "chr17", "chr18"),
    ("chr19", "chr20", "chr21"),
    ("chr22", "chrX"),
]


def test_human_folds_are_the_published_ones_whatever_the_order_given():
    assert folds(HUMAN) == tuple(FOLDS)
    assert folds(HUMAN[::-1]) == tuple(FOLDS)


def test_names_without_chr_make_the_same_folds():
    assert folds([name.removeprefix("chr") for name in HUMAN])[7] == ("22", "X")


@pytest.mark.parametrize("fold", range(8))
def test_each_human_fold_covers_all_chromosomes_once_and_validates_on_the_next(fold):
    split = fold_split(HUMAN, fold)
    assert split.test == FOLDS[fold]
    assert split.validation == FOLDS[(fold + 1) % 8]
    assert sorted(split.train + split.validation + split.test) == sorted(HUMAN)
    assert split.unused == ()


def test_contigs_beyond_the_human_chromosomes_play_no_part():
    split = fold_split([*HUMAN, "chrY", "chr1_gl000191_random"], 0)
    assert split.unused == ("chr1_gl000191_random", "chrY")
    assert not {*split.train, *split.validation, *split.test} & set(split.unused)


def test_an_empty_next_fold_is_passed_over_for_validation():
    assert fold_split(["chr1", "chr8", "chr10"], 3).validation == ("chr1",)
    assert fold_split(["chr1", "chr8", "chr10"], 0).validation == ("chr8",)


def test_other_genomes_are_cut_in_natural_order():
    contigs = [f"scaffold_{number}" for number in range(1, 18)]
    groups = folds(contigs)
    assert [contig for group in groups for contig in group] == contigs
    assert len(groups) == 8
    assert {len(group) for group in groups} == {2, 3}


def test_a_genome_with_fewer_contigs_has_fewer_folds():
    assert folds(["Chr2", "Chr1", "Chr10"]) == (("Chr1",), ("Chr2",), ("Chr10",))
    with pytest.raises(RequestError, match="no fold 3: Chr1, Chr2, Chr10 make folds 0, 1, 2"):
        fold_split(["Chr2", "Chr1", "Chr10"], 3)


def test_a_fly_with_4_and_x_is_not_taken_for_human():
    assert folds(["2L", "2R", "3L", "3R", "4", "X"]) == (
        ("2L",),
        ("2R",),
        ("3L",),
        ("3R",),
        ("4",),
        ("X",),
    )


@given(st.sets(st.text("chr0123456789XIVLR_ab", min_size=1, max_size=6), max_size=30))
def test_any_names_make_disjoint_folds_of_given_names(contigs):
    groups = folds(sorted(contigs))
    listed = [contig for group in groups for contig in group]
    assert len(listed) == len(set(listed))
    assert set(listed) <= contigs
    assert len(groups) <= 8


def test_empty_parts_are_named_with_the_remedy():
    with pytest.raises(
        RequestError, match=r"fold 0 leaves the train part empty.*--test and --validation"
    ):
        fold_split(["chr1", "chr2", "chr4"], 0)
    with pytest.raises(RequestError, match="leaves the train and the validation part empty"):
        fold_split(["chr20"], 6)
    with pytest.raises(RequestError, match=r"the test part empty.*contigs to test are 0, 1, 2"):
        fold_split([f"chr{number}" for number in range(1, 9)], 5)
    with pytest.raises(RequestError, match="no contig holds data"):
        fold_split([], 0)


def test_explicit_lists_leave_the_rest_to_training():
    split = explicit_split(["1", "2", "10", "Y"], validation=["chr2"], test=["10"])
    assert (split.train, split.validation, split.test) == (("1",), ("2",), ("10",))
    assert split.unused == ("Y",)
    assert split.summary() == "train 1; validation 2; test 10; unused Y"


def test_without_a_validation_list_the_contigs_after_the_test_ones_validate():
    assert explicit_split(HUMAN, None, ["chr22", "chrX"]).validation == ("chr1", "chr2")
    assert explicit_split(HUMAN, None, ["chr5"]).validation == ("chr6",)
    assert explicit_split(["chr1", "chr2", "chr3"], None, ["chr2"]).validation == ("chr3",)
    half = explicit_split(HUMAN, None, HUMAN[:12])
    assert half.validation == ("chr13", "chr14", "chr15")
    with pytest.raises(RequestError, match="leaves the train part empty"):
        explicit_split(["chr1", "chr2"], None, ["chr2"])


def test_cattle_are_not_taken_for_human():
    cattle = [f"chr{number}" for number in range(1, 30)] + ["chrX"]
    assert sorted(contig for group in folds(cattle) for contig in group) == sorted(cattle)


def test_explicit_lists_are_checked():
    with pytest.raises(RequestError, match="chr2: in both"):
        explicit_split(["chr1", "chr2"], ["chr2"], ["2"])
    with pytest.raises(RequestError, match="no data on chr7; there is data on chr1, chr2"):
        explicit_split(["chr2", "chr1"], ["chr7"], ["chr1"])
    with pytest.raises(RequestError, match="leaves the train part empty"):
        explicit_split(["chr2", "chr1"], ["chr2"], ["chr1"])


@given(st.integers(10, 300), st.integers(0, 2**32))
def test_a_random_split_uses_every_row_once_and_follows_its_seed(n, seed):
    split = random_split(n, seed)
    assert sorted(np.concatenate(split)) == list(range(n))
    for one, other in zip(split, random_split(n, seed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_random_split_refuses_what_leaves_a_part_empty():
    assert not np.array_equal(random_split(100, 1).test, random_split(100, 2).test)
    with pytest.raises(RequestError, match="leave the test part empty"):
        random_split(3, 0)
    with pytest.raises(RequestError, match="sum to 1"):
        random_split(100, 0, (0.8, 0.3, 0.1))


def _pairs(rows):
    columns = ["enhancer_chrom", "enhancer_start", "enhancer_end"]
    columns += ["promoter_chrom", "promoter_start", "promoter_end"]
    return pd.DataFrame(rows, columns=columns)


def test_leakage_counts_overlaps_by_anchor_and_contig():
    train = _pairs([("chr1", 100, 200, "chr1", 900, 950), ("chr2", 0, 50, "chr2", 70, 80)])
    test = _pairs(
        [
            ("chr1", 199, 300, "chr1", 950, 960),  # enhancer by 1 bp; promoter touches
            ("chr1", 10, 100, "chr1", 800, 901),  # promoter only
            ("chr1", 120, 130, "chr1", 940, 941),  # both
            ("chr2", 100, 200, "chr2", 900, 950),  # the same numbers elsewhere
        ]
    )
    assert leakage(train, test) == (4, 0.5, 0.5, 0.25)


def test_leakage_takes_a_region_of_zero_width_for_a_base():
    train = _pairs([("chr1", 100, 100, "chr1", 900, 950)])
    test = _pairs([("chr1", 100, 101, "chr1", 949, 949)])
    assert leakage(train, test).both == 1.0
    assert leakage(train, test.iloc[:0]) == (0, 0.0, 0.0, 0.0)


regions = st.lists(
    st.tuples(
        st.sampled_from(["chr1", "chr2"]),
        st.integers(0, 40),
        st.integers(0, 9),
        st.integers(0, 40),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=30)
@given(regions, regions)
def test_leakage_equals_a_loop_over_bases(train_rows, test_rows):
    def frame(rows):
        return _pairs([(c, e, e + w, c, p, p + v) for c, e, w, p, v in rows])

    def bases(rows, anchor):
        found = set()
        for c, e, w, p, v in rows:
            start, width = (e, w) if anchor == "enhancer" else (p, v)
            found |= {(c, position) for position in range(start, start + max(width, 1))}
        return found

    hit = {
        anchor: [bool(bases([row], anchor) & bases(train_rows, anchor)) for row in test_rows]
        for anchor in ("enhancer", "promoter")
    }
    both = [e and p for e, p in zip(hit["enhancer"], hit["promoter"], strict=True)]
    measured = leakage(frame(train_rows), frame(test_rows))
    assert measured.n_test == len(test_rows)
    assert measured.enhancer == pytest.approx(np.mean(hit["enhancer"]))
    assert measured.promoter == pytest.approx(np.mean(hit["promoter"]))
    assert measured.both == pytest.approx(np.mean(both))


def test_choosing_on_the_test_part_leaves_training_alone_and_the_validation_part_unused():
    split = fold_split([*HUMAN, "chrY"], 3)
    published = split.chosen_on_test()
    assert published.train == split.train
    assert published.validation == published.test == split.test
    assert set(published.unused) == {*split.validation, "chrY"}
    assert was_chosen_on_test(published.record())
    assert not was_chosen_on_test(split.record())
    assert not was_chosen_on_test({})


def test_a_part_is_its_contigs_and_all_their_pairs():
    split = fold_split(HUMAN, 7)
    assert split.part("test") == (("chr22", "chrX"), None)
    assert split.describe("test") == "chr22, chrX"
    assert split.record()["validation"] == ["chr1", "chr2", "chr3"]

"""Kernels as motifs, end to end: CTCF in the kernels is CTCF in the table."""

from math import comb

import numpy as np
import pandas as pd
import pytest
from planted_ctcf import CONSENSUS, LEFT, N_PAIRS, plant, turned

from epipam.errors import EpipamError, ModelError
from epipam.interpret.motif_matches import read_databases
from epipam.interpret.motifs import (
    MotifSettings,
    consensus,
    enrichment,
    find_motifs,
    frequencies,
    information,
    information_by_base,
)
from epipam.models import create_model, load_model
from epipam.store import Store

CONTIGS = ("chr1", "chr2")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def found(planted):
    seen = []
    result = find_motifs(
        load_model(planted.model),
        Store(planted.store),
        CONTIGS,
        read_databases([planted.database]),
        on_contig=seen.append,
    )
    assert seen == [f"{a} {c}" for a in ("enhancer", "promoter") for _ in "12" for c in CONTIGS]
    return result


def test_a_kernel_that_is_ctcf_is_matched_to_ctcf_the_right_way_round(found):
    table = found.table.set_index("kernel")
    assert list(table.index) == [f"{a}_{k}" for a in ("enhancer", "promoter") for k in range(4)]
    for anchor in ("enhancer", "promoter"):
        for kernel, orientation in ((f"{anchor}_0", "+"), (f"{anchor}_1", "-")):
            row = table.loc[kernel]
            assert (row["target"], row["target_name"]) == ("M17", "CTCF")
            assert row["q_value"] < 1e-3
            assert row["orientation"] == orientation
            assert (row["offset"], row["overlap"]) == (-LEFT, len(CONSENSUS))
            letters = CONSENSUS if orientation == "+" else turned(CONSENSUS)
            assert row["consensus"][LEFT : LEFT + len(letters)] == letters
            assert row["sites"] == pytest.approx(N_PAIRS * (1 / 3 if is_positive(row) else 2 / 3))


def is_positive(row) -> bool:
    """Whether a kernel reads what the positive pairs have."""
    return (row["anchor"] == "enhancer") == (row["orientation"] == "+")


def test_where_the_sites_are_is_told_for_each_anchor(found):
    table = found.table.set_index("kernel").loc[["enhancer_0", "enhancer_1", "promoter_1"]]
    assert table["positive_share"].tolist() == [1, 0, 1]
    assert table["negative_share"].tolist() == [0, 1, 0]
    assert table["odds_ratio"].tolist() == [np.inf, 0, np.inf]
    # All 20 positive windows have a site and none of 40 others: one table in so many.
    assert table["enrichment_p"].tolist() == pytest.approx([1 / comb(60, 20)] * 3)
    assert (table["enrichment_q"] < 1e-10).all()
    windows = {"distinct": 60, "positive": 20, "negative": 40}
    assert found.windows == {"enhancer": windows, "promoter": windows}


def test_a_kernel_that_is_never_active_makes_no_motif(found):
    row = found.table.set_index("kernel").loc["enhancer_3"]
    assert (row["sites"], row["highest_activation"]) == (0, 0)
    assert row[["information", "consensus", "target", "q_value", "orientation"]].isna().all()
    assert "enhancer_3" not in [motif.identifier for motif in found.motifs]


def test_listed_matches_are_those_below_the_q_value_best_first(found):
    matches = found.matches
    assert (matches["q_value"] <= 0.05).all()
    for kernel, rows in matches.groupby("kernel"):
        assert rows["p_value"].is_monotonic_increasing
        best = found.table.set_index("kernel").loc[kernel]
        assert rows["target"].iloc[0] == best["target"]
    assert np.allclose(matches["e_value"], 60 * matches["p_value"])


def test_the_background_is_that_of_the_windows_or_uniform(planted, found):
    assert found.background.sum() == pytest.approx(1)
    assert (found.background != 0.25).all()
    other = find_motifs(
        load_model(planted.model),
        Store(planted.store),
        CONTIGS,
        read_databases([planted.database]),
        MotifSettings(uniform_background=True),
    )
    assert other.background.tolist() == [0.25] * 4


def test_what_cannot_be_read_as_motifs_is_refused(planted):
    store, targets = Store(planted.store), read_databases([planted.database])
    network = load_model(planted.model)
    with pytest.raises(EpipamError, match="none of 8 kernels has 1000 sites on chr1"):
        find_motifs(network, store, ["chr1"], targets, MotifSettings(min_sites=1000))
    with pytest.raises(ModelError, match="reads windows of 3000 and 2000 bp"):
        find_motifs(create_model("epipam"), store, CONTIGS, targets)
    with pytest.raises(ModelError, match="no convolution"):
        find_motifs(create_model("kmer-gbm"), store, CONTIGS, targets)


@pytest.mark.parametrize("name", ["H12CORE.meme.gz", "MA0139.1.meme"])
def test_ctcf_kernels_are_recognised_in_published_collections(planted, shared_data, name):
    found = find_motifs(
        load_model(planted.model),
        Store(planted.store),
        CONTIGS,
        read_databases([shared_data / "motifs" / name]),
    )
    table = found.table.set_index("kernel")
    for anchor in ("enhancer", "promoter"):
        for kernel, orientation in ((f"{anchor}_0", "+"), (f"{anchor}_1", "-")):
            row = table.loc[kernel]
            assert "CTCF" in f"{row['target']} {row['target_name']}"
            assert row["q_value"] < 1e-3
            assert row["orientation"] == orientation


def test_frequencies_share_one_count_out_as_in_the_background():
    counts = np.array([[9, 0, 0, 0], [3, 3, 3, 0]])
    found = frequencies(counts, np.array([0.4, 0.1, 0.1, 0.4]))
    np.testing.assert_allclose(found, [[0.94, 0.01, 0.01, 0.04], [0.34, 0.31, 0.31, 0.04]])


def test_information_is_two_bits_for_a_base_of_four_and_none_for_the_background():
    uniform = np.full(4, 0.25)
    assert information(np.eye(4)[[0, 2, 3]], uniform) == pytest.approx(6)
    background = np.array([0.3, 0.2, 0.2, 0.3])
    assert information(np.tile(background, (5, 1)), background) == pytest.approx(0)
    heights = information_by_base(np.array([[0.5, 0.5, 0, 0]]), uniform)
    np.testing.assert_allclose(heights, [[0.5, 0.5, 0, 0]])


@pytest.mark.parametrize(
    ("row", "letter"),
    [
        ([0.97, 0.01, 0.01, 0.01], "A"),
        ([0.1, 0.6, 0.29, 0.01], "C"),
        ([0.05, 0.5, 0.05, 0.4], "Y"),
        ([0.4, 0.05, 0.5, 0.05], "R"),
        ([0.2, 0.51, 0.28, 0.01], "S"),
        ([0.25, 0.25, 0.25, 0.25], "N"),
        ([0.4, 0.3, 0.2, 0.1], "N"),
    ],
)
def test_the_consensus_follows_cavener(row, letter):
    assert consensus(np.array([row])) == letter


def plain_fisher(a: int, n_positive: int, c: int, n_negative: int) -> float:
    """Sum the probabilities of all tables that are no likelier than the one at hand."""
    total, with_site = n_positive + n_negative, a + c
    each = {
        k: comb(n_positive, k) * comb(n_negative, with_site - k) / comb(total, with_site)
        for k in range(max(0, with_site - n_negative), min(n_positive, with_site) + 1)
    }
    return sum(p for p in each.values() if p <= each[a] * (1 + 1e-9))


@pytest.mark.parametrize("table", [(8, 10, 3, 12), (0, 10, 5, 40), (4, 9, 4, 9), (10, 10, 0, 30)])
def test_enrichment_is_fishers_exact_test(table):
    a, n_positive, c, n_negative = table
    odds_ratio, p_value = enrichment(*table)
    assert p_value == pytest.approx(plain_fisher(*table))
    if c > 0 and a < n_positive:
        assert odds_ratio == pytest.approx(a * (n_negative - c) / ((n_positive - a) * c))


def test_without_labels_there_is_no_enrichment():
    odds_ratio, p_value = enrichment(0, 0, 0, 0)
    assert np.isnan(odds_ratio)
    assert p_value == 1


def test_the_table_has_a_row_for_each_kernel_in_order(found):
    assert isinstance(found.table, pd.DataFrame)
    assert found.table["number"].tolist() == [0, 1, 2, 3] * 2

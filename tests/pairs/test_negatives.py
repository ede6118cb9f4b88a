"""Negatives drawn for a list of positives, against enumeration of every pair of regions."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from epipam.errors import RequestError
from epipam.evaluation.audit import audit
from epipam.pairs.negatives import draw_negatives, expected_uses, plain_positives
from epipam.pairs.region_pool import listed_regions
from epipam.pairs.regions import Region, Regions, gather
from epipam.pairs.table import COLUMNS, distance, read_pairs

LIST = Path("list.tsv")
ANCHORS = [column for column in COLUMNS if not column.endswith(("name", "label"))]

rows = st.lists(
    st.tuples(
        st.sampled_from(["chr1", "chr2"]),
        st.integers(0, 12).map(lambda place: 20 * place),
        st.integers(0, 30),
        st.integers(0, 12).map(lambda place: 20 * place + 7),
        st.integers(0, 30),
        st.sampled_from([1, 1, 0, -1]),
    ),
    min_size=1,
    max_size=25,
)


def pairs_of(rows: list[tuple[str, int, int, int, int, int]]) -> pd.DataFrame:
    table = [(c, e, e + n, f"e{e}", c, p, p + m, f"p{p}", label) for c, e, n, p, m, label in rows]
    return pd.DataFrame(table, columns=list(COLUMNS))


def both_regions(pairs: pd.DataFrame) -> tuple[Regions, Regions]:
    return listed_regions(LIST, pairs, "enhancer"), listed_regions(LIST, pairs, "promoter")


def anchors(frame: pd.DataFrame) -> list[tuple[str, int, int, str, int, int]]:
    return [tuple(row) for row in frame[ANCHORS].itertuples(index=False)]


def midpoints_apart(pair: tuple[str, int, int, str, int, int]) -> float:
    return abs((pair[1] + pair[2]) / 2 - (pair[4] + pair[5]) / 2)


def meet(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < max(b[1], b[0] + 1) and b[0] < max(a[1], a[0] + 1)


def every_other_pair(pairs: pd.DataFrame) -> set[tuple[str, int, int, str, int, int]]:
    """Return the pairs of the list's regions that overlap none that is or may be positive."""
    listed = anchors(pairs)
    taken = [pair for pair, label in zip(listed, pairs["label"], strict=True) if label != 0]
    return {
        (*first[:3], *second[3:])
        for first in listed
        for second in listed
        if first[0] == second[3]
        and not any(
            first[0] == pair[0]
            and (
                (meet(first[1:3], pair[1:3]) and meet(second[4:], pair[4:]))
                or (meet(first[1:3], pair[4:]) and meet(second[4:], pair[1:3]))
            )
            for pair in taken
        )
    }


@pytest.mark.parametrize("strategy", ["distance", "frequency"])
@settings(max_examples=40)
@given(rows=rows, bins=st.integers(1, 4), per_positive=st.integers(1, 6), seed=st.integers(0, 9))
def test_each_bin_gets_as_many_as_asked_for_or_all_there_are(
    strategy: str, rows: list, bins: int, per_positive: int, seed: int
) -> None:
    pairs = pairs_of(rows)
    if not (pairs["label"] == 1).any() and (pairs["label"] == 0).any():
        with pytest.raises(RequestError, match="is positive"):
            plain_positives(pairs)
        return
    positives = plain_positives(pairs)
    found = draw_negatives(
        positives,
        *both_regions(pairs),
        strategy=strategy,
        per_positive=per_positive,
        bins=bins,
        seed=seed,
    )
    drawn, others = anchors(found.table), every_other_pair(pairs)
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= others
    assert (found.table["label"] == 0).all()
    # TargetFinder's own way to cut: pandas' quantiles, and those bins for all other pairs.
    far = distance(positives.table)
    if len(np.unique(far)) == 1:
        edges, of_positives = np.repeat(far[0], 2), np.zeros(len(far), dtype=int)
    else:
        of_positives, edges = pd.qcut(far, bins, labels=False, retbins=True, duplicates="drop")

    def count(distances: list[float]) -> Counter[int]:
        cut = [
            next(
                (k for k in range(len(edges) - 1) if d <= edges[k + 1] and (d > edges[k] or not k)),
                -1,
            )
            for d in distances
            if edges[0] <= d <= edges[-1]
        ]
        return Counter(cut)

    available = count([midpoints_apart(pair) for pair in others])
    wanted = Counter(of_positives.tolist())
    got = count([midpoints_apart(pair) for pair in drawn])
    assert sum(got.values()) == len(drawn)
    for k, of_bin in enumerate(found.bins):
        assert of_bin.positives == wanted[k]
        assert of_bin.wanted == per_positive * wanted[k]
        assert of_bin.others == available[k]
        assert of_bin.drawn == got[k] == min(available[k], per_positive * wanted[k])
    assert sum(found.missing.values()) == per_positive * len(far) - len(drawn)
    assert found.foreign == 0


@settings(max_examples=40)
@given(rows, st.integers(1, 4), st.integers(1, 3))
def test_by_chromosome_each_gets_its_own(rows: list, bins: int, per_positive: int) -> None:
    pairs = pairs_of([(*row[:5], 1) for row in rows])
    positives = plain_positives(pairs)
    found = draw_negatives(
        positives, *both_regions(pairs), bins=bins, per_positive=per_positive, per_chromosome=True
    )
    low, high = (np.array([getattr(b, side) for b in found.bins]) for side in ("low", "high"))

    def counted(listed: list) -> Counter[tuple[str, int]]:
        def cut(d: float) -> int:
            return next(k for k in range(len(low)) if d <= high[k] and (d > low[k] or not k))

        inside = [p for p in listed if low[0] <= midpoints_apart(p) <= high[-1]]
        return Counter((pair[0], cut(midpoints_apart(pair))) for pair in inside)

    wanted, available = counted(anchors(positives.table)), counted(list(every_other_pair(pairs)))
    got = counted(anchors(found.table))
    assert set(got) <= set(wanted)
    for stratum, n in wanted.items():
        assert got[stratum] == min(available[stratum], per_positive * n)


def grid(n_enhancers: int, n_promoters: int) -> tuple[Regions, Regions]:
    """Return enhancers at 0, 10, 20, ... and promoters at 10^6, 10^6 + 10, ..., 5 bp each."""
    return tuple(
        gather(
            LIST, [Region("chr1", first + 10 * i, first + 10 * i + 5, "", ".") for i in range(n)]
        )
        for first, n in ((0, n_enhancers), (1_000_000, n_promoters))
    )


def positives_on_grid(used: list[tuple[int, int]]) -> pd.DataFrame:
    return pairs_of([("chr1", 10 * e, 5, 1_000_000 + 10 * p, 5, 1) for e, p in used])


def places_on_grid(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    enhancer = frame["enhancer_start"].to_numpy() // 10
    return enhancer, (frame["promoter_start"].to_numpy() - 1_000_000) // 10


def test_by_distance_every_pair_of_a_bin_is_as_likely_as_each_other() -> None:
    # The farthest and the nearest pair, so that one bin holds all.
    positives = plain_positives(positives_on_grid([(0, 49), (49, 0)]))
    seen = np.zeros((50, 50))
    for seed in range(10):
        drawn = draw_negatives(positives, *grid(50, 50), bins=1, per_positive=250, seed=seed)
        assert len(drawn.table) == 500
        np.add.at(seen, places_on_grid(drawn.table), 1)
    for counts in (seen.sum(axis=0), seen.sum(axis=1)):
        assert stats.chisquare(counts).pvalue > 1e-4
    # No pair comes in every draw, or never in more than so many by chance.
    assert stats.binom.sf(seen.max() - 1, 10, 0.2) * 2_500 > 1e-4


def test_by_frequency_a_region_is_drawn_as_often_as_it_is_expected_in_positives() -> None:
    used = [(0, 39), (499, 0), *((e, e % 4) for e in (1, 1, 1, 2, 2, 3)), *((e, 0) for e in (4, 5))]
    pairs = positives_on_grid(used).drop_duplicates(ANCHORS)
    used = list(zip(*(places.tolist() for places in places_on_grid(pairs)), strict=True))
    # Nothing is taken, so that every pair of the grid can be drawn, and weights alone decide.
    positives = plain_positives(pairs)._replace(taken=pairs.head(0))
    seen = [np.zeros(500), np.zeros(40)]
    for seed in range(60):
        drawn = draw_negatives(
            positives, *grid(500, 40), strategy="frequency", bins=1, per_positive=1, seed=seed
        ).table
        for counts, rows in zip(seen, places_on_grid(drawn), strict=True):
            np.add.at(counts, rows, 1)
    for counts, listed in zip(seen, zip(*used, strict=True), strict=True):
        uses = np.bincount(listed, minlength=len(counts))
        expected = expected_uses(uses)
        by_uses = [
            (counts[uses == n].sum(), expected[uses == n].sum() / expected.sum())
            for n in np.unique(uses)
        ]
        observed, shares = np.array(by_uses).T
        assert stats.chisquare(observed, shares * observed.sum()).pvalue > 1e-3


def test_expected_uses_are_the_mean_over_the_rates_that_may_have_made_them() -> None:
    generator = np.random.default_rng(5)
    shape, mean = 0.4, 1.5
    rates = generator.gamma(shape, mean / shape, size=200_000)
    uses = generator.poisson(rates)
    expected = expected_uses(uses)
    for count in range(6):
        assert expected[uses == count].std() == pytest.approx(0, abs=1e-9)
        assert expected[uses == count][0] == pytest.approx(rates[uses == count].mean(), rel=0.05)
    assert expected.sum() == pytest.approx(uses.sum())


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_expected_uses_keep_their_sum_and_order_and_leave_nobody_out(counts: list[int]) -> None:
    uses = np.array(counts)
    expected = expected_uses(uses)
    assert expected.sum() == pytest.approx(uses.sum())
    if uses.any():
        assert (expected > 0).all()
    order = np.argsort(uses, kind="stable")
    assert (np.diff(expected[order]) >= -1e-9).all()


def test_positives_that_cannot_be_used_are_counted_by_the_reason() -> None:
    pairs = pairs_of(
        [
            ("chr1", 0, 10, 100, 10, 1),
            ("chr1", 0, 10, 100, 10, 1),
            ("chr1", 0, 10, 20, 10, 1),
            ("chr1", 0, 10, 900, 10, 1),
            ("chr1", 0, 10, 300, 10, 0),
            ("chr1", 0, 10, 400, 10, -1),
        ]
    )
    trans = pairs.head(1).assign(promoter_chrom="chr2")
    pairs = pd.concat([pairs, trans], ignore_index=True)
    found = plain_positives(pairs, min_distance=100, max_distance=800)
    assert anchors(found.table) == [("chr1", 0, 10, "chr1", 100, 110)]
    assert found.left_out == {
        "between two chromosomes": 1,
        "nearer than asked for": 1,
        "farther than asked for": 1,
        "listed before": 1,
    }
    assert found.negatives == 1
    assert found.taken["label"].tolist() == [1, 1, 1, 1, -1, 1]


def test_where_no_pair_has_a_label_all_are_positive() -> None:
    pairs = pairs_of([("chr1", 0, 10, 100, 10, -1), ("chr1", 0, 10, 200, 10, -1)])
    found = plain_positives(pairs)
    assert found.table["label"].tolist() == [1, 1]
    assert found.negatives == 0
    with pytest.raises(RequestError, match="none of 1 pairs is positive"):
        plain_positives(pairs.head(1).assign(label=0))


def test_positives_on_a_chromosome_without_regions_are_told() -> None:
    pairs = pairs_of([(c, 0, 10, p, 10, 1) for c in ("chr1", "chr2") for p in (100, 200)])
    regions = both_regions(pairs[pairs["enhancer_chrom"] == "chr1"])
    found = draw_negatives(plain_positives(pairs), *regions, per_chromosome=True, per_positive=3)
    assert found.missing["no region on the chromosome of the positive"] == 6
    assert found.foreign == 2


def test_regions_that_are_no_positive_s_have_no_frequency() -> None:
    pairs = pairs_of([("chr1", 0, 10, 100, 10, 1)])
    others = both_regions(pairs_of([("chr1", 5, 10, 105, 10, 1)]))
    found = draw_negatives(plain_positives(pairs), *others)
    assert found.foreign == 1
    with pytest.raises(RequestError, match="holds no region of a positive pair"):
        draw_negatives(plain_positives(pairs), *others, strategy="frequency")


def test_the_draw_depends_on_the_seed_alone() -> None:
    generator = np.random.default_rng(3)
    places = generator.integers(0, 10_000, size=(40, 2)).tolist()
    pairs = pairs_of([("chr1", e, 10, p, 10, 1) for e, p in places])
    regions = both_regions(pairs)
    drawn = [
        draw_negatives(plain_positives(pairs), *regions, per_positive=2, seed=seed).table
        for seed in (1, 1, 2)
    ]
    assert drawn[0].equals(drawn[1])
    assert not drawn[0].equals(drawn[2])


def test_memory_is_that_of_what_is_drawn_not_of_all_pairs() -> None:
    enhancers = gather(LIST, [Region("chr1", 50 * i, 50 * i + 10, "e", ".") for i in range(4_000)])
    promoters = gather(LIST, [Region("chr1", 50 * i, 50 * i + 10, "p", ".") for i in range(4_000)])
    positives = plain_positives(
        pairs_of([("chr1", 0, 10, 150_000, 10, 1), ("chr1", 0, 1, 9, 1, 1)])
    )
    tracemalloc.start()
    try:
        found = draw_negatives(positives, enhancers, promoters, bins=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    n_pairs = found.bins[0].others
    assert n_pairs > 10_000_000
    assert len(found.table) == 40
    assert peak < 8 * n_pairs  # one number for each pair would take as much


@pytest.fixture(scope="module")
def gm12878(shared_data: Path) -> pd.DataFrame:
    return read_pairs(shared_data / "pairs/targetfinder_GM12878.tsv.gz").frame


def test_the_real_positives_get_twenty_each_at_their_distances(gm12878: pd.DataFrame) -> None:
    positives = plain_positives(gm12878)
    found = draw_negatives(positives, *both_regions(gm12878))
    assert (len(positives.table), len(found.table)) == (2_113, 42_260)
    assert found.missing == {}
    far = distance(positives.table)
    edges = np.quantile(far, np.linspace(0, 1, 6))
    assert np.histogram(distance(found.table), edges)[0].tolist() == [
        20 * n for n in np.histogram(far, edges)[0]
    ]


def test_frequency_tells_the_labels_of_one_strategy_and_hardly_those_of_the_other(
    gm12878: pd.DataFrame,
) -> None:
    positives, regions = plain_positives(gm12878), both_regions(gm12878)
    area = {}
    for strategy in ("distance", "frequency"):
        drawn = draw_negatives(positives, *regions, strategy=strategy, per_positive=5)
        pairs = pd.concat([positives.table, drawn.table], ignore_index=True)
        splits = [audit(pairs, seed=seed).splits["random"] for seed in range(3)]
        area[strategy] = np.mean([split.frequency_auroc for split in splits])
    assert area["distance"] > 0.88
    assert abs(area["frequency"] - 0.5) < 0.1

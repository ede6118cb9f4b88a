"""Tables in memory: which columns are the anchors, which values are none, which regions pair up."""

import numpy as np
import pandas as pd
import pyranges
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import PairTableError, RegionError, RequestError
from epipam.pairs.candidates import candidates
from epipam.pairs.formats import CHIAPET_COLUMNS, COLUMNS
from epipam.pairs.frames import PAIR_NAMES, REQUIRED, as_frame, pair_regions, read_pair_frame
from epipam.pairs.table import read_pairs

ROWS = [("chr1", 100, 200, "chr1", 900, 1_000), ("chr2", 5, 6, "chr2", 7, 9)]
# pyranges 0.1 calls pandas in ways that pandas 4 will not know.
pyranges_on_pandas_3 = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def anchors(frame: pd.DataFrame) -> list[tuple]:
    table = read_pair_frame(frame).table
    return list(table.frame[list(REQUIRED)].itertuples(index=False, name=None))


@pytest.mark.parametrize("kind", ["table", "bedpe", "chiapet"])
def test_columns_are_known_by_name_in_any_order_with_others_between(kind):
    frame = pd.DataFrame(ROWS, columns=list(PAIR_NAMES[kind]))
    frame = frame[list(frame.columns[::-1])]
    frame.insert(2, "further", ["x", "y"])
    assert anchors(frame) == ROWS


def test_the_names_of_published_lists_are_those_the_file_reader_knows():
    assert set(PAIR_NAMES["chiapet"]) < set(CHIAPET_COLUMNS)
    assert PAIR_NAMES["table"] == tuple(c for c in COLUMNS if c.endswith(("chrom", "start", "end")))


@pyranges_on_pandas_3
@pytest.mark.parametrize("how", ["join", "nearest", "k_nearest"])
def test_what_pyranges_pairs_up_is_a_table_of_pairs(how):
    enhancers = pyranges.from_dict({"Chromosome": ["2", "1"], "Start": [5, 100], "End": [6, 200]})
    promoters = pyranges.from_dict({"Chromosome": ["1", "2"], "Start": [900, 7], "End": [950, 9]})
    options = {"join": {"slack": 10_000}, "nearest": {}, "k_nearest": {"k": 1}}[how]
    joined = getattr(enhancers, how)(promoters, **options)
    assert anchors(as_frame(joined)) == [
        ("1", 100, 200, "1", 900, 950),
        ("2", 5, 6, "2", 7, 9),
    ]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([100, 5], "int32"),
        ([100, 5], "uint64"),
        ([100.0, 5.0], "float64"),
        (["100", "5"], "str"),
        ([100, 5], "Int64"),
        ([100, "5"], "object"),
    ],
)
def test_whole_numbers_of_any_type_are_coordinates(values, kind):
    frame = pd.DataFrame(ROWS, columns=list(REQUIRED))
    assert anchors(frame.assign(enhancer_start=pd.array(values, dtype=kind))) == ROWS


@pytest.mark.parametrize("bad", [np.nan, None, 1.5, "x", "", np.inf, -np.inf, 2.0**60, pd.NA])
def test_other_values_are_a_problem_of_their_row(bad):
    frame = pd.DataFrame(ROWS, columns=list(PAIR_NAMES["bedpe"])).astype({"end2": object})
    frame.loc[1, "end2"] = bad
    pairs = read_pair_frame(frame)
    assert pairs.rows.tolist() == [0]
    assert pairs.problems == {1: f"end2: {bad} is not a whole number"}


def test_truth_values_are_no_coordinates():
    frame = pd.DataFrame(ROWS, columns=list(REQUIRED)).assign(enhancer_start=[True, False])
    assert len(read_pair_frame(frame).problems) == 2


@pytest.mark.parametrize("bad", [np.nan, None, "", "."])
def test_an_anchor_without_a_chromosome_is_a_problem_of_its_row(bad):
    frame = pd.DataFrame(ROWS, columns=list(REQUIRED)).assign(promoter_chrom=[bad, "chr2"])
    assert read_pair_frame(frame).problems == {
        0: "promoter_chrom: no chromosome: the anchor is unknown"
    }


def test_chromosomes_may_be_numbers_or_categories():
    frame = pd.DataFrame(ROWS, columns=list(REQUIRED))
    numbers = frame.assign(enhancer_chrom=[1, 2], promoter_chrom=pd.Categorical(["1", "2"]))
    assert [(row[0], row[3]) for row in anchors(numbers)] == [("1", "1"), ("2", "2")]


def test_a_table_without_the_columns_is_refused_with_what_it_has_and_what_it_needs():
    frame = pd.DataFrame({"chrom1": ["chr1"], "start1": [1]})
    with pytest.raises(PairTableError, match=r"columns chrom1, start1, but pairs need enhancer_c"):
        read_pair_frame(frame)


def test_a_column_twice_is_refused():
    frame = pd.DataFrame([(*ROWS[0], 3)], columns=[*REQUIRED, "enhancer_start"])
    with pytest.raises(PairTableError, match="more than one column enhancer_start"):
        read_pair_frame(frame)


def test_what_is_no_table_is_refused():
    with pytest.raises(RequestError, match="not list"):
        as_frame(ROWS)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="pair_regions"):
        as_frame((pd.DataFrame(), pd.DataFrame()))  # type: ignore[arg-type]


regions = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 3_000), st.integers(0, 400)),
    min_size=1,
    max_size=12,
)


@given(enhancers=regions, promoters=regions, near=st.integers(0, 500), far=st.integers(500, 3_000))
def test_pairs_are_those_of_every_enhancer_with_every_promoter_within_the_distance(
    enhancers, promoters, near, far
):
    expected = [
        (c, s, s + n, d, t, t + m)
        for c, s, n in enhancers
        for d, t, m in promoters
        if c == d and near <= abs((2 * s + n) - (2 * t + m)) / 2 <= far
    ]
    if not {c for c, *_ in enhancers} & {c for c, *_ in promoters}:
        return
    tables = [
        pd.DataFrame([(c, s, s + n) for c, s, n in rows], columns=names)
        for rows, names in (
            (enhancers, ["chrom", "start", "end"]),
            (promoters, ["Chromosome", "Start", "End"]),
        )
    ]
    pairs = pair_regions(*tables, min_distance=near, max_distance=far)
    found = list(pairs[list(REQUIRED)].itertuples(index=False, name=None))
    assert sorted(found) == sorted(expected)


def bed(path, rows):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def test_pairs_names_and_order_are_those_of_epipam_candidates(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        [(str(rng.choice(["chr2", "chr1"])), int(s), int(s) + 7, f"{what}{i}") for i, s in enum]
        for what, enum in (
            ("e", enumerate(rng.integers(0, 50_000, 40))),
            ("p", enumerate(rng.integers(0, 50_000, 30))),
        )
    ]
    files = [bed(tmp_path / name, r) for name, r in zip(("e.bed", "p.bed"), rows, strict=True)]
    candidates(*files, tmp_path / "pairs.bedpe", max_distance=9_000)
    expected = read_pairs(tmp_path / "pairs.bedpe").frame
    fields = pd.read_csv(tmp_path / "pairs.bedpe", sep="\t")
    tables = [pd.DataFrame(r, columns=["chrom", "start", "end", "name"]) for r in rows]
    for given_regions in (tables, files):
        pairs = pair_regions(*given_regions, max_distance=9_000)
        pd.testing.assert_frame_equal(
            pairs[list(REQUIRED)], expected[list(REQUIRED)], check_dtype=False
        )
        assert list(pairs["enhancer_name"] + "::" + pairs["promoter_name"]) == list(fields["name"])
        np.testing.assert_array_equal(pairs["distance"], fields["distance"])


def test_pyranges_are_regions_and_a_nameless_one_is_called_by_its_place():
    enhancers = pyranges.from_dict(
        {"Chromosome": ["chr1"] * 2, "Start": [10, 50], "End": [20, 60], "Strand": ["+", "-"]}
    )
    promoters = pd.DataFrame({"chrom": ["chr1"], "start": [80], "end": [90], "name": ["gene"]})
    pairs = pair_regions(enhancers, promoters)
    assert list(pairs["enhancer_name"]) == ["chr1:10-20", "chr1:50-60"]
    assert list(pairs["promoter_name"]) == ["gene", "gene"]


@pytest.mark.parametrize("older", [{}, {"ignore_chr": True}])
def test_chr1_and_1_are_one_contig_and_pairs_bear_the_names_of_the_enhancers(older):
    enhancers = pd.DataFrame({"chrom": ["chr1"], "start": [10], "end": [20]})
    promoters = pd.DataFrame({"chrom": ["1"], "start": [80], "end": [90]})
    pairs = pair_regions(enhancers, promoters, **older)
    assert pairs.loc[0, ["enhancer_chrom", "promoter_chrom"]].tolist() == ["chr1", "chr1"]


def test_no_pair_within_the_distance_is_an_empty_table_with_all_columns():
    enhancers = pd.DataFrame({"chrom": ["chr1"], "start": [10], "end": [20]})
    far = pair_regions(enhancers, enhancers.assign(start=5_000, end=5_010), max_distance=10)
    none = pair_regions(enhancers, enhancers.iloc[:0])
    assert len(far) == len(none) == 0
    assert list(far.columns) == list(none.columns)
    assert far.dtypes["enhancer_start"] == np.int64


def test_rows_that_are_no_regions_are_listed():
    enhancers = pd.DataFrame(
        {"chrom": ["chr1", None, "chr1"], "start": [10, 1, 9], "end": [2, 3, 10]}
    )
    with pytest.raises(RegionError) as caught:
        pair_regions(enhancers, enhancers)
    assert caught.value.rows == ["row 0: start: lies after end", "row 1: chrom: no chromosome"]


@pytest.mark.parametrize("limits", [(5, 4), (-1, 4)])
def test_limits_that_no_distance_meets_are_refused(limits):
    with pytest.raises(RequestError, match="must hold"):
        pair_regions("e.bed", "p.bed", min_distance=limits[0], max_distance=limits[1])

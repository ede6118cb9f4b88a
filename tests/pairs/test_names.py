"""What pairs are called, in every layout of a pair table."""

import pytest

from epipam.pairs.names import pair_names
from epipam.pairs.table import COLUMNS, iter_pairs

PLACE = "chr1\t1\t2\tchr1\t3\t4"


def names_of(tmp_path, text):
    path = tmp_path / "pairs"
    path.write_text(text)
    (table,) = iter_pairs(path, keep_fields=True)
    return [tuple(row) for row in zip(*pair_names(table), strict=True)]


@pytest.mark.parametrize(
    ("seventh", "expected"),
    [
        ("E::P", ("E::P", "E", "P")),
        ("MAX::MYC::TP53", ("MAX::MYC::TP53", "MAX::MYC", "TP53")),
        (".::TP53", (".::TP53", "", "TP53")),
        ("loop_1", ("loop_1", "", "")),
        (".", ("", "", "")),
        ("", ("", "", "")),
    ],
)
def test_a_bedpe_names_both_regions_in_column_seven(tmp_path, seventh, expected):
    assert names_of(tmp_path, f"{PLACE}\t{seventh}\t0\n") == [expected]
    assert names_of(tmp_path, f"{PLACE}\n") == [("", "", "")]


def test_a_table_has_columns_for_names(tmp_path):
    rows = ["chr1,1,2,E,chr1,3,4,P,1", "chr1,1,2,.,chr1,3,4,P,1", "chr1,1,2,,chr1,3,4,,1"]
    text = "\n".join([",".join(COLUMNS), *rows]) + "\n"
    assert names_of(tmp_path, text) == [("E::P", "E", "P"), ("P", "", "P"), ("", "", "")]

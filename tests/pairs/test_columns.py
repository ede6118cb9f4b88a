"""Pairs read a column at a time, against the reader that goes line by line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.pairs.columns import plain_pairs
from epipam.pairs.formats import open_text, read_layout
from epipam.pairs.table import COLUMNS, PairTable, iter_pairs, read_pairs

PLAIN = ["chr1", "10", "20", "e", "chr2", "30", "40", "p", "1"]


def write(path: Path, rows: list[list[str]], delimiter: str = "\t", header: bool = True) -> Path:
    lines = [delimiter.join(row) for row in ([list(COLUMNS), *rows] if header else rows)]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def at_once(path: Path, label_column: str | None = None) -> pd.DataFrame | None:
    with open_text(path) as handle:
        lines, layout = read_layout(path, handle, label_column)
        return plain_pairs(list(lines), layout)


def line_by_line(path: Path, label_column: str | None = None) -> PairTable:
    """Read with the raw fields, which makes the reader look at each line."""
    (table,) = iter_pairs(path, label_column, keep_fields=True, malformed="skip")
    return table


@pytest.mark.parametrize("delimiter", ["\t", ","])
@pytest.mark.parametrize("last_line", ["\n", ""])
def test_plain_lines_are_read_at_once_and_alike_to_the_type(tmp_path, delimiter, last_line):
    rows = [PLAIN, ["X", "0", "-5", "", "chr2", "007", "999999999", "a'b+c", "NA"], PLAIN]
    path = write(tmp_path / "pairs.txt", rows, delimiter)
    path.write_text(path.read_text().removesuffix("\n") + last_line)
    found = at_once(path)
    assert found is not None
    pd.testing.assert_frame_equal(found, line_by_line(path).frame)
    assert [str(dtype) for dtype in found.dtypes] == [
        *("object", "int64", "int64", "object") * 2,
        "int8",
    ]


def test_a_bedpe_without_names_or_labels_is_read_at_once(tmp_path):
    rows = [["chr1", "1", "2", "chr1", "3", "4", str(score)] for score in (0, 1, 5)]
    path = write(tmp_path / "pairs.bedpe", rows, header=False)
    found = at_once(path)
    assert found is not None
    pd.testing.assert_frame_equal(found, line_by_line(path).frame)
    assert at_once(path, "7") is None  # 5 is no label


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((1, number) for number in ["+5", "5.0", "1e3", "", "x", "1_0", "0x1", "--1", "-", "5-"]),
        *((1, number) for number in ["1" * 10, "1" * 16, "0" * 16, "-" + "0" * 15 + "1", "1" * 20]),
        *((0, name) for name in ["", ".", "#chr1", " chr1", "chr1\x1f", "chré"]),
        *((3, name) for name in [" e", "e ", "a b", "é", "\0"]),
        *((8, label) for label in ["2", "yes", "1.00", "nan", "01"]),
    ],
)
def test_lines_that_need_a_closer_look_get_it(tmp_path, field, value):
    odd = [value if place == field else text for place, text in enumerate(PLAIN)]
    path = write(tmp_path / "pairs.tsv", [PLAIN, odd, PLAIN])
    assert at_once(path) is None


@pytest.mark.parametrize("rows", [[PLAIN, PLAIN[:8]], [PLAIN[:8], PLAIN], [PLAIN, [*PLAIN, "x"]]])
def test_lines_of_unequal_width_get_a_closer_look(tmp_path, rows):
    assert at_once(write(tmp_path / "pairs.tsv", rows)) is None


def test_quotes_are_letters_between_tabs_and_quotes_between_commas(tmp_path):
    quoted = [*PLAIN[:3], '"e"', *PLAIN[4:]]
    found = at_once(write(tmp_path / "pairs.tsv", [quoted]))
    assert found is not None
    assert found["enhancer_name"].tolist() == ['"e"']
    assert at_once(write(tmp_path / "pairs.csv", [quoted], ",")) is None


numbers = st.one_of(
    st.integers(-(10**17), 10**17).map(str),
    st.from_regex(r"[-+]?0{0,16}[0-9]{0,3}", fullmatch=True),
    st.sampled_from(["", "1", "2.0", "1e3", "x", "nan", "True"]),
)
texts = st.one_of(st.sampled_from(["chr1", "e", ".", "", "#", "1", "0"]), st.text(max_size=4))
rows = st.tuples(texts, numbers, numbers, texts, texts, numbers, numbers, texts, texts).map(list)


@given(
    odd=st.lists(rows, max_size=2),
    delimiter=st.sampled_from(["\t", ","]),
    plain=st.integers(1, 3),
)
def test_whatever_is_read_is_what_is_read_line_by_line(tmp_path_factory, odd, delimiter, plain):
    path = tmp_path_factory.mktemp("pairs") / "pairs.txt"
    write(
        path, [[text.replace("\r", "") for text in row] for row in [PLAIN] * plain + odd], delimiter
    )
    whole, expected = read_pairs(path, malformed="skip"), line_by_line(path)
    pd.testing.assert_frame_equal(whole.frame, expected.frame)
    assert whole.line.tolist() == expected.line.tolist()
    assert whole.malformed == expected.malformed

"""How numbers are written, and which columns stand flush right."""

from __future__ import annotations

import pytest

from epipam.report.tables import ABSENT, Cell, Table, base_pairs, count, score, share, text


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (count(1234567), Cell("1,234,567", 1234567)),
        (count(0), Cell("0", 0)),
        (count(None), Cell(ABSENT)),
        (score(0.98765), Cell("0.988", 0.98765)),
        (score(0.5, (0.4, 0.61)), Cell("0.500", 0.5, "0.400 to 0.610")),
        (score(0.5, sd=0.0123), Cell("0.500", 0.5, "sd 0.012")),
        (score(None, (0.4, 0.6)), Cell(ABSENT)),
        (share(0.123), Cell("12%", 0.123)),
        (share(None), Cell(ABSENT)),
        (base_pairs(59944.5), Cell("59,944", 59944.5)),
        (text(""), Cell(ABSENT)),
        (text(None), Cell(ABSENT)),
        (text(0), Cell("0")),
    ],
)
def test_a_number_is_rounded_for_the_eye_and_kept_whole(cell, expected):
    assert cell == expected


def test_a_column_of_bare_numbers_is_numeric_gaps_included():
    rows = (
        (text("a"), count(1), score(0.5, (0.4, 0.6)), text("x"), count(None)),
        (text("b"), count(None), score(0.5), count(1), count(None)),
    )
    table = Table("t", "", ("", "", "", "", ""), rows)
    assert [table.is_numeric(column) for column in range(5)] == [False, True, False, False, False]

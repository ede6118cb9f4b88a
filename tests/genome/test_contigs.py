"""Names of contigs: their order, and which of them a user means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import RequestError
from epipam.genome.contigs import find_contigs, listed_contigs, natural_order, select_contigs


def test_an_exact_name_is_preferred_to_its_alias():
    assert select_contigs(["chr1", "1"], ["1"]) == ("1",)
    assert select_contigs(["chr1", "1"], ["chr1"]) == ("chr1",)


def test_contigs_come_as_they_are_spelled_each_once_in_natural_order():
    contigs = ["chrX", "chr10", "chr2"]
    assert find_contigs(contigs, ["10", "X", "chr10", "chr2"]) == (("chr2", "chr10", "chrX"), ())


def test_names_that_match_none_are_told():
    assert find_contigs(["chr1"], ["2", "chr1", "chr3"]) == (("chr1",), ("2", "chr3"))
    with pytest.raises(RequestError, match="no data on 2, chr3; there is data on chr1"):
        select_contigs(["chr1"], ["2", "chr1", "chr3"])


@given(st.sets(st.integers(1, 40)), st.booleans())
def test_natural_order_is_that_of_the_numbers_before_letters(numbers, chr_too):
    prefix = "chr" if chr_too else ""
    names = [f"{prefix}{number}" for number in sorted(numbers)]
    assert natural_order([f"{prefix}X", *reversed(names)]) == (*names, f"{prefix}X")


def test_a_list_in_a_message_says_how_many_more_there_are():
    assert listed_contigs(["b", "a", "c"], most=2) == "a, b and 1 more"
    assert listed_contigs([]) == "no contig"

"""What a variant makes of a window: as cutting it out of the whole mutated contig."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.interpret.edits import Edit, edited_window, removes, touches, trimmed

bases = st.text("ACGT", max_size=6)
contigs = st.text("ACGT", min_size=1, max_size=60)


def haplotype_window(contig, edit, start, length):
    """Mutate the whole contig, find the centre on it, and cut there."""
    haplotype = contig[: edit.start] + edit.inserted + contig[edit.end :]
    centre = start + length // 2
    if edit.start < centre:
        if edit.end <= centre:
            centre += len(edit.inserted) - (edit.end - edit.start)
        else:
            centre = edit.start + min(centre - edit.start, len(edit.inserted))
    pad = length + 10
    first = centre - length // 2 + pad
    return ("N" * pad + haplotype + "N" * pad)[first : first + length]


def fetcher(contig):
    def fetch(start, end):
        assert start <= end
        return "".join(contig[i] if 0 <= i < len(contig) else "N" for i in range(start, end))

    return fetch


@given(contigs, st.data(), bases, st.integers(2, 40))
def test_a_window_is_cut_out_of_the_mutated_contig(contig, data, inserted, length):
    first = data.draw(st.integers(0, len(contig)))
    edit = Edit(first, data.draw(st.integers(first, len(contig))), inserted)
    # A window of which not all lies outside of the contig.
    start = data.draw(st.integers(1 - length, len(contig) - 1))
    found = edited_window(fetcher(contig), edit, start, length)
    assert found == haplotype_window(contig, edit, start, length)
    if not touches(edit, start, start + length):
        assert found == fetcher(contig)(start, start + length)


@given(contigs, st.data(), bases)
def test_a_trimmed_allele_makes_the_same_contig_of_fewer_bases(contig, data, alt):
    start = data.draw(st.integers(0, len(contig) - 1))
    ref = contig[start : start + data.draw(st.integers(1, 6))]
    edit = trimmed(start, ref.lower(), alt)
    expected = contig[:start] + alt + contig[start + len(ref) :]
    assert contig[: edit.start] + edit.inserted + contig[edit.end :] == expected
    replaced = contig[edit.start : edit.end]
    if replaced and edit.inserted:
        assert replaced[0] != edit.inserted[0]
        assert replaced[-1] != edit.inserted[-1]


@pytest.mark.parametrize(
    ("ref", "alt", "edit"),
    [
        ("A", "G", (10, 11, "G")),
        ("CAA", "CA", (11, 12, "")),
        ("C", "CTT", (11, 11, "TT")),
        ("GATT", "GCGT", (11, 13, "CG")),
        ("AC", "TTG", (10, 12, "TTG")),
    ],
)
def test_examples_of_trimming(ref, alt, edit):
    assert trimmed(10, ref, alt) == edit


def test_the_centre_stays_and_what_lies_beyond_the_variant_moves():
    fetch = fetcher("abcdefghijklmnop".upper())  # window 4..12 is EFGH|IJKL
    assert edited_window(fetch, Edit(6, 6, "xx"), 4, 8) == "FxxGHIJKL"[1:]
    assert edited_window(fetch, Edit(10, 10, "xx"), 4, 8) == "EFGHIJxx"
    assert edited_window(fetch, Edit(5, 7, ""), 4, 8) == "CDEHIJKL"
    assert edited_window(fetch, Edit(9, 11, ""), 4, 8) == "EFGHILMN"
    assert edited_window(fetch, Edit(7, 9, "xyz"), 4, 8) == "EFGxyzJK"
    assert edited_window(fetch, Edit(8, 8, "xx"), 4, 8) == "EFGHxxIJ"


def test_a_variant_across_an_edge_draws_in_what_lies_beyond():
    fetch = fetcher("ABCDEFGHIJKLMNOP")
    assert edited_window(fetch, Edit(2, 6, ""), 4, 8) == "ABGHIJKL"
    assert edited_window(fetch, Edit(10, 14, ""), 4, 8) == "EFGHIJOP"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (Edit(3, 4, "x"), False),
        (Edit(4, 5, "x"), True),
        (Edit(11, 12, "x"), True),
        (Edit(12, 13, "x"), False),
        (Edit(4, 4, "x"), False),
        (Edit(5, 5, "x"), True),
        (Edit(12, 12, "x"), False),
        (Edit(0, 20, ""), True),
    ],
)
def test_what_lies_in_a_window_of_4_to_12(edit, expected):
    assert touches(edit, 4, 12) is expected


def test_a_window_is_removed_when_no_base_of_it_is_left():
    assert removes(Edit(4, 12, ""), 4, 12)
    assert not removes(Edit(4, 11, ""), 4, 12)

"""Lengths of contigs, from a genome or a table."""

import pytest

from epipam.errors import GenomeError
from epipam.genome.lengths import read_contig_lengths


def test_a_fasta_its_index_and_a_table_say_the_same(tmp_path):
    fasta, sizes = tmp_path / "g.fa", tmp_path / "sizes"
    fasta.write_text(">chr1 first\nACGTACGT\nAC\n>2\nACG\n")
    sizes.write_text("# a comment\nchr1\t10\n2 3\n")
    expected = {"chr1": 10, "2": 3}
    assert read_contig_lengths(fasta).contigs == expected
    assert read_contig_lengths(tmp_path / "g.fa.fai").contigs == expected
    assert read_contig_lengths(sizes).contigs == expected
    assert read_contig_lengths(sizes).resolve(["1", "chr2", "x"]) == {"1": "chr1", "chr2": "2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chr1\t10\nchr1\t9\n", ":2: contig chr1 appears twice"),
        ("chr1\tten\n", ":1: neither a FASTA"),
        ("chr1\t0\n", ":1: neither a FASTA"),
        ("chr1\n", ":1: neither a FASTA"),
        ("", "no contigs"),
    ],
)
def test_what_is_neither_is_named_by_line(tmp_path, text, said):
    path = tmp_path / "sizes"
    path.write_text(text)
    with pytest.raises(GenomeError, match=said):
        read_contig_lengths(path)

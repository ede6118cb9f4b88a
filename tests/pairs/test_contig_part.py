"""The part of a table that `--contigs` names, against a plain loop over its rows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epipam.errors import PairTableError, RequestError
from epipam.genome.fasta import Genome
from epipam.pairs.contig_part import ContigPart
from epipam.pairs.table import iter_pairs

CONTIGS = ("chr1", "chr2", "chr10")
NAMES = (*CONTIGS, "1", "10", "chrUn")


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text("".join(f">{name}\nACGT\n" for name in CONTIGS))
    return Genome(path)


def tables(folder, rows):
    """Return pieces of a BEDPE whose rows are (enhancer's chromosome, promoter's)."""
    path = folder / "pairs.bedpe"
    text = "".join(f"{e}\t{i}\t9\t{p}\t1\t9\tp{i}\n" for i, (e, p) in enumerate(rows))
    path.write_text(text + "chr1\tno\t9\tchr1\t1\t9\n")
    return list(iter_pairs(path, chunk_rows=3, keep_fields=True, malformed="skip"))


def contig(name):
    return name if name in CONTIGS else {"1": "chr1", "10": "chr10"}.get(name)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), min_size=1, max_size=12),
    st.sets(st.sampled_from(CONTIGS), min_size=1),
    st.booleans(),
    st.booleans(),
)
def test_a_part_is_the_rows_that_a_loop_finds(tmp_path_factory, genome, rows, chosen, either, un):
    part = ContigPart(genome, [name.removeprefix("chr") for name in chosen])
    found, numbers, malformed, before = [], [], 0, 0
    for table in tables(tmp_path_factory.mktemp("pairs"), rows):
        pairs, taken = part.take(table, either_anchor=either, unplaced=un)
        assert pairs.line.tolist() == table.line[taken].tolist()
        found += [fields[6] for fields in pairs.fields]
        numbers += (taken + before).tolist()
        malformed += len(pairs.malformed)
        before += len(table)
    expected = [
        i
        for i, (enhancer, promoter) in enumerate(rows)
        if contig(enhancer) in chosen
        or (either and contig(promoter) in chosen)
        or (un and contig(enhancer) is None)
    ]
    assert numbers == expected
    assert found == [f"p{i}" for i in expected]
    assert malformed == 1


def test_a_contig_that_the_genome_lacks_is_told(genome):
    with pytest.raises(RequestError, match=r"genome.fa: has no contig chr3, X; it has chr1, chr2"):
        ContigPart(genome, ["chr3", "chr1", "X"])


def test_a_part_without_any_pair_is_refused_and_an_empty_contig_beside_others_is_not(
    genome, tmp_path
):
    pieces = tables(tmp_path, [("chr1", "chr2"), ("10", "10")])
    part = ContigPart(genome, ["chr2", "chr10"])
    for table in pieces:
        part.of(table)
    part.require("pairs.bedpe")

    part = ContigPart(genome, ["chr2"])
    for table in pieces:
        part.of(table)
    with pytest.raises(PairTableError, match=r"no pair on chr2; there are pairs on chr1, 10"):
        part.require("pairs.bedpe")

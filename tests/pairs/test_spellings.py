"""One spelling for each contig, within a file and between files."""

from pathlib import Path

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from epipam.genome.contigs import Aliases, canonical_name
from epipam.genome.lengths import ContigLengths
from epipam.pairs.regions import Region, gather
from epipam.pairs.spellings import Spellings
from epipam.pairs.table import COLUMNS

names = st.lists(st.sampled_from(["chr1", "1", "chr2", "2", "chrM", "MT", "M", "x"]), min_size=1)


@given(names)
def test_contigs_have_the_name_that_came_first(names):
    spellings = Spellings()
    first = {}
    expected = [first.setdefault(canonical_name(name), name) for name in names]
    assert [spellings.of(name) for name in names] == expected
    assert spellings.renamed == {n: e for n, e in zip(names, expected, strict=True) if n != e}
    assert bool(spellings.notes()) == bool(spellings.renamed)


@given(names)
def test_regions_and_pairs_are_spelled_alike(names):
    spelled = [Spellings().of(names[0])]
    regions = gather(Path("x"), (Region(name, 1, 2, "a", ".") for name in names))
    spellings = Spellings()
    found = spellings.regions(regions)
    spelled = [found.contigs[code] for code in found.contig]
    rows = [(name, 1, 2, "", name, 5, 6, "", -1) for name in names]
    pairs = spellings.pairs(pd.DataFrame(rows, columns=list(COLUMNS)))
    assert pairs["enhancer_chrom"].tolist() == pairs["promoter_chrom"].tolist() == spelled
    assert len(set(found.contigs)) == len({canonical_name(name) for name in names})


def test_the_genome_s_names_come_before_those_that_came_first():
    lengths = ContigLengths(Path("sizes"), {"chr1": 10, "chrM": 5})
    spellings = Spellings(lengths, Aliases([("NC_1.10", "chr1")]))
    names = ("1", "NC_1.10", "MT", "chr1", "7", "chr7")
    assert [spellings.of(name) for name in names] == ["chr1", "chr1", "chrM", "chr1", "7", "7"]
    assert (spellings.length("chr1"), spellings.length("7")) == (10, None)

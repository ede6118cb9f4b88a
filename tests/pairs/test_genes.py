"""Promoters of genes: where they lie on either strand, and what they are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import RegionError
from epipam.pairs.annotations import parse_attributes
from epipam.pairs.genes import GeneFeatures, promoter_interval
from epipam.pairs.region_files import read_regions

GENE_1 = 'gene_id "ENSG1.5"; gene_type "lncRNA"; gene_name "DDX11L2"; level 2;'
GTF = f"""\
##description: as GENCODE writes it
chr1\tHAVANA\tgene\t11869\t14409\t.\t+\t.\t{GENE_1}
chr1\tHAVANA\ttranscript\t11869\t14409\t.\t+\t.\t{GENE_1} transcript_id "T1";
chr1\tHAVANA\ttranscript\t12010\t13670\t.\t+\t.\t{GENE_1} transcript_id "T2";
chr1\tHAVANA\ttranscript\t12010\t13000\t.\t+\t.\t{GENE_1} transcript_id "T3";
chr1\tHAVANA\tgene\t65419\t71585\t.\t-\t.\tgene_type "protein_coding"; gene_name "OR4F5"
chr2\tENSEMBL\tgene\t900\t1000\t.\t+\t.\tgene_id "ENSG3"; gene_biotype "protein_coding";
"""
GFF3 = """\
##gff-version 3
1\tensembl_havana\tgene\t11869\t14409\t.\t+\t.\tID=gene:ENSG1;Name=DDX11L1;biotype=lncRNA;gene_id=ENSG1
1\tensembl\tmRNA\t11869\t14409\t.\t+\t.\tID=transcript:T1;Parent=gene:ENSG1
1\tensembl\tgene\t65419\t71585\t.\t-\t.\tID=gene:ENSG2;biotype=protein_coding;gene_id=ENSG2
1\tensembl\tgene\t75000\t76000\t.\t-\t.\tID=gene%3BX;biotype=protein_coding
1\tensembl\tgene\t85000\t86000\t.\t+\t.\tbiotype=protein_coding
##FASTA
>1
ACGT
"""


@pytest.fixture
def promoters(tmp_path):
    """Return `promoters(text, **settings)`: (contig, start, end, name, strand) of each."""

    def promoters(text, **settings):
        path = tmp_path / "genes"
        path.write_text(text)
        regions = read_regions(path, GeneFeatures(**settings))
        named = [regions.contigs[code] for code in regions.contig]
        columns = (named, regions.start.tolist(), regions.end.tolist())
        return list(zip(*columns, regions.names, regions.strands, strict=True))

    return promoters


def test_a_promoter_reaches_1500_before_and_500_behind_the_start_by_strand(promoters):
    assert promoters(GTF) == [
        # 1-based first base 11869: 0-based 11868.
        ("chr1", 11868 - 1500, 11868 + 500, "DDX11L2", "+"),
        # Last base 71585: 0-based 71584; upstream lies to the right.
        ("chr1", 71584 - 499, 71584 + 1501, "OR4F5", "-"),
        # The contig begins within the promoter.
        ("chr2", 0, 899 + 500, "ENSG3", "+"),
    ]


def test_gff3_names_genes_by_name_then_gene_id_then_id_then_place(promoters):
    assert [(row[0], row[3]) for row in promoters(GFF3)] == [
        ("1", "DDX11L1"), ("1", "ENSG2"), ("1", "gene;X"), ("1", "1:83499-85499"),
    ]  # fmt: skip


def test_transcripts_that_start_alike_have_one_promoter(promoters):
    starts = [row[1] + 1500 for row in promoters(GTF, features=("transcript",))]
    assert starts == [11868, 12009]


@pytest.mark.parametrize("text", [GTF, GFF3])
def test_genes_of_some_types_only(promoters, text):
    every, some = promoters(text), promoters(text, gene_types=("protein_coding",))
    assert some == every[1:]
    assert promoters(text, gene_types=("protein_coding", "lncRNA")) == every


def test_widths_are_settings(promoters):
    (first, *_) = promoters(GTF, upstream=0, downstream=1)
    assert first[1:3] == (11868, 11869)


def test_a_feature_that_is_absent_is_an_error_that_lists_those_there(promoters):
    with pytest.raises(RegionError, match=r"no 'exon' features .* 3 gene, 3 transcript; --feature"):
        promoters(GTF, features=("exon",))


def test_a_gene_type_that_is_absent_is_an_error_that_lists_those_there(promoters):
    with pytest.raises(RegionError, match=r"of type snRNA, but 2 protein_coding, 1 lncRNA"):
        promoters(GTF, gene_types=("snRNA",))


def test_bad_rows_are_named_by_line_and_column(promoters, tmp_path):
    row = "chr1\tX\tgene\t{}\t{}\t.\t{}\t.\tgene_id=g\n"
    bad = [("10", "20", "+"), ("0", "20", "+"), ("30", "20", "+"), ("1", "x", "-")]
    with pytest.raises(RegionError) as caught:
        promoters("".join(row.format(*fields) for fields in bad) + "chr1\tX\tgene\t1\t2\t.\n")
    path = tmp_path / "genes"
    assert str(caught.value).split("\n")[1:] == [
        f"{path}:2: start: '0' is not a whole number from 1 on",
        f"{path}:3: start: start 30 lies after end 20",
        f"{path}:4: end: 'x' is not a whole number from 1 on",
        f"{path}:5: row: 6 columns where GTF and GFF3 have 9",
    ]


@given(
    st.integers(1, 10**6), st.integers(0, 10**6), st.sampled_from("+-"),
    st.integers(0, 3000), st.integers(1, 3000),
)  # fmt: skip
def test_a_promoter_holds_the_bases_counted_from_the_start_site(
    start, length, strand, upstream, downstream
):
    first, end = promoter_interval(start - 1, start + length, strand, upstream, downstream)
    site, step = (start - 1, 1) if strand == "+" else (start + length - 1, -1)
    bases = {site + step * i for i in range(-upstream, downstream)}
    assert set(range(first, end)) == {base for base in bases if base >= 0}


@given(st.text())
def test_any_attributes_are_read_as_text(text):
    for key, value in parse_attributes(text).items():
        assert isinstance(key, str)
        assert isinstance(value, str)


def test_attributes_of_both_formats():
    gtf = 'gene_id "g 1"; level 2; tag "a;b"; tag "second"; gene_name "x";'
    assert parse_attributes(gtf) == {"gene_id": "g 1", "level": "2", "tag": "a;b", "gene_name": "x"}
    assert parse_attributes("ID=a%20b;Name=x=y;;Flag") == {"ID": "a b", "Name": "x=y"}

"""Annotations as people have them: strands that are missing, names that are shared, transcripts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epipam.errors import RegionError
from epipam.genome.lengths import ContigLengths
from epipam.pairs.genes import GeneFeatures
from epipam.pairs.region_files import read_regions
from epipam.pairs.spellings import Spellings

NCBI = """\
##gff-version 3
chr20\tGenbank\tgene\t2001\t3000\t.\t+\t.\tID=gene-A;Name=A;gene_biotype=protein_coding
chr20\tGenbank\tgene\t5001\t6000\t.\t?\t.\tID=gene-B;Name=B;gene_biotype=protein_coding
chr20\tGenbank\tgene\t7001\t8000\t.\t.\t.\tID=gene-C;Name=C;gene_biotype=protein_coding
"""
ENSEMBL = """\
20\te\tgene\t2001\t3000\t.\t+\t.\tID=gene:G1;Name=AAA;biotype=protein_coding;gene_id=G1
20\te\tmRNA\t2501\t3000\t.\t+\t.\tID=transcript:T1;Parent=gene:G1;Name=AAA-201;biotype=protein_coding
20\te\texon\t2501\t3000\t.\t+\t.\tParent=transcript:T1;Name=E1
20\th\tncRNA_gene\t5001\t6000\t.\t-\t.\tID=gene:G2;Name=LINC1;biotype=lncRNA;gene_id=G2
20\th\tlnc_RNA\t5001\t6000\t.\t-\t.\tID=transcript:T2;Parent=gene:G2;Name=LINC1-201;biotype=lncRNA
20\th\tpseudogene\t8001\t9000\t.\t-\t.\tID=gene:G3;Name=PS1;biotype=processed_pseudogene
"""
REFGENE = (
    "585\tNM_1\tchr20\t+\t2000\t3000\t2100\t2900\t2\t2000,2500,\t2200,3000,\t0\tAAA\tcmpl\tcmpl\t0,1,\n"
    "585\tNM_2\tchr20\t-\t5000\t6000\t5100\t5900\t1\t5000,\t6000,\t0\tBBB\tcmpl\tcmpl\t0,\n"
)
REFFLAT = "AAA\tNM_1\tchr20\t+\t2000\t3000\t2100\t2900\t2\t2000,2500,\t2200,3000,\n"
KNOWN = "uc1\tchr20\t+\t2000\t3000\t2100\t2900\t2\t2000,2500,\t2200,3000,\tP12345\tuc1\n"
BED12 = "chr20\t2000\t3000\tNM_1\t0\t+\t2100\t2900\t0\t2\t200,500,\t0,500,\n"


@pytest.fixture
def promoters(tmp_path):
    """Return `promoters(text, **features)`: (name, start, end) of each, and the notes."""

    def promoters(text, spellings=None, **features):
        path = tmp_path / "genes"
        path.write_text(text)
        found = read_regions(path, GeneFeatures(**features), spellings)
        rows = zip(found.names, found.start.tolist(), found.end.tolist(), strict=True)
        return list(rows), found.notes

    return promoters


def test_genes_of_unknown_strand_are_left_out_and_counted(promoters):
    found, notes = promoters(NCBI)
    assert found == [("A", 500, 2500)]
    assert ["left out 2 genes of unknown strand" in note for note in notes] == [True]
    with pytest.raises(RegionError, match="all 2 genes lack a strand"):
        promoters("".join(NCBI.splitlines(keepends=True)[2:]))


def test_features_may_be_several_and_what_is_left_out_is_said(promoters):
    found, notes = promoters(ENSEMBL, features=("gene", "ncRNA_gene", "snoRNA"))
    assert [name for name, _, _ in found] == ["AAA", "LINC1"]
    assert any("no 'snoRNA' features" in note for note in notes)
    assert any("left out 1 pseudogene" in note for note in notes)


def test_a_gene_type_that_matches_nothing_is_named_with_those_there_are(promoters):
    types = ("protein_coding", "lincRNA")
    found, notes = promoters(ENSEMBL, features=("gene", "ncRNA_gene"), gene_types=types)
    assert [name for name, _, _ in found] == ["AAA"]
    assert any("nothing of type lincRNA, but 1 protein_coding, 1 lncRNA" in n for n in notes)


@pytest.mark.parametrize("turn", [1, -1])
def test_transcripts_of_gff3_are_called_by_their_gene_wherever_it_stands(promoters, turn):
    text = "".join(ENSEMBL.splitlines(keepends=True)[::turn])
    found, _ = promoters(text, features=("mRNA", "lnc_RNA"))
    assert sorted(found) == [("AAA", 1000, 3000), ("LINC1", 5500, 7500)]
    found, _ = promoters(text, features=("mRNA", "lnc_RNA"), gene_types=("lncRNA",))
    assert [name for name, _, _ in found] == ["LINC1"]


def test_a_transcript_without_a_type_has_that_of_its_gene(promoters):
    text = NCBI.replace("##gff-version 3\n", "") + (
        "chr20\tG\tmRNA\t2101\t3000\t.\t+\t.\tID=rna-1;Parent=gene-A;Name=NM_1;gbkey=mRNA\n"
        "chr20\tG\tmRNA\t2201\t3000\t.\t+\t.\tID=rna-2;Parent=rna-2;Name=NM_2;gbkey=mRNA\n"
    )
    found, _ = promoters(text, features=("mRNA",), gene_types=("protein_coding",))
    assert found == [("A", 600, 2600)]


def gtf(name, identifier, start, contig="chr20", feature="gene", more=""):
    return (
        f"{contig}\tx\t{feature}\t{start}\t{start + 99}\t.\t+\t.\t"
        f'gene_id "{identifier}"; gene_name "{name}"; {more}\n'
    )


def test_genes_of_one_name_are_kept_apart_by_their_identifiers(promoters):
    found, notes = promoters(
        gtf("Y_RNA", "E1", 5000) + gtf("Y_RNA", "E2", 9000) + gtf("B", "E3", 1)
    )
    assert [name for name, _, _ in found] == ["Y_RNA(E1)", "Y_RNA(E2)", "B"]
    assert any("kept apart" in note and "Y_RNA(E1)" in note for note in notes)


def test_genes_of_one_name_and_no_identifier_are_kept_apart_by_their_places(promoters):
    found, _ = promoters(gtf("A", "A", 5000) + gtf("A", "A", 9000))
    assert [name for name, _, _ in found] == ["A(chr20:4999-5099)", "A(chr20:8999-9099)"]
    both = gtf("P", "E1", 5000, "chrX") + gtf("P", "E1", 5000, "chrY")
    assert [name for name, _, _ in promoters(both)[0]] == ["P(E1,chrX)", "P(E1,chrY)"]


def test_transcripts_of_one_gene_share_its_name(promoters):
    text = gtf("A", "E1", 5000) + "".join(
        gtf("A", "E1", start, feature="transcript", more=f'transcript_id "T{start}";')
        for start in (5000, 5050)
    )
    found, notes = promoters(text, features=("gene", "transcript"))
    assert found == [("A", 3499, 5499), ("A", 3549, 5549)]
    assert not notes
    no_identifier = text.replace('gene_id "E1"; ', "")
    assert promoters(no_identifier, features=("gene", "transcript"))[0] == found


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ('gene_id "G1"; gene_name "ABC;1"', "ABC;1"),
        ('gene_id "G1"; description "a; b \\"x\\""; gene "NADH"; ', "NADH"),
        ("gene_id=G3", "G3"),
        ('gene_id "G4"; gene_name "";', "G4"),
        (' ID "G5" ; Name "N5"', "N5"),
        ("G6", "chr20:3499-5499"),
        ("gene_id G7; gene_name N 7;", "N 7"),
    ],
)
def test_attributes_are_read_however_they_are_written(promoters, attributes, name):
    found, _ = promoters(f"chr20\tx\tgene\t5000\t6000\t.\t+\t.\t{attributes}\n")
    assert found == [(name, 3499, 5499)]


@pytest.mark.parametrize("text", [REFGENE.splitlines(keepends=True)[0], REFFLAT])
def test_gene_predictions_have_promoters_about_their_starts(promoters, text):
    assert promoters(text)[0] == [("AAA", 500, 2500)]


def test_gene_predictions_are_read_by_strand_and_refused_as_enhancers(promoters, tmp_path):
    assert promoters(REFGENE)[0] == [("AAA", 500, 2500), ("BBB", 5500, 7500)]
    assert promoters(KNOWN)[0] == [("uc1", 500, 2500)]
    with pytest.raises(RegionError, match="no gene types"):
        promoters(REFGENE, gene_types=("protein_coding",))
    with pytest.raises(RegionError, match=r"a gene annotation \(genePred\)"):
        read_regions(tmp_path / "genes")


def test_transcripts_in_bed12_have_promoters_about_their_starts_unless_told_otherwise(promoters):
    found, notes = promoters(BED12 + BED12.replace("+", "-").replace("NM_1", "NM_2"))
    assert found == [("NM_1", 500, 2500), ("NM_2", 2500, 4500)]
    assert "--no-tss" in notes[0]
    assert promoters(BED12, tss=False)[0] == [("NM_1", 2000, 3000)]


def test_long_promoters_with_a_strand_are_noted_and_become_promoters_on_demand(promoters):
    text = "chr20\t100000\t190000\tLONG\t0\t-\nchr20\t200000\t240000\tB\t0\t+\n"
    found, notes = promoters(text)
    assert found == [("LONG", 100000, 190000), ("B", 200000, 240000)]
    assert "may be whole genes" in notes[0]
    assert "--tss" in notes[0]
    found, _ = promoters(text, tss=True)
    assert found == [("LONG", 189500, 191500), ("B", 198500, 200500)]
    short, notes = promoters("chr20\t100000\t100500\tA\t0\t-\n")
    assert (short, notes) == ([("A", 100000, 100500)], ())


def test_promoters_end_with_their_contig_and_genes_of_no_contig_are_left_out(promoters, tmp_path):
    spellings = Spellings(ContigLengths(tmp_path / "sizes", {"20": 6_000}))
    text = gtf("A", "E1", 5700) + gtf("B", "E2", 10, "chrUn") + gtf("C", "E3", 2000)
    found, notes = promoters(text, spellings)
    assert found == [("A", 4199, 6000), ("C", 499, 2499)]
    assert any("1 rows left out, on contigs that" in note and "chrUn" in note for note in notes)
    with pytest.raises(RegionError, match=r"genes:1: end: 6099 lies outside 20 \(0 to 6000\)"):
        promoters(gtf("A", "E1", 6000), spellings)


annotation = st.lists(
    st.tuples(
        st.sampled_from(["1", "chr1", ""]),
        st.sampled_from(["gene", "mRNA", "exon"]),
        st.integers(-1, 50),
        st.integers(0, 60),
        st.sampled_from(["+", "-", "?", ".", ""]),
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(
                ["ID=a", "ID=b;Parent=a", "ID=a;Parent=b", 'gene_id "a"; gene_name "b"']
            ),
        ),
    ),
    min_size=1,
    max_size=8,
)


@given(annotation, st.sampled_from([("gene",), ("mRNA",), ("gene", "mRNA")]))
def test_any_annotation_is_promoters_or_one_of_our_errors(tmp_path_factory, rows, features):
    path = tmp_path_factory.mktemp("genes") / "genes"
    path.write_text(
        "".join(f"{c}\tx\t{f}\t{s}\t{e}\t.\t{d}\t.\t{a}\n" for c, f, s, e, d, a in rows),
        encoding="utf-8",
    )
    said = None
    try:
        found = read_regions(path, GeneFeatures(features=features))
    except RegionError as error:
        said = str(error)
    if said is None:
        assert set(found.strands) <= {"+", "-"}
        assert (found.start <= found.end).all()
        assert all(found.names)
    else:
        assert said.startswith(str(path))

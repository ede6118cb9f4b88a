"""Hints that promoters came first."""

import pandas as pd
import pytest

from epipam.pairs.roles import gene_names, swapped_anchors_note, swapped_files_note
from epipam.pairs.table import COLUMNS

GENES = ["MYC", "GATA1", "TP53", "HBG2"]
PEAKS = ["peak_1", "e1", "EH38E1234567", "chr1:5-6", "Enh12"]


@pytest.mark.parametrize(
    ("names", "are_genes"),
    [
        (GENES, True),
        (["ENSG00000136997.19", "ENSG00000102145"], True),
        (["Myc", "Gata1", "Trp53"], True),
        (["HLA-A", "NKX2-5", "CCDC26"], True),
        (PEAKS, False),
        ([f"SITE{i}" for i in range(9)], False),
        ([f"ABC{i}" for i in range(9)], False),
        (["chr1:1-2", ".", ""], False),
    ],
)
def test_names_of_genes_are_told_from_those_of_peaks(names, are_genes):
    assert (2 * len(gene_names(names)) > len(names)) == are_genes


def test_names_of_genes_among_the_enhancers_are_noted_and_those_in_place_are_not():
    assert "names of genes (MYC, GATA1, TP53)" in swapped_files_note(GENES, PEAKS, 4, 5)
    assert swapped_files_note(PEAKS, GENES, 5, 4) is None
    assert swapped_files_note(GENES, GENES, 4, 4) is None


def test_many_promoters_for_each_enhancer_are_noted():
    assert swapped_files_note([], [], 100, 800).startswith("there are 800 promoters and 100")
    assert swapped_files_note([], [], 8_180, 65_358) is not None
    assert swapped_files_note([], [], 65_358, 8_180) is None
    assert swapped_files_note([], [], 1, 3) is None


def test_the_note_on_a_list_says_how_to_say_otherwise():
    rows = [("1", i, i + 1, gene, "1", 50, 60, "e1", 1) for i, gene in enumerate(GENES)]
    pairs = pd.DataFrame(rows, columns=list(COLUMNS))
    assert "enhancer_chrom" in swapped_anchors_note("x.bedpe", pairs)
    turned = pairs.rename(
        columns={c: c.replace("enhancer", "p").replace("promoter", "enhancer") for c in COLUMNS}
    ).rename(columns=lambda c: c.replace("p_", "promoter_"))
    assert swapped_anchors_note("x.bedpe", turned) is None

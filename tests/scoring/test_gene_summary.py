"""The best enhancers of each gene, as a double loop over all scored pairs finds them."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from epipam.pairs.formats import Layout
from epipam.pairs.table import COLUMNS, PairTable
from epipam.scoring.gene_summary import COLUMNS as SUMMARY
from epipam.scoring.gene_summary import GeneSummary
from epipam.scoring.selection import ScoredPairs

LAYOUT = Layout("table", "\t", {name: i for i, name in enumerate(COLUMNS)}, COLUMNS)
rows = st.lists(
    st.tuples(
        st.integers(0, 4),  # enhancer
        st.sampled_from([(0, "A"), (1, "A"), (2, "B"), (3, ""), (4, "")]),  # promoter and gene
        st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0, float("nan")]),
    ),
    max_size=40,
)


def pairs_of(rows):
    columns = {
        "enhancer_chrom": "chr1",
        "enhancer_start": [100 * e for e, _, _ in rows],
        "enhancer_end": [100 * e + 11 for e, _, _ in rows],
        "enhancer_name": [f"e{e}" if e else "" for e, _, _ in rows],
        "promoter_chrom": ["chr1" if p < 4 else "chr2" for _, (p, _), _ in rows],
        "promoter_start": [1000 + p for _, (p, _), _ in rows],
        "promoter_end": [1100 + p for _, (p, _), _ in rows],
        "promoter_name": [name for _, (_, name), _ in rows],
        "label": -1,
    }
    frame = pd.DataFrame(columns, index=range(len(rows)))
    logit = np.array([value for _, _, value in rows], dtype=float)
    table = PairTable(Path("p"), frame, np.arange(len(rows)), LAYOUT, [[""]] * len(rows))
    return ScoredPairs(table, 1 / (1 + np.exp(-logit)), logit)


@given(rows, st.integers(1, 7), st.integers(1, 3), st.sampled_from([None, 0.5]))
def test_it_is_what_a_double_loop_finds(rows, piece, top, least):
    summary = GeneSummary(top, least)
    for first in range(0, len(rows), piece):
        summary.add(pairs_of(rows[first : first + piece]))
    expected = []
    scored = [(i, *row) for i, row in enumerate(rows) if row[2] >= (0 if least else -9)]
    genes = {
        i: name or f"{'chr1' if p < 4 else 'chr2'}:{1000 + p}-{1100 + p}"
        for i, _, (p, name), _ in scored
    }
    for gene in dict.fromkeys(genes.values()):
        of_it = [row for row in scored if genes[row[0]] == gene]
        best = {}
        for row in sorted(of_it, key=lambda row: (-row[3], row[0])):
            best.setdefault(row[1], row)
        for rank, (_, e, (p, _), logit) in enumerate(list(best.values())[:top], start=1):
            apart = 1050 + p - (100 * e + 5.5)
            expected.append(
                [
                    gene, str(rank), "chr1", str(100 * e), str(100 * e + 11), f"e{e}" if e else "",
                    "chr1" if p < 4 else "chr2", str(1000 + p), str(1100 + p),
                    f"{1 / (1 + np.exp(-logit)):.8g}", f"{logit:.8g}",
                    f"{apart:.1f}" if p < 4 else "", str(len(of_it)),
                ]
            )  # fmt: skip
    assert list(summary.rows()) == expected


def test_the_file_has_named_columns(tmp_path):
    summary = GeneSummary(2)
    summary.add(pairs_of([(0, (0, "A"), 1.0), (1, (0, "A"), 2.0), (2, (2, "B"), 0.0)]))
    summary.write(tmp_path / "genes.tsv")
    summary.write(tmp_path / "genes.tsv.gz")
    text = (tmp_path / "genes.tsv").read_text()
    assert gzip.decompress((tmp_path / "genes.tsv.gz").read_bytes()).decode() == text
    frame = pd.read_csv(tmp_path / "genes.tsv", sep="\t", keep_default_na=False)
    assert tuple(frame.columns) == SUMMARY
    assert frame["gene"].tolist() == ["A", "A", "B"]
    assert frame["enhancer_name"].tolist() == ["e1", "", "e2"]
    assert frame["distance"].tolist() == [944.5, 1044.5, 846.5]

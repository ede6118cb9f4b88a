"""Motifs on a page: those nearest to known ones, with their logos, and of this model only."""

from __future__ import annotations

import base64
import json

import pytest

from epipam.errors import RequestError
from epipam.report.motif_part import motif_part

COLUMNS = (
    "kernel", "anchor", "sites", "information", "target", "target_name", "q_value", "orientation",
    "positive_share", "negative_share", "consensus",
)  # fmt: skip
ROWS = (
    ("enhancer_0", "enhancer", 1200, 9.5, "MA0139.1", "CTCF", 3e-9, "+", 0.9, 0.25, "CCACCAGG"),
    ("enhancer_1", "enhancer", 40, 4.5, ".", ".", ".", ".", 0.1, 0.1, "AAAA"),
    ("promoter_0", "promoter", 800, 8.5, "MA0139.1", "MA0139.1", 2e-10, "-", 0.8, 0.2, "CCTGG"),
    ("promoter_1", "promoter", 3, ".", ".", ".", ".", ".", ".", ".", "."),
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "motifs"
    (folder / "logos").mkdir(parents=True)
    lines = ["\t".join(map(str, row)) for row in (COLUMNS, *ROWS)]
    (folder / "motifs.tsv").write_text("\n".join(lines) + "\n")
    model = {"path": "run/model", "weights_sha256": "ab"}
    strand = {"target": "MA0139.1", "target_name": "CTCF", "anchor": "promoter"}
    strand |= {"orientation": "-", "kernels": 3, "enriched": 2, "depleted": 1}
    summary = {"provenance": {"model": model}, "orientations": [strand]}
    (folder / "motifs.json").write_text(json.dumps(summary))
    (folder / "logos" / "promoter_0.svg").write_text("<svg/>")
    return folder


def test_kernels_with_a_motif_come_by_their_likeness_to_known_ones(folder):
    part = motif_part(folder, "ab")
    assert [row[0].text for row in part.table.rows] == ["promoter_0", "enhancer_0", "enhancer_1"]
    best = dict(zip(part.table.columns, part.table.rows[0], strict=True))
    assert best["Best match"].text == "MA0139.1"
    assert best["q-value"].text == "2.0e-10"
    assert best["q-value"].value == 2e-10
    assert best["Strand"].text == "-"
    assert best["With a site: positive pairs"].text == "80%"
    assert part.table.rows[1][2].text == "MA0139.1 CTCF"
    assert part.table.rows[2][4].value is None
    assert "Of 4 kernels" in part.in_words
    assert "3 answer to enough sites" in part.in_words
    assert "2 of these resemble" in part.in_words


def test_strands_say_how_many_kernels_are_commoner_in_positive_pairs(folder):
    (row,) = motif_part(folder, "ab").orientations.rows
    assert [cell.text for cell in row] == ["MA0139.1 CTCF", "promoter", "-", "3", "2", "1"]


def test_logos_are_in_the_page_where_they_were_drawn(folder):
    (logo,) = motif_part(folder, "ab").logos
    assert logo.kernel == "promoter_0"
    kind, _, data = logo.source.partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(data) == b"<svg/>"


def test_motifs_of_other_weights_are_refused(folder):
    with pytest.raises(RequestError, match=r"motifs of another model \(run/model, other weights\)"):
        motif_part(folder, "cd")


def test_a_folder_of_something_else_is_refused(folder, tmp_path):
    with pytest.raises(RequestError, match="holds no motifs"):
        motif_part(tmp_path, "ab")
    (folder / "motifs.tsv").write_text("kernel\tsites\nenhancer_0\t3\n")
    with pytest.raises(RequestError, match="lacks the columns anchor, information"):
        motif_part(folder, "ab")
    (folder / "motifs.tsv").unlink()
    with pytest.raises(RequestError, match=r"motifs\.tsv: cannot be read"):
        motif_part(folder, "ab")

"""Figures are written whole, in the format asked for, without touching matplotlib's state."""

from __future__ import annotations

import struct
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

from epipam.errors import EpipamError, RequestError
from epipam.report import Site, figures, relation_figure, roc_pr_figure


@pytest.fixture
def scored():
    generator = np.random.default_rng(0)
    labels = (generator.random(300) < 0.2).astype(int)
    return labels, {
        "model": labels + generator.normal(size=300),
        "distance": np.append(-np.inf, generator.normal(size=299)),
        "frequency": np.zeros(300),
    }


@pytest.fixture
def attended():
    relation = np.random.default_rng(0).normal(size=(297, 197))
    return relation, relation.max(1), relation.max(0)


def test_roc_pr_png_has_a_readable_size(tmp_path, scored):
    path = roc_pr_figure(*scored, tmp_path / "roc_pr.png")
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 1200
    assert height > 600
    assert [entry.name for entry in tmp_path.iterdir()] == ["roc_pr.png"]


def test_svg_is_well_formed(tmp_path, scored, attended):
    sites = [Site(100, 119, "+", "CTCF"), Site(1500, 1519, "-", "CTCF")]
    drawn = [
        roc_pr_figure(*scored, tmp_path / "roc_pr.svg"),
        relation_figure(
            *attended,
            tmp_path / "pam.SVG",
            enhancer_length=3000,
            promoter_length=2000,
            enhancer_sites=sites,
            promoter_sites=[(10, 29, "-", "CTCF")],
            title="one pair",
        ),
    ]
    for path in drawn:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_relation_figure_takes_a_single_position_and_flat_scores(tmp_path):
    path = relation_figure(
        np.zeros((1, 2)),
        np.ones(1),
        np.full(2, 0.5),
        tmp_path / "pam.png",
        enhancer_length=100,
        promoter_length=80,
    )
    assert path.stat().st_size > 1000


def test_relation_figure_refuses_shapes_that_do_not_belong_together(tmp_path, attended):
    relation, enhancer, promoter = attended
    with pytest.raises(RequestError, match=r"shape \(197, 297\) but must have shape \(297, 197\)"):
        relation_figure(
            relation.T,
            enhancer,
            promoter,
            tmp_path / "pam.png",
            enhancer_length=3000,
            promoter_length=2000,
        )


def test_a_curve_of_one_class_and_an_unknown_ending_are_refused(tmp_path, scored):
    labels, scores = scored
    with pytest.raises(RequestError, match="both classes"):
        roc_pr_figure(np.zeros(300, dtype=int), scores, tmp_path / "roc_pr.png")
    with pytest.raises(RequestError, match=r"ends in \.png or \.svg"):
        roc_pr_figure(labels, scores, tmp_path / "roc_pr.jpg")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_fails_leaves_the_old_one_and_nothing_else(tmp_path, scored, monkeypatch):
    path = tmp_path / "roc_pr.png"
    path.write_text("old")

    def broken(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(figures.Figure, "savefig", broken)
    with pytest.raises(EpipamError, match="disk full"):
        roc_pr_figure(*scored, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_large_relations_keep_their_peak():
    relation = np.zeros((1003, 20))
    relation[777, 3] = 5
    small = figures._block_maxima(relation)
    assert small.shape == (figures.MOST_CELLS, 20)
    assert small.max() == 5


def test_drawing_leaves_no_figure_open_and_no_setting_changed(tmp_path, scored):
    settings = dict(matplotlib.rcParams)
    roc_pr_figure(*scored, tmp_path / "roc_pr.png")
    assert pyplot.get_fignums() == []
    assert dict(matplotlib.rcParams) == settings

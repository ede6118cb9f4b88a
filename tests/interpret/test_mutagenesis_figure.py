"""The figure of single-base changes: what a base is worth, drawn whole or in part."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from epipam.errors import RequestError
from epipam.interpret.mutagenesis import Mutagenesis
from epipam.interpret.mutagenesis_figure import (
    MOST_LETTERS,
    base_effects,
    check_figure,
    draw_changes,
    strongest_stretch,
)


def changes(n_enhancer, n_promoter, n_both=0):
    """Return the three changes of some bases, the enhancer's first."""
    rng = np.random.default_rng(0)
    anchors = ["enhancer"] * n_enhancer + ["both"] * n_both + ["promoter"] * n_promoter
    rows = [
        ("chr1", 1_001 + i, ref, alt, anchor)
        for i, anchor in enumerate(anchors)
        for ref in [str(rng.choice(list("ACGT")))]
        for alt in "ACGT"
        if alt != ref
    ]
    frame = pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", "anchor"])
    return frame.assign(delta_logit=rng.normal(size=len(frame)))


def test_the_effect_of_a_base_is_minus_the_mean_of_its_changes():
    frame = changes(30, 20)
    effects = base_effects(frame)
    assert effects["pos"].tolist() == list(range(1_001, 1_051))
    for row in effects.itertuples():
        here = frame[frame["pos"] == row.pos]
        assert row.effect == pytest.approx(-here["delta_logit"].mean())
        assert getattr(row, row.ref) == 0
        for change in here.itertuples():
            assert getattr(row, change.alt) == change.delta_logit


@pytest.mark.parametrize("at", [0, 30, 700, 999])
def test_the_strongest_stretch_holds_the_strongest_base(at):
    effect = np.zeros(1_000)
    effect[at] = -3
    bases = pd.DataFrame({"pos": np.arange(1_000), "effect": effect})
    stretch = strongest_stretch(bases)
    assert len(stretch) == MOST_LETTERS
    assert at in stretch["pos"].tolist()
    assert np.diff(stretch["pos"]).max() == 1


@pytest.mark.parametrize("sizes", [(300, 120), (1, 0), (0, 40), (60, 30, 20), (101, 100)])
@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_a_figure_is_drawn_of_whatever_there_is(tmp_path, sizes, ending):
    path = tmp_path / f"figure{ending}"
    draw_changes(Mutagenesis(changes(*sizes), 0.5, 0.0, "somewhere"), path)
    if ending == ".png":
        assert path.read_bytes().startswith(b"\x89PNG")
    else:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert list(tmp_path.iterdir()) == [path]


def test_changes_without_any_effect_can_be_drawn(tmp_path):
    frame = changes(150, 10).assign(delta_logit=0.0)
    draw_changes(Mutagenesis(frame, 0.5, 0.0, "somewhere"), tmp_path / "figure.png")


def test_other_endings_are_refused_before_any_work(tmp_path):
    with pytest.raises(RequestError, match=r"must be one of \.png, \.svg"):
        check_figure(tmp_path / "figure.pdf", overwrite=False)

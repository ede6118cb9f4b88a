"""Logos: drawn in the format asked for, the same each time."""

import numpy as np
import pytest

from epipam.interpret.motif_files import Motif
from epipam.interpret.motif_logos import draw_logo

UNIFORM = np.full(4, 0.25)


@pytest.mark.parametrize(("ending", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_a_logo_is_drawn_and_drawn_the_same_again(tmp_path, ending, begins):
    motif = Motif("a", "", np.array([[1, 0, 0, 0], [0.25] * 4, [0, 0.5, 0.5, 0]]))
    drawn = []
    for name in ("a", "b"):
        draw_logo(motif, UNIFORM, "a title", tmp_path / f"{name}.{ending}")
        drawn.append((tmp_path / f"{name}.{ending}").read_bytes())
    assert drawn[0].startswith(begins)
    assert drawn[0] == drawn[1]


def test_a_motif_that_says_nothing_is_drawn_too(tmp_path):
    draw_logo(Motif("a", "", np.tile(UNIFORM, (4, 1))), UNIFORM, "flat", tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size > 1_000

"""Motifs drawn as logos: letters as high as their share of a position's information."""

from __future__ import annotations

from pathlib import Path

import logomaker
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from epipam.genome.encoding import BASES
from epipam.interpret.motif_files import Motif
from epipam.interpret.motifs import information_by_base
from epipam.interpret.mutagenesis_figure import BASE_COLOURS

LOGO_ENDINGS = ("svg", "png")

_INCHES_PER_BASE, _HEIGHT, _LEFT, _MARGIN = 0.24, 1.7, 0.5, 0.1
_DOTS_PER_INCH = 150
# Of four bases that are equally frequent in the background.
_MOST_BITS = 2.0
# What is lower is not seen.
_LEAST_BITS = 0.005


def draw_logo(motif: Motif, background: np.ndarray, title: str, path: Path) -> None:
    """Draw a motif; the same motif gives the same bytes.

    Parameters
    ----------
    background
        float (4,): frequencies of A, C, G, T that information is measured against.
    path
        `.svg` or `.png`.
    """
    heights = information_by_base(motif.probabilities, background)
    heights[heights < _LEAST_BITS] = 0
    width = len(heights)
    inches = _LEFT + _INCHES_PER_BASE * width + _MARGIN
    figure = Figure(figsize=(inches, _HEIGHT))
    FigureCanvasAgg(figure)
    bottom, top = 0.25 / _HEIGHT, 1 - 0.3 / _HEIGHT
    axes = figure.add_axes((_LEFT / inches, bottom, 1 - (_LEFT + _MARGIN) / inches, top - bottom))
    letters = pd.DataFrame(heights, index=range(1, width + 1), columns=list(BASES))
    if heights.any():  # logomaker warns where no letter has a height
        logomaker.Logo(letters, ax=axes, color_scheme=BASE_COLOURS)
    axes.set_xlim(0.5, width + 0.5)
    axes.set_ylim(0, max(_MOST_BITS, float(heights.sum(axis=1).max())))
    axes.set_xticks([1, *range(5, width + 1, 5)])
    axes.set_ylabel("bits", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, fontsize=8, loc="left")
    kind = path.suffix[1:]
    with matplotlib.rc_context({"svg.hashsalt": "epipam"}):
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(path, format=kind, dpi=_DOTS_PER_INCH, metadata=metadata)

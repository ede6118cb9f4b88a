"""Figures of an evaluation and of the position attention over one pair.

Drawn through matplotlib's object interface: no pyplot, no display, no setting outside the figure.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from epipam.errors import RequestError
from epipam.report.curves import COLOURS, draw_precision_recall, draw_roc, scorer_curves
from epipam.runtime.files import whole_file

ATTENTION_COLOUR, SITE_COLOUR = COLOURS[:2]
HEAT_MAP = "cividis"
FORMATS = (".png", ".svg")
DOTS_PER_INCH = 150
MOST_CELLS = 150


class Site(NamedTuple):
    """A motif site in window coordinates (bp, 0-based half-open); `strand` is `+` or `-`."""

    start: int
    end: int
    strand: str
    name: str

    @property
    def middle(self) -> float:
        """Centre of the site in bp."""
        return (self.start + self.end) / 2


def roc_pr_figure(
    labels: np.ndarray, scores: Mapping[str, np.ndarray], path: str | os.PathLike[str]
) -> Path:
    """Draw the ROC and the precision-recall curve of several scorers side by side.

    Parameters
    ----------
    labels
        (n,) int, 1 or 0, both present.
    scores
        Scorer, as the legend names it, to (n,) float, larger for likelier pairs; the first is
        drawn on top.
    path
        The figure, `.png` or `.svg`; it appears when whole.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    RequestError
        Another ending, or labels of one class only.
    """
    labels = np.asarray(labels)
    drawn = scorer_curves(labels, scores)
    if not drawn:
        raise RequestError(
            f"{path}: a ROC curve needs pairs of both classes; all {len(labels)} labels "
            "are of one class, so evaluate further chromosomes"
        )
    positives, pairs = int((labels == 1).sum()), len(labels)
    figure = _figure(10, 4.8)
    roc, precision_recall = figure.subplots(1, 2)
    draw_roc(roc, drawn)
    draw_precision_recall(precision_recall, drawn, positives / pairs)
    roc.legend(loc="lower right", fontsize=9)
    precision_recall.legend(loc="best", fontsize=9)
    figure.suptitle(f"{positives:,} positive and {pairs - positives:,} negative pairs", fontsize=11)
    return _save(figure, path)


def relation_figure(
    relation: np.ndarray,
    enhancer_attention: np.ndarray,
    promoter_attention: np.ndarray,
    path: str | os.PathLike[str],
    *,
    enhancer_length: int,
    promoter_length: int,
    enhancer_sites: Sequence[Site | tuple[int, int, str, str]] = (),
    promoter_sites: Sequence[Site | tuple[int, int, str, str]] = (),
    title: str = "",
) -> Path:
    """Draw the relation matrix of one pair with both attention scores along its edges.

    Positions are drawn evenly over the window. The convolutions carry no padding, so that the
    outermost positions see up to half a kernel less than drawn, a dozen bp in the first block.

    Parameters
    ----------
    relation
        (n_enhancer_positions, n_promoter_positions) float, R of the paper's equation 1. A large
        one is shown as maxima over blocks of positions, so that a single peak stays visible.
    enhancer_attention, promoter_attention
        (n_enhancer_positions,) and (n_promoter_positions,) float, the position scores A.
    path
        The figure, `.png` or `.svg`; it appears when whole.
    enhancer_length, promoter_length
        Window lengths in bp.
    enhancer_sites, promoter_sites
        (start, end, strand, name) of sites to mark, in bp from the start of the window.
    title
        What stands above the figure.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    RequestError
        Another ending, or arrays whose shapes do not belong together.
    """
    relation = np.asarray(relation, dtype=np.float64)
    enhancer_attention = np.asarray(enhancer_attention, dtype=np.float64)
    promoter_attention = np.asarray(promoter_attention, dtype=np.float64)
    expected = (enhancer_attention.size, promoter_attention.size)
    if relation.shape != expected or min(expected) == 0:
        raise RequestError(
            f"relation has shape {relation.shape} but must have shape {expected}, as many "
            "positions as the attention scores of enhancer and promoter"
        )
    figure = _figure(8.6, 8.2)
    grid = figure.add_gridspec(
        2, 3, width_ratios=(5, 1.1, 0.18), height_ratios=(1.1, 5), wspace=0.04, hspace=0.04
    )
    heat = figure.add_subplot(grid[1, 0])
    above = figure.add_subplot(grid[0, 0], sharex=heat)
    beside = figure.add_subplot(grid[1, 1], sharey=heat)
    image = heat.imshow(
        _block_maxima(relation),
        origin="upper",
        aspect="auto",
        interpolation="nearest",
        cmap=HEAT_MAP,
        extent=(0, promoter_length, enhancer_length, 0),
    )
    figure.colorbar(image, cax=figure.add_subplot(grid[1, 2]), label="Relation R")
    heat.set(xlabel="Promoter window (bp)", ylabel="Enhancer window (bp)")
    _track(above, promoter_attention, promoter_length, along_x=True)
    _track(beside, enhancer_attention, enhancer_length, along_x=False)
    at_enhancer = sorted(Site(*site) for site in enhancer_sites)
    at_promoter = sorted(Site(*site) for site in promoter_sites)
    _mark(heat, above, at_promoter, promoter_length, along_x=True)
    _mark(heat, beside, at_enhancer, enhancer_length, along_x=False)
    _circle_crossings(heat, at_enhancer, at_promoter)
    if title:
        figure.suptitle(title, fontsize=11)
    return _save(figure, path)


def _track(axes: Axes, attention: np.ndarray, length: int, *, along_x: bool) -> None:
    """Attention of one anchor as a filled step line along the heat map's edge."""
    edges = np.linspace(0, length, attention.size + 1)
    axes.stairs(
        attention,
        edges,
        fill=True,
        color=ATTENTION_COLOUR,
        orientation="vertical" if along_x else "horizontal",
    )
    # The axis across starts at the lowest score: softmax over hundreds of positions lies far
    # from zero only where attention is strong.
    low, high = float(attention.min()), float(attention.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    if along_x:
        axes.set(ylabel="Attention", ylim=(low - margin, high + margin))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.tick_params(labelbottom=False)
    else:
        axes.set(xlabel="Attention", xlim=(low - margin, high + margin))
        axes.xaxis.set_major_locator(MaxNLocator(2))
        axes.tick_params(axis="x", labelrotation=90)
        axes.tick_params(labelleft=False)
    axes.spines[["top", "right"]].set_visible(False)


def _mark(heat: Axes, track: Axes, sites: Sequence[Site], length: int, *, along_x: bool) -> None:
    """Sites as spans of the track and lines through the heat map, with strand and name outside."""
    middles = [site.middle for site in sites]
    span, line = (track.axvspan, heat.axvline) if along_x else (track.axhspan, heat.axhline)
    # bp along the track, a fraction of it across.
    transform = track.get_xaxis_transform() if along_x else track.get_yaxis_transform()
    for site, middle, beside in zip(sites, middles, _spread(middles, length), strict=True):
        span(site.start, site.end, color=SITE_COLOUR, alpha=0.5, linewidth=0, zorder=0)
        line(middle, color="white", linewidth=0.6, alpha=0.35)
        markers = ("<", ">") if along_x else ("^", "v")
        marker, name = (
            ((middle, 1.06), (beside, 1.16)) if along_x else ((1.06, middle), (1.16, beside))
        )
        track.plot(
            *marker,
            marker=markers[site.strand != "-"],
            color=SITE_COLOUR,
            markersize=7,
            transform=transform,
            clip_on=False,
        )
        track.text(
            *name,
            f"{site.name} {site.strand}",
            transform=transform,
            rotation=90 if along_x else 0,
            horizontalalignment="center" if along_x else "left",
            verticalalignment="bottom" if along_x else "center",
            color=SITE_COLOUR,
            fontsize=9,
        )


def _circle_crossings(heat: Axes, enhancer: Sequence[Site], promoter: Sequence[Site]) -> None:
    """Ring the cells where a site of one anchor meets one of the other."""
    crossings = [(p.middle, e.middle) for e in enhancer for p in promoter]
    if crossings:
        x, y = zip(*crossings, strict=True)
        heat.scatter(x, y, s=160, facecolors="none", edgecolors="white", linewidths=1.2)


def _spread(middles: Sequence[float], length: int) -> list[float]:
    """Push ascending label positions apart to at least 1/30 of the window."""
    spread: list[float] = []
    for middle in middles:
        spread.append(max(middle, spread[-1] + length / 30) if spread else middle)
    return spread


def _block_maxima(relation: np.ndarray) -> np.ndarray:
    """Shrink each axis to at most `MOST_CELLS` cells, each the maximum of its block."""
    for axis, size in enumerate(relation.shape):
        if size > MOST_CELLS:
            starts = np.arange(MOST_CELLS) * size // MOST_CELLS
            relation = np.maximum.reduceat(relation, starts, axis=axis)
    return relation


def _figure(width: float, height: float) -> Figure:
    """A figure of that size in inches, bound to the Agg canvas whatever backend is set."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write beside, sync, rename: the figure is whole under its name or not there."""
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        raise RequestError(f"{target}: a figure ends in {' or '.join(FORMATS)}")
    with whole_file(target) as partial:
        figure.savefig(partial, format=target.suffix[1:].lower(), dpi=DOTS_PER_INCH)
    return target

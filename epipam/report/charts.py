"""The figures of a page, each as an SVG element that stands in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, NullLocator

from epipam.report.curves import (
    CHANCE,
    COLOURS,
    ScorerCurves,
    draw_precision_recall,
    draw_roc,
    plain_axes,
)
from epipam.report.svg import inline_svg

if TYPE_CHECKING:
    from epipam.evaluation.reliability import Calibration

WIDTH = 4.6
"""Of a figure, in inches: what a telephone shows without shrinking the text much."""
MOST_POINTS = 400
MOST_CONTIGS = 30
MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True)
class Chart:
    """A figure of a page.

    Attributes
    ----------
    name
        Its identifier on the page.
    svg
        The drawing.
    heading
        What it shows, in a word or two.
    caption
        How to read it.
    """

    name: str
    svg: Markup
    heading: str
    caption: str


@dataclass(frozen=True)
class Estimate:
    """A number with the interval it may lie in, as a row of a chart.

    Attributes
    ----------
    label
        Of the row.
    value
        The number.
    low, high
        The ends of its interval; None where there is none.
    series
        Which colour, from 0.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    series: int = 0


@dataclass(frozen=True)
class Spread:
    """Numbers of one kind, a row of a chart.

    Attributes
    ----------
    label
        Of the row.
    values
        The numbers, at least one.
    """

    label: str
    values: tuple[float, ...]


def roc_chart(curves: Sequence[ScorerCurves]) -> Chart:
    """Draw the ROC curves with their bands."""
    figure, axes = _figure(WIDTH, 5.2)
    draw_roc(axes, curves, MOST_POINTS)
    axes.set_title("")
    _legend_below(figure)
    areas = ", ".join(f"{one.scorer} {one.auroc:.3f}" for one in curves)
    banded = (
        "The shaded band holds the curve in 95 of 100 resampled lists of pairs, point by point."
    )
    return Chart(
        "roc",
        inline_svg(figure, "roc", f"ROC curves. Area under the curve: {areas}."),
        "ROC curve.",
        "How many of the positive pairs are found (up) for how many of the negative ones called "
        "by mistake (right), as the threshold falls. The closer to the upper left corner, the "
        "better; the dotted diagonal is a coin. " + (banded if curves[0].bands else ""),
    )


def precision_recall_chart(curves: Sequence[ScorerCurves], share_of_positives: float) -> Chart:
    """Draw the precision-recall curves with their bands."""
    figure, axes = _figure(WIDTH, 5.2)
    draw_precision_recall(axes, curves, share_of_positives, MOST_POINTS)
    axes.set_title("")
    _legend_below(figure)
    areas = ", ".join(f"{one.scorer} {one.auprc:.3f}" for one in curves)
    return Chart(
        "precision-recall",
        inline_svg(
            figure, "precision-recall", f"Precision-recall curves. Average precision: {areas}."
        ),
        "Precision-recall curve.",
        "How many of the pairs called are positive (up), when so many of all positive pairs are "
        "found (right). The higher, the better; the dotted line is a list in random order, which "
        f"has the share of positives, {share_of_positives:.1%}, everywhere.",
    )


def reliability_chart(calibration: Calibration) -> Chart:
    """Draw observed shares of positives over probabilities, and how many pairs stand behind."""
    figure, (axes, below) = _figures(WIDTH, 5.4, height_ratios=(4, 1))
    bins = calibration.bins
    axes.plot([0, 1], [0, 1], label="a probability that is a chance", **CHANCE)
    axes.plot(
        [one.probability for one in bins],
        [one.share for one in bins],
        color=COLOURS[0],
        marker="o",
        linewidth=1.6,
        label="the model",
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Share of positive pairs")
    below.bar(
        [(one.low + one.high) / 2 for one in bins],
        [one.n_pairs for one in bins],
        width=0.085,
        color=COLOURS[0],
        alpha=0.6,
    )
    below.set(xlabel="Probability given by the model", ylabel="Pairs", yscale="log")
    below.set_ylim(bottom=0.8)
    below.yaxis.set_major_formatter("{x:,.0f}")
    below.yaxis.set_minor_locator(NullLocator())
    for each in (axes, below):
        plain_axes(each)
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    shown = "; ".join(f"{one.probability:.2f}: {one.share:.2f}" for one in bins)
    return Chart(
        "reliability",
        inline_svg(figure, "reliability", f"Observed share by mean probability. {shown}."),
        "Reliability diagram.",
        "Each point is a group of pairs with similar probabilities: right, the mean probability "
        "of the group; up, the share of it that is positive. On the dotted line a probability of "
        "0.3 means that three pairs in ten interact; below the line the model says too much, "
        "above it too little. The bars count the pairs behind each point (logarithmic).",
    )


def estimate_chart(
    name: str,
    estimates: Sequence[Estimate],
    *,
    axis: str,
    reference: float,
    description: str,
    heading: str,
    caption: str,
    limits: tuple[float, float] | None = None,
) -> Chart:
    """Draw one row per number, with its interval, beside a line to compare with."""
    figure, axes = _figure(WIDTH, 0.9 + 0.42 * len(estimates))
    rows = np.arange(len(estimates))
    axes.axvline(reference, **CHANCE)
    for row, one in zip(rows, estimates, strict=True):
        colour = COLOURS[one.series % len(COLOURS)]
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [row, row], color=colour, linewidth=2.2)
        axes.plot(one.value, row, color=colour, marker=MARKERS[one.series % len(MARKERS)])
    axes.set_yticks(rows, [one.label for one in estimates], parse_math=False)
    axes.set(xlabel=axis, ylim=(len(estimates) - 0.4, -0.6))
    if limits is not None:
        axes.set_xlim(*limits)
    plain_axes(axes)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return Chart(name, inline_svg(figure, name, description), heading, caption)


def spread_chart(
    name: str,
    spreads: Sequence[Spread],
    *,
    axis: str,
    reference: float | None,
    heading: str,
    caption: str,
) -> Chart:
    """Draw one row of points for each spread, with their mean."""
    figure, axes = _figure(WIDTH, 0.9 + 0.42 * max(1, len(spreads)))
    if reference is not None:
        axes.axvline(reference, **CHANCE)
    for row, one in enumerate(spreads):
        colour, marker = COLOURS[row % len(COLOURS)], MARKERS[row % len(MARKERS)]
        # Beside each other, in the order of the folds, so that equal ones stay visible.
        heights = row + np.linspace(-0.2, 0.2, len(one.values)) * (len(one.values) > 1)
        axes.plot(one.values, heights, color=colour, marker=marker, linestyle="none", alpha=0.6)
        mean = float(np.mean(one.values))
        axes.plot([mean, mean], [row - 0.34, row + 0.34], color=colour, linewidth=2.2)
    axes.set_yticks(range(len(spreads)), [one.label for one in spreads], parse_math=False)
    axes.set(xlabel=axis, ylim=(len(spreads) - 0.4, -0.6))
    plain_axes(axes)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    listed = "; ".join(f"{one.label}: mean {np.mean(one.values):.3f}" for one in spreads)
    return Chart(name, inline_svg(figure, name, f"{heading} {listed}."), heading, caption)


def contig_chart(areas: Mapping[str, Mapping[str, float | None]]) -> Chart | None:
    """Draw the AUROC of every scorer on every chromosome.

    None where there is no AUROC, or more chromosomes than can be read.

    Parameters
    ----------
    areas
        Contig, in order, to scorer to its AUROC there.
    """
    known = [area for row in areas.values() for area in row.values() if area is not None]
    if not known or not 1 < len(areas) <= MOST_CONTIGS:
        return None
    figure, axes = _figure(WIDTH, 3.6)
    scorers = list(next(iter(areas.values())))
    for number, scorer in enumerate(scorers):
        values = [row[scorer] for row in areas.values()]
        axes.plot(
            [np.nan if value is None else value for value in values],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            linestyle="none",
            label=scorer,
            zorder=3 - number / len(scorers),
        )
    axes.axhline(0.5, label="chance", **CHANCE)
    axes.set_xticks(range(len(areas)), list(areas), rotation=90, fontsize=9, parse_math=False)
    axes.set(ylabel="AUROC", ylim=(-0.03, 1.03))
    plain_axes(axes)
    _legend_below(figure, ncols=2)
    listed = "; ".join(
        f"{contig} {'none' if row[scorers[0]] is None else f'{row[scorers[0]]:.2f}'}"
        for contig, row in areas.items()
    )
    return Chart(
        "contigs",
        inline_svg(figure, "contigs", f"AUROC of the {scorers[0]} by chromosome: {listed}."),
        "AUROC by chromosome.",
        "Each chromosome judged by itself. One that stands out is worth a look; with few pairs "
        "it may be noise.",
    )


def distance_chart(quantiles: Mapping[str, Sequence[float]], name: str) -> Chart | None:
    """Draw the distances of positive and of negative pairs as boxes; None where there are none.

    Parameters
    ----------
    quantiles
        Label to minimum, quartiles and maximum in bp, as `epipam.evaluation.audit.Audit.distance`.
    name
        Identifier of the figure.
    """
    if not quantiles:
        return None
    figure, axes = _figure(WIDTH, 1.0 + 0.5 * len(quantiles))
    names = ("whislo", "q1", "med", "q3", "whishi")
    boxes = [dict(zip(names, values, strict=True)) for values in quantiles.values()]
    drawn = axes.bxp(
        boxes,
        orientation="horizontal",
        showfliers=False,
        widths=0.5,
        patch_artist=True,
        medianprops={"color": "black", "linewidth": 1.6},
    )
    for patch, colour in zip(drawn["boxes"], (COLOURS[0], COLOURS[4]), strict=False):
        patch.set(facecolor=colour, alpha=0.5)
    axes.set_yticklabels([f"{label} pairs" for label in quantiles])
    axes.invert_yaxis()
    axes.set(xlabel="Distance between the midpoints")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter("bp"))
    plain_axes(axes)
    shown = "; ".join(f"{label}: median {values[2]:,.0f} bp" for label, values in quantiles.items())
    return Chart(
        name,
        inline_svg(figure, name, f"Distances of the pairs. {shown}."),
        "Distances.",
        "How far apart the two anchors lie. The box holds the middle half of the pairs, the line "
        "in it is the median, the whiskers reach to the nearest and the farthest pair. Where the "
        "two boxes differ, distance alone tells something about the label.",
    )


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _figures(
    width: float, height: float, height_ratios: Sequence[float]
) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with axes below each other that share the horizontal one."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(
        len(height_ratios), 1, sharex=True, gridspec_kw={"height_ratios": height_ratios}
    )


def _legend_below(figure: Figure, ncols: int = 1) -> None:
    legend = figure.legend(loc="outside lower left", fontsize=9, frameon=False, ncols=ncols)
    for text in legend.get_texts():
        text.set_parse_math(False)

"""ROC and precision-recall curves of several scorers of the same pairs, drawn on given axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from epipam.evaluation.metrics import Curves, auprc, auroc, curves
from epipam.report.bands import GRID, Band, CurveBands, curve_bands

# Okabe and Ito (2008), distinguishable with every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINE_STYLES = ("-", "--", "-.", ":")
GRID_COLOUR = "#ebebeb"
CHANCE: dict[str, Any] = {"color": "#999999", "linewidth": 1, "linestyle": (0, (1, 2)), "zorder": 1}
MOST_POINTS = 2000


class ScorerCurves(NamedTuple):
    """Both curves of one scorer.

    Attributes
    ----------
    scorer
        As the legend names it.
    points
        Over every threshold.
    auroc, auprc
        The areas under them.
    bands
        Pointwise 95% confidence bands; None where none were asked for.
    """

    scorer: str
    points: Curves
    auroc: float
    auprc: float
    bands: CurveBands | None


def scorer_curves(
    labels: np.ndarray,
    scores: Mapping[str, np.ndarray],
    *,
    groups: np.ndarray | None = None,
    n_replicates: int = 0,
    seed: int = 0,
) -> tuple[ScorerCurves, ...]:
    """Compute the curves of every scorer; empty where the labels are of one class only.

    Parameters
    ----------
    labels
        (n,) int, 1 or 0.
    scores
        Scorer to (n,) float, larger for likelier pairs.
    groups, n_replicates, seed
        Of the bootstrap behind the bands, see `curve_bands`; without replicates, no bands.
    """
    found = []
    for scorer, values in scores.items():
        points, areas = curves(labels, values), (auroc(labels, values), auprc(labels, values))
        if points is None or areas[0] is None or areas[1] is None:
            return ()
        bands = curve_bands(labels, values, groups=groups, n_replicates=n_replicates, seed=seed)
        found.append(ScorerCurves(scorer, points, areas[0], areas[1], bands))
    return tuple(found)


def draw_roc(axes: Axes, drawn: Sequence[ScorerCurves], most_points: int = MOST_POINTS) -> None:
    """Draw true positive over false positive rate; the first scorer lies on top."""
    for number, one in enumerate(drawn):
        style = _style(number, len(drawn))
        x, y = thin(one.points.fpr, one.points.tpr, most_points)
        axes.plot(x, y, label=f"{one.scorer} (AUROC {one.auroc:.3f})", **style)
        if one.bands is not None:
            _draw_band(axes, one.bands.roc, style)
    axes.plot([0, 1], [0, 1], label="chance", **CHANCE)
    axes.set(xlabel="False positive rate", ylabel="True positive rate", title="ROC")
    _square(axes)


def draw_precision_recall(
    axes: Axes,
    drawn: Sequence[ScorerCurves],
    share_of_positives: float,
    most_points: int = MOST_POINTS,
) -> None:
    """Draw precision over recall; the first scorer lies on top."""
    for number, one in enumerate(drawn):
        style = _style(number, len(drawn))
        precision = one.points.precision
        # Average precision takes each threshold's precision back to the recall of the one before;
        # the point (0, 1) that closes the curve by convention belongs to no threshold.
        steps = np.append(precision[:-1], precision[-2])
        x, y = thin(one.points.recall, steps, most_points)
        label = f"{one.scorer} (AUPRC {one.auprc:.3f})"
        axes.plot(x, y, drawstyle="steps-post", label=label, **style)
        if one.bands is not None:
            _draw_band(axes, one.bands.precision_recall, style)
    axes.axhline(share_of_positives, label=f"chance ({share_of_positives:.3f})", **CHANCE)
    axes.set(xlabel="Recall", ylabel="Precision", title="Precision-recall")
    _square(axes)


def precision_at_recall(points: Curves, recall: float) -> float:
    """Return the precision of the strictest threshold that finds that share of the positives."""
    reaching = np.flatnonzero(points.recall >= recall)  # recall falls along the curve
    return float(points.precision[reaching[-1]])


def thin(x: np.ndarray, y: np.ndarray, most_points: int) -> tuple[np.ndarray, np.ndarray]:
    """At most about `most_points` of a curve, evenly along its length, both ends kept."""
    if len(x) <= most_points:
        return x, y
    travelled = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    wanted = np.linspace(0, travelled[-1], most_points)
    kept = np.unique(np.clip(np.searchsorted(travelled, wanted), 0, len(x) - 1))
    kept = np.union1d(kept, [0, len(x) - 1])
    return x[kept], y[kept]


def plain_axes(axes: Axes) -> None:
    """Draw a faint grid and no frame."""
    axes.grid(color=GRID_COLOUR, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _square(axes: Axes) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03), box_aspect=1)
    plain_axes(axes)


def _style(number: int, n_scorers: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": LINE_STYLES[number % len(LINE_STYLES)],
        "linewidth": 2.2 if number == 0 else 1.6,
        "zorder": 3 - number / (n_scorers + 1),
    }


def _draw_band(axes: Axes, band: Band, style: Mapping[str, Any]) -> None:
    axes.fill_between(
        GRID,
        band.low,
        band.high,
        color=style["color"],
        alpha=0.18,
        linewidth=0,
        zorder=style["zorder"] - 1,
    )

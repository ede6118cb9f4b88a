"""The single-base changes of a pair, drawn: a track over each window, and letters where it matters.

A base's height is what the score loses without it: minus the mean difference in logit of its
three changes. A base above the line holds the score up; one below it holds it down.
"""

from __future__ import annotations

from pathlib import Path

import logomaker
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from epipam.genome.encoding import BASES
from epipam.interpret.mutagenesis import Mutagenesis
from epipam.runtime.files import check_new_file, whole_file

ENDINGS = (".png", ".svg")
# Letters are legible up to so many bases; of more, the strongest stretch of so many has letters.
MOST_LETTERS = 100

# Okabe and Ito (2008), distinguishable with every kind of colour vision.
BASE_COLOURS = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00"}
_HEAT_MAP = "RdBu_r"
_DOTS_PER_INCH = 150
_WIDTH = 13.0


def check_figure(path: Path, *, overwrite: bool) -> None:
    """Raise a RequestError for a figure that cannot be written."""
    check_new_file(path, "the figure", ENDINGS, overwrite=overwrite)


def draw_changes(found: Mutagenesis, path: Path) -> None:
    """Draw the changes of each window that has any: track, logo and heat map of the differences.

    Parameters
    ----------
    path
        `.png` or `.svg`; it appears when whole.
    """
    per_base = base_effects(found.changes)
    anchors = [a for a in ("enhancer", "promoter") if per_base["anchor"].isin([a, "both"]).any()]
    parts: list[tuple[str, str, pd.DataFrame]] = []
    for anchor in anchors:
        bases = per_base[per_base["anchor"].isin([anchor, "both"])]
        if len(bases) > MOST_LETTERS:
            parts.append((anchor, "track", bases))
            bases = strongest_stretch(bases)
        parts += [(anchor, "logo", bases), (anchor, "heat", bases)]
    heights = {"track": 1.2, "logo": 1.5, "heat": 0.7}
    ratios = [heights[kind] for _, kind, _ in parts]
    figure = Figure(figsize=(_WIDTH, 0.9 + 1.25 * sum(ratios)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(parts), 1, height_ratios=ratios, squeeze=False)[:, 0]
    most = float(np.abs(per_base[list(BASES)]).max(axis=None)) or 1.0
    for ax, (anchor, kind, bases) in zip(axes, parts, strict=True):
        if kind == "track":
            _track(ax, bases, strongest_stretch(bases))
        elif kind == "logo":
            _logo(ax, bases)
        else:
            _heat(figure, ax, bases, most)
        if kind != "heat":
            where = f"{bases['chrom'].iloc[0]}:{bases['pos'].min():,}-{bases['pos'].max():,}"
            ax.set_title(f"{anchor}, {where}", fontsize=9, loc="left")
    figure.suptitle(
        f"Every single-base change of {found.title}\nprobability {found.probability:.3f}, "
        f"logit {found.logit:.3f}",
        fontsize=11,
    )
    with whole_file(path) as partial:
        figure.savefig(partial, format=path.suffix[1:], dpi=_DOTS_PER_INCH)


def base_effects(changes: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each base: its place, what it is, its effect, and the change to each base.

    Returns
    -------
    pandas.DataFrame
        chrom, pos, ref, anchor; `effect`, minus the mean difference in logit; A, C, G and T, the
        difference in logit of that change, 0 for the base itself.
    """
    wide = changes.pivot_table(
        index=["chrom", "pos", "ref", "anchor"], columns="alt", values="delta_logit", sort=False
    )
    wide = wide.reindex(columns=list(BASES))
    effect = -wide.mean(axis=1)
    return wide.fillna(0.0).assign(effect=effect).reset_index()


def strongest_stretch(bases: pd.DataFrame) -> pd.DataFrame:
    """Return the `MOST_LETTERS` bases about the one with the greatest effect, either way."""
    at = int(np.argmax(np.abs(bases["effect"].to_numpy())))
    first = max(0, min(at - MOST_LETTERS // 2, len(bases) - MOST_LETTERS))
    return bases.iloc[first : first + MOST_LETTERS]


def _track(ax: Axes, bases: pd.DataFrame, stretch: pd.DataFrame) -> None:
    """Draw the effect of each base as a line, and where the letters below are."""
    for base, colour in BASE_COLOURS.items():
        some = bases[bases["ref"] == base]
        ax.vlines(some["pos"], 0, some["effect"], color=colour, linewidth=0.7, label=base)
    ax.axvspan(stretch["pos"].min() - 0.5, stretch["pos"].max() + 0.5, color="0.92", zorder=0)
    ax.set_xlim(bases["pos"].min() - 1, bases["pos"].max() + 1)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.legend(loc="upper right", ncols=4, fontsize=7, frameon=False)
    _finish(ax)


def _logo(ax: Axes, bases: pd.DataFrame) -> None:
    """Draw the bases as letters as high as their effect."""
    letter = bases["ref"].to_numpy()[:, None] == np.array(list(BASES))
    height = np.where(letter, bases["effect"].to_numpy()[:, None], 0.0)
    if height.any():  # no letter has a height otherwise, and logomaker warns
        letters = pd.DataFrame(height, columns=list(BASES))
        logomaker.Logo(letters, ax=ax, color_scheme=BASE_COLOURS, flip_below=False)
    _place_ticks(ax, bases)
    _finish(ax)


def _heat(figure: Figure, ax: Axes, bases: pd.DataFrame, most: float) -> None:
    """Draw the difference in logit of each change."""
    image = ax.imshow(
        bases[list(BASES)].to_numpy().T, cmap=_HEAT_MAP, vmin=-most, vmax=most, aspect="auto"
    )
    ax.set_yticks(range(len(BASES)), list(BASES))
    _place_ticks(ax, bases)
    bar = figure.colorbar(image, ax=ax, pad=0.01, aspect=6)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("Δ logit", fontsize=8)


def _place_ticks(ax: Axes, bases: pd.DataFrame) -> None:
    """Label a column for each base by its position."""
    positions = bases["pos"].to_numpy()
    wanted = np.unique(np.linspace(0, len(positions) - 1, min(6, len(positions))).astype(int))
    ax.set_xticks(wanted, [f"{position:,}" for position in positions[wanted]])
    ax.set_xlim(-0.5, len(positions) - 0.5)
    ax.tick_params(labelsize=8)


def _finish(ax: Axes) -> None:
    ax.axhline(0, color="0.4", linewidth=0.6)
    ax.set_ylabel("effect (logit)", fontsize=8)
    ax.tick_params(labelsize=8)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.spines[["top", "right"]].set_visible(False)

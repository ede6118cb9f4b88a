"""Draw the figure of docs/experiments.md from its cross-validations: figure.py WORK OUT.svg."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {
    "epipam": "#0072B2",
    "epi": "#D55E00",
    "epivan": "#CC79A7",
    "kmer-gbm": "#009E73",
    "frequency": "#666666",
}
TRAPPED = ("epipam", "epivan", "kmer-gbm")


def main() -> None:
    """Draw AUROC by fold of the positive control beside AUROC by split of the trap."""
    work, out = map(Path, sys.argv[1:])
    mpl.rcParams["svg.hashsalt"] = "epipam"
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    by_fold, by_split = figure.subplots(1, 2, sharey=True)
    draw_folds(by_fold, folds_of(work / "control"))
    draw_splits(by_split, work)
    for axes in (by_fold, by_split):
        axes.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
        axes.set_ylim(0.4, 1.02)
        axes.spines[["top", "right"]].set_visible(False)
    by_fold.set_ylabel("AUROC, all negatives")
    figure.savefig(out, metadata={"Date": None})


def folds_of(folder: Path) -> list[dict]:
    """Return the folds of a cross-validation."""
    return json.loads((folder / "crossval.json").read_text(encoding="utf-8"))["folds"]


def auroc_of(fold: dict, scorer: str = "model") -> float:
    """Return a scorer's AUROC against all negatives of a fold."""
    return fold["test"]["scorers"][scorer]["all"]["auroc"]


def draw_folds(axes: Axes, folds: list[dict]) -> None:
    """Draw a line of points for each model, one point for each fold."""
    for model in ("epipam", "epi", "kmer-gbm"):
        points = sorted((f["fold"], auroc_of(f)) for f in folds if f["model"] == model)
        axes.plot(*zip(*points, strict=True), "o-", color=COLOURS[model], label=model)
    axes.set_xlabel("fold")
    axes.set_title("1. Positive control, by fold")
    axes.legend(frameon=False, loc="lower left", ncols=3)


def draw_splits(axes: Axes, work: Path) -> None:
    """Draw a pair of bars, random split and chromosomes, for each scorer of the trap."""
    for place, (split, hatch) in enumerate((("random", "//"), ("chromosomes", None))):
        runs = [work / f"trap-{split}", work / f"trap-epivan-{split}"]
        folds = {fold["model"]: fold for run in runs for fold in folds_of(run)}
        heights = {model: auroc_of(folds[model]) for model in TRAPPED}
        heights["frequency"] = auroc_of(folds["epipam"], "frequency")
        for number, (scorer, height) in enumerate(heights.items()):
            at = number + 0.4 * place - 0.2
            axes.bar(at, height - 0.5, 0.36, 0.5, color=COLOURS[scorer], hatch=hatch, ec="white")
            axes.text(at, max(height, 0.5) + 0.01, f"{height:.2f}", ha="center", fontsize=9)
    axes.set_xticks(range(4), [*TRAPPED, "frequency\n(no sequence)"])
    axes.set_title("2. The trap: random split (hatched), chromosomes")


if __name__ == "__main__":
    main()

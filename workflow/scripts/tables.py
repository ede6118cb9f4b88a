"""The tables and figures of the paper, from what audit, crossval and motifs have written."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")

from matplotlib import pyplot as plt

MEASURES = ("auroc", "auprc")
_MEDIAN = 2  # of the five numbers that an audit gives for lengths and distances
_RATIO = "1:1"  # negatives per positive, of the figure


def pair_table(audits: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return the paper's table 1: what each list of pairs holds."""
    return pd.DataFrame(
        {
            "dataset": name,
            "positives": audit["positives"],
            "negatives": audit["negatives"],
            **{f"{a}s": audit[a]["distinct"] for a in ("enhancer", "promoter")},
            **{f"{a}_median_bp": audit[a]["length"][_MEDIAN] for a in ("enhancer", "promoter")},
            **{
                f"{label}_median_distance_bp": numbers[_MEDIAN]
                for label, numbers in audit["distance"].items()
            },
        }
        for name, audit in audits.items()
    )


def overlap_table(audits: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return figure 5: positive pairs whose enhancer overlaps another of the same promoter."""
    return pd.DataFrame({"dataset": name, **audit["overlap"]} for name, audit in audits.items())


def leakage_table(audits: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return what a split of each list by chromosome, and one at random, gives away."""
    return pd.DataFrame(
        {"dataset": name, "split": split, **leaked}
        for name, audit in audits.items()
        for split, leaked in audit["splits"].items()
    )


def crossval_table(results: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return mean and spread over folds of each model, data set and number of negatives."""
    return pd.DataFrame(
        {"crossval": name, "protocol": result["protocol"], "split": result["split"], **row}
        for name, result in results.items()
        for row in result["summary"]
    )


def difference_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return by how much cross-validations exceed the first, where both have a row.

    Of the published protocol, and of a random split, that is how optimistic they are.
    """
    keys = ["dataset", "model", "ratio"]
    means = [f"{measure}_mean" for measure in MEASURES]
    first = table["crossval"].iloc[0]
    base = table.loc[table["crossval"] == first, [*keys, *means]]
    others = table.loc[table["crossval"] != first, ["crossval", *keys, *means]]
    both = others.merge(base, on=keys, suffixes=("", "_of_first"))
    for measure, mean in zip(MEASURES, means, strict=True):
        both[f"{measure}_difference"] = both[mean] - both[f"{mean}_of_first"]
    both.insert(1, "than", first)
    return both.drop(columns=[f"{mean}_of_first" for mean in means])


def motif_table(folders: dict[str, Path]) -> pd.DataFrame:
    """Return the paper's table 2: the known motifs that kernels resemble, best first."""
    tables = [
        pd.read_csv(folder / "matches.tsv", sep="\t", na_values=["."], keep_default_na=False)
        for folder in folders.values()
    ]
    for name, table in zip(folders, tables, strict=True):
        table.insert(0, "dataset", name)
    return pd.concat(tables, ignore_index=True).sort_values(["dataset", "q_value"], kind="stable")


def draw_overlap(table: pd.DataFrame, path: Path) -> None:
    """Draw figure 5."""
    figure, axes = plt.subplots(figsize=(1.5 + 0.7 * len(table), 3), layout="constrained")
    axes.bar(table["dataset"], 100 * table["share"].astype(float), color="#4878a8")
    axes.set(ylabel="positive pairs whose enhancer\noverlaps another's (%)", ylim=(0, 100))
    axes.tick_params(axis="x", rotation=45)
    figure.savefig(path, dpi=200)
    plt.close(figure)


def draw_crossvals(table: pd.DataFrame, path: Path) -> None:
    """Draw the AUROC of each model at one negative per positive, a panel for each data set."""
    table = table[table["ratio"] == _RATIO]
    datasets = list(dict.fromkeys(table["dataset"]))
    models = list(dict.fromkeys(table["model"]))
    names = list(dict.fromkeys(table["crossval"]))
    width = max(3.0, 0.4 * len(models))
    figure, panels = plt.subplots(
        1, max(1, len(datasets)), figsize=(1 + width * max(1, len(datasets)), 3.5), sharey=True,
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for axes, dataset in zip(panels[0], datasets, strict=False):
        for number, name in enumerate(names):
            rows = table[(table["dataset"] == dataset) & (table["crossval"] == name)]
            at = np.array([models.index(model) for model in rows["model"]], dtype=float)
            shift = 0.2 * (number - (len(names) - 1) / 2)
            means, spread = (rows[f"auroc_{kind}"].astype(float) for kind in ("mean", "sd"))
            axes.errorbar(at + shift, means, spread.fillna(0), fmt="o", capsize=2, label=name)
        axes.axhline(0.5, color="grey", linewidth=0.8, linestyle="--")
        axes.set(title=dataset, xticks=range(len(models)), ylim=(0, 1.02))
        axes.set_xticklabels(models, rotation=90)
    panels[0][0].set_ylabel(f"AUROC at {_RATIO}, mean and sd over folds")
    panels[0][-1].legend(loc="lower right", fontsize="small")
    figure.savefig(path, dpi=200)
    plt.close(figure)


def write(
    audits: Sequence[Path], results: Sequence[Path], motifs: Sequence[Path], out: Path
) -> Iterator[Path]:
    """Write all tables and figures into a folder; yield their paths."""
    of_pairs = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in audits}
    of_crossvals = {p.parent.name: json.loads(p.read_text(encoding="utf-8")) for p in results}
    crossvals, overlap = crossval_table(of_crossvals), overlap_table(of_pairs)
    tables = {
        "table1_pairs": pair_table(of_pairs),
        "figure5_overlap": overlap,
        "leakage": leakage_table(of_pairs),
        "crossval": crossvals,
        "differences": difference_table(crossvals),
    }
    if motifs:
        tables["table2_motifs"] = motif_table({path.name: path for path in motifs})
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        path = out / f"{name}.tsv"
        table.to_csv(path, sep="\t", index=False, na_rep=".", float_format="%.6g")
        yield path
    for path, draw, table in (
        (out / "figure5_overlap.png", draw_overlap, overlap),
        (out / "crossval.png", draw_crossvals, crossvals),
    ):
        draw(table, path)
        yield path


def main() -> None:
    """Read the command line, and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("audits", "results", "motifs"):
        parser.add_argument(f"--{name}", type=Path, nargs="*", default=[])
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    for path in write(given.audits, given.results, given.motifs, given.output):
        print(path)


if __name__ == "__main__":
    main()

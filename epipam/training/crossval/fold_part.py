"""The parts of a page on the folds of a cross-validation: means, spread, controls, alphas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from epipam.evaluation.baselines import MODEL
from epipam.evaluation.results import RATIOS
from epipam.report.charts import Chart, Spread, spread_chart
from epipam.report.tables import Cell, Table, count, score, text
from epipam.training.crossval.results import FoldResult, SummaryRow


def summary_table(rows: Sequence[SummaryRow], dataset: str, name: str) -> Table:
    """Arrange mean and spread over folds: a row per model or baseline.

    Parameters
    ----------
    rows
        Of one data set.
    name
        What the identifier of the table begins with.
    """
    found: dict[str, dict[str, SummaryRow]] = {}
    for row in rows:
        found.setdefault(row.model, {})[row.ratio] = row
    return Table(
        f"{name}-summary",
        f"{dataset}: mean over folds and standard deviation, by negatives per positive",
        ("Model", "Folds", *(f"{r} {m}" for r in RATIOS for m in ("AUROC", "AUPRC"))),
        tuple(
            (
                text(model),
                count(max(row.n_folds for row in by_ratio.values())),
                *(cell for ratio in RATIOS for cell in _summary_cells(by_ratio.get(ratio))),
            )
            for model, by_ratio in found.items()
        ),
        sortable=True,
    )


def fold_chart(folds: Sequence[FoldResult], metric: str, name: str) -> Chart:
    """Draw every fold of every model as a point, with the mean over folds."""
    values: dict[str, list[float]] = {}
    for fold in folds:
        measured = fold.test["scorers"][MODEL]["all"][metric.lower()]
        if measured is not None:
            values.setdefault(fold.model, []).append(measured)
    spreads = [Spread(model, tuple(of_model)) for model, of_model in values.items()]
    return spread_chart(
        f"{name}-{metric.lower()}",
        spreads,
        axis=metric,
        reference=0.5 if metric == "AUROC" else None,
        heading=f"{metric} of every fold.",
        caption="A point is a fold, the bar their mean. Points far apart say that the mean depends "
        "on which chromosomes were held out."
        + (" The dotted line is a coin." if metric == "AUROC" else ""),
    )


def control_table(folds: Sequence[FoldResult], dataset: str, name: str) -> Table:
    """Arrange the controls and the calibration of every model, on average over its folds."""
    columns: dict[str, tuple[str, ...]] = {
        "Labels permuted: AUROC": ("controls", "permuted_labels", "auroc"),
        "Own promoters: AUROC": ("controls", "permuted_partners", "auroc"),
        "Promoters swapped: AUROC": ("controls", "permuted_partners", "permuted_auroc"),
        "Fall": ("controls", "permuted_partners", "fall"),
        "Calibration error": ("calibration", "expected_calibration_error"),
        "Brier score": ("calibration", "brier_score"),
    }
    return Table(
        f"{name}-controls",
        f"{dataset}: controls and calibration, mean over folds and standard deviation",
        ("Model", *columns),
        tuple(
            (
                text(model),
                *(_mean(_at(fold.test, keys) for fold in of_model) for keys in columns.values()),
            )
            for model, of_model in _by_model(folds)
        ),
        sortable=True,
    )


def fold_table(folds: Sequence[FoldResult], dataset: str, name: str) -> Table:
    """Arrange every fold: where it was tested, what was chosen, what came out."""
    rows = []
    for fold in folds:
        tested = fold.test["scorers"][MODEL]["all"]
        rows.append(
            (
                text(fold.model),
                count(fold.fold),
                text(", ".join(fold.test_contigs)),
                text(None) if fold.alpha is None else Cell(f"{fold.alpha:g}", fold.alpha),
                count(fold.best_epoch),
                score(fold.validation["auprc"]),
                score(tested["auroc"], tested["auroc_interval"]),
                score(tested["auprc"], tested["auprc_interval"]),
            )
        )
    return Table(
        f"{name}-folds",
        f"{dataset}: every fold, tested against all of its negative pairs",
        (
            "Model",
            "Fold",
            "Tested on",
            "Alpha",
            "Best epoch",
            "AUPRC that chose",
            "Test AUROC",
            "Test AUPRC",
        ),
        tuple(rows),
        sortable=True,
    )


def alpha_table(folds: Sequence[FoldResult], dataset: str, name: str) -> Table | None:
    """Arrange what each alpha came to; None where there was none to choose."""
    rows = []
    for model, of_model in _by_model(folds):
        for alpha in dict.fromkeys(one["alpha"] for fold in of_model for one in fold.alphas):
            found = [one for fold in of_model for one in fold.alphas if one["alpha"] == alpha]
            chosen = sum(fold.alpha == alpha for fold in of_model)
            rows.append(
                (
                    text(model),
                    Cell(f"{alpha:g}", alpha),
                    count(chosen),
                    _mean(one["validation"]["auprc"] for one in found),
                    _mean(one["test"]["all"]["auroc"] for one in found),
                    _mean(one["test"]["all"]["auprc"] for one in found),
                )
            )
    if not rows:
        return None
    return Table(
        f"{name}-alphas",
        f"{dataset}: what each weight of the main head came to, mean over folds and standard "
        "deviation",
        ("Model", "Alpha", "Chosen in folds", "AUPRC that chose", "Test AUROC", "Test AUPRC"),
        tuple(rows),
        sortable=True,
    )


def _summary_cells(row: SummaryRow | None) -> tuple[Cell, Cell]:
    if row is None:
        return score(None), score(None)
    return score(row.auroc_mean, sd=row.auroc_sd), score(row.auprc_mean, sd=row.auprc_sd)


def _by_model(folds: Sequence[FoldResult]) -> Iterator[tuple[str, list[FoldResult]]]:
    for model in dict.fromkeys(fold.model for fold in folds):
        yield model, [fold for fold in folds if fold.model == model]


def _at(values: Mapping[str, Any], keys: tuple[str, ...]) -> float | None:
    """Return what lies at the end of `keys`; None where the way ends before."""
    found: Any = values
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found


def _mean(values: Iterable[float | None]) -> Cell:
    known = np.array([value for value in values if value is not None])
    if len(known) == 0:
        return score(None)
    return score(float(known.mean()), sd=float(known.std(ddof=1)) if len(known) > 1 else None)

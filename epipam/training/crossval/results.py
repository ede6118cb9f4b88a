"""What a cross-validation found: per fold, on average, and of one scorer against another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from epipam.evaluation.audit import SplitAudit
from epipam.evaluation.baselines import DISTANCE, FREQUENCY, MODEL
from epipam.evaluation.results import RATIOS
from epipam.training.crossval.comparison import Comparison

BASELINES = (DISTANCE, FREQUENCY)


class FoldResult(NamedTuple):
    """The run that was chosen for a fold.

    Attributes
    ----------
    test_contigs
        Where its test part lies.
    alpha
        The chosen one; None for a model without an auxiliary head.
    best_epoch
        From 1.
    validation
        `loss`, `auroc`, `auprc` of the best epoch, by the last of which epoch and alpha were
        chosen.
    test
        The evaluation, as `Evaluation.to_json` has it.
    alphas
        What each alpha came to: `alpha`, `best_epoch`, `validation`, and `test`, AUROC and AUPRC
        by number of negatives.
    """

    dataset: str
    model: str
    fold: int
    test_contigs: tuple[str, ...]
    alpha: float | None
    best_epoch: int
    validation: Mapping[str, float]
    test: Mapping[str, Any]
    alphas: tuple[Mapping[str, Any], ...]


class SummaryRow(NamedTuple):
    """A model, or a baseline, over the folds of a data set at one number of negatives.

    Attributes
    ----------
    ratio
        Negatives per positive: `1:1`, `1:10` or `all`.
    n_folds
        Folds in which it could be measured.
    auroc_mean, auprc_mean
        Over these folds; None where there is none.
    auroc_sd, auprc_sd
        Standard deviation over folds (n - 1); None with fewer than two.
    """

    dataset: str
    model: str
    ratio: str
    n_folds: int
    auroc_mean: float | None
    auroc_sd: float | None
    auprc_mean: float | None
    auprc_sd: float | None


class DatasetComparison(NamedTuple):
    """A comparison within a data set, over the folds that all its models have finished."""

    dataset: str
    n_folds: int
    comparison: Comparison

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, text and None, as `json.dumps` takes them."""
        found = self.comparison
        low, high = (None, None) if found.interval is None else found.interval
        return {
            "dataset": self.dataset,
            "model": found.scorer,
            "other": found.other,
            "metric": found.metric,
            "mean": found.mean,
            "other_mean": found.other_mean,
            "difference": found.difference,
            "low": low,
            "high": high,
            "n_folds": self.n_folds,
        }


@dataclass(frozen=True)
class CrossvalResult:
    """All that is finished of a cross-validation.

    Attributes
    ----------
    leakage
        By data set, what a random split gives away; None for chromosomes.
    verdicts
        What the numbers say, in sentences.
    unfinished
        (data set, model, fold) of the folds that lack a run.
    """

    provenance: Mapping[str, Any]
    protocol: str
    split: str
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    folds: tuple[FoldResult, ...]
    summary: tuple[SummaryRow, ...]
    comparisons: tuple[DatasetComparison, ...]
    leakage: Mapping[str, SplitAudit] | None
    verdicts: tuple[str, ...]
    unfinished: tuple[tuple[str, str, int], ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and None, as `json.dumps` takes them."""
        leakage = None
        if self.leakage is not None:
            leakage = {dataset: leaked.to_json() for dataset, leaked in self.leakage.items()}
        return {
            "provenance": self.provenance,
            "protocol": self.protocol,
            "split": self.split,
            "datasets": list(self.datasets),
            "models": list(self.models),
            "folds": [fold._asdict() for fold in self.folds],
            "summary": [row._asdict() for row in self.summary],
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
            "leakage": leakage,
            "verdicts": list(self.verdicts),
            "unfinished": [
                {"dataset": dataset, "model": model, "fold": fold}
                for dataset, model, fold in self.unfinished
            ],
        }

    def summary_table(self) -> pd.DataFrame:
        """Return a row per data set and model or baseline, with four columns for each ratio."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self.summary:
            begun = {
                "dataset": row.dataset,
                "model": row.model,
                "protocol": self.protocol,
                "split": self.split,
            }
            found = rows.setdefault((row.dataset, row.model), begun)
            ratio = row.ratio.replace(":", "to")
            for name in ("n_folds", "auroc_mean", "auroc_sd", "auprc_mean", "auprc_sd"):
                found[f"{name}_{ratio}"] = getattr(row, name)
        return pd.DataFrame(list(rows.values()))


def summarise(folds: Sequence[FoldResult]) -> Iterator[SummaryRow]:
    """Yield mean and spread over the folds of a data set: its models, then the baselines.

    A baseline reads the pairs and not the model, so it is taken once from each fold.
    """
    models = list(dict.fromkeys(fold.model for fold in folds))
    for dataset in dict.fromkeys(fold.dataset for fold in folds):
        here = [fold for fold in folds if fold.dataset == dataset]
        first_of_fold = list({fold.fold: fold for fold in reversed(here)}.values())
        rows = [(model, MODEL, [f for f in here if f.model == model]) for model in models]
        rows += [(baseline, baseline, first_of_fold) for baseline in BASELINES]
        for name, scorer, chosen in rows:
            for ratio in RATIOS:
                if chosen:
                    measured = [fold.test["scorers"][scorer][ratio] for fold in chosen]
                    yield _summary_row(dataset, name, ratio, measured)


def _summary_row(
    dataset: str, name: str, ratio: str, measured: Sequence[Mapping[str, Any]]
) -> SummaryRow:
    known = [row for row in measured if row["auroc"] is not None]
    values = {m: np.array([row[m] for row in known], dtype=np.float64) for m in ("auroc", "auprc")}
    mean = {m: float(v.mean()) if len(v) else None for m, v in values.items()}
    sd = {m: float(v.std(ddof=1)) if len(v) > 1 else None for m, v in values.items()}
    return SummaryRow(
        dataset, name, ratio, len(known), mean["auroc"], sd["auroc"], mean["auprc"], sd["auprc"]
    )

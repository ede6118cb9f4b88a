"""Gathering what is finished of a cross-validation from its run folders."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from epipam.errors import EpipamError
from epipam.evaluation.audit import SplitAudit, audit_split, audit_store, mean_audit
from epipam.evaluation.baselines import (
    DISTANCE,
    FREQUENCY,
    MODEL,
    distance_scores,
    frequency_scores,
)
from epipam.evaluation.judging import PREDICTIONS
from epipam.evaluation.prediction import labelled_pairs
from epipam.evaluation.results import RATIOS
from epipam.pairs.table import COLUMNS
from epipam.runtime.files import whole_file, write_text
from epipam.training.crossval.comparison import CHANCE, FoldScores, compare
from epipam.training.crossval.folder import PAGE, RESULT, SUMMARY, CrossvalFolder
from epipam.training.crossval.page import crossval_page
from epipam.training.crossval.plan import Plan, PlannedRun
from epipam.training.crossval.results import (
    CrossvalResult,
    DatasetComparison,
    FoldResult,
    summarise,
)
from epipam.training.crossval.settings import RANDOM
from epipam.training.crossval.words import verdicts
from epipam.training.provenance import versions
from epipam.training.run_folder import METRICS


class _Finished(NamedTuple):
    """A finished fold of a model: what it came to, and its test pairs with probabilities."""

    result: FoldResult
    predictions: pd.DataFrame


def write_results(folder: CrossvalFolder, plan: Plan) -> CrossvalResult:
    """Gather what is finished, whoever trained it, and write it.

    Raises
    ------
    EpipamError
        Where no fold is finished.
    """
    with folder.locked():
        result = _gather(folder, plan)
        write_text(folder.path / RESULT, json.dumps(result.to_json(), indent=2) + "\n")
        write_text(
            folder.path / SUMMARY,
            result.summary_table().to_csv(sep="\t", index=False, lineterminator="\n"),
        )
        seed = plan.settings.training.seed
        audits = {name: audit_store(store, seed=seed) for name, store in plan.stores.items()}
        crossval_page(folder.path / PAGE, result, audits)
    return result


def _gather(folder: CrossvalFolder, plan: Plan) -> CrossvalResult:
    folds: list[FoldResult] = []
    comparisons: list[DatasetComparison] = []
    unfinished: list[tuple[str, str, int]] = []
    leakage: dict[str, SplitAudit] = {}
    for dataset in plan.stores:
        finished: dict[str, dict[int, _Finished]] = {}
        for (model, fold), runs in _by_fold(plan, dataset):
            if all(folder.is_finished(run) for run in runs):
                finished.setdefault(model, {})[fold] = _read(folder, runs)
            else:
                unfinished.append((dataset, model, fold))
        for model, of_model in finished.items():
            folds += [one.result for one in of_model.values()]
            _write_predictions(folder, dataset, model, of_model)
        if finished:
            parts = dict(_parts(plan, dataset, finished))
            comparisons += _compared(plan, dataset, finished, parts)
            if plan.settings.split == RANDOM:
                leakage[dataset] = mean_audit([leaked for _, leaked in parts.values()])
    if not folds:
        raise EpipamError(f"{folder.path}: no fold is finished; the same command goes on")
    order = {model: place for place, model in enumerate(plan.settings.models)}
    datasets = {dataset: place for place, dataset in enumerate(plan.stores)}
    folds.sort(key=lambda one: (datasets[one.dataset], order[one.model], one.fold))
    provenance = {
        **plan.request(),
        "bootstrap": plan.settings.bootstrap,
        "seed": plan.settings.training.seed,
        "versions": versions(),
    }
    return CrossvalResult(
        provenance=provenance,
        protocol=plan.settings.protocol,
        split=plan.settings.split,
        datasets=tuple(plan.stores),
        models=plan.settings.models,
        folds=tuple(folds),
        summary=tuple(summarise(folds)),
        comparisons=tuple(comparisons),
        leakage=leakage if plan.settings.split == RANDOM else None,
        verdicts=tuple(verdicts(plan.settings, comparisons, leakage)),
        unfinished=tuple(unfinished),
    )


def _by_fold(plan: Plan, dataset: str) -> Iterator[tuple[tuple[str, int], list[PlannedRun]]]:
    """Yield the runs of each model and fold."""
    for fold in plan.folds(dataset):
        for model, of_model in groupby(plan.runs(dataset, fold), key=lambda run: run.model):
            yield (model, fold), list(of_model)


def _read(folder: CrossvalFolder, runs: Sequence[PlannedRun]) -> _Finished:
    """Choose among the runs of a fold, by AUPRC on the validation part."""
    metrics = [json.loads((folder.run(run) / METRICS).read_text("utf-8")) for run in runs]
    scores = [one["validation"]["auprc"] for one in metrics]
    best = int(np.argmax(np.nan_to_num(scores, nan=-1.0)))
    run, chosen = runs[best], metrics[best]
    result = FoldResult(
        dataset=run.dataset,
        model=run.model,
        fold=run.fold,
        test_contigs=run.split.part("test").contigs,
        alpha=run.alpha,
        best_epoch=chosen["provenance"]["best_epoch"],
        validation=chosen["validation"],
        test=chosen["test"],
        alphas=tuple(
            _of_alpha(other, found)
            for other, found in zip(runs, metrics, strict=True)
            if other.alpha is not None
        ),
    )
    return _Finished(result, _read_predictions(folder.run(run) / PREDICTIONS))


def _read_predictions(path: Path) -> pd.DataFrame:
    text = [column for column in COLUMNS if column.endswith(("chrom", "name"))]
    # As text first: some versions of pandas read numbers to the last digit but one.
    frame = pd.read_csv(
        path, sep="\t", dtype=dict.fromkeys([*text, "probability"], str), keep_default_na=False
    )
    frame["probability"] = frame["probability"].to_numpy(object).astype(np.float64)
    return frame


def _of_alpha(run: PlannedRun, metrics: Mapping[str, Any]) -> dict[str, Any]:
    rows = metrics["test"]["scorers"][MODEL]
    return {
        "alpha": run.alpha,
        "best_epoch": metrics["provenance"]["best_epoch"],
        "validation": metrics["validation"],
        "test": {ratio: {m: rows[ratio][m] for m in ("auroc", "auprc")} for ratio in RATIOS},
    }


def _write_predictions(
    folder: CrossvalFolder, dataset: str, model: str, finished: Mapping[int, _Finished]
) -> None:
    frame = pd.concat(
        [one.predictions.assign(fold=fold) for fold, one in sorted(finished.items())],
        ignore_index=True,
    )
    text = frame.to_csv(sep="\t", index=False, lineterminator="\n")
    with whole_file(folder.predictions(dataset, model)) as partial:
        # Without the time of day: the same runs give the same bytes.
        partial.write_bytes(gzip.compress(text.encode(), mtime=0))


def _parts(
    plan: Plan, dataset: str, finished: Mapping[str, Mapping[int, _Finished]]
) -> Iterator[tuple[int, tuple[FoldScores, SplitAudit]]]:
    """Yield the test part of each fold as its models and the baselines see it, and what leaks."""
    store = plan.stores[dataset]
    for fold in sorted({fold for of_model in finished.values() for fold in of_model}):
        frames = {
            model: of_model[fold].predictions
            for model, of_model in finished.items()
            if fold in of_model
        }
        tested = next(iter(frames.values()))
        trained = labelled_pairs(store, plan.split(dataset, fold).part("train"))
        known = (tested["label"] != -1).to_numpy()
        pairs = tested[known]
        frequency = frequency_scores(pairs, trained)
        assert frequency is not None  # a run has labelled training pairs
        scores = {
            **{model: frame["probability"].to_numpy()[known] for model, frame in frames.items()},
            DISTANCE: distance_scores(pairs),
            FREQUENCY: frequency,
            CHANCE: np.zeros(len(pairs)),
        }
        contigs = pairs["enhancer_chrom"].to_numpy(object)
        labels = pairs["label"].to_numpy(np.int64)
        leaked = audit_split(trained, tested, store.enhancer_length, store.promoter_length)
        yield fold, (FoldScores(contigs, labels, scores), leaked)


def _compared(
    plan: Plan,
    dataset: str,
    finished: Mapping[str, Mapping[int, _Finished]],
    parts: Mapping[int, tuple[FoldScores, SplitAudit]],
) -> Iterator[DatasetComparison]:
    """Yield every model against the baselines and chance, and every two models."""
    models = [model for model in plan.settings.models if model in finished]
    shared = [scores for scores, _ in parts.values() if set(models) <= set(scores.scores)]
    if not shared:
        return
    rivals = [(model, other) for model in models for other in (DISTANCE, FREQUENCY, CHANCE)]
    rivals += combinations(models, 2)
    settings = plan.settings
    for comparison in compare(
        shared, rivals, n_replicates=settings.bootstrap, seed=settings.training.seed
    ):
        yield DatasetComparison(dataset, len(shared), comparison)

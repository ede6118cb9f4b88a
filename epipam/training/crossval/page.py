"""The page of a cross-validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from epipam.evaluation.audit import Audit
from epipam.report.charts import Chart
from epipam.report.data_card import DataCard, data_card
from epipam.report.page import write_page
from epipam.report.provenance import as_json, facts_table
from epipam.report.summary import Tile
from epipam.report.tables import Table, score
from epipam.training.crossval.comparison_part import comparison_chart, comparison_table
from epipam.training.crossval.fold_part import (
    alpha_table,
    control_table,
    fold_chart,
    fold_table,
    summary_table,
)
from epipam.training.crossval.results import CrossvalResult, SummaryRow
from epipam.training.crossval.settings import PUBLISHED, RANDOM
from epipam.training.crossval.words import PUBLISHED_MARK
from epipam.version import __version__

TEMPLATE = "crossval.html"
_SECTIONS = {
    "summary": "In short",
    "performance": "Performance",
    "comparisons": "Comparisons",
    "controls": "Controls",
    "folds": "Every fold",
    "data": "The data",
    "provenance": "Provenance",
}


@dataclass(frozen=True)
class DatasetPart:
    """All that a page shows of one data set.

    Attributes
    ----------
    name
        Of the data set.
    summary, comparisons, controls, folds
        Tables, see their sections; `comparisons` is None where there is none.
    alphas
        What each alpha came to; None where no model has an auxiliary head.
    fold_charts
        AUROC and AUPRC of every fold.
    comparison_chart
        The best model beside all others; None where there is no comparison.
    card
        Its pairs; None where no audit is given.
    """

    name: str
    summary: Table
    fold_charts: tuple[Chart, ...]
    comparisons: Table | None
    comparison_chart: Chart | None
    controls: Table
    folds: Table
    alphas: Table | None
    card: DataCard | None


def crossval_page(
    path: str | Path, result: CrossvalResult, audits: Mapping[str, Audit] | None = None
) -> Path:
    """Write a cross-validation as one self-contained HTML page.

    Parameters
    ----------
    path
        The page; it appears when whole.
    result
        What is finished of it.
    audits
        By data set, what its pairs are.
    """
    parts = [_part(result, number, audits or {}) for number in range(len(result.datasets))]
    cautions = set(_cautions(result))
    absent = {"data"} if all(part.card is None for part in parts) else set()
    return write_page(
        path,
        TEMPLATE,
        title=f"Cross-validation of {', '.join(result.models)}",
        subject=_subject(result),
        sections={name: heading for name, heading in _SECTIONS.items() if name not in absent},
        notes=[*_unfinished(result), *(one for one in result.verdicts if one in cautions)],
        tiles=tuple(_tiles(result)),
        verdicts=[one for one in result.verdicts if one not in cautions],
        parts=parts,
        published=result.protocol == PUBLISHED,
        random=result.split == RANDOM,
        facts=facts_table(result.provenance),
        everything=as_json(result.provenance),
        version=__version__,
    )


def _part(result: CrossvalResult, number: int, audits: Mapping[str, Audit]) -> DatasetPart:
    """Arrange a data set; `number` makes identifiers, since names may hold anything."""
    dataset = result.datasets[number]
    folds = [fold for fold in result.folds if fold.dataset == dataset]
    rows = [row for row in result.summary if row.dataset == dataset]
    comparisons = [one for one in result.comparisons if one.dataset == dataset]
    own = (result.leakage or {}).get(dataset)
    name = f"dataset-{number + 1}"
    audit = audits.get(dataset)
    return DatasetPart(
        name=dataset,
        summary=summary_table(rows, dataset, name),
        fold_charts=tuple(fold_chart(folds, metric, name) for metric in ("AUROC", "AUPRC")),
        comparisons=comparison_table(comparisons, dataset, name) if comparisons else None,
        comparison_chart=comparison_chart(comparisons, name) if comparisons else None,
        controls=control_table(folds, dataset, name),
        folds=fold_table(folds, dataset, name),
        alphas=alpha_table(folds, dataset, name),
        card=None if audit is None else data_card(audit, name, own),
    )


def _subject(result: CrossvalResult) -> str:
    n_folds = len({fold.fold for fold in result.folds})
    by = "pairs at random" if result.split == RANDOM else "chromosome"
    chosen = "test" if result.protocol == PUBLISHED else "validation"
    return (
        f"{', '.join(result.datasets)}: {n_folds} {'fold' if n_folds == 1 else 'folds'} by {by}; "
        f"epoch and alpha chosen on the {chosen} pairs (protocol {result.protocol})"
    )


def _cautions(result: CrossvalResult) -> Iterator[str]:
    """Yield the verdicts that say what the numbers are worth, rather than what they say."""
    yield PUBLISHED_MARK
    for dataset, leaked in (result.leakage or {}).items():
        yield f"{dataset}: {leaked.sentence()}"


def _unfinished(result: CrossvalResult) -> Iterator[str]:
    if result.unfinished:
        wanted = len(result.unfinished) + len(result.folds)
        yield (
            f"{len(result.unfinished)} of {wanted} folds of a model are not finished; the same "
            "command goes on with them, and this page is of the others."
        )


def _tiles(result: CrossvalResult) -> Iterator[Tile]:
    """Yield for every data set the model with the best mean AUROC, and the best baseline."""
    for dataset in result.datasets:
        rows = [row for row in result.summary if row.dataset == dataset and row.ratio == "all"]
        models = [row for row in rows if row.model in result.models]
        best = max(models, key=_area, default=None)
        if best is None or best.auroc_mean is None:
            continue
        rival = max((row for row in rows if row not in models), key=_area)
        beside = "" if rival.auroc_mean is None else f"; {rival.model} {rival.auroc_mean:.3f}"
        yield Tile(
            f"{dataset}: mean AUROC of the best model",
            score(best.auroc_mean, sd=best.auroc_sd),
            f"{best.model}{beside}",
        )


def _area(row: SummaryRow) -> float:
    return -1.0 if row.auroc_mean is None else row.auroc_mean

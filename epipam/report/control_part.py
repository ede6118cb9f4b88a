"""The part of a page on controls: what else could have made the number?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from epipam.evaluation.baselines import MODEL
from epipam.evaluation.results import Evaluation
from epipam.report.charts import Chart, Estimate, estimate_chart
from epipam.report.tables import Cell, Table, count, score, text

_OWN, _SWAPPED, _PERMUTED = "own promoters", "promoters swapped", "labels permuted"
_MEANING = {
    MODEL: "the model, on all pairs",
    "distance": "the nearer, the likelier; reads no sequence",
    "frequency": "how often the regions are positive in training; reads no sequence",
    _PERMUTED: "labels exchanged among pairs at like distance; must be 0.5",
    _OWN: "the pairs that another promoter was found for, as they are",
    _SWAPPED: "each enhancer with the promoter of another pair of the same label and distance; "
    "falls, if the model uses the pairing",
}


@dataclass(frozen=True)
class ControlPart:
    """The controls of an evaluation, as a page shows them.

    Attributes
    ----------
    table
        One row per control.
    chart
        Their AUROC beside the model's; None where none is known.
    remarks
        What to know about the controls, in sentences.
    """

    table: Table
    chart: Chart | None
    remarks: tuple[str, ...]


def control_part(evaluation: Evaluation) -> ControlPart:
    """Arrange the controls for a page."""
    rows = list(_rows(evaluation))
    return ControlPart(
        table=Table(
            "control-rows",
            "AUROC of the model and of its controls, against all negative pairs",
            ("Control", "Pairs", "AUROC", "What it is"),
            tuple(
                (text(name), pairs, found, text(_MEANING[name])) for name, pairs, found, _ in rows
            ),
        ),
        chart=_chart([estimate for *_, estimate in rows if estimate is not None]),
        remarks=tuple(_remarks(evaluation)),
    )


def _rows(evaluation: Evaluation) -> Iterator[tuple[str, Cell, Cell, Estimate | None]]:
    """Yield name, pairs, AUROC, and the row of the chart."""
    for scorer, by_ratio in evaluation.scorers.items():
        row = by_ratio["all"]
        pairs = count(row.n_positives + row.n_negatives)
        interval = row.auroc_interval
        yield scorer, pairs, *_found(scorer, row.auroc, interval, 0 if scorer == MODEL else 1)
    labels = evaluation.controls.permuted_labels
    n_pairs = evaluation.n_positives + evaluation.n_negatives
    estimate = None
    if labels.auroc is not None:
        # Two standard deviations: what single permutations scatter by.
        reach = 2 * (labels.auroc_sd or 0.0)
        estimate = Estimate(_PERMUTED, labels.auroc, labels.auroc - reach, labels.auroc + reach, 2)
    yield _PERMUTED, count(n_pairs), score(labels.auroc, sd=labels.auroc_sd), estimate
    partners = evaluation.controls.permuted_partners
    if partners.auroc is None:
        yield _SWAPPED, count(None), score(None), None
        return
    pairs = count(partners.n_pairs)
    if partners.n_pairs < n_pairs:
        yield _OWN, pairs, *_found(_OWN, partners.auroc, partners.auroc_interval, 0)
    permuted = partners.permuted_auroc
    yield _SWAPPED, pairs, *_found(_SWAPPED, permuted, partners.permuted_auroc_interval, 2)


def _found(
    label: str, value: float | None, interval: tuple[float, float] | None, series: int
) -> tuple[Cell, Estimate | None]:
    if value is None:
        return score(None), None
    low, high = interval or (None, None)
    return score(value, interval), Estimate(label, value, low, high, series)


def _chart(estimates: list[Estimate]) -> Chart | None:
    if not estimates:
        return None
    listed = "; ".join(f"{one.label}: {one.value:.3f}" for one in estimates)
    return estimate_chart(
        "control-chart",
        estimates,
        axis="AUROC",
        reference=0.5,
        limits=(min(0.4, *(one.low or one.value for one in estimates)), 1.02),
        description=f"AUROC of the model and of its controls. {listed}.",
        heading="The controls.",
        caption="The dotted line is a coin. Lines are 95% bootstrap intervals; of permuted "
        "labels, two standard deviations over the permutations.",
    )


def _remarks(evaluation: Evaluation) -> Iterator[str]:
    for scorer, by_ratio in evaluation.scorers.items():
        if by_ratio["all"].unavailable and scorer != MODEL:
            yield f"The {scorer} baseline is not available: {by_ratio['all'].unavailable}."
    labels, partners = evaluation.controls.permuted_labels, evaluation.controls.permuted_partners
    if labels.unavailable:
        yield f"No control with permuted labels: {labels.unavailable}."
    if partners.unavailable:
        yield f"No control with swapped promoters: {partners.unavailable}."
        return
    if partners.n_stuck:
        yield (
            f"{partners.n_stuck:,} pairs found no other promoter of their label and distance and "
            "are left out of that control."
        )
    if partners.n_contacts:
        yield (
            f"{partners.n_contacts:,} of the swapped pairs are in contact all the same: with the "
            "other promoter, too, they are a positive pair of the list."
        )

"""The part of a page on comparisons: which model is better, and how surely."""

from __future__ import annotations

from collections.abc import Sequence

from epipam.report.charts import Chart, Estimate, estimate_chart
from epipam.report.tables import Table, count, score, text
from epipam.training.crossval.results import DatasetComparison


def comparison_table(found: Sequence[DatasetComparison], dataset: str, name: str) -> Table:
    """Arrange every comparison of a data set.

    Parameters
    ----------
    name
        What the identifier of the table begins with.
    """
    return Table(
        f"{name}-comparisons",
        f"{dataset}: mean over folds of one model less that of another, on the same pairs",
        ("Model", "Against", "Metric", "Mean", "Mean of the other", "Difference", "Folds"),
        tuple(
            (
                text(one.comparison.scorer),
                text(one.comparison.other),
                text(one.comparison.metric),
                score(one.comparison.mean),
                score(one.comparison.other_mean),
                score(one.comparison.difference, one.comparison.interval),
                count(one.n_folds),
            )
            for one in found
        ),
        sortable=True,
    )


def comparison_chart(found: Sequence[DatasetComparison], name: str) -> Chart:
    """Draw how far the model of the best mean AUROC lies above every other scorer."""
    areas = [one.comparison for one in found if one.comparison.metric == "AUROC"]
    both_ways = [*areas, *(one.turned() for one in areas)]
    models = {one.scorer for one in areas}
    leader = max((one for one in both_ways if one.scorer in models), key=lambda one: one.mean)
    shown = [one for one in both_ways if one.scorer == leader.scorer]
    estimates = [
        Estimate(f"less {one.other}", one.difference, *(one.interval or (None, None)))
        for one in shown
    ]
    listed = "; ".join(f"{one.other} {one.difference:+.3f}" for one in shown)
    return estimate_chart(
        f"{name}-differences",
        estimates,
        axis="Difference in AUROC",
        reference=0.0,
        description=f"AUROC of {leader.scorer} less that of others: {listed}.",
        heading=f"{leader.scorer} against each of the others.",
        caption="The line about a point is the 95% interval of the difference when whole "
        "chromosomes are resampled. A line that crosses zero, the dotted one, decides nothing.",
    )

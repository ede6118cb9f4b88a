"""The part of a page on probabilities: can they be read as chances?"""

from __future__ import annotations

from dataclasses import dataclass

from epipam.evaluation.reliability import Calibration
from epipam.report.charts import Chart, reliability_chart
from epipam.report.tables import Table, count, score, text


@dataclass(frozen=True)
class CalibrationPart:
    """How the probabilities compare with the shares of positives, as a page shows it.

    Attributes
    ----------
    measures, bins
        Tables: the measures of the whole, and the groups of pairs behind the figure.
    chart
        The reliability diagram.
    """

    measures: Table
    bins: Table
    chart: Chart


def calibration_part(calibration: Calibration) -> CalibrationPart:
    """Arrange a calibration for a page."""
    return CalibrationPart(
        measures=Table(
            "calibration-measures",
            "The smaller, the better",
            ("Measure", "Value"),
            (
                (text("expected calibration error"), score(calibration.expected_calibration_error)),
                (text("what it reaches by chance alone"), score(calibration.error_by_chance)),
                (text("Brier score"), score(calibration.brier_score)),
            ),
        ),
        bins=Table(
            "reliability",
            "Pairs by the probability that the model gave them",
            ("Probability", "Pairs", "Mean probability", "Share positive"),
            tuple(
                (
                    text(f"{one.low:.1f} to {one.high:.1f}"),
                    count(one.n_pairs),
                    score(one.probability),
                    score(one.share),
                )
                for one in calibration.bins
            ),
        ),
        chart=reliability_chart(calibration),
    )

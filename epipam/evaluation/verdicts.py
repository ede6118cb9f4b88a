"""What the numbers of an evaluation say, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from epipam.evaluation.baselines import MODEL
from epipam.evaluation.clusters import Resampling
from epipam.evaluation.metrics import METRICS, Interval, Replicates
from epipam.evaluation.results import Performance

# Closer than this is equal, but for the rounding of sums.
SAME = 1e-9


def verdict(
    rows: Mapping[str, Performance], replicates: Replicates, resampling: Resampling
) -> Iterator[str]:
    """Say in one sentence per metric whether the model beats the best baseline, or chance.

    Parameters
    ----------
    rows
        Scorer to its performance on the same pairs; `model` is judged against the best of all
        others and of chance: AUROC 0.5, AUPRC the share of positives.
    replicates
        Bootstrap replicates of the same scorers, for the interval of the difference.
    resampling
        What they resample; of too few nothing is said to be beaten.
    """
    why = "how surely is not known" if resampling.is_enough else "too few to tell how surely"
    judged = rows[MODEL]
    for metric in METRICS:
        values = {scorer: getattr(row, metric.lower()) for scorer, row in rows.items()}
        model = values.pop(MODEL)
        if model is None:
            yield f"{metric} cannot be computed: {judged.unavailable}."
            continue
        share = judged.n_positives / (judged.n_positives + judged.n_negatives)
        chance = 0.5 if metric == "AUROC" else share
        known = {scorer: value for scorer, value in values.items() if value is not None}
        best = max(known, key=known.__getitem__, default=None)
        if best is not None and known[best] > chance + SAME:
            difference = replicates.difference(MODEL, best, metric)
            yield _sentence(
                metric, model, f"the best baseline, {best}", known[best], difference, why
            )
        else:
            interval = replicates.interval(MODEL, metric)
            above = interval and Interval(interval.low - chance, interval.high - chance)
            yield _sentence(metric, model, "chance", chance, above, why)


def _sentence(
    metric: str, model: float, rival: str, value: float, difference: Interval | None, why: str
) -> str:
    numbers = f"{metric} {model:.3f} against {value:.3f}"
    if difference is not None:
        low, high = difference
        numbers += f", 95% interval of the difference {low:.3f} to {high:.3f}"
    if model <= value:
        return f"The model does not beat {rival}: {numbers}."
    if difference is None:
        return f"The model is above {rival}, {why}: {numbers}."
    if difference.low <= 0:
        return f"The model does not clearly beat {rival}: {numbers}."
    return f"The model beats {rival}: {numbers}."

"""A cross-validation in words and as a table for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from epipam.evaluation.audit import SplitAudit
from epipam.evaluation.baselines import DISTANCE, FREQUENCY
from epipam.evaluation.metrics import LEAST_CLUSTERS, METRICS
from epipam.training.crossval.comparison import CHANCE, Comparison
from epipam.training.crossval.results import CrossvalResult, DatasetComparison, SummaryRow
from epipam.training.crossval.settings import PUBLISHED, RANDOM, CrossvalSettings

_RIVALS = (DISTANCE, FREQUENCY, CHANCE)
_WIDTH = 16

PUBLISHED_MARK = (
    "Protocol published: best epoch and alpha were picked on the test parts, as the authors did. "
    "These numbers flatter; --protocol honest, in a folder of its own, trains on the same pairs "
    "and chooses on validation pairs, and the difference is the optimism. Models of this protocol "
    "have no calibration.json, for which only their test pairs were left."
)


def verdicts(
    settings: CrossvalSettings,
    comparisons: Sequence[DatasetComparison],
    leakage: Mapping[str, SplitAudit],
) -> Iterator[str]:
    """Say in sentences what the numbers are worth, and what they say."""
    if settings.protocol == PUBLISHED:
        yield PUBLISHED_MARK
    for dataset, leaked in leakage.items():
        yield f"{dataset}: {leaked.sentence()}"
    for dataset in dict.fromkeys(found.dataset for found in comparisons):
        here = [found for found in comparisons if found.dataset == dataset]
        for metric in METRICS:
            of_metric = [found for found in here if found.comparison.metric == metric]
            yield from _against_baselines(dataset, of_metric)
            yield from _against_the_best(dataset, of_metric)


def lines(result: CrossvalResult) -> Iterator[str]:
    """Yield the result for a person: a table for each data set, then the verdicts."""
    by = "pairs at random" if result.split == RANDOM else "chromosome"
    picked = "TEST" if result.protocol == PUBLISHED else "validation"
    yield f"protocol {result.protocol}: epoch and alpha chosen on {picked} pairs; split by {by}"
    for dataset in result.datasets:
        rows = [row for row in result.summary if row.dataset == dataset]
        if rows:
            yield ""
            yield from _table(dataset, rows)
            yield from _alphas(dataset, result)
    yield ""
    yield from result.verdicts
    for (dataset, model), lacking in groupby(result.unfinished, key=lambda one: one[:2]):
        yield f"not finished: {dataset}, {model}: fold {', '.join(str(one[2]) for one in lacking)}"


def _table(dataset: str, rows: Sequence[SummaryRow]) -> Iterator[str]:
    """Yield a line per model: mean and, in brackets, standard deviation over folds."""
    known = {row.ratio for row in rows if row.n_folds}
    ratios = ("1:1", "1:10") if "1:10" in known else ("1:1", "all")
    head = "".join(f"{f'{ratio} {m}':<{_WIDTH}}" for ratio in ratios for m in METRICS)
    yield f"{dataset}: mean (standard deviation) over folds"
    yield f"{'':<14}{'folds':<7}{head}".rstrip()
    for model in dict.fromkeys(row.model for row in rows):
        own = {row.ratio: row for row in rows if row.model == model}
        n_folds = max(row.n_folds for row in own.values())
        cells = "".join(
            f"{_spread(mean, sd):<{_WIDTH}}"
            for ratio in ratios
            for mean, sd in (
                (own[ratio].auroc_mean, own[ratio].auroc_sd),
                (own[ratio].auprc_mean, own[ratio].auprc_sd),
            )
        )
        yield f"{model:<14}{n_folds:<7}{cells}".rstrip()


def _alphas(dataset: str, result: CrossvalResult) -> Iterator[str]:
    for model in result.models:
        chosen = Counter(
            fold.alpha
            for fold in result.folds
            if (fold.dataset, fold.model) == (dataset, model) and fold.alpha is not None
        )
        if chosen:
            counts = ", ".join(f"{alpha:g} in {n}" for alpha, n in sorted(chosen.items()))
            yield f"alpha chosen for {model}: {counts} of {sum(chosen.values())} folds"


def _against_baselines(dataset: str, found: Sequence[DatasetComparison]) -> Iterator[str]:
    """Say of each model whether it beats the best of the baselines and of chance."""
    for model in dict.fromkeys(one.comparison.scorer for one in found):
        rivals = [
            one
            for one in found
            if one.comparison.scorer == model and one.comparison.other in _RIVALS
        ]
        best = max(rivals, key=lambda one: one.comparison.other_mean)
        rival = best.comparison.other
        name = rival if rival == CHANCE else f"the best baseline, {rival}"
        yield f"{dataset}: {model} {_outcome(best.comparison)} {name}: {_numbers(best)}."


def _against_the_best(dataset: str, found: Sequence[DatasetComparison]) -> Iterator[str]:
    """Say how the best model stands to each of the others."""
    between = [one for one in found if one.comparison.other not in _RIVALS]
    means = {one.comparison.scorer: one.comparison.mean for one in found}
    best = max(means, key=means.__getitem__)
    for one in between:
        comparison = one.comparison
        if best == comparison.other:
            comparison = comparison.turned()
        if best == comparison.scorer:
            turned = one._replace(comparison=comparison)
            outcome = _outcome(comparison)
            yield f"{dataset}: {best} {outcome} {comparison.other}: {_numbers(turned)}."


def _outcome(comparison: Comparison) -> str:
    if comparison.difference <= 0:
        return "does not beat"
    if comparison.n_chromosomes < LEAST_CLUSTERS:
        return "is above, with too few chromosomes to tell how surely,"
    if comparison.interval is None:
        return "is above, how surely is not known,"
    return "beats" if comparison.interval.low > 0 else "does not clearly beat"


def _numbers(found: DatasetComparison) -> str:
    one = found.comparison
    folds = f"{found.n_folds} fold{'s' if found.n_folds > 1 else ''}"
    text = f"mean {one.metric} over {folds} {one.mean:.3f} against {one.other_mean:.3f}"
    if one.interval is not None:
        low, high = one.interval
        text += f", 95% interval of the difference {low:.3f} to {high:.3f}"
    elif one.n_chromosomes < LEAST_CLUSTERS:
        text += (
            f", no interval: the chromosomes count as {one.n_chromosomes:.1f} of equal size, and "
            f"{LEAST_CLUSTERS} are needed"
        )
    return text


def _spread(mean: float | None, sd: float | None) -> str:
    if mean is None:
        return "-"
    return f"{mean:.3f}" if sd is None else f"{mean:.3f} ({sd:.3f})"

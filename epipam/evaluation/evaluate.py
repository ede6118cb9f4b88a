"""How good are the probabilities, and are they better than what needs no sequence?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from epipam.errors import EpipamError, RequestError
from epipam.evaluation.baselines import (
    DISTANCE,
    FREQUENCY,
    MODEL,
    distance_scores,
    frequency_scores,
)
from epipam.evaluation.controls import Controls, permute_labels, permute_partners
from epipam.evaluation.distance_bins import distance_bins
from epipam.evaluation.metrics import METRICS, Interval, Replicates, auprc, auroc, bootstrap
from epipam.evaluation.partners import PartnerScores
from epipam.evaluation.reliability import Calibration, calibration
from epipam.evaluation.verdicts import verdict
from epipam.loading.splits import natural_order

if TYPE_CHECKING:
    import pandas as pd

RATIOS = {"1:1": 1, "1:10": 10, "all": None}


@dataclass(frozen=True)
class Performance:
    """One scorer against one number of negatives per positive.

    Attributes
    ----------
    n_positives, n_negatives
        Pairs in one draw.
    n_draws
        Over how many random draws of negatives the metrics are averaged; 1 where none is drawn.
    auroc, auprc
        Mean over the draws; None where it cannot be computed, `unavailable` says why.
    auroc_sd, auprc_sd
        Standard deviation over the draws (n - 1); None with a single one.
    auroc_interval, auprc_interval
        95% bootstrap confidence interval; for all negatives only.
    """

    n_positives: int
    n_negatives: int
    n_draws: int = 0
    auroc: float | None = None
    auroc_sd: float | None = None
    auroc_interval: Interval | None = None
    auprc: float | None = None
    auprc_sd: float | None = None
    auprc_interval: Interval | None = None
    unavailable: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """A model's performance beside that of the baselines, and its controls.

    Attributes
    ----------
    n_positives, n_negatives, n_unlabelled
        Pairs given; the unlabelled ones take no further part.
    scorers
        Scorer (`model` first, then the baselines) to `1:1`, `1:10`, `all` to its performance.
    contigs
        Contig to scorer to its performance against all negatives of that contig.
    controls
        The model where labels, or pairs, were taken apart.
    calibration
        How far its probabilities are chances.
    verdicts
        What the numbers say, in sentences.
    seed
        Of the draws of negatives, of the controls and of the bootstrap.
    """

    n_positives: int
    n_negatives: int
    n_unlabelled: int
    scorers: Mapping[str, Mapping[str, Performance]]
    contigs: Mapping[str, Mapping[str, Performance]]
    controls: Controls
    calibration: Calibration
    verdicts: tuple[str, ...]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and None, as `json.dumps` takes them."""
        return _plain(asdict(self))

    def lines(self) -> Iterator[str]:
        """Yield the report for a person: tables of scorers, chromosomes, controls; the verdicts."""
        left_out = f"; {self.n_unlabelled:,} unlabelled left out" if self.n_unlabelled else ""
        yield (
            f"{self.n_positives:,} positive and {self.n_negatives:,} negative pairs "
            f"on {len(self.contigs)} chromosomes{left_out}"
        )
        yield ""
        yield f"{'':<12}{'negatives':<11}{'AUROC':<24}{'AUPRC':<24}".rstrip()
        for scorer, by_ratio in self.scorers.items():
            for ratio, row in by_ratio.items():
                yield f"{scorer:<12}{ratio:<11}{_cells(row)}".rstrip()
        yield ""
        yield (
            f"{'chromosome':<12}{'pairs':<11}"
            + "".join(f"{f'{scorer}: AUROC AUPRC':<24}" for scorer in self.scorers).rstrip()
        )
        for contig, by_scorer in self.contigs.items():
            row = by_scorer[MODEL]
            counts = f"{row.n_positives}+{row.n_negatives}"
            cells = (f"{_number(r.auroc)} {_number(r.auprc)}" for r in by_scorer.values())
            yield f"{contig:<12}{counts:<11}{''.join(f'{cell:<24}' for cell in cells)}".rstrip()
        yield ""
        yield from self.controls.lines()
        yield ""
        yield from self.verdicts


def evaluate(
    pairs: pd.DataFrame,
    probabilities: np.ndarray,
    training_pairs: pd.DataFrame | None = None,
    *,
    partners: PartnerScores | None = None,
    seed: int = 0,
    n_draws: int = 10,
    n_bootstrap: int = 1000,
    groups: np.ndarray | None = None,
) -> Evaluation:
    """Judge a model's probabilities beside the baselines that need no sequence.

    Parameters
    ----------
    pairs
        Canonical pair table; rows labelled -1 are counted and left out.
    probabilities
        (n_pairs,) float, the model's probability of each row of `pairs`.
    training_pairs
        Canonical pair table that the model was trained on, for the frequency baseline; without
        it that baseline is reported as unavailable.
    partners
        The model on `pairs` taken apart, as `epipam.evaluation.prediction.score_partners` gives
        it; without it that control is reported as unavailable.
    seed
        Of the draws of negatives, of the controls and of the bootstrap.
    n_draws
        How often the negatives of 1:1 and 1:10 are drawn; every scorer sees the same draws.
    n_bootstrap
        Bootstrap replicates for the confidence intervals; 0 for none.
    groups
        (n_pairs,) what the bootstrap resamples as a whole, chromosome names say; by default
        each pair on its own.

    Raises
    ------
    EpipamError
        A probability that is not a number from 0 to 1; the message names the row.
    RequestError
        No labelled pair, or arrays of different lengths.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.shape != (len(pairs),):
        raise RequestError(
            f"probabilities has shape {probabilities.shape} but must have shape ({len(pairs)},), "
            "one per pair"
        )
    _check_probabilities(pairs, probabilities)
    if partners is not None and partners.probabilities.shape != (len(pairs),):
        raise RequestError(
            f"partners are of {partners.probabilities.shape} pairs but must be of the "
            f"({len(pairs)},) that are evaluated"
        )
    all_labels = pairs["label"].to_numpy(dtype=np.int64)
    labelled = all_labels != -1
    labels = all_labels[labelled]
    if len(labels) == 0:
        raise RequestError(
            f"none of the {len(pairs)} pairs is labelled; evaluation needs pairs labelled 1 and 0"
        )
    groups = None if groups is None else np.asarray(groups)
    kept = pairs.loc[labelled]
    scores = score_all(kept, probabilities[labelled], training_pairs)
    given = {scorer: values for scorer, values in scores.items() if values is not None}
    replicates = bootstrap(
        labels,
        given,
        groups=None if groups is None else groups[labelled],
        n_replicates=n_bootstrap,
        seed=seed,
    )
    draws = {ratio: _draws(labels, k, n_draws, seed) for ratio, k in RATIOS.items()}
    rows = {
        scorer: {
            ratio: _performance(labels, values, ratio, drawn, scorer, replicates)
            for ratio, drawn in draws.items()
        }
        for scorer, values in scores.items()
    }
    by_contig = _per_contig(kept["enhancer_chrom"].to_numpy(dtype=object), labels, scores)
    controls = Controls(
        permute_labels(labels, probabilities[labelled], distance_bins(kept), seed=seed),
        permute_partners(
            all_labels, probabilities, partners, groups=groups, n_bootstrap=n_bootstrap, seed=seed
        ),
    )
    calibrated = calibration(labels, probabilities[labelled], seed=seed)
    return Evaluation(
        n_positives=int((labels == 1).sum()),
        n_negatives=int((labels == 0).sum()),
        n_unlabelled=int((~labelled).sum()),
        scorers=rows,
        contigs=by_contig,
        controls=controls,
        calibration=calibrated,
        verdicts=(
            *verdict({scorer: row["all"] for scorer, row in rows.items()}, replicates),
            *controls.sentences(),
            *([calibrated.sentence()] if {0, 1} <= set(labels.tolist()) else []),
        ),
        seed=seed,
    )


def score_all(
    pairs: pd.DataFrame, probabilities: np.ndarray, training_pairs: pd.DataFrame | None
) -> dict[str, np.ndarray | None]:
    """Return scorer to (n_pairs,) float64, the model first; None for a baseline without data."""
    return {
        MODEL: probabilities,
        DISTANCE: distance_scores(pairs),
        FREQUENCY: None if training_pairs is None else frequency_scores(pairs, training_pairs),
    }


def _draws(
    labels: np.ndarray, ratio: int | None, n_draws: int, seed: int
) -> list[np.ndarray] | str:
    """Row numbers (int64) of each draw, or the sentence that says why there is none."""
    positives, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    if len(positives) == 0 or len(negatives) == 0:
        absent = "positive" if len(positives) == 0 else "negative"
        return f"no {absent} pair among the {len(labels):,} labelled ones"
    wanted = len(negatives) if ratio is None else ratio * len(positives)
    if wanted > len(negatives):
        return (
            f"{len(positives):,} positives at 1:{ratio} need {wanted:,} negatives, "
            f"there are {len(negatives):,}"
        )
    if wanted == len(negatives):
        return [np.arange(len(labels))]
    generator = np.random.default_rng([seed, wanted])
    return [
        np.concatenate([positives, generator.choice(negatives, wanted, replace=False)])
        for _ in range(n_draws)
    ]


def _performance(
    labels: np.ndarray,
    scores: np.ndarray | None,
    ratio: str,
    draws: list[np.ndarray] | str,
    scorer: str,
    replicates: Replicates | None = None,
) -> Performance:
    n_positives, n_negatives = int((labels == 1).sum()), int((labels == 0).sum())
    if scores is None:
        draws = "no labelled training pairs were given"
    if isinstance(draws, str) or scores is None:
        return Performance(n_positives, n_negatives, unavailable=str(draws))
    values = {
        metric: np.array([measure(labels[rows], scores[rows]) for rows in draws])
        for metric, measure in zip(METRICS, (auroc, auprc), strict=True)
    }
    interval = {
        metric: replicates.interval(scorer, metric) if replicates and ratio == "all" else None
        for metric in METRICS
    }
    several = len(draws) > 1
    return Performance(
        n_positives=n_positives,
        n_negatives=len(draws[0]) - n_positives,
        n_draws=len(draws),
        auroc=float(values["AUROC"].mean()),
        auroc_sd=float(values["AUROC"].std(ddof=1)) if several else None,
        auroc_interval=interval["AUROC"],
        auprc=float(values["AUPRC"].mean()),
        auprc_sd=float(values["AUPRC"].std(ddof=1)) if several else None,
        auprc_interval=interval["AUPRC"],
    )


def _per_contig(
    contigs: np.ndarray, labels: np.ndarray, scores: Mapping[str, np.ndarray | None]
) -> dict[str, dict[str, Performance]]:
    """Contig, in natural order, to scorer to its performance there."""
    found = {}
    for contig in natural_order(contigs):
        here = contigs == contig
        draws = _draws(labels[here], None, 1, 0)
        found[contig] = {
            scorer: _performance(
                labels[here], None if values is None else values[here], "all", draws, scorer
            )
            for scorer, values in scores.items()
        }
    return found


def _check_probabilities(pairs: pd.DataFrame, probabilities: np.ndarray) -> None:
    wrong = np.flatnonzero(~((probabilities >= 0) & (probabilities <= 1)))
    if len(wrong):
        row = pairs.iloc[int(wrong[0])]
        where = ", ".join(
            f"{row[f'{a}_chrom']}:{row[f'{a}_start']}-{row[f'{a}_end']}"
            for a in ("enhancer", "promoter")
        )
        raise EpipamError(
            f"row {int(wrong[0])} of the pairs ({where}) has probability "
            f"{probabilities[wrong[0]]}, and {len(wrong):,} rows in all have none from 0 to 1; "
            "the model is damaged or its training diverged"
        )


def _cells(row: Performance) -> str:
    if row.unavailable is not None:
        return f"not available: {row.unavailable}"
    cells = (
        (row.auroc, row.auroc_sd, row.auroc_interval),
        (row.auprc, row.auprc_sd, row.auprc_interval),
    )
    return "".join(f"{_number(value) + _spread(sd, ci):<24}" for value, sd, ci in cells)


def _spread(sd: float | None, interval: Interval | None) -> str:
    if interval is not None:
        return f" ({interval.low:.3f} to {interval.high:.3f})"
    return "" if sd is None else f" (sd {sd:.3f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value

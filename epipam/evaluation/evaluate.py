"""How good are the probabilities, and are they better than what needs no sequence?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from epipam.errors import EpipamError, RequestError
from epipam.evaluation.baselines import (
    DISTANCE,
    FREQUENCY,
    MODEL,
    distance_scores,
    frequency_scores,
)
from epipam.evaluation.clusters import CLUSTERS, GROUPS, Resampling, resampling_groups
from epipam.evaluation.controls import Controls, permute_labels, permute_partners
from epipam.evaluation.distance_bins import distance_bins
from epipam.evaluation.metrics import METRICS, Replicates, auprc, auroc, bootstrap
from epipam.evaluation.partners import PartnerScores
from epipam.evaluation.reliability import calibration
from epipam.evaluation.results import RATIOS, Evaluation, Performance
from epipam.evaluation.verdicts import verdict
from epipam.loading.splits import natural_order

if TYPE_CHECKING:
    import pandas as pd


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
    resample: str = CLUSTERS,
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
        (n_pairs,) what the bootstrap resamples as a whole; None is what `resample` says.
    resample
        `clusters` of pairs that share regions (promoters where nearly all pairs hang together),
        `promoters`, `chromosomes` or `pairs`, as if these were independent.

    Raises
    ------
    EpipamError
        A probability that is not a number from 0 to 1; the message names the row.
    RequestError
        No labelled pair, arrays of different lengths, or another `resample`.
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
    kept = pairs.loc[labelled]
    unit, members = (
        resampling_groups(kept, resample)
        if groups is None
        else (GROUPS, np.asarray(groups)[labelled])
    )
    scores = score_all(kept, probabilities[labelled], training_pairs)
    given = {scorer: values for scorer, values in scores.items() if values is not None}
    replicates = bootstrap(labels, given, groups=members, n_replicates=n_bootstrap, seed=seed)
    resampling = Resampling(unit, len(np.unique(members)), replicates.n_effective)
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
            labels,
            probabilities[labelled],
            None if partners is None else partners.of(labelled),
            groups=members,
            n_bootstrap=n_bootstrap,
            seed=seed,
        ),
    )
    calibrated = calibration(labels, probabilities[labelled], seed=seed)
    above_chance = replicates.interval(MODEL, "AUROC")
    beats_coin = above_chance is not None and above_chance.low > 0.5
    return Evaluation(
        n_positives=int((labels == 1).sum()),
        n_negatives=int((labels == 0).sum()),
        n_unlabelled=int((~labelled).sum()),
        scorers=rows,
        contigs=by_contig,
        controls=controls,
        calibration=calibrated,
        verdicts=(
            *verdict({scorer: row["all"] for scorer, row in rows.items()}, replicates, resampling),
            *controls.sentences(),
            *([calibrated.sentence(beats_coin)] if {0, 1} <= set(labels.tolist()) else []),
        ),
        seed=seed,
        resampling=resampling,
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

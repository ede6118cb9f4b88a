"""Controls: what becomes of a model's AUROC where there is nothing, or no pairing, to be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata

from epipam.evaluation.metrics import Interval, auroc, bootstrap, interval, resampled
from epipam.evaluation.partners import NOBODY, PartnerScores

N_PERMUTATIONS = 20
# Farther than this, and than noise, from 0.5 is worth a warning.
TOLERANCE = 0.02
# A model whose AUROC loses less than this part of what it has above 0.5 does not use the pairing.
SMALL_PART = 0.25
NOT_SCORED = "only probabilities were given, and no network to score other pairs with"
_OWN, _OTHER = "own", "other"
_LEAST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class PermutedLabels:
    """A model against labels that were permuted among pairs of similar distance.

    Attributes
    ----------
    n_permutations, n_bins
        Permutations, and distance bins that each stayed within.
    auroc, auroc_sd
        Mean and standard deviation (n - 1) over the permutations. All that is left to find is
        the distance, so that 0.5 is expected of a model that reads sequence.
    unavailable
        Why there is no AUROC, where there is none.
    """

    n_permutations: int = 0
    n_bins: int = 0
    auroc: float | None = None
    auroc_sd: float | None = None
    unavailable: str | None = None

    @property
    def is_chance(self) -> bool:
        """Whether the mean is 0.5 but for noise: three standard errors, or `TOLERANCE`."""
        if self.auroc is None or self.auroc_sd is None:
            return True
        noise = 3 * self.auroc_sd / self.n_permutations**0.5
        return abs(self.auroc - 0.5) <= max(noise, TOLERANCE)

    def sentence(self) -> str | None:
        """Say what it means; None where there is nothing to say."""
        if self.auroc is None:
            return None
        bins = "1 distance bin" if self.n_bins == 1 else f"{self.n_bins} distance bins"
        found = f"with labels permuted within {bins} its AUROC is {self.auroc:.3f}"
        if self.is_chance:
            return f"{found[0].upper()}{found[1:]}: 0.5 but for noise, as it must be."
        return f"Warning: {found}, not 0.5: so much of it is distance, and not what interacts."


@dataclass(frozen=True)
class PermutedPartners:
    """A model on pairs taken apart: each enhancer with the promoter of another pair.

    The other pair has the same label and lies in the same distance bin, for the reasons given in
    `epipam.evaluation.partners`. All AUROC are over all negatives.

    Attributes
    ----------
    n_pairs
        Pairs that were given another promoter; all numbers below are of these.
    n_stuck
        Labelled pairs left out, since their label and bin hold too few other promoters.
    n_contacts
        Of `n_pairs`, those that are a positive pair of the list with the other promoter too.
    n_bins
        Distance bins.
    auroc, auroc_interval
        With their own promoters, and its 95% bootstrap interval.
    permuted_auroc, permuted_auroc_interval
        With the other promoters.
    fall, fall_interval
        The former less the latter, and its interval, paired over the replicates.
    separation, permuted_separation
        Mean logit of the positive pairs less that of the negative ones, with their own and with
        the other promoters. Of a model whose logit is the sum of what it makes of the enhancer
        and of what it makes of the promoter, both are the same, whatever becomes of its AUROC.
    separation_fall_interval
        95% bootstrap interval of the difference of the two.
    unavailable
        Why there are no numbers, where there are none.
    """

    n_pairs: int = 0
    n_stuck: int = 0
    n_contacts: int = 0
    n_bins: int = 0
    auroc: float | None = None
    auroc_interval: Interval | None = None
    permuted_auroc: float | None = None
    permuted_auroc_interval: Interval | None = None
    fall: float | None = None
    fall_interval: Interval | None = None
    separation: float | None = None
    permuted_separation: float | None = None
    separation_fall_interval: Interval | None = None
    unavailable: str | None = None

    def sentence(self) -> str | None:
        """Say whether the model uses the pairing; None where there is nothing to say."""
        if self.auroc is None or self.permuted_auroc is None or self.fall is None:
            return None
        swapped = "when promoters are swapped between pairs of the same label and distance"
        numbers = f"from {self.auroc:.3f} to {self.permuted_auroc:.3f} {swapped}"
        if self.fall_interval is None or self.auroc_interval is None:
            return (
                f"Its AUROC goes {numbers}; how surely is not known: there is no interval, for "
                "want of replicates or of what could be resampled."
            )
        if self.auroc_interval.low <= 0.5:
            return (
                f"Its AUROC goes {numbers}, which tells nothing: with their own promoters it is "
                "not clearly above 0.5 either."
            )
        low, high = self.fall_interval
        bounds = f"95% interval of the fall {low:.3f} to {high:.3f}"
        if low > 0:
            falls = f"Its AUROC falls {numbers} ({bounds}), so it uses the pairing"
            if self.separation_fall_interval is not None and self.separation_fall_interval.low > 0:
                return f"{falls}."
            return (
                f"{falls}, if only by adding up what each anchor tells: that it does more does not "
                f"show in the mean logits of the classes, {self.separation:.2f} and "
                f"{self.permuted_separation:.2f} apart."
            )
        if self.fall <= 0 or high < SMALL_PART * (self.auroc - 0.5):
            return (
                f"Its AUROC does not fall {swapped}, {self.auroc:.3f} and "
                f"{self.permuted_auroc:.3f} ({bounds}), so it does not use the pairing: what it "
                "knows, each anchor tells alone."
            )
        return (
            f"Its AUROC goes {numbers} ({bounds}): too few pairs to tell whether it uses the "
            "pairing."
        )


@dataclass(frozen=True)
class Controls:
    """What every evaluation carries beside its baselines.

    Attributes
    ----------
    permuted_labels
        Is there anything to be found where labels mean nothing?
    permuted_partners
        Does the model use which enhancer goes with which promoter?
    """

    permuted_labels: PermutedLabels
    permuted_partners: PermutedPartners

    def sentences(self) -> Iterator[str]:
        """Yield what the controls mean."""
        for control in (self.permuted_labels, self.permuted_partners):
            if sentence := control.sentence():
                yield sentence

    def lines(self) -> Iterator[str]:
        """Yield a table for a person."""
        labels, partners = self.permuted_labels, self.permuted_partners
        yield f"{'control':<36}{'pairs':<11}AUROC"
        name = "labels permuted at like distance"
        if labels.auroc is None:
            yield f"{name:<47}not available: {labels.unavailable}"
        else:
            spread = f"sd {labels.auroc_sd:.3f} over {labels.n_permutations} permutations"
            yield f"{name:<47}{labels.auroc:.3f} ({spread})"
        if partners.auroc is None or partners.permuted_auroc is None:
            yield f"{'promoters swapped':<47}not available: {partners.unavailable}"
            return
        for name, value, found in (
            ("own promoters", partners.auroc, partners.auroc_interval),
            ("promoters swapped", partners.permuted_auroc, partners.permuted_auroc_interval),
        ):
            bounds = f" ({found.low:.3f} to {found.high:.3f})" if found else ""
            yield f"{name:<36}{partners.n_pairs:<11,}{value:.3f}{bounds}"
        if partners.n_stuck:
            yield f"  {partners.n_stuck:,} pairs left out: no other promoter for them"
        if partners.n_contacts:
            yield f"  {partners.n_contacts:,} swapped pairs are known contacts all the same"


def permute_labels(
    labels: np.ndarray, scores: np.ndarray, bins: np.ndarray, *, seed: int = 0
) -> PermutedLabels:
    """Judge scores by labels that were permuted within bins.

    Parameters
    ----------
    labels
        (n,) int, 1 or 0.
    scores
        (n,) float.
    bins
        (n,) int, of `epipam.evaluation.distance_bins`.
    seed
        Of the permutations.
    """
    if missing := _missing_class(labels):
        return PermutedLabels(unavailable=missing)
    generator = np.random.default_rng([seed, len(labels)])
    # The scores stay: their ranks are those of every permutation (Mann and Whitney 1947).
    rank, n_positives = rankdata(scores), int((labels == 1).sum())
    n_pairs, lowest = n_positives * (len(labels) - n_positives), n_positives * (n_positives + 1) / 2
    in_bins = np.argsort(bins, kind="stable")
    found = []
    for _ in range(N_PERMUTATIONS):
        permuted = np.empty_like(labels)
        permuted[in_bins] = labels[np.lexsort((generator.random(len(labels)), bins))]
        found.append((rank[permuted == 1].sum() - lowest) / n_pairs)
    values = np.array(found, dtype=np.float64)
    return PermutedLabels(
        n_permutations=N_PERMUTATIONS,
        n_bins=len(np.unique(bins)),
        auroc=float(values.mean()),
        auroc_sd=float(values.std(ddof=1)),
    )


def permute_partners(
    labels: np.ndarray,
    probabilities: np.ndarray,
    scores: PartnerScores | None,
    *,
    groups: np.ndarray | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> PermutedPartners:
    """Compare a model on pairs with their own promoters and with those of other pairs.

    Parameters
    ----------
    labels
        (n_pairs,) int: 1, 0, or -1.
    probabilities
        (n_pairs,) float, of the pairs as they are.
    scores
        Of the pairs taken apart; None where there are none.
    groups
        (n_pairs,) what the bootstrap resamples as a whole; None is each pair on its own.
    n_bootstrap, seed
        As `epipam.evaluation.evaluate.evaluate` takes them.
    """
    if scores is None:
        return PermutedPartners(unavailable=NOT_SCORED)
    partners = scores.partners
    moved = partners.rows != NOBODY
    counts = PermutedPartners(
        n_pairs=int(moved.sum()),
        n_stuck=partners.n_stuck,
        n_contacts=partners.n_contacts,
        n_bins=partners.n_bins,
    )
    labels = labels[moved]
    if missing := _missing_class(labels):
        why = f"{missing}, of those with another promoter to take"
        return replace(counts, unavailable=why if partners.n_stuck else missing)
    groups = None if groups is None else groups[moved]
    found = {_OWN: probabilities[moved], _OTHER: scores.probabilities[moved]}
    own, other = (auroc(labels, values) for values in found.values())
    assert own is not None
    assert other is not None
    replicates = bootstrap(labels, found, groups=groups, n_replicates=n_bootstrap, seed=seed)
    logits = {name: _logit(values) for name, values in found.items()}
    lost = logits[_OWN] - logits[_OTHER]
    everyone = np.ones(len(labels))
    return replace(
        counts,
        auroc=own,
        auroc_interval=replicates.interval(_OWN, "AUROC"),
        permuted_auroc=other,
        permuted_auroc_interval=replicates.interval(_OTHER, "AUROC"),
        fall=own - other,
        fall_interval=replicates.difference(_OWN, _OTHER, "AUROC"),
        separation=_separation(labels, logits[_OWN], everyone),
        permuted_separation=_separation(labels, logits[_OTHER], everyone),
        separation_fall_interval=interval(
            np.array(
                [
                    _separation(labels, lost, weights)
                    for weights in resampled(labels, groups, n_bootstrap, seed)
                ]
            ),
            replicates.n_effective,
        ),
    )


def _separation(labels: np.ndarray, logits: np.ndarray, weights: np.ndarray) -> float:
    """Mean of the positives less mean of the negatives; pair i counts `weights[i]` times."""
    positive, negative = weights * (labels == 1), weights * (labels == 0)
    return float(positive @ logits / positive.sum() - negative @ logits / negative.sum())


def _logit(probabilities: np.ndarray) -> np.ndarray:
    bounded = np.clip(probabilities, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    return np.log(bounded) - np.log1p(-bounded)


def _missing_class(labels: np.ndarray) -> str | None:
    for label, name in ((1, "positive"), (0, "negative")):
        if not (labels == label).any():
            return f"no {name} pair among {len(labels):,}"
    return None

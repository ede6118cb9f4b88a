"""What a list of pairs is, and what a split of it gives away before any sequence is read.

Source of the tables: Liu, Zhu, Zhang, Comput Biomed 2026;1:202525, table 1 and figure 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from epipam.errors import RequestError
from epipam.evaluation.baselines import REGION, frequency_scores
from epipam.evaluation.metrics import auroc
from epipam.genome.windows import ENHANCER_LENGTH, PROMOTER_LENGTH, resize
from epipam.loading.splits import Leakage, fold_split, folds, leakage, random_split
from epipam.pairs.overlaps import Places, count_overlapping
from epipam.pairs.pair_lists import find_repeats
from epipam.pairs.table import distance

if TYPE_CHECKING:
    from epipam.store import Store

# Enhancers are hardly known to act from farther away, in bp.
FAR = 2_000_000
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


class Regions(NamedTuple):
    """The regions of one anchor.

    Attributes
    ----------
    distinct
        How many there are; two are the same where contig, start and end are.
    length
        Quantiles of the lengths of the distinct ones, bp: minimum, quartiles, maximum.
    """

    distinct: int
    length: tuple[float, ...]


class Overlap(NamedTuple):
    """Positive pairs whose enhancer overlaps another positive enhancer of the same promoter.

    Attributes
    ----------
    pairs, positives
        How many there are, and of how many.
    """

    pairs: int
    positives: int

    @property
    def share(self) -> float:
        """From 0 to 1; 0 where there are no positives."""
        return self.pairs / self.positives if self.positives else 0.0


class SplitAudit(NamedTuple):
    """What a split gives away.

    Attributes
    ----------
    leakage
        Test pairs whose windows overlap a training pair's.
    frequency_auroc
        AUROC on the test pairs of how often each region is positive in training, which reads no
        sequence; the mean over folds, weighted by their test pairs. None where a class is absent.
    """

    leakage: Leakage
    frequency_auroc: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and None, as `json.dumps` takes them."""
        return {**self.leakage._asdict(), "frequency_auroc": self.frequency_auroc}

    def sentence(self) -> str:
        """Say what a random split gives away."""
        leaked, area = self.leakage, self.frequency_auroc
        memory = (
            ""
            if area is None
            else (
                f" Counting how often each region is positive in training, without any sequence, "
                f"reaches AUROC {area:.3f} on them."
            )
        )
        return (
            f"The split is random and leaks: of {leaked.n_test:,} test pairs, the enhancer of "
            f"{leaked.enhancer:.0%}, the promoter of {leaked.promoter:.0%} and both of "
            f"{leaked.both:.0%} overlap those of training pairs.{memory}"
        )


class Audit(NamedTuple):
    """What `audit` found.

    Attributes
    ----------
    positives, negatives, unlabelled
        Pairs.
    enhancer, promoter
        Their regions.
    distance
        Quantiles of the distance between the midpoints of cis pairs, bp, by label `positive` and
        `negative`; a label without pairs is absent.
    repeated
        Rows that repeat a pair of a row before them with its label.
    contradictory, contradictory_rows
        Pairs that are positive in one row and negative in another, and all rows of these pairs.
    far_positives
        Positive pairs farther apart than `FAR`.
    overlap
        Figure 5's share.
    splits
        By name: `chromosomes` (all folds together, each pair tested once) and `random` (a tenth
        of the pairs tested); a split that these pairs do not allow is absent.
    """

    positives: int
    negatives: int
    unlabelled: int
    enhancer: Regions
    promoter: Regions
    distance: dict[str, tuple[float, ...]]
    repeated: int
    contradictory: int
    contradictory_rows: int
    far_positives: int
    overlap: Overlap
    splits: dict[str, SplitAudit]

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and None, as `json.dumps` takes them."""
        return {
            **self._asdict(),
            "enhancer": self.enhancer._asdict(),
            "promoter": self.promoter._asdict(),
            "overlap": {**self.overlap._asdict(), "share": self.overlap.share},
            "splits": {name: split.to_json() for name, split in self.splits.items()},
        }


def audit(
    pairs: pd.DataFrame,
    *,
    enhancer_length: int = ENHANCER_LENGTH,
    promoter_length: int = PROMOTER_LENGTH,
    seed: int = 0,
) -> Audit:
    """Describe pairs, and measure what splits of them leak.

    Parameters
    ----------
    pairs
        Canonical pair table.
    enhancer_length, promoter_length
        Windows of the model in mind, bp.
    seed
        Of the random split.
    """
    labels = pairs["label"].to_numpy()
    cis = (pairs["enhancer_chrom"] == pairs["promoter_chrom"]).to_numpy()
    far = distance(pairs)
    distances = {
        name: _quantiles(far[cis & (labels == label)])
        for name, label in (("positive", 1), ("negative", 0))
        if (cis & (labels == label)).any()
    }
    repeats = find_repeats(pairs)
    labelled = pairs[labels != -1].reset_index(drop=True)
    windows = _windows(labelled, enhancer_length, promoter_length)
    return Audit(
        positives=int((labels == 1).sum()),
        negatives=int((labels == 0).sum()),
        unlabelled=int((labels == -1).sum()),
        enhancer=_regions(pairs, "enhancer"),
        promoter=_regions(pairs, "promoter"),
        distance=distances,
        repeated=repeats.repeated,
        contradictory=repeats.contradictory,
        contradictory_rows=len(repeats.contradictory_rows),
        far_positives=int((far[labels == 1] > FAR).sum()),
        overlap=enhancer_overlap(pairs, enhancer_length),
        splits=dict(_splits(labelled, windows, seed)),
    )


def audit_split(
    train: pd.DataFrame, test: pd.DataFrame, enhancer_length: int, promoter_length: int
) -> SplitAudit:
    """Measure what training pairs give away of test pairs.

    Parameters
    ----------
    train, test
        Canonical pair tables; unlabelled rows of `test` count for the overlaps only.
    enhancer_length, promoter_length
        Windows of the model, bp.
    """
    lengths = (enhancer_length, promoter_length)
    labelled = test[test["label"] != -1]
    return SplitAudit(
        leakage(_windows(train, *lengths), _windows(test, *lengths)),
        _frequency_auroc(train, labelled),
    )


def mean_audit(audits: Sequence[SplitAudit]) -> SplitAudit:
    """Return what several test parts together are given away.

    The AUROC is the mean over them, weighted by their pairs: of scores put together it would also
    tell which part a pair is in.
    """
    n_test = sum(one.leakage.n_test for one in audits)
    shares = (
        sum(getattr(one.leakage, anchor) * one.leakage.n_test for one in audits) / max(1, n_test)
        for anchor in ("enhancer", "promoter", "both")
    )
    known = [
        (one.frequency_auroc, one.leakage.n_test)
        for one in audits
        if one.frequency_auroc is not None
    ]
    weight = sum(n for _, n in known)
    mean = sum(area * n for area, n in known) / weight if known else None
    return SplitAudit(Leakage(n_test, *shares), mean)


def audit_store(store: Store, *, seed: int = 0) -> Audit:
    """Describe all pairs of a store, by the windows that it holds; `seed` is as in `audit`."""
    return audit(
        pd.concat([store.pairs(contig) for contig in store.contigs], ignore_index=True),
        enhancer_length=store.enhancer_length,
        promoter_length=store.promoter_length,
        seed=seed,
    )


def enhancer_overlap(pairs: pd.DataFrame, length: int = ENHANCER_LENGTH) -> Overlap:
    """Count positive pairs whose enhancer overlaps another positive enhancer of its promoter.

    Figure 5 of the paper. Enhancers shorter than `length` are widened to it about their midpoint;
    two overlap where they share at least 1 bp.
    """
    positives = pairs[pairs["label"] == 1]
    starts = positives["enhancer_start"].to_numpy()
    ends = positives["enhancer_end"].to_numpy()
    short = ends - starts < length
    widened = resize(starts, ends, length)
    starts, ends = np.where(short, widened, starts), np.where(short, widened + length, ends)
    promoter = positives.groupby(
        ["enhancer_chrom", *(f"promoter_{part}" for part in REGION)], sort=False
    ).ngroup()
    # Regions of one promoter lie on one contig, so to speak; each overlaps itself.
    enhancers = Places(promoter.to_numpy(), starts, ends)
    return Overlap(int((count_overlapping(enhancers, enhancers) > 1).sum()), len(positives))


def _splits(
    labelled: pd.DataFrame, windows: pd.DataFrame, seed: int
) -> Iterator[tuple[str, SplitAudit]]:
    """Yield what each kind of split gives away; `windows` are the pairs with regions resized."""
    parts = list(_fold_parts(labelled))
    if parts:
        yield "chromosomes", _audit_parts(labelled, windows, parts)
    try:
        split = random_split(len(labelled), seed)
    except RequestError:  # too few pairs
        return
    yield "random", _audit_parts(labelled, windows, [(split.train, split.test)])


def _fold_parts(labelled: pd.DataFrame) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield training and test rows of every fold that these pairs allow."""
    contig = labelled["promoter_chrom"].astype(object)
    contigs = contig.unique().tolist()
    for fold, group in enumerate(folds(contigs)):
        if not group:
            continue
        try:
            split = fold_split(contigs, fold)
        except RequestError:  # too few chromosomes
            return
        train, test = (np.flatnonzero(contig.isin(part)) for part in (split.train, split.test))
        yield train, test


def _audit_parts(
    labelled: pd.DataFrame, windows: pd.DataFrame, parts: list[tuple[np.ndarray, np.ndarray]]
) -> SplitAudit:
    """Return what the test pairs of all parts together are given away."""
    return mean_audit(
        [
            SplitAudit(
                leakage(windows.iloc[train], windows.iloc[test]),
                _frequency_auroc(labelled.iloc[train], labelled.iloc[test]),
            )
            for train, test in parts
        ]
    )


def _frequency_auroc(train: pd.DataFrame, test: pd.DataFrame) -> float | None:
    scores = frequency_scores(test, train)
    return None if scores is None else auroc(test["label"].to_numpy(), scores)


def _windows(pairs: pd.DataFrame, enhancer_length: int, promoter_length: int) -> pd.DataFrame:
    """Return the pairs with each region resized to the window that a model reads."""
    columns = {}
    for anchor, length in (("enhancer", enhancer_length), ("promoter", promoter_length)):
        start, end = (pairs[f"{anchor}_{side}"].to_numpy() for side in ("start", "end"))
        window_start = resize(start, end, length)
        columns[f"{anchor}_start"] = window_start
        columns[f"{anchor}_end"] = window_start + length
    return pairs.assign(**columns)


def _regions(pairs: pd.DataFrame, anchor: str) -> Regions:
    distinct = pairs[[f"{anchor}_{part}" for part in REGION]].drop_duplicates()
    lengths = distinct[f"{anchor}_end"].to_numpy() - distinct[f"{anchor}_start"].to_numpy()
    return Regions(len(distinct), _quantiles(lengths))


def _quantiles(values: np.ndarray) -> tuple[float, ...]:
    return tuple(np.quantile(values, QUANTILES).tolist()) if len(values) else ()

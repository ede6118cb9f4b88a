"""The data card: what a list of pairs is, and what splits of it give away."""

from __future__ import annotations

from dataclasses import dataclass

from epipam.evaluation.audit import Audit, SplitAudit
from epipam.report.charts import Chart, distance_chart
from epipam.report.tables import Table, base_pairs, count, score, share, text

_SPLITS = {"chromosomes": "by chromosome", "random": "at random"}
# An AUROC of frequency alone beyond this is worth a warning.
_TELLING = 0.6


@dataclass(frozen=True)
class DataCard:
    """What an audit found, as a page shows it.

    Attributes
    ----------
    pairs, distances, splits
        Tables; None where the pairs have no distance, or allow no split.
    chart
        The distances as boxes.
    overlap, splits_in_words
        Sentences.
    """

    pairs: Table
    distances: Table | None
    splits: Table | None
    chart: Chart | None
    overlap: str
    splits_in_words: str


def data_card(audit: Audit, name: str = "data", own: SplitAudit | None = None) -> DataCard:
    """Arrange an audit for a page.

    Parameters
    ----------
    audit
        Of the pairs.
    name
        What the identifiers of its tables and figures begin with.
    own
        What the split that the page is of gives away, where that is another one.
    """
    overlap = audit.overlap
    return DataCard(
        pairs=_pairs(audit, name),
        distances=_distances(audit, name),
        splits=_splits(audit, name, own),
        chart=distance_chart(audit.distance, f"{name}-distances"),
        overlap=(
            f"Of {overlap.positives:,} positive pairs, {overlap.pairs:,} ({overlap.share:.0%}) "
            "have an enhancer that overlaps another positive enhancer of the same promoter, so "
            "that the two windows hold much the same sequence."
        ),
        splits_in_words=_splits_in_words(audit),
    )


def _pairs(audit: Audit, name: str) -> Table:
    rows = [
        (text("positive pairs"), count(audit.positives)),
        (text("negative pairs"), count(audit.negatives)),
    ]
    if audit.unlabelled:
        rows.append((text("unlabelled pairs"), count(audit.unlabelled)))
    for anchor in ("enhancer", "promoter"):
        regions = getattr(audit, anchor)
        rows.append((text(f"distinct {anchor}s"), count(regions.distinct)))
        if regions.length:
            low, _, median, _, high = regions.length
            rows.append((text(f"{anchor} length, median (bp)"), base_pairs(median)))
            rows.append((text(f"{anchor} length, range (bp)"), text(f"{low:,.0f} to {high:,.0f}")))
    return Table(f"{name}-pairs", "Pairs and their regions", ("What", "Number"), tuple(rows))


def _distances(audit: Audit, name: str) -> Table | None:
    if not audit.distance:
        return None
    return Table(
        f"{name}-distances",
        "Distance between the midpoints of enhancer and promoter, in bp",
        ("Pairs", "Nearest", "First quartile", "Median", "Third quartile", "Farthest"),
        tuple(
            (text(label), *(base_pairs(quantile) for quantile in quantiles))
            for label, quantiles in audit.distance.items()
        ),
    )


def _splits(audit: Audit, name: str, own: SplitAudit | None) -> Table | None:
    splits = {_SPLITS.get(split, split): found for split, found in audit.splits.items()}
    if own is not None:
        splits["this cross-validation"] = own
    if not splits:
        return None
    return Table(
        f"{name}-splits",
        "What a split of these pairs gives away: test pairs whose windows overlap those of a "
        "training pair",
        (
            "Split",
            "Test pairs",
            "Enhancer seen",
            "Promoter seen",
            "Both seen",
            "AUROC of frequency alone",
        ),
        tuple(
            (
                text(split),
                count(found.leakage.n_test),
                share(found.leakage.enhancer),
                share(found.leakage.promoter),
                share(found.leakage.both),
                score(found.frequency_auroc),
            )
            for split, found in splits.items()
        ),
    )


def _splits_in_words(audit: Audit) -> str:
    random = audit.splits.get("random")
    if random is None or random.frequency_auroc is None:
        return ""
    seen = max(random.leakage.enhancer, random.leakage.promoter)
    if random.frequency_auroc > _TELLING:
        return (
            "Split at random, these pairs let a model do well by memory: counting how often each "
            f"region is positive in training reaches an AUROC of {random.frequency_auroc:.3f} "
            "without a base of sequence. Numbers from a random split of this list say little "
            "about other regions."
        )
    if seen > 0:
        return (
            f"Split at random, up to {seen:.0%} of the test pairs share a region with training "
            "pairs, although counting how often a region is positive does not tell much here "
            f"(AUROC {random.frequency_auroc:.3f})."
        )
    return "Even split at random, no test pair shares a region with a training pair."

"""What an evaluation found: numbers for a machine, lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from epipam.evaluation.baselines import MODEL
from epipam.evaluation.clusters import Resampling
from epipam.evaluation.controls import Controls
from epipam.evaluation.metrics import Interval
from epipam.evaluation.reliability import Calibration

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
        95% bootstrap confidence interval; for all negatives only, and where there is enough to
        resample.
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
    resampling
        What stands behind the intervals.
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
    resampling: Resampling

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
        yield self.resampling.sentence()
        yield from self.verdicts


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

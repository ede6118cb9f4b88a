"""The page of one evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from epipam.evaluation.audit import Audit
from epipam.evaluation.baselines import MODEL
from epipam.evaluation.clusters import GROUPS, resampling_groups
from epipam.evaluation.results import Evaluation, Performance
from epipam.models.folder import trained_on_simulated
from epipam.report.calibration_part import calibration_part
from epipam.report.charts import contig_chart, precision_recall_chart, roc_chart
from epipam.report.control_part import control_part
from epipam.report.curves import ScorerCurves, precision_at_recall, scorer_curves
from epipam.report.data_card import data_card
from epipam.report.motif_part import MotifPart
from epipam.report.page import write_page
from epipam.report.provenance import as_json, facts_table
from epipam.report.summary import Tile
from epipam.report.tables import Cell, Table, count, score, text
from epipam.version import __version__

TEMPLATE = "evaluation.html"
# In the summary's words: the precision where half of the positive pairs are found.
_RECALL = 0.5
_SECTIONS = {
    "summary": "In short",
    "performance": "Performance",
    "controls": "Controls",
    "chromosomes": "By chromosome",
    "calibration": "Calibration",
    "data": "The data",
    "motifs": "Motifs",
    "provenance": "Provenance",
}


def evaluation_page(
    path: str | Path,
    evaluation: Evaluation,
    labels: np.ndarray,
    scores: Mapping[str, np.ndarray],
    *,
    provenance: Mapping[str, Any],
    audit: Audit | None = None,
    motifs: MotifPart | None = None,
    notes: Sequence[str] = (),
    pairs: pd.DataFrame | None = None,
) -> Path:
    """Write an evaluation as one self-contained HTML page.

    Parameters
    ----------
    path
        The page; it appears when whole.
    evaluation
        What `epipam.evaluation.evaluate.evaluate` found.
    labels, scores
        (n_labelled,) int, and scorer to (n_labelled,) float as
        `epipam.evaluation.evaluate.score_all` gives it, less the baselines
        without data: for the curves.
    provenance
        What made the numbers, as `metrics.json` holds it; as many `bootstrap` replicates stand
        behind the bands about the curves.
    audit
        Of the pairs of the store.
    motifs
        Of the model's first kernels.
    notes
        Warnings that the page opens with.
    pairs
        Canonical table of the labelled pairs, for what the bands about the curves resample; None
        draws no bands.
    """
    labels = np.asarray(labels)
    unit, n_replicates = evaluation.resampling.unit, provenance["bootstrap"]
    groups = None if pairs is None or unit == GROUPS else resampling_groups(pairs, unit)[1]
    curves = scorer_curves(
        labels,
        scores,
        groups=groups,
        n_replicates=0 if groups is None else n_replicates,
        seed=evaluation.seed,
    )
    share_of_positives = float((labels == 1).mean())
    calibration = calibration_part(evaluation.calibration) if curves else None
    card = None if audit is None else data_card(audit)
    shown = {"calibration": calibration, "data": card, "motifs": motifs}
    return write_page(
        path,
        TEMPLATE,
        title=f"Evaluation of {provenance['model']['path']}",
        subject=_subject(evaluation, provenance),
        sections={
            name: heading for name, heading in _SECTIONS.items() if shown.get(name, ...) is not None
        },
        notes=(*simulated_notes(provenance["model"]), *notes),
        tiles=_tiles(evaluation),
        verdicts=evaluation.verdicts,
        sentences=_in_words(curves[0], share_of_positives) if curves else (),
        curve_charts=(
            (roc_chart(curves), precision_recall_chart(curves, share_of_positives))
            if curves
            else ()
        ),
        performance=_performance_table(evaluation),
        resampling=evaluation.resampling.sentence(),
        controls=control_part(evaluation),
        contigs=_contig_table(evaluation),
        contig_chart=contig_chart(
            {
                contig: {scorer: row.auroc for scorer, row in by_scorer.items()}
                for contig, by_scorer in evaluation.contigs.items()
            }
        ),
        calibration=calibration,
        card=card,
        motifs=motifs,
        facts=facts_table(provenance),
        everything=as_json(provenance),
        version=__version__,
    )


def simulated_notes(model: Mapping[str, Any]) -> tuple[str, ...]:
    """Say of a model that was trained on simulated sequence that it was; nothing of others.

    Parameters
    ----------
    model
        As `epipam.models.folder.model_record` returns it.
    """
    if not trained_on_simulated(model["config"].get("provenance") or {}):
        return ()
    return (
        "the model was trained on simulated sequence: its numbers say nothing about human cells",
    )


def _subject(evaluation: Evaluation, provenance: Mapping[str, Any]) -> str:
    contigs = list(evaluation.contigs)
    where = ", ".join(contigs) if len(contigs) <= 6 else f"{len(contigs)} chromosomes"
    store = provenance["store"]
    return (
        f"{evaluation.n_positives:,} positive and {evaluation.n_negatives:,} negative pairs of "
        f"{store['pairs']['name']} on {where} of {store['genome']['name']}"
    )


def _tiles(evaluation: Evaluation) -> tuple[Tile, ...]:
    of_all = {scorer: rows["all"] for scorer, rows in evaluation.scorers.items()}
    model = of_all[MODEL]
    baselines = {s: r.auroc for s, r in of_all.items() if s != MODEL and r.auroc is not None}
    tiles = [
        Tile("AUROC", score(model.auroc, model.auroc_interval), "a coin: 0.500"),
        Tile(
            "AUPRC",
            score(model.auprc, model.auprc_interval),
            f"random order: {model.n_positives / (model.n_positives + model.n_negatives):.3f}",
        ),
    ]
    if baselines:
        best = max(baselines, key=baselines.__getitem__)
        tiles.append(
            Tile(
                "AUROC without sequence",
                score(baselines[best], of_all[best].auroc_interval),
                f"the best baseline: {best}",
            )
        )
    return tuple(tiles)


def _in_words(curves: ScorerCurves, share_of_positives: float) -> tuple[str, ...]:
    """Say for somebody who has never met a ROC curve how good the model is."""
    precision = precision_at_recall(curves.points, _RECALL)
    return (
        "Shown a positive and a negative pair drawn at random, the model ranks the positive one "
        f"higher {_per_hundred(curves.auroc)} times in 100; a coin would 50 times.",
        "Going down the model's list until half of the positive pairs are found, "
        f"{_per_hundred(precision)} of 100 pairs passed are positive; in a list in random order, "
        f"{_per_hundred(share_of_positives)} of 100.",
    )


def _per_hundred(share: float) -> str:
    """Write a share out of a hundred, so that only 0 and 1 are 0 and 100."""
    found = 100 * share
    return f"{found:.0f}" if share in (0, 1) or 1 <= round(found) <= 99 else f"{found:.2g}"


def _performance_table(evaluation: Evaluation) -> Table:
    rows = [
        (text(scorer), text(ratio), *_performance_cells(row))
        for scorer, by_ratio in evaluation.scorers.items()
        for ratio, row in by_ratio.items()
    ]
    return Table(
        "scorers",
        "Performance by number of negatives per positive pair",
        ("Scorer", "Negatives", "Positive pairs", "Negative pairs", "AUROC", "AUPRC"),
        tuple(rows),
    )


def _performance_cells(row: Performance) -> tuple[Cell, ...]:
    if row.unavailable is not None:
        return (count(None), count(None), text(None), text(f"not available: {row.unavailable}"))
    return (
        count(row.n_positives),
        count(row.n_negatives),
        score(row.auroc, row.auroc_interval, row.auroc_sd),
        score(row.auprc, row.auprc_interval, row.auprc_sd),
    )


def _contig_table(evaluation: Evaluation) -> Table:
    scorers = list(evaluation.scorers)
    rows = []
    for contig, by_scorer in evaluation.contigs.items():
        model = by_scorer[MODEL]
        cells = [text(contig), count(model.n_positives), count(model.n_negatives)]
        for scorer in scorers:
            cells += [score(by_scorer[scorer].auroc), score(by_scorer[scorer].auprc)]
        rows.append(tuple(cells))
    headers = [f"{scorer} {metric}" for scorer in scorers for metric in ("AUROC", "AUPRC")]
    return Table(
        "by-chromosome",
        "Every chromosome by itself, against all of its negative pairs",
        ("Chromosome", "Positive", "Negative", *headers),
        tuple(rows),
        sortable=True,
    )

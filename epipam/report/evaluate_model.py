"""Evaluating a model folder on a store: numbers, predictions and the page that shows them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from epipam.errors import RequestError
from epipam.evaluation.audit import Audit, audit_store
from epipam.evaluation.clusters import CLUSTERS, RESAMPLE
from epipam.evaluation.evaluate import score_all
from epipam.evaluation.held_out import HeldOut, held_out
from epipam.evaluation.judging import (
    BOOTSTRAP,
    PREDICTIONS,
    Judged,
    Progress,
    judge,
    no_progress,
)
from epipam.evaluation.results import Evaluation
from epipam.loading.loader import BATCH_SIZE
from epipam.models import load_model
from epipam.models.folder import WEIGHTS_FILE, model_record
from epipam.pairs.table import digest
from epipam.report.evaluation_page import evaluation_page, simulated_notes
from epipam.report.figures import roc_pr_figure
from epipam.report.motif_part import MotifPart, motif_part
from epipam.runtime.devices import choose_device, describe_device
from epipam.runtime.files import whole_folder, write_text
from epipam.runtime.versions import versions_of
from epipam.store import Store

METRICS, PAGE, FIGURE = "metrics.json", "report.html", "roc_pr.png"


class ModelEvaluation(NamedTuple):
    """What `evaluate_model` found and wrote.

    Attributes
    ----------
    output
        The folder.
    evaluation
        The numbers.
    notes
        What a reader of them must know first, in sentences.
    metrics
        What `metrics.json` holds.
    """

    output: Path
    evaluation: Evaluation
    notes: tuple[str, ...]
    metrics: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"output": str(self.output), **self.metrics}

    def lines(self) -> Iterator[str]:
        """Yield the result for a person."""
        yield f"{self.output}: {', '.join(sorted(path.name for path in self.output.iterdir()))}"
        for note in self.notes:
            yield f"note: {note}"
        yield from self.evaluation.lines()


def evaluate_model(
    model: str | Path,
    store: Store | str | Path,
    output: str | Path,
    *,
    fold: int | None = None,
    chromosomes: Sequence[str] | None = None,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    bootstrap: int = BOOTSTRAP,
    resample: str = CLUSTERS,
    seed: int = 0,
    motifs: str | Path | None = None,
    command: str = "",
    say: Callable[[str], None] = lambda text: None,
    progress: Progress = no_progress,
) -> ModelEvaluation:
    """Judge a model on chromosomes of a store, beside baselines that need no sequence.

    `output` gets `report.html`, `metrics.json`, `predictions.tsv` in the order of the pair table,
    and `roc_pr.png` where there are pairs of both classes.

    Parameters
    ----------
    model
        A model folder.
    store
        What to judge it on.
    output
        A new folder; it appears when whole.
    fold, chromosomes
        As `epipam.evaluation.held_out.held_out` takes them; without them, the model's own test
        part.
    batch_size, device
        Pairs of a forward pass, and `auto`, `cpu`, `cuda`, `cuda:1`, ...
    bootstrap, resample, seed
        Replicates, what is resampled as a whole, and the seed of all draws, as
        `epipam.evaluation.evaluate.evaluate` takes them.
    motifs
        Folder that `epipam motifs` made of the model, to be shown in the report.
    command
        What was typed, to be noted beside the numbers.
    say
        Called with what a person at a terminal wants to know meanwhile.
    progress
        As `epipam.evaluation.judging.judge` takes it.

    Raises
    ------
    RequestError
        Where nothing says which pairs may judge the model, or `output` exists.
    ModelError, EpipamError
        Where the model is damaged or of other windows than the store's.
    """
    if resample not in RESAMPLE:
        raise RequestError(f"resample is {resample!r} but must be one of {', '.join(RESAMPLE)}")
    model = Path(model)
    network, chosen = load_model(model), choose_device(device)
    opened = store if isinstance(store, Store) else Store(store)
    judged_on = held_out(model, opened, fold=fold, chromosomes=chromosomes)
    shown = None if motifs is None else motif_part(Path(motifs), digest(model / WEIGHTS_FILE))
    with whole_folder(output) as folder:
        provenance = _provenance(model, opened, judged_on.part.contigs)
        notes = (*simulated_notes(provenance["model"]), *judged_on.notes)
        for note in notes:
            say(f"note: {note}")
        say(f"device: {describe_device(chosen)}")
        judged = judge(
            network,
            opened,
            judged_on.part,
            judged_on.training_pairs,
            device=chosen,
            batch_size=batch_size,
            seed=seed,
            n_bootstrap=bootstrap,
            resample=resample,
            progress=progress,
        )
        audited = audit_store(opened, seed=seed)
        metrics = {
            "provenance": {
                "command": command,
                **provenance,
                "seed": seed,
                "bootstrap": bootstrap,
                "resample": resample,
                "versions": versions_of("torch", "scikit-learn"),
            },
            "data": audited.to_json(),
            "notes": list(notes),
            "test": judged.evaluation.to_json(),
        }
        _write(folder, metrics, judged, judged_on, audited, shown, say)
    return ModelEvaluation(Path(output), judged.evaluation, notes, metrics)


def _write(
    folder: Path,
    metrics: dict[str, Any],
    judged: Judged,
    judged_on: HeldOut,
    audited: Audit,
    motifs: MotifPart | None,
    say: Callable[[str], None],
) -> None:
    """Write the tables, the figure and the page."""
    labelled = judged.predictions[judged.predictions["label"] != -1]
    labels = labelled["label"].to_numpy()
    found = score_all(labelled, labelled["probability"].to_numpy(), judged_on.training_pairs)
    scores = {scorer: values for scorer, values in found.items() if values is not None}
    if len(np.unique(labels)) == 2:
        roc_pr_figure(labels, scores, folder / FIGURE)
    else:
        say(f"note: no {FIGURE}: the pairs are all of one class")
    write_text(folder / PREDICTIONS, judged.table())
    write_text(folder / METRICS, json.dumps(metrics, indent=2) + "\n")
    evaluation_page(
        folder / PAGE,
        judged.evaluation,
        labels,
        scores,
        provenance=metrics["provenance"],
        audit=audited,
        motifs=motifs,
        notes=judged_on.notes,
        pairs=labelled,
    )


def _provenance(model: Path, store: Store, contigs: Sequence[str]) -> dict[str, Any]:
    """Return what made the numbers: digests and chromosomes."""
    return {
        "model": model_record(model),
        "store": store.origin(),
        "evaluated": list(contigs),
    }

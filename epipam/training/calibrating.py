"""Fitting the map of a model's probabilities on pairs of a store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from epipam.errors import RequestError
from epipam.evaluation.prediction import predict_store
from epipam.loading.loader import BATCH_SIZE
from epipam.loading.splits import Part
from epipam.models import Network
from epipam.models.calibration import ProbabilityMap, fit_isotonic, fit_platt
from epipam.models.folder import WEIGHTS_FILE
from epipam.models.logits import logits_of
from epipam.pairs.table import digest
from epipam.store import Store


def fit_map(
    network: Network,
    model: Path,
    store: Store,
    part: Part,
    *,
    device: torch.device | None = None,
    batch_size: int = BATCH_SIZE,
) -> ProbabilityMap:
    """Fit both maps on the labelled pairs of a part, from their unshifted windows.

    Parameters
    ----------
    network, model
        A model, and the folder that its weights lie in.
    part
        Pairs that the weights were not fitted on.

    Raises
    ------
    RequestError
        Where they are not of both labels.
    ModelError
        As `predict_store`.
    """
    predicted = predict_store(
        network, store, part.contigs, pairs=part.pairs, device=device, batch_size=batch_size
    )
    labels = predicted["label"].to_numpy()
    known = labels >= 0
    labels, logits = labels[known], logits_of(predicted["probability"].to_numpy()[known])
    if len(np.unique(labels)) < 2:
        raise RequestError(
            f"{store.path}: the {len(labels):,} labelled pairs on {', '.join(part.contigs)} are "
            "not of both labels, as calibration needs them"
        )
    return ProbabilityMap(
        fit_platt(logits, labels),
        fit_isotonic(logits, labels),
        len(labels),
        int(labels.sum()),
        tuple(part.contigs),
        part.pairs is not None,
        {key: store.attributes[key] for key in ("genome", "pairs")},
        digest(model / WEIGHTS_FILE),
    )

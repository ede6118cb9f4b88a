"""Fitting the map of a model's probabilities on pairs of a store, and adding it to its folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from epipam.errors import RequestError
from epipam.evaluation.held_out import same_contigs
from epipam.evaluation.prediction import predict_store
from epipam.loading.loader import BATCH_SIZE
from epipam.loading.splits import Part, natural_order, select_contigs, was_chosen_on_test
from epipam.models import Network, load_model
from epipam.models.calibration import ProbabilityMap, fit_isotonic, fit_platt, write_map
from epipam.models.folder import CALIBRATION_FILE, WEIGHTS_FILE, read_config
from epipam.models.logits import logits_of
from epipam.pairs.table import digest
from epipam.runtime.devices import choose_device, describe_device
from epipam.store import Store


def calibrate(
    model: str | Path,
    store: Store | str | Path,
    *,
    chromosomes: Sequence[str] | None = None,
    allow_training: bool = False,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    overwrite: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> ProbabilityMap:
    """Fit what makes a model's probabilities calibrated, and write it into the model's folder.

    Parameters
    ----------
    model
        A model folder; it gets `calibration.json`.
    store
        Labelled pairs; the share of positives among them becomes that of the probabilities.
    chromosomes
        On which the pairs lie; None is those on which the model was validated.
    allow_training
        Whether the model may have learned from them.
    batch_size, device
        Pairs of a forward pass, and `auto`, `cpu`, `cuda`, `cuda:1`, ...
    overwrite
        Whether to replace the map that there is.
    say
        Called with what a person at a terminal wants to know meanwhile.

    Raises
    ------
    RequestError
        Where the folder has a map, the model learned from the pairs or nothing says which to
        take, or they are of one label.
    ModelError
        Where the model is damaged, or of other windows than the store's.
    """
    model = Path(model)
    read_config(model)  # says so where it is no model's folder
    path = model / CALIBRATION_FILE
    if path.exists() and not overwrite:
        raise RequestError(f"{path}: exists already; --overwrite replaces it")
    opened, chosen = store if isinstance(store, Store) else Store(store), choose_device(device)
    part = Part(_contigs(model, opened, chromosomes, allow_training))
    network = load_model(model)
    say(f"device: {describe_device(chosen)}")
    found = fit_map(network, model, opened, part, device=chosen, batch_size=batch_size)
    write_map(model, found)
    return found


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


def _contigs(
    model: Path, store: Store, chromosomes: Sequence[str] | None, allow_training: bool
) -> tuple[str, ...]:
    """Return the contigs to use: those named, or on which the model was validated."""
    provenance = read_config(model).get("provenance") or {}
    split = provenance.get("split") or {}
    same = same_contigs(provenance, store)
    if chromosomes is not None:
        contigs = select_contigs(store.contigs, chromosomes)
    elif was_chosen_on_test(split):
        raise RequestError(
            f"{model} was validated on its own test pairs, which should stay out of its map; "
            "name other chromosomes with --chromosomes"
        )
    else:
        contigs = natural_order(same & {*split.get("validation", ())})
        if not contigs:
            raise RequestError(
                f"{store.path}: holds none of the chromosomes on which {model} was validated; "
                "name with --chromosomes some that it did not learn from"
            )
    learned = natural_order(same & {*contigs} & {*split.get("train", ())})
    if learned and not allow_training:
        raise RequestError(
            f"{model} learned from pairs on {', '.join(learned)}, where its probabilities look "
            "better than elsewhere; name other chromosomes, or pass --allow-training"
        )
    return contigs

"""Probabilities for the pairs that a store holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from epipam.errors import ModelError
from epipam.loader import BATCH_SIZE, LoaderSettings, PairBatches, PairLoader
from epipam.models import Network
from epipam.pairs import COLUMNS
from epipam.store import Store


def predict_store(
    network: Network,
    store: Store,
    contigs: Sequence[str],
    *,
    device: torch.device | None = None,
    batch_size: int = BATCH_SIZE,
    workers: int = 0,
) -> pd.DataFrame:
    """Predict every pair of some chromosomes from its unshifted windows.

    Returns
    -------
    DataFrame
        The canonical columns and `probability` (float64), in the order of the pair table.

    Raises
    ------
    ModelError
        Where the model reads windows of other lengths than the store holds.
    """
    check_lengths(network, store.enhancer_length, store.promoter_length, str(store.path))
    device = device or torch.device("cpu")
    network = network.to(device).eval()
    settings = LoaderSettings(training=False, batch_size=batch_size)
    loader = PairLoader(PairBatches(store, contigs, settings), workers)
    pairs, probabilities = [], []
    with torch.inference_mode():
        for batch in loader:
            logits = network(batch.enhancer.to(device), batch.promoter.to(device))
            pairs.append(batch.pair.numpy())
            probabilities.append(torch.sigmoid(logits.double()).cpu().numpy())
    found = pd.Series(np.concatenate(probabilities), index=np.concatenate(pairs))
    frame = pd.concat([store.pairs(contig) for contig in contigs], ignore_index=True)
    frame = frame.sort_values("pair", ignore_index=True)
    frame["probability"] = found.loc[frame["pair"]].to_numpy()
    return frame[[*COLUMNS, "probability"]]


def check_lengths(
    network: Network, enhancer_length: int, promoter_length: int, source: str
) -> None:
    """Raise a ModelError where a model's windows are not of the lengths that `source` holds."""
    have = (network.config.enhancer_length, network.config.promoter_length)
    if have != (enhancer_length, promoter_length):
        raise ModelError(
            f"the model reads windows of {have[0]} and {have[1]} bp, but {source} holds "
            f"{enhancer_length} and {promoter_length} bp"
        )

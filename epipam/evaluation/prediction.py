"""Probabilities for the pairs that a store holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch

from epipam.errors import ModelError, RequestError
from epipam.evaluation.partners import NOBODY, PartnerScores, draw_partners, region_numbers
from epipam.genome.encoding import packed_length
from epipam.loading.loader import BATCH_SIZE, LoaderSettings, PairBatches, PairLoader
from epipam.loading.splits import Part
from epipam.models import Network
from epipam.pairs.table import COLUMNS
from epipam.store import Store


def predict_store(
    network: Network,
    store: Store,
    contigs: Sequence[str],
    *,
    pairs: np.ndarray | None = None,
    device: torch.device | None = None,
    batch_size: int = BATCH_SIZE,
    workers: int = 0,
) -> pd.DataFrame:
    """Predict pairs of some chromosomes from their unshifted windows.

    Parameters
    ----------
    pairs
        int64: numbers of the pairs to predict; None predicts all of these chromosomes.

    Returns
    -------
    DataFrame
        The canonical columns and `probability` (float64), in the order of the pair table; the
        index, `pair`, is a pair's number in it.

    Raises
    ------
    ModelError
        Where the model reads windows of other lengths than the store holds.
    """
    check_lengths(network, store.enhancer_length, store.promoter_length, str(store.path))
    device = device or torch.device("cpu")
    network = network.to(device).eval()
    # There may be no pair to predict.
    numbers, probabilities = [np.empty(0, dtype=np.int64)], [np.empty(0)]
    with torch.inference_mode():
        for batch in _loader(store, contigs, batch_size, workers, pairs):
            logits = network(batch.enhancer.to(device), batch.promoter.to(device))
            numbers.append(batch.pair.numpy())
            probabilities.append(torch.sigmoid(logits.double()).cpu().numpy())
    found = pd.Series(np.concatenate(probabilities), index=np.concatenate(numbers))
    frame = pd.concat([store.pairs(contig) for contig in contigs], ignore_index=True)
    frame = frame[frame["pair"].isin(found.index)].set_index("pair").sort_index()
    frame["probability"] = found.loc[frame.index].to_numpy()
    return frame[[*COLUMNS, "probability"]]


def score_partners(
    network: Network,
    store: Store,
    pairs: pd.DataFrame,
    *,
    seed: int = 0,
    device: torch.device | None = None,
    batch_size: int = BATCH_SIZE,
    on_contig: Callable[[int, str], None] = lambda pairs, contig: None,
) -> PartnerScores:
    """Take pairs apart and predict every enhancer with the promoter of another pair.

    Both windows are the store's unshifted ones. Memory is that of the distinct promoter windows,
    packed: 1,000 bytes each at 2,000 bp.

    Parameters
    ----------
    pairs
        Canonical pair table of pairs of the store, its index their number there: what
        `predict_store` returns.
    seed
        Of which pair gets whose promoter.
    on_contig
        Called with the number of pairs on a chromosome, and its name, when it is done.

    Raises
    ------
    RequestError
        Where `pairs` has another index.
    ModelError
        As `predict_store`.
    """
    check_lengths(network, store.enhancer_length, store.promoter_length, str(store.path))
    if pairs.index.name != "pair":
        raise RequestError(
            f"pairs are indexed by {pairs.index.name!r} but must be by 'pair', their number in "
            "the store, as predict_store returns them"
        )
    device = device or torch.device("cpu")
    network = network.to(device).eval()
    partners = draw_partners(pairs, seed=seed)
    promoter = region_numbers(pairs, "promoter")
    contigs = list(dict.fromkeys(pairs["enhancer_chrom"]))
    probabilities = np.full(len(pairs), np.nan)
    windows = np.empty((promoter.max() + 1, packed_length(store.promoter_length)), dtype=np.uint8)
    for batch in _loader(store, contigs, batch_size, pairs=pairs.index.to_numpy(np.int64)):
        row = pairs.index.get_indexer(batch.pair.numpy())
        windows[promoter[row]] = batch.promoter.numpy()
    moved = pairs.index[partners.rows != NOBODY].to_numpy(np.int64)
    for contig in contigs:
        for batch in _loader(store, [contig], batch_size, pairs=moved):
            row = pairs.index.get_indexer(batch.pair.numpy())
            other = torch.from_numpy(windows[promoter[partners.rows[row]]])
            with torch.inference_mode():
                logits = network(batch.enhancer.to(device), other.to(device))
            probabilities[row] = torch.sigmoid(logits.double()).cpu().numpy()
        on_contig(int((pairs["enhancer_chrom"] == contig).sum()), contig)
    return PartnerScores(partners, probabilities)


def labelled_pairs(store: Store, part: Part) -> pd.DataFrame:
    """Return the labelled pairs of a part, canonical columns."""
    frame = pd.concat([store.pairs(contig) for contig in part.contigs], ignore_index=True)
    known = frame["label"] >= 0
    if part.pairs is not None:
        known &= frame["pair"].isin(part.pairs)
    return frame.loc[known, list(COLUMNS)].reset_index(drop=True)


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


def _loader(
    store: Store,
    contigs: Sequence[str],
    batch_size: int,
    workers: int = 0,
    pairs: np.ndarray | None = None,
) -> PairLoader:
    settings = LoaderSettings(training=False, batch_size=batch_size)
    return PairLoader(PairBatches(store, contigs, settings, pairs=pairs), workers)

"""Judging a network on pairs of a store: predictions, controls and numbers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import pandas as pd
import torch

from epipam.evaluation.clusters import CLUSTERS
from epipam.evaluation.evaluate import evaluate
from epipam.evaluation.prediction import predict_store, score_partners
from epipam.evaluation.results import Evaluation
from epipam.loading.loader import BATCH_SIZE
from epipam.loading.splits import Part
from epipam.models import Network
from epipam.store import Store

BOOTSTRAP = 1000
PREDICTIONS = "predictions.tsv"

Advance = Callable[[int, str], None]
Progress = Callable[[int, str], AbstractContextManager[Advance]]


def no_progress(total: int, what: str) -> AbstractContextManager[Advance]:
    """Show nothing of work in progress."""
    return nullcontext(lambda pairs, contig: None)


class Judged(NamedTuple):
    """What a network makes of pairs, and what that is worth.

    Attributes
    ----------
    predictions
        Canonical columns and `probability`, in the order of the pair table; the index, `pair`, is
        a pair's number in it.
    evaluation
        Of the labelled ones.
    """

    predictions: pd.DataFrame
    evaluation: Evaluation

    def table(self) -> str:
        """Return the predictions as `predictions.tsv` has them."""
        return self.predictions.to_csv(sep="\t", index=False, lineterminator="\n")


def judge(
    network: Network,
    store: Store,
    part: Part,
    training_pairs: pd.DataFrame | None,
    *,
    device: torch.device | None = None,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    n_bootstrap: int = BOOTSTRAP,
    resample: str = CLUSTERS,
    progress: Progress = no_progress,
) -> Judged:
    """Predict pairs of a store, as they are and taken apart, and evaluate the predictions.

    The same network, part, seed and batch size give the same numbers, whoever asks.

    Parameters
    ----------
    part
        What to predict.
    training_pairs
        Labelled pairs for the frequency baseline; None where there are none.
    seed, n_bootstrap, resample
        As `epipam.evaluation.evaluate.evaluate` takes them.
    progress
        Called with a number of pairs and what happens to them; makes a context whose value is
        called with pairs and chromosome as they are done.

    Raises
    ------
    ModelError
        Where the model reads windows of other lengths than the store holds.
    RequestError, EpipamError
        As `epipam.evaluation.evaluate.evaluate`.
    """
    total = sum(store.attributes["contigs"][contig]["pairs"] for contig in part.contigs)
    total = total if part.pairs is None else len(part.pairs)
    parts = []
    with progress(total, "pairs predicted") as advance:
        for contig in part.contigs:
            parts.append(
                predict_store(
                    network, store, [contig], pairs=part.pairs, device=device, batch_size=batch_size
                )
            )
            advance(len(parts[-1]), contig)
    predictions = pd.concat(parts).sort_index()
    with progress(total, "pairs taken apart") as advance:
        partners = score_partners(
            network,
            store,
            predictions,
            seed=seed,
            device=device,
            batch_size=batch_size,
            on_contig=advance,
        )
    evaluation = evaluate(
        predictions,
        predictions["probability"].to_numpy(),
        training_pairs,
        partners=partners,
        seed=seed,
        n_bootstrap=n_bootstrap,
        resample=resample,
    )
    return Judged(predictions, evaluation)

"""Growing the trees of `kmer-gbm` with scikit-learn, on the rows that networks are trained on."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from torch.nn import functional as F
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from epipam.loading.data_module import PairDataModule
from epipam.loading.loader import Batch
from epipam.models.kmer_gbm import KmerGbm
from epipam.runtime.files import write_text
from epipam.training.run_folder import History
from epipam.training.settings import TrainSettings

logger = logging.getLogger(__name__)


class Boosted(NamedTuple):
    """The trees that validate best, and how many there are."""

    network: KmerGbm
    rounds: int


def boost(
    network: KmerGbm, module: PairDataModule, settings: TrainSettings, history: Path
) -> Boosted:
    """Grow trees on one epoch of training rows; keep as many as validate best.

    All rows are counted before the first tree: eleven bytes for each row and k-mer.

    Parameters
    ----------
    network
        Says what is counted.
    settings
        A tree for each of `epochs`; each counts for `learning_rate` of what it could, and
        `weight_decay` is the L2 penalty on leaves.
    history
        File that gets a line per tree.
    """
    counts, label = _counted(network, module.train_dataloader())
    logger.info("%d rows of %d counts", *counts.shape)
    classifier = HistGradientBoostingClassifier(
        learning_rate=settings.learning_rate,
        max_iter=settings.epochs,
        l2_regularization=settings.weight_decay,
        early_stopping=False,
        random_state=settings.seed,
    )
    classifier.fit(counts, label)
    grown = network_of(classifier, network)
    training = _by_round(grown, counts)
    seen, truth = _counted(grown, module.val_dataloader())
    known = truth >= 0
    target = torch.from_numpy(truth[known])
    rows = []
    validated = _by_round(grown, seen[known])
    for logits, fitted in zip(validated.T, training.T, strict=True):
        probability = torch.sigmoid(logits)
        rows.append(
            (
                float(F.binary_cross_entropy_with_logits(fitted, torch.from_numpy(label).double())),
                float(F.binary_cross_entropy_with_logits(logits, target.double())),
                float(binary_auroc(probability, target)),
                float(binary_average_precision(probability, target)),
            )
        )
    lines = [f"{round_},{','.join(f'{v:.6f}' for v in row)}" for round_, row in enumerate(rows, 1)]
    write_text(history, "\n".join([",".join(("epoch", *History.COLUMNS)), *lines, ""]))
    best = int(np.argmax([row[-1] for row in rows])) + 1
    logger.info("%d of %d trees validate best: auprc %.4f", best, len(rows), rows[best - 1][-1])
    return Boosted(_first_trees(grown, best), best)


def network_of(classifier: HistGradientBoostingClassifier, network: KmerGbm) -> KmerGbm:
    """Return a classifier's trees as a network that counts what `network` does."""
    # scikit-learn says what its trees are in no public way; a test holds both to the same answers.
    trees = [predictors[0].nodes for predictors in classifier._predictors]
    nodes = np.concatenate(trees)
    sizes = np.array([len(tree) for tree in trees])
    root = np.cumsum(sizes) - sizes
    own = np.arange(len(nodes))
    first = np.repeat(root, sizes)
    leaf = nodes["is_leaf"].astype(bool)
    depth = int(nodes["depth"].max())
    config = replace(network.config, trees=len(trees), nodes=len(nodes), depth=depth)
    grown = KmerGbm(config)
    grown.load_state_dict(
        {
            "baseline": torch.tensor(classifier._baseline_prediction, dtype=torch.float64).view(1),
            "root": torch.from_numpy(root),
            "feature": torch.from_numpy(np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64)),
            "threshold": torch.from_numpy(np.where(leaf, 0, nodes["num_threshold"])).float(),
            "left": torch.from_numpy(np.where(leaf, own, first + nodes["left"].astype(np.int64))),
            "right": torch.from_numpy(np.where(leaf, own, first + nodes["right"].astype(np.int64))),
            "value": torch.from_numpy(nodes["value"].copy()),
        }
    )
    return grown.eval()


def _first_trees(network: KmerGbm, trees: int) -> KmerGbm:
    nodes = int(network.root[trees]) if trees < network.config.trees else network.config.nodes
    kept = KmerGbm(replace(network.config, trees=trees, nodes=nodes))
    size = {"baseline": 1, "root": trees}
    state = network.state_dict()
    kept.load_state_dict({name: state[name][: size.get(name, nodes)] for name in state})
    return kept.eval()


def _counted(network: KmerGbm, batches: Iterable[Batch]) -> tuple[np.ndarray, np.ndarray]:
    """Return counts, uint16 (n, features), and labels, int64 (n,), of all batches."""
    counts, labels = [], []
    for batch in batches:
        counts.append(network.counts(batch.enhancer, batch.promoter).numpy().astype(np.uint16))
        labels.append(batch.label.numpy().astype(np.int64))
    return np.concatenate(counts), np.concatenate(labels)


def _by_round(network: KmerGbm, counts: np.ndarray) -> torch.Tensor:
    """Return the logits after each tree, float64 (n, trees)."""
    parts = [
        network.contributions(torch.from_numpy(some.astype(np.int32)))
        for some in np.array_split(counts, len(counts) // 1_000 + 1)
    ]
    return network.baseline + torch.cat(parts).cumsum(dim=1)

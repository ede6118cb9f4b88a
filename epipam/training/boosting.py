"""Growing the trees of `kmer-gbm` with LightGBM, on the rows that networks are trained on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from epipam.errors import EpipamError
from epipam.evaluation.metrics import auprc, auroc
from epipam.loading.data_module import PairDataModule
from epipam.loading.loader import Batch
from epipam.models.kmer_gbm import KmerGbm
from epipam.runtime.files import write_text
from epipam.training.run_folder import History
from epipam.training.settings import TrainSettings

if TYPE_CHECKING:
    import lightgbm

# Of a leaf; scikit-learn's histogram boosting has the same.
LEAF_ROWS = 20
TREE_LEAVES = 31

logger = logging.getLogger(__name__)


class Boosted(NamedTuple):
    """The trees that validate best, and how many there are."""

    network: KmerGbm
    rounds: int


class _Node(NamedTuple):
    """A node of a tree, `left` and `right` being numbers of nodes; a leaf goes on to itself."""

    feature: int
    threshold: float
    left: int
    right: int
    value: float


def boost(
    network: KmerGbm, module: PairDataModule, settings: TrainSettings, history: Path
) -> Boosted:
    """Grow trees on one epoch of training rows; keep as many as validate best.

    All rows are counted before the first tree: seven bytes for each row and k-mer.

    Parameters
    ----------
    network
        Says what is counted.
    settings
        A tree for each of `epochs`; each counts for `learning_rate` of what it could, and
        `weight_decay` is the L2 penalty on leaves.
    history
        File that gets a line per tree.

    Raises
    ------
    EpipamError
        Where LightGBM's library cannot be loaded.
    """
    counts, label = _counted(network, module.train_dataloader())
    logger.info("%d rows of %d counts", *counts.shape)
    grown = grow(network, counts, label, settings)
    training = _by_round(grown, counts)
    seen, truth = _counted(grown, module.val_dataloader())
    known = truth >= 0
    truth = truth[known]
    rows = []
    validated = _by_round(grown, seen[known])
    for logits, fitted in zip(validated.T, training.T, strict=True):
        # PairDataModule.check saw both labels.
        area, precision = auroc(truth, logits.numpy()), auprc(truth, logits.numpy())
        assert area is not None
        assert precision is not None
        rows.append((_loss(fitted, label), _loss(logits, truth), area, precision))
    lines = [f"{round_},{','.join(f'{v:.6f}' for v in row)}" for round_, row in enumerate(rows, 1)]
    write_text(history, "\n".join([",".join(("epoch", *History.COLUMNS)), *lines, ""]))
    best = int(np.argmax([row[-1] for row in rows])) + 1
    logger.info("%d of %d trees validate best: auprc %.4f", best, len(rows), rows[best - 1][-1])
    return Boosted(_first_trees(grown, best), best)


def grow(
    network: KmerGbm, counts: np.ndarray, labels: np.ndarray, settings: TrainSettings
) -> KmerGbm:
    """Fit trees to counts and return them as a network that counts what `network` does.

    Parameters
    ----------
    counts
        (n_rows, n_features) of any number type, whole numbers.
    labels
        (n_rows,) int, 1 or 0, both there.
    settings
        As `boost` takes them, no field being None.
    """
    share = float(labels.mean())
    baseline = float(np.log(share) - np.log1p(-share))
    booster = grown_booster(counts, labels, baseline, settings)
    return network_of(booster.dump_model(), baseline, network)


def grown_booster(
    counts: np.ndarray, labels: np.ndarray, baseline: float, settings: TrainSettings
) -> lightgbm.Booster:
    """Fit LightGBM to what `grow` takes; its trees add to the logit `baseline`."""
    try:
        import lightgbm
    except OSError as error:
        raise EpipamError(
            f"kmer-gbm needs LightGBM, whose library cannot be loaded ({error}); where libgomp is "
            "what it lacks, apt-get install libgomp1 or conda install libgomp brings it"
        ) from None
    options = {
        "objective": "binary",
        "boost_from_average": False,
        "learning_rate": settings.learning_rate,
        "lambda_l2": settings.weight_decay,
        "num_leaves": TREE_LEAVES,
        "min_data_in_leaf": LEAF_ROWS,
        "seed": settings.seed,
        # The same trees whatever the number of threads.
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": torch.get_num_threads(),
        "verbosity": -1,
    }
    rows = lightgbm.Dataset(
        counts.astype(np.float32), labels, init_score=np.full(len(labels), baseline)
    )
    return lightgbm.train(options, rows, num_boost_round=settings.epochs or 1)


def network_of(model: Mapping[str, Any], baseline: float, network: KmerGbm) -> KmerGbm:
    """Return the trees of LightGBM's `dump_model` as a network that counts what `network` does.

    Parameters
    ----------
    model
        The public JSON form: `tree_info`, a list with a `tree_structure` each.
    baseline
        Logit that the trees add to.
    """
    nodes: list[_Node] = []
    root, depth = [], 0
    for tree in model["tree_info"]:
        root.append(len(nodes))
        depth = max(depth, _add_tree(tree["tree_structure"], nodes))
    config = replace(network.config, trees=len(root), nodes=len(nodes), depth=depth)
    grown = KmerGbm(config)
    columns = {
        name: torch.tensor(
            [getattr(node, name) for node in nodes], dtype=getattr(grown, name).dtype
        )
        for name in _Node._fields
    }
    grown.load_state_dict(
        {
            "baseline": torch.tensor([baseline], dtype=torch.float64),
            "root": torch.tensor(root, dtype=torch.int64),
            **columns,
        }
    )
    return grown.eval()


def _add_tree(structure: Mapping[str, Any], nodes: list[_Node]) -> int:
    """Append the nodes of a tree, its root first; return the longest way to a leaf."""
    here = len(nodes)
    if "leaf_value" in structure:
        nodes.append(_Node(0, 0.0, here, here, float(structure["leaf_value"])))
        return 0
    nodes.append(_Node(0, 0.0, here, here, 0.0))  # until its children have numbers
    left, below_left = len(nodes), _add_tree(structure["left_child"], nodes)
    right, below_right = len(nodes), _add_tree(structure["right_child"], nodes)
    feature, threshold = int(structure["split_feature"]), float(structure["threshold"])
    nodes[here] = _Node(feature, threshold, left, right, 0.0)
    return 1 + max(below_left, below_right)


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


def _loss(logits: torch.Tensor, labels: np.ndarray) -> float:
    return float(F.binary_cross_entropy_with_logits(logits, torch.from_numpy(labels).double()))

"""Validation of what Lightning trains, against scikit-learn on the logits themselves."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from epipam.loading.loader import Batch
from epipam.models.network import Network, WindowConfig
from epipam.training.classifier import MONITORED, PairClassifier
from epipam.training.settings import TrainSettings


class GivenLogits(Network):
    """A network that answers with the logits that its enhancers are."""

    def forward(self, enhancer, promoter):
        return enhancer


def validated(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return what a validation over two batches logs."""
    logged: dict[str, float] = {}
    classifier = PairClassifier(GivenLogits(WindowConfig()), TrainSettings())
    classifier.log = lambda name, value, **_: logged.update({name: float(value)})
    for part in np.array_split(np.arange(len(labels)), 2):
        classifier.validation_step(
            Batch(
                torch.from_numpy(logits[part]),
                torch.empty(0),
                torch.from_numpy(labels[part]),
                torch.zeros(len(part), dtype=torch.int16),
                torch.from_numpy(part),
            ),
            0,
        )
    classifier.on_validation_epoch_end()
    return logged


@pytest.mark.parametrize("centre", [0.0, 40.0, -200.0])
def test_pairs_are_ranked_by_logits_however_sure_the_network_is(centre):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200).astype(np.int8)
    labels[::20] = -1
    logits = (centre + labels + rng.normal(0, 2, 200)).astype(np.float32)
    known = labels >= 0
    logged = validated(logits, labels)
    expected = roc_auc_score(labels[known], logits[known])
    assert logged["validation_auroc"] == pytest.approx(expected, abs=1e-5)
    expected = average_precision_score(labels[known], logits[known])
    assert logged[MONITORED] == pytest.approx(expected, abs=1e-5)

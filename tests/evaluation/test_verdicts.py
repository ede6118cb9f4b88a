"""What the verdict says of a model beside its baselines and chance."""

import numpy as np
import pytest

from epipam.evaluation.clusters import Resampling
from epipam.evaluation.metrics import Replicates
from epipam.evaluation.results import Performance
from epipam.evaluation.verdicts import verdict


@pytest.mark.parametrize(
    ("model", "distance", "differences", "expected"),
    [
        (0.90, 0.60, [0.2, 0.4], "The model beats the best baseline, distance: "),
        (0.61, 0.60, [-0.1, 0.1], "The model does not clearly beat the best baseline, distance: "),
        (0.60, 0.60, [-0.1, 0.1], "The model does not beat the best baseline, distance: "),
        (0.61, 0.60, [], "The model is above the best baseline, distance, how surely is not"),
        (0.45, 0.40, [0.0, 0.1], "The model does not beat chance: AUROC 0.450 against 0.500"),
        (0.51, 0.40, [0.0, 0.2], "The model does not clearly beat chance: "),
        (0.95, None, [], "The model is above chance, how surely is not known: "),
    ],
)
def test_the_verdict_says_what_was_beaten(model, distance, differences, expected):
    rows = {
        "model": Performance(10, 100, auroc=model, auprc=model),
        "distance": Performance(10, 100, auroc=distance, auprc=distance),
    }
    base = np.full(len(differences), 0.4)
    replicates = Replicates(
        {
            (scorer, metric): values
            for metric in ("AUROC", "AUPRC")
            for scorer, values in (("model", base + np.array(differences)), ("distance", base))
        }
    )
    enough = Resampling("clusters", 50, 30.0)
    assert next(verdict(rows, replicates, enough)).startswith(expected)


def test_of_too_few_nothing_is_said_to_be_beaten():
    rows = {
        "model": Performance(10, 100, auroc=0.9, auprc=0.9),
        "distance": Performance(10, 100, auroc=0.6, auprc=0.6),
    }
    values = {(scorer, m): np.full(9, 0.9) for scorer in rows for m in ("AUROC", "AUPRC")}
    too_few = Resampling("promoters", 5, 4.0)
    for sentence in verdict(rows, Replicates(values, too_few.n_effective), too_few):
        assert "too few to tell how surely" in sentence
        assert "beats" not in sentence

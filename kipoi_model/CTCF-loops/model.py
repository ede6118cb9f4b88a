"""The model Kipoi imports: one-hot windows in, interaction probabilities out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from kipoi.model import BaseModel

from epipam.kipoi.batches import OnehotScorer

# Kipoi imports this file with the model folder as the current one, and sets no `__file__`.
FOLDER = Path.cwd()

# Kipoi shows the log of its own loggers only.
logger = logging.getLogger("kipoi.epipam")


class EpipamModel(BaseModel):
    """The epipam model of this folder."""

    def __init__(self) -> None:
        self.scorer = OnehotScorer(FOLDER)
        logger.info("predicting on %s", self.scorer.device)

    def predict_on_batch(self, x: dict[str, np.ndarray]) -> np.ndarray:
        """Return the probability that each pair interacts, float64 (n, 1).

        Parameters
        ----------
        x
            `enhancer` and `promoter`: one-hot (n, 4, length), rows A C G T.
        """
        return self.scorer.probabilities(x["enhancer"], x["promoter"])

    @property
    def test(self) -> Any:
        """The `test` section of model.yaml."""
        return self._test

    @test.setter
    def test(self, section: Any) -> None:
        # Kipoi opens `expect` relative to wherever the user stands; it lies in this folder.
        section.expect = str(FOLDER / section.expect)
        self._test = section

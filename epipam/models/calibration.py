"""Calibrated probabilities: maps of a model's logits, fitted on pairs that it did not learn from.

A model folder keeps its map as `calibration.json`: plain numbers, applied with NumPy alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from epipam.errors import ModelError, RequestError
from epipam.models.folder import CALIBRATION_FILE, WEIGHTS_FILE
from epipam.models.logits import probabilities
from epipam.pairs.table import digest
from epipam.runtime.files import write_text
from epipam.version import __version__

SCHEMA_VERSION = 1
METHODS = ("platt", "isotonic")


class PlattMap(NamedTuple):
    """The probability is the sigmoid of slope * logit + intercept; the slope is 0 or more."""

    slope: float
    intercept: float

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities, float64, same shape; NaN stays NaN."""
        return probabilities(self.slope * np.asarray(logits, dtype=np.float64) + self.intercept)


class IsotonicMap(NamedTuple):
    """Straight lines between points, and flat beyond the first and the last.

    Attributes
    ----------
    logit
        Of each point, rising.
    probability
        Of each point, from 0 to 1, never falling.
    """

    logit: tuple[float, ...]
    probability: tuple[float, ...]

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities, float64, same shape; NaN stays NaN."""
        logits = np.asarray(logits, dtype=np.float64)
        # NumPy's own gives NaN a value where there is one point.
        return np.where(np.isnan(logits), np.nan, np.interp(logits, self.logit, self.probability))


@dataclass(frozen=True)
class ProbabilityMap:
    """A model's calibrated probabilities, and what they were fitted on.

    Attributes
    ----------
    platt, isotonic
        The two maps.
    pairs, positives
        How many labelled pairs they were fitted on.
    chromosomes
        Where those pairs lie.
    random
        Whether they were drawn at random, so that chromosomes were shared with training.
    store
        Digests of their genome and pair table, as a store notes them.
    weights_sha256
        Digest of the weights whose logits are mapped.
    """

    platt: PlattMap
    isotonic: IsotonicMap
    pairs: int
    positives: int
    chromosomes: tuple[str, ...]
    random: bool
    store: dict[str, Any]
    weights_sha256: str

    @property
    def prior(self) -> float:
        """The share of positives among the pairs of the fit, from 0 to 1."""
        return self.positives / self.pairs

    def apply(self, logits: np.ndarray, method: str, prior: float | None = None) -> np.ndarray:
        """Return calibrated probabilities.

        Parameters
        ----------
        logits
            Any shape; NaN stays NaN.
        method
            `platt` or `isotonic`.
        prior
            Share of positives among the pairs that are scored, between 0 and 1, where it is
            another than that of the fit; the odds are multiplied by the ratio of both priors'
            odds (Saerens, Latinne, Decaestecker, Neural Comput 2002;14:21, equation 2.4).

        Returns
        -------
        numpy.ndarray
            float64, same shape; never falling as the logit rises.

        Raises
        ------
        RequestError
            For a method or a prior that there is not.
        """
        if method not in METHODS:
            raise RequestError(f"{method}: is no way to calibrate: it must be platt or isotonic")
        mapped = (self.platt if method == "platt" else self.isotonic).apply(logits)
        if prior is None:
            return mapped
        if not 0 < prior < 1:
            raise RequestError(f"a prior of {prior} is not between 0 and 1")
        positive = mapped * (prior / self.prior)
        return positive / (positive + (1 - mapped) * ((1 - prior) / (1 - self.prior)))

    def function(self, method: str, prior: float | None = None) -> Callable[..., np.ndarray]:
        """Return what turns logits into probabilities, to hand on."""
        self.apply(np.empty(0), method, prior)
        return partial(self.apply, method=method, prior=prior)

    def sentence(self) -> str:
        """Say in a line what the maps were fitted on."""
        where = "drawn at random on " if self.random else "on "
        return (
            f"{self.pairs:,} pairs {where}{', '.join(self.chromosomes)}, {self.prior:.1%} positive"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "epipam_version": __version__,
            "weights_sha256": self.weights_sha256,
            "store": self.store,
            "chromosomes": list(self.chromosomes),
            "random": self.random,
            "pairs": self.pairs,
            "positives": self.positives,
            "prior": self.prior,
            "platt": self.platt._asdict(),
            "isotonic": {name: list(v) for name, v in self.isotonic._asdict().items()},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ProbabilityMap:
        """Return what `to_json` made plain.

        Raises
        ------
        ValueError, TypeError, KeyError
            For values that no map has.
        """
        platt = PlattMap(**{name: float(v) for name, v in values["platt"].items()})
        isotonic = IsotonicMap(
            **{name: tuple(map(float, v)) for name, v in values["isotonic"].items()}
        )
        found = cls(
            platt,
            isotonic,
            int(values["pairs"]),
            int(values["positives"]),
            tuple(map(str, values["chromosomes"])),
            bool(values["random"]),
            dict(values["store"]),
            str(values["weights_sha256"]),
        )
        found._check()
        return found

    def _check(self) -> None:
        logit, probability = (np.array(v) for v in self.isotonic)
        if not (math.isfinite(self.platt.intercept) and 0 <= self.platt.slope < math.inf):
            raise ValueError("platt: is no line that rises")
        if not (len(logit) == len(probability) > 0 and np.isfinite(logit).all()):
            raise ValueError("isotonic: has not as many probabilities as logits")
        if not ((np.diff(logit) > 0).all() and (np.diff(probability) >= 0).all()):
            raise ValueError("isotonic: falls")
        if not (probability[0] >= 0 and probability[-1] <= 1):
            raise ValueError("isotonic: has a probability beyond 0 to 1")
        if not 0 < self.positives < self.pairs:
            raise ValueError("pairs: are of one label")


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> PlattMap:
    """Fit a logistic regression of the labels on the logits.

    With Platt's own targets, (n1 + 1) / (n1 + 2) and 1 / (n0 + 2) instead of 1 and 0, so that
    the slope stays finite where a threshold parts the labels (Platt, Advances in Large Margin
    Classifiers 1999, section 2.2). Logits that rank the labels the wrong way give the slope 0:
    every pair then has the share of positives.

    Parameters
    ----------
    logits
        float (n_pairs,).
    labels
        int (n_pairs,): 1 or 0, both there.
    """
    from sklearn.linear_model import LogisticRegression

    labels = np.asarray(labels)
    n1, n0 = int((labels == 1).sum()), int((labels == 0).sum())
    target = np.where(labels == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    if np.ptp(logits) > 0:
        regression = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8)
        both = np.tile(np.asarray(logits, dtype=np.float64), 2)[:, None]
        classes = np.repeat([1, 0], len(target))
        regression.fit(both, classes, sample_weight=np.concatenate([target, 1 - target]))
        slope, intercept = float(regression.coef_[0, 0]), float(regression.intercept_[0])
        if slope > 0:
            return PlattMap(slope, intercept)
    share = float(target.mean())
    return PlattMap(0.0, math.log(share) - math.log1p(-share))


def fit_isotonic(logits: np.ndarray, labels: np.ndarray) -> IsotonicMap:
    """Fit the never falling map that is nearest to the labels by least squares.

    Parameters are those of `fit_platt`. It follows any shape, and with few pairs also chance.
    """
    from sklearn.isotonic import IsotonicRegression

    regression = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    regression.fit(np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.float64))
    return IsotonicMap(
        tuple(regression.X_thresholds_.tolist()), tuple(regression.y_thresholds_.tolist())
    )


def write_map(model: Path, found: ProbabilityMap) -> None:
    """Write a map into its model's folder."""
    write_text(model / CALIBRATION_FILE, json.dumps(found.to_json(), indent=2) + "\n")


def read_map(model: Path) -> ProbabilityMap:
    """Read the map of a model folder.

    Raises
    ------
    ModelError
        Where it has none, or one that is damaged, of a later version or of other weights.
    """
    path = model / CALIBRATION_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version = values["schema_version"]
        if version != SCHEMA_VERSION:
            raise ModelError(
                f"{path}: is of schema version {version}, but this epipam reads {SCHEMA_VERSION}"
            )
        found = ProbabilityMap.from_json(values)
    except FileNotFoundError:
        raise ModelError(
            f"{model}: has no {CALIBRATION_FILE}, so its probabilities cannot be calibrated; "
            f"epipam calibrate {model} STORE makes one"
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{path}: is damaged: {type(error).__name__}: {error}") from None
    if found.weights_sha256 != digest(model / WEIGHTS_FILE):
        raise ModelError(
            f"{path}: was fitted to other weights than {WEIGHTS_FILE} beside it; "
            f"epipam calibrate {model} STORE --overwrite makes a new one"
        )
    return found

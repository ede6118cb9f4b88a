"""The folder of a cross-validation: what it is of, and where its runs lie.

Several processes, on several machines, may work on the folds of one folder: each run is claimed by
whoever trains it, and what is written of all of them is written by one at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epipam.errors import EpipamError, RequestError
from epipam.runtime.files import write_text
from epipam.runtime.locks import waiting_lock
from epipam.training.crossval.plan import PlannedRun
from epipam.training.run_folder import METRICS

REQUEST = "request.json"
RESULT = "crossval.json"
SUMMARY = "summary.tsv"
PAGE = "report.html"
RUNS, PREDICTIONS = "runs", "predictions"
_LOCK = ".lock"


@dataclass(frozen=True)
class CrossvalFolder:
    """Paths below the folder of a cross-validation."""

    path: Path

    def run(self, run: PlannedRun) -> Path:
        """Return the run folder of a run."""
        folder = self.path / RUNS / run.dataset / run.model / f"fold-{run.fold}"
        return folder if run.alpha is None else folder / f"alpha-{run.alpha:g}"

    def is_finished(self, run: PlannedRun) -> bool:
        """Whether a run is finished."""
        return (self.run(run) / METRICS).exists()

    def predictions(self, dataset: str, model: str) -> Path:
        """Return the file of a model's predictions on all test parts of a data set."""
        return self.path / PREDICTIONS / dataset / f"{model}.tsv.gz"

    def begin(self, request: dict[str, Any]) -> None:
        """Claim the folder for a request; an unfinished one of the same request is resumed.

        Raises
        ------
        RequestError
            Where it was begun with another request, or is no cross-validation; nothing is
            written then.
        EpipamError
            Where what it was begun with is damaged.
        """
        noted = self.path / REQUEST
        text = json.dumps(request, indent=2) + "\n"
        if self.path.exists() and not (noted.exists() or self._is_empty()):
            raise RequestError(
                f"{self.path}: exists already and is no cross-validation to go on with"
            )
        with self.locked():
            if not noted.exists():
                write_text(noted, text)
            elif (begun := noted.read_text(encoding="utf-8", errors="replace")) != text:
                # As JSON has it: lists for tuples.
                try:
                    before = dict(json.loads(begun))
                except (ValueError, TypeError, RecursionError):
                    raise EpipamError(
                        f"{noted}: is damaged, so that nothing says what this cross-validation is "
                        f"of; put a copy in its place, or remove {self.path} to begin again"
                    ) from None
                differing = ", ".join(_differences(before, json.loads(text)))
                raise RequestError(
                    f"{self.path}: was begun with other {differing} ({noted}); give that "
                    f"command again, or choose another folder"
                )

    def _is_empty(self) -> bool:
        return self.path.is_dir() and all(item.name == _LOCK for item in self.path.iterdir())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; others wait."""
        self.path.mkdir(parents=True, exist_ok=True)
        with waiting_lock(self.path / _LOCK):
            yield


def _differences(begun: Mapping[str, Any], request: Mapping[str, Any]) -> Iterator[str]:
    """Yield in what two requests differ: keys, joined by dots."""
    for key in sorted({*begun, *request}):
        old, new = begun.get(key), request.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from (f"{key}.{name}" for name in _differences(old, new))
        elif old != new:
            yield key

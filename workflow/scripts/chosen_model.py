"""Print the folder of the model that a cross-validation chose: CROSSVAL.json DATASET MODEL FOLD."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def chosen_model(result: Path, dataset: str, model: str, fold: int) -> Path:
    """Return the model folder of a fold, of the alpha that was chosen where there was a choice."""
    for run in json.loads(result.read_text(encoding="utf-8"))["folds"]:
        if (run["dataset"], run["model"], run["fold"]) == (dataset, model, fold):
            folder = result.parent / "runs" / dataset / model / f"fold-{fold}"
            return (
                folder if run["alpha"] is None else folder / f"alpha-{run['alpha']:g}"
            ) / "model"
    sys.exit(f"{result}: has no fold {fold} of {model} on {dataset}")


if __name__ == "__main__":
    print(chosen_model(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))

"""epipam: enhancer-promoter interactions from sequence, at the scale of genomes.

The names below are what most Python users need; each is imported when it is first asked for, so
that `import epipam` takes no time. `docs/tutorial.md` shows them at work.

| name | is |
|---|---|
| `build_store` | the windows of labelled pairs, packed in a folder |
| `open_store` | that folder, to read |
| `fold_split` | which of its chromosomes train, validate and test |
| `PairDataModule` | its batches, for PyTorch Lightning or a loop of your own |
| `train` | a run folder with a model, as `epipam train` leaves it |
| `evaluate` | how good probabilities are, beside what needs no sequence |
| `load_model` | a model, from a folder or the Hugging Face hub |
| `pair_regions` | every enhancer with every promoter nearby |
| `score_pairs` | the probability of each pair of a table |
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from epipam.version import __version__

if TYPE_CHECKING:
    from epipam.evaluation.evaluate import evaluate
    from epipam.loading.data_module import PairDataModule
    from epipam.loading.splits import fold_split
    from epipam.models.registry import load_model
    from epipam.pairs.frames import pair_regions
    from epipam.scoring.frames import score_pairs
    from epipam.store.reader import open_store
    from epipam.store.writer import build_store
    from epipam.training.fit import train

__all__ = [
    "PairDataModule",
    "__version__",
    "build_store",
    "evaluate",
    "fold_split",
    "load_model",
    "open_store",
    "pair_regions",
    "score_pairs",
    "train",
]

_HOMES = {
    "PairDataModule": "loading.data_module",
    "build_store": "store.writer",
    "evaluate": "evaluation.evaluate",
    "fold_split": "loading.splits",
    "load_model": "models.registry",
    "open_store": "store.reader",
    "pair_regions": "pairs.frames",
    "score_pairs": "scoring.frames",
    "train": "training.fit",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""epipam: enhancer-promoter interactions from sequence, at the scale of genomes.

The names below are what most Python users need; each is imported when it is first asked for, so
that `import epipam` takes no time. `docs/tutorial.md` shows them at work, and
`docs/architecture.md` the rooms behind them.

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

from pathlib import Path
from typing import TYPE_CHECKING

import lazy_loader

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
    from epipam.version import __version__

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

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation.evaluate": ["evaluate"],
        "loading.data_module": ["PairDataModule"],
        "loading.splits": ["fold_split"],
        "models.registry": ["load_model"],
        "pairs.frames": ["pair_regions"],
        "scoring.frames": ["score_pairs"],
        "store.reader": ["open_store"],
        "store.writer": ["build_store"],
        "training.fit": ["train"],
        "version": ["__version__"],
    },
)
# Where modules that Kipoi folders exported before import are still found: `epipam.kipoi_batches`.
__path__.append(str(Path(__file__).parent / "kipoi" / "moved"))

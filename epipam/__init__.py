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
| `evaluate_model` | a model judged on a store, as a folder with a page, as `epipam evaluate` |
| `calibrate` | the map of a model's probabilities, as `epipam calibrate` |
| `load_model` | a model, from a folder or the Hugging Face hub |
| `pair_regions` | every enhancer with every promoter nearby |
| `candidates` | the same from files to a file, as `epipam candidates` |
| `chiapet` | labelled pairs of loops and peaks, as `epipam chiapet` |
| `label` | candidate pairs labelled by loops, as `epipam label` |
| `negatives` | a list of positives with negatives drawn for it, as `epipam negatives` |
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
    from epipam.pairs.candidates import candidates
    from epipam.pairs.chiapet import chiapet
    from epipam.pairs.frames import pair_regions
    from epipam.pairs.labels import label
    from epipam.pairs.negative_lists import negatives
    from epipam.report.evaluate_model import evaluate_model
    from epipam.scoring.frames import score_pairs
    from epipam.store.reader import open_store
    from epipam.store.writer import build_store
    from epipam.training.calibrating import calibrate
    from epipam.training.fit import train
    from epipam.version import __version__

__all__ = [
    "PairDataModule",
    "__version__",
    "build_store",
    "calibrate",
    "candidates",
    "chiapet",
    "evaluate",
    "evaluate_model",
    "fold_split",
    "label",
    "load_model",
    "negatives",
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
        "pairs.candidates": ["candidates"],
        "pairs.chiapet": ["chiapet"],
        "pairs.frames": ["pair_regions"],
        "pairs.labels": ["label"],
        "pairs.negative_lists": ["negatives"],
        "report.evaluate_model": ["evaluate_model"],
        "scoring.frames": ["score_pairs"],
        "store.reader": ["open_store"],
        "store.writer": ["build_store"],
        "training.calibrating": ["calibrate"],
        "training.fit": ["train"],
        "version": ["__version__"],
    },
)
# Where modules that Kipoi folders exported before import are still found: `epipam.kipoi_batches`.
__path__.append(str(Path(__file__).parent / "kipoi" / "moved"))

"""The loaders of a run: training, validation and test chromosomes of one store."""

from __future__ import annotations

from dataclasses import dataclass

import lightning as L

from epipam.errors import RequestError
from epipam.loading.loader import (
    BATCH_SIZE,
    BUFFER_ROWS,
    LoaderSettings,
    PairBatches,
    PairLoader,
    require_contigs,
)
from epipam.loading.random_pairs import Split
from epipam.loading.splits import Part
from epipam.store import Store


@dataclass(frozen=True)
class DataSettings:
    """How a run reads its store; fields as in `LoaderSettings`, for training."""

    batch_size: int = BATCH_SIZE
    buffer_rows: int = BUFFER_ROWS
    workers: int = 0
    seed: int = 0
    reverse_complement: bool = False
    max_shift: int = 0


class PairDataModule(L.LightningDataModule):
    """Training reads shifted positives in shuffled order; validation and test, unshifted windows.

    Parameters
    ----------
    store, split
        The store and which of its chromosomes, or of its pairs, play which part.
    settings
        Batches, buffer, workers, seed and augmentation.
    """

    def __init__(self, store: Store, split: Split, settings: DataSettings | None = None) -> None:
        super().__init__()
        self.store = store
        self.split = split
        self.settings = settings or DataSettings()

    def check(self, world_size: int = 1) -> None:
        """Raise a RequestError where a part cannot play its role, before any work.

        Training needs labelled pairs, a batch for each of `world_size` processes; validation and
        test need positives and negatives, without which their metrics are undefined.
        """
        self._loader("train", training=True, world_size=world_size)
        self._require_both_labels("validation")
        self._require_both_labels("test")
        self._loader("validation", training=False, world_size=world_size)

    def train_dataloader(self) -> PairLoader:
        return self._loader("train", training=True)

    def val_dataloader(self) -> PairLoader:
        return self._loader("validation", training=False)

    def test_dataloader(self) -> PairLoader:
        return self._loader("test", training=False)

    def _require_both_labels(self, name: str) -> None:
        part = self.split.part(name)
        require_contigs(self.store, part.contigs)
        positives, negatives = _count_labels(self.store, part)
        if not (positives and negatives):
            raise RequestError(
                f"{self.store.path}: the {name} part ({self.split.describe(name)}) has "
                f"{positives} positive and {negatives} negative pairs and needs at least one of "
                f"each: choose other chromosomes for it"
            )

    def _loader(self, name: str, *, training: bool, world_size: int = 1) -> PairLoader:
        settings = self.settings
        part = self.split.part(name)
        rank = 0
        if self.trainer is not None:
            rank, world_size = self.trainer.global_rank, self.trainer.world_size
        batches = PairBatches(
            self.store,
            part.contigs,
            LoaderSettings(
                training=training,
                batch_size=settings.batch_size,
                buffer_rows=settings.buffer_rows,
                seed=settings.seed,
                reverse_complement=settings.reverse_complement,
                max_shift=settings.max_shift,
            ),
            pairs=part.pairs,
            rank=rank,
            world_size=world_size,
        )
        if batches.order.n_rows < world_size:
            # A process without a batch would skip what the others wait for it to do.
            raise RequestError(
                f"{self.store.path}: {batches.order.n_rows} pairs on {', '.join(part.contigs)} "
                f"are fewer than {world_size} processes: use fewer"
            )
        return PairLoader(batches, settings.workers)


def _count_labels(store: Store, part: Part) -> tuple[int, int]:
    """Return the positive and the negative pairs of a part."""
    if part.pairs is None:
        counts = [store.attributes["contigs"][contig] for contig in part.contigs]
        return sum(c["positives"] for c in counts), sum(c["negatives"] for c in counts)
    positives = negatives = 0
    for contig in part.contigs:
        frame = store.pairs(contig)
        label = frame["label"][frame["pair"].isin(part.pairs)]
        positives += int((label == 1).sum())
        negatives += int((label == 0).sum())
    return positives, negatives

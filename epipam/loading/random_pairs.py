"""A split of a store's pairs at random: possible, and leaky, which its audit says in numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from epipam.errors import RequestError
from epipam.loading.splits import N_FOLDS, PARTS, ChromosomeSplit, Part, folds, natural_order

if TYPE_CHECKING:
    from epipam.store import Store

FEWEST_PAIRS = N_FOLDS


@dataclass(frozen=True, eq=False)
class RandomPairs:
    """Labelled pairs of a store by the part they play, whatever chromosome they lie on.

    Attributes
    ----------
    contigs
        The contigs they lie on: those of `splits.folds`, so that both kinds of split are of the
        same pairs.
    train, validation, test
        int64, ascending: numbers of the pairs in the table.
    fold, seed
        Which of the eight groups that the seed draws is tested; the next one validates.
    unused
        Contigs that play no part.
    """

    contigs: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    fold: int
    seed: int
    unused: tuple[str, ...] = ()

    def part(self, name: str) -> Part:
        """Return what plays a part, one of `PARTS`."""
        return Part(self.contigs, getattr(self, name))

    def describe(self, name: str) -> str:
        """Say in words what plays a part."""
        return f"{len(getattr(self, name)):,} pairs drawn at random"

    def record(self) -> dict[str, Any]:
        """Return plain values that say what the split is; each part is on all the contigs."""
        return {
            **{name: list(self.contigs) for name in PARTS},
            "unused": list(self.unused),
            "random": {
                "fold": self.fold,
                "folds": N_FOLDS,
                "seed": self.seed,
                "pairs": {name: len(getattr(self, name)) for name in PARTS},
                "chosen_on_test": self.validation is self.test,
            },
        }

    def chosen_on_test(self) -> RandomPairs:
        """As `ChromosomeSplit.chosen_on_test`."""
        return replace(self, validation=self.test)


Split = ChromosomeSplit | RandomPairs


def random_pairs(store: Store, fold: int, seed: int) -> RandomPairs:
    """Split the labelled pairs of a store at random, for one fold.

    The pairs are shuffled and cut into eight groups whose sizes differ by at most one: as many,
    and in the same parts, as the chromosome folds.

    Parameters
    ----------
    fold
        Which group is tested, from 0. The next one validates, the first following the last; all
        others train.
    seed
        Of the shuffle: folds of one seed test every pair once.

    Raises
    ------
    RequestError
        There is no such fold, or there are fewer labelled pairs than groups.
    """
    if not 0 <= fold < N_FOLDS:
        raise RequestError(f"there is no fold {fold}: a random split has folds 0 to {N_FOLDS - 1}")
    contigs = natural_order(contig for group in folds(store.contigs) for contig in group)
    numbers = np.sort(np.concatenate([_labelled(store, contig) for contig in contigs]))
    if len(numbers) < FEWEST_PAIRS:
        raise RequestError(
            f"{store.path}: {len(numbers)} labelled pairs are too few for a random split into "
            f"{N_FOLDS} groups"
        )
    groups = np.array_split(np.random.default_rng(seed).permutation(numbers), N_FOLDS)
    following = (fold + 1) % N_FOLDS
    train = np.concatenate([g for k, g in enumerate(groups) if k not in (fold, following)])
    return RandomPairs(
        contigs=contigs,
        train=np.sort(train),
        validation=np.sort(groups[following]),
        test=np.sort(groups[fold]),
        fold=fold,
        seed=seed,
        unused=natural_order(contig for contig in store.contigs if contig not in contigs),
    )


def _labelled(store: Store, contig: str) -> np.ndarray:
    frame = store.pairs(contig)
    return frame["pair"].to_numpy(np.int64)[frame["label"].to_numpy() >= 0]

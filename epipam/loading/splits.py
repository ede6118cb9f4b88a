"""Which chromosomes train, validate and test, and what a split leaks from one to the other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from epipam.errors import RequestError
from epipam.genome.contigs import listed_contigs, natural_order, select_contigs, without_chr

if TYPE_CHECKING:
    import pandas as pd

N_FOLDS = 8
FOLD_CHROMOSOMES = (*(str(number) for number in range(1, 23)), "X")
CHROMOSOMES_PER_FOLD = 3

PARTS = ("train", "validation", "test")


class Part(NamedTuple):
    """What of a store plays one part.

    Attributes
    ----------
    contigs
        The contigs to read.
    pairs
        int64, ascending: the numbers of those of their pairs that count; None where all do.
    """

    contigs: tuple[str, ...]
    pairs: np.ndarray | None = None


@dataclass(frozen=True)
class ChromosomeSplit:
    """Contigs by the part they play; no contig plays two, unless the split is `chosen_on_test`.

    Attributes
    ----------
    train, validation, test
        Contig names as the caller spelled them, none of the three empty.
    unused
        Contigs that play no part: in a genome with human folds, all beyond
        chr1..chr22 and chrX, since an alternate or unplaced contig repeats sequence of a
        chromosome that may be in the test part.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    unused: tuple[str, ...] = ()

    def summary(self) -> str:
        """Say in a line which contigs play which part."""
        parts = [f"{part} {listed_contigs(getattr(self, part))}" for part in PARTS]
        return "; ".join(parts + ([f"unused {listed_contigs(self.unused)}"] if self.unused else []))

    def part(self, name: str) -> Part:
        """Return what plays a part, one of `PARTS`."""
        return Part(getattr(self, name))

    def describe(self, name: str) -> str:
        """Say in words what plays a part."""
        return ", ".join(getattr(self, name))

    def record(self) -> dict[str, Any]:
        """Return plain lists that say what the split is."""
        return {name: list(getattr(self, name)) for name in (*PARTS, "unused")}

    def chosen_on_test(self) -> ChromosomeSplit:
        """Return the same training and test part, the latter in the validation part's place too.

        What is chosen on the validation part is then chosen on the test part, as published
        evaluations have done. The validation part's own contigs are unused.
        """
        unused = natural_order((*self.unused, *self.validation))
        return replace(self, validation=self.test, unused=unused)


def was_chosen_on_test(record: Mapping[str, Any]) -> bool:
    """Say of a split's `record` whether its validation part was its test part.

    Parameters
    ----------
    record
        Of a split of either kind; empty, where nobody kept one, it is taken to be none such.
    """
    if random := record.get("random"):
        return bool(random.get("chosen_on_test"))
    return not {*record.get("validation", ())}.isdisjoint(record.get("test", ()))


class RandomSplit(NamedTuple):
    """Row numbers by part: int64 arrays, ascending, together every row once."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class Leakage(NamedTuple):
    """Shares (0 to 1) of the test pairs whose anchors overlap an anchor of the training pairs.

    Attributes
    ----------
    n_test
        How many test pairs the shares are of.
    enhancer
        Test pairs whose enhancer overlaps the enhancer of a training pair by at least 1 bp.
    promoter
        Test pairs whose promoter overlaps the promoter of a training pair by at least 1 bp.
    both
        Test pairs of which both is true, be it by one training pair or by two.
    """

    n_test: int
    enhancer: float
    promoter: float
    both: float


def folds(contigs: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Cut the contigs into the groups that the folds test, one group per fold.

    With human names, `chr1`..`chr22`, `chrX` or the same without `chr`, fold k of 8 tests
    chromosomes 3k+1..3k+3 of that order, the last one two (docs/architecture.md); whatever of
    them is absent leaves its fold smaller, or empty. These names are taken to be meant where more
    than half of the contigs carry one (yeast's `chrX` alone is no human chromosome).

    Any other genome: contigs in natural order (`scaffold_2` before `scaffold_10`) are cut into 8
    consecutive groups whose sizes differ by at most one; fewer groups with fewer contigs.

    Parameters
    ----------
    contigs
        The contigs that hold data, in any order.

    Returns
    -------
    tuple of tuple of str
        Each contig at most once, spelled as given.
    """
    present = natural_order(contigs)
    by_name = [without_chr(contig) for contig in present]
    if _are_human(by_name):
        groups = []
        for first in range(0, len(FOLD_CHROMOSOMES), CHROMOSOMES_PER_FOLD):
            tested = FOLD_CHROMOSOMES[first : first + CHROMOSOMES_PER_FOLD]
            groups.append(
                tuple(c for c, name in zip(present, by_name, strict=True) if name in tested)
            )
        return tuple(groups)
    n_groups = min(N_FOLDS, len(present))
    bounds = [len(present) * k // n_groups for k in range(n_groups + 1)] if n_groups else []
    return tuple(present[low:high] for low, high in itertools.pairwise(bounds))


def fold_split(contigs: Sequence[str], fold: int) -> ChromosomeSplit:
    """Split the contigs for one fold.

    The fold's group of `folds` is the test part; the validation part is the group of the next
    fold that has any contig, the first fold following the last; all other groups train.

    Parameters
    ----------
    contigs
        The contigs that hold data, in any order.
    fold
        Which fold, from 0.

    Raises
    ------
    RequestError
        There is no such fold, or the contigs leave one of its parts empty.
    """
    test = fold_contigs(contigs, fold)
    groups = folds(contigs)
    following = (groups[(fold + step) % len(groups)] for step in range(1, len(groups)))
    validation = next((group for group in following if group), ())
    train = tuple(contig for group in groups for contig in group if group not in (test, validation))
    return _checked(contigs, ChromosomeSplit(train, validation, test), f"fold {fold}")


def fold_contigs(contigs: Sequence[str], fold: int) -> tuple[str, ...]:
    """Return the contigs that a fold tests.

    Raises
    ------
    RequestError
        There is no such fold, or none of its contigs is among those given.
    """
    groups = folds(contigs)
    occupied = ", ".join(str(k) for k, group in enumerate(groups) if group)
    if not groups:
        raise RequestError(f"there is no fold {fold}: no contig holds data")
    if not 0 <= fold < len(groups):
        raise RequestError(
            f"there is no fold {fold}: {listed_contigs(contigs)} make folds {occupied}"
        )
    if not groups[fold]:
        raise RequestError(
            f"fold {fold} leaves the test part empty, with data on {listed_contigs(contigs)}; "
            f"the folds with contigs to test are {occupied}"
        )
    return groups[fold]


def explicit_split(
    contigs: Sequence[str], validation: Sequence[str] | None, test: Sequence[str]
) -> ChromosomeSplit:
    """Split by named contigs; of the contigs in any fold, those named in neither list train.

    Parameters
    ----------
    contigs
        The contigs that hold data, in any order.
    validation, test
        Contig names, each spelled as in `contigs` or differing from it by a leading `chr` only.
        Without `validation`, the contigs that follow the last test one in natural order, the
        first following the last: as many as are tested, but at most a third of those left.

    Raises
    ------
    RequestError
        A name that is not among the contigs, one in both lists, or an empty part.
    """
    chosen_test = select_contigs(contigs, test)
    candidates = natural_order(contig for group in folds(contigs) for contig in group)
    if validation is None:
        chosen_validation = _following(candidates, chosen_test)
    else:
        chosen_validation = select_contigs(contigs, validation)
    shared = [contig for contig in chosen_test if contig in chosen_validation]
    if shared:
        raise RequestError(
            f"{', '.join(shared)}: in both the validation and the test list; "
            "leave each contig in one of them"
        )
    taken = {*chosen_validation, *chosen_test}
    train = tuple(contig for contig in candidates if contig not in taken)
    return _checked(
        contigs, ChromosomeSplit(train, chosen_validation, chosen_test), "this choice of contigs"
    )


def random_split(
    n: int, seed: int, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
) -> RandomSplit:
    """Split `n` rows at random, whatever chromosome they lie on; see `leakage` for the price.

    Parameters
    ----------
    n
        How many rows.
    seed
        The same seed gives the same split.
    fractions
        Shares of training, validation and test rows; they sum to 1. Rounded to whole rows.

    Raises
    ------
    RequestError
        Shares that are negative or do not sum to 1, or too few rows to fill each part.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise RequestError(f"the fractions {fractions} must be shares that sum to 1")
    n_train = round(n * fractions[0])
    n_validation = round(n * (fractions[0] + fractions[1])) - n_train
    order = np.random.default_rng(seed).permutation(n)
    parts = np.split(order, [n_train, n_train + n_validation])
    for part, rows in zip(PARTS, parts, strict=True):
        if len(rows) == 0:
            raise RequestError(
                f"{n} rows in shares {fractions} leave the {part} part empty; "
                "give more rows or other fractions"
            )
    return RandomSplit(*(np.sort(rows).astype(np.int64) for rows in parts))


def leakage(train: pd.DataFrame, test: pd.DataFrame) -> Leakage:
    """Measure how many test pairs share an anchor's sequence with the training pairs.

    Parameters
    ----------
    train, test
        Canonical pair tables (0-based half-open bp). A region of zero width counts as the base
        at its start. To measure what a model of fixed windows sees, resize the regions first.
    """
    from epipam.pairs.overlaps import count_overlapping, places_of

    enhancer, promoter = (
        count_overlapping(places_of(test, anchor), places_of(train, anchor)) > 0
        for anchor in ("enhancer", "promoter")
    )
    n_test = len(test)
    shares = [
        float(flags.mean()) if n_test else 0.0
        for flags in (enhancer, promoter, enhancer & promoter)
    ]
    return Leakage(n_test, *shares)


def _following(candidates: Sequence[str], test: Sequence[str]) -> tuple[str, ...]:
    last = candidates.index(test[-1]) if test and test[-1] in candidates else -1
    turned = [*candidates[last + 1 :], *candidates[: last + 1]]
    left = [contig for contig in turned if contig not in test]
    return natural_order(left[: max(1, min(len(test), len(left) // 3))])


def _checked(contigs: Sequence[str], split: ChromosomeSplit, what: str) -> ChromosomeSplit:
    empty = [part for part in PARTS if not getattr(split, part)]
    if empty:
        raise RequestError(
            f"{what} leaves the {' and the '.join(empty)} part empty, with data on "
            f"{listed_contigs(contigs)}; name contigs with --test and --validation, at least one "
            "each, and leave one to train on"
        )
    taken = {*split.train, *split.validation, *split.test}
    unused = tuple(contig for contig in natural_order(contigs) if contig not in taken)
    return replace(split, unused=unused)


def _are_human(names: Sequence[str]) -> bool:
    """Whether names, less `chr`, mean the human chromosomes of the folds."""
    n_known = sum(name in FOLD_CHROMOSOMES for name in names)
    beyond = any(name.isdigit() and name not in FOLD_CHROMOSOMES for name in names)
    return 2 * n_known > len(names) and not beyond

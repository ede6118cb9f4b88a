"""Which pairs of a store may judge a model: those it has not learned from, or those asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epipam.errors import RequestError
from epipam.evaluation.audit import audit_split
from epipam.evaluation.prediction import labelled_pairs
from epipam.loading.random_pairs import random_pairs
from epipam.loading.splits import (
    Part,
    fold_contigs,
    natural_order,
    select_contigs,
    was_chosen_on_test,
)
from epipam.models.folder import read_config

if TYPE_CHECKING:
    import pandas as pd

    from epipam.store import Store

EVERY = "all"


@dataclass(frozen=True)
class HeldOut:
    """What a model is judged on.

    Attributes
    ----------
    part
        The pairs.
    training_pairs
        Labelled pairs of the store that the model learned from, or, of a model that learned from
        none of it, all that are not judged; None where there are none.
    notes
        What a reader of the numbers must know first, in sentences.
    """

    part: Part
    training_pairs: pd.DataFrame | None
    notes: tuple[str, ...]


def held_out(
    model: Path, store: Store, *, fold: int | None = None, chromosomes: Sequence[str] | None = None
) -> HeldOut:
    """Choose what of a store a model is judged on, and say what that is worth.

    Without `fold` and `chromosomes`: the test chromosomes that the model was trained with, or the
    test pairs of its random split where it is the store that it was trained on. Chromosomes are
    the same where their sequence is, whatever pairs the store holds.

    Parameters
    ----------
    model
        A model folder.
    fold
        The test chromosomes of this fold of the store.
    chromosomes
        These; `["all"]` is every one of the store.

    Raises
    ------
    RequestError
        Where both are given, the store has no such chromosomes, or nothing says which of them the
        model did not learn from.
    """
    if fold is not None and chromosomes is not None:
        raise RequestError("a fold and chromosomes both choose what to evaluate: give one")
    provenance = read_config(model).get("provenance") or {}
    split = provenance.get("split") or {}
    known = same_contigs(provenance, store)
    own = is_own_store(provenance, store)
    notes = list(training_notes(provenance))
    if fold is not None:
        part = Part(fold_contigs(store.contigs, fold))
    elif chromosomes is not None:
        every = list(chromosomes) == [EVERY]
        part = Part(store.contigs if every else select_contigs(store.contigs, chromosomes))
    elif own and (drawn := split.get("random")) is not None:
        pairs = random_pairs(store, drawn["fold"], drawn["seed"])
        part, train = pairs.part("test"), labelled_pairs(store, pairs.part("train"))
        notes = [*_of_random_split(store, split, part, train), *notes]
        return HeldOut(part, train, tuple(notes))
    else:
        part = Part(_own_test(model, store, split, known, own))
        if not own:
            notes.insert(
                0,
                "the store holds other pairs than the model was trained with; judged "
                f"on its test chromosomes: {', '.join(part.contigs)}",
            )
    seen = known & {*split.get("train", ())}
    trained = natural_order(seen or {*store.contigs} - {*part.contigs})
    train_pairs = labelled_pairs(store, Part(trained)) if trained else None
    if train_pairs is not None and train_pairs.empty:
        train_pairs = None
    return HeldOut(part, train_pairs, (*_cautions(provenance, store, part.contigs, known), *notes))


def same_contigs(provenance: Mapping[str, Any], store: Store) -> set[str]:
    """Return the store's contigs whose sequence is that which a model was made with."""
    genome = (provenance.get("store") or {}).get("genome") or {}
    theirs, ours = genome.get("contigs") or {}, store.attributes["genome"]["contigs"]
    return {
        contig for contig in store.contigs if contig in ours and theirs.get(contig) == ours[contig]
    }


def is_own_store(provenance: Mapping[str, Any], store: Store) -> bool:
    """Whether a model was trained on this store's genome and pairs."""
    trained_on = provenance.get("store") or {}
    return all(trained_on.get(key) == store.attributes[key] for key in ("genome", "pairs"))


def training_notes(provenance: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is to be known of a model's training, in sentences."""
    best, most = provenance.get("best_epoch"), (provenance.get("training") or {}).get("epochs")
    if best is not None and best == most:
        yield (
            f"the model's best epoch is the last, {best} of {most}: it may not have learned all "
            "that it can; train it again with more --epochs"
        )


def _own_test(
    model: Path, store: Store, split: Mapping[str, Any], known: set[str], own: bool
) -> tuple[str, ...]:
    """Return the chromosomes that a model was tested on, those of the store."""
    tested = () if "random" in split else natural_order(known & {*split.get("test", ())})
    if tested:
        return tested
    why = (
        f"{model} does not say what it was trained on"
        if not split
        else f"{model} was trained on pairs drawn at random from all chromosomes"
        if "random" in split
        else f"the chromosomes that {model} was tested on are not in it"
        if known
        else f"its genome is not the one that {model} was trained on"
    )
    raise RequestError(
        f"{store.path}: nothing says which of its pairs may judge the model: {why}; name some with "
        f"--chromosomes ({EVERY} for every one), and the result says what is not known of them"
    )


def _cautions(
    provenance: Mapping[str, Any], store: Store, judged: Sequence[str], known: set[str]
) -> Iterator[str]:
    """Yield why the numbers on some chromosomes may not say what the model is worth elsewhere."""
    learned: set[str] = set()
    ancestor: Mapping[str, Any] | None = provenance
    while ancestor:
        split = ancestor.get("split") or {}
        parts = {*split.get("train", ()), *split.get("validation", ())}
        learned |= same_contigs(ancestor, store) & parts
        ancestor = ancestor.get("initial_model")
    if fitted := natural_order(learned & {*judged}):
        yield (
            f"the model was fitted on {', '.join(fitted)}; the numbers on them do not say what it "
            "is worth elsewhere"
        )
    if unknown := natural_order({*judged} - known):
        yield (
            f"nothing says whether the model was fitted on the sequence of {', '.join(unknown)}, "
            "which is none that it is known to be trained with; if it was, the numbers flatter"
        )


def _of_random_split(
    store: Store, split: Mapping[str, Any], part: Part, train: pd.DataFrame
) -> Iterator[str]:
    test = labelled_pairs(store, part)
    yield audit_split(train, test, store.enhancer_length, store.promoter_length).sentence()
    if was_chosen_on_test(split):
        yield "the model's epoch was chosen on these very pairs, so that the numbers flatter"

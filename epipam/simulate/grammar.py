"""The motifs and the two grammars that make a pair interact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

GRAMMARS = ("both", "match")
NO_MOTIF = -1
FORWARD, REVERSE = 1, -1


@dataclass(frozen=True)
class Motif:
    """A motif as its consensus and, per position, the tenths in which the consensus is kept.

    `fidelity` is one character per position: `9` stands for 0.97, any other digit for tenths.
    A letter that is not kept is one of the other three, equally often.
    """

    name: str
    consensus: str
    fidelity: str

    def __len__(self) -> int:
        return len(self.consensus)

    def keep_probabilities(self) -> np.ndarray:
        """Return the probability of the consensus letter, float64 (length,)."""
        return np.array([0.97 if digit == "9" else int(digit) / 10 for digit in self.fidelity])

    def sample(self, n_sites: int, random: np.random.Generator) -> np.ndarray:
        """Draw sites as ASCII letters 5' to 3' on the motif's strand, uint8 (n_sites, length)."""
        codes = np.array(["ACGT".index(base) for base in self.consensus])
        lost = random.random((n_sites, len(self))) >= self.keep_probabilities()
        codes = (codes + lost * random.integers(1, 4, (n_sites, len(self)))) % 4
        return np.frombuffer(b"ACGT", np.uint8)[codes]


MOTIFS = (
    Motif("CTCF", "TGGCCACCAGGGGGCGCTA", "6679989999999999976"),
    Motif("REST", "TTCAGCACCATGGACAGCG", "7899999999799999998"),
    Motif("ZNF143", "ACTACAATTCCCAGAATGC", "8999998789999899998"),
    Motif("HNF4A", "CAAAGTCCAGTTCAA", "799999999899998"),
    Motif("NFY", "CTCAGCCAATCAGCGC", "7789999999999877"),
    Motif("IRF", "GAAAGTGAAACTGAAA", "8999989999989998"),
)
LONGEST_MOTIF = max(len(motif) for motif in MOTIFS)
CTCF = 0

_COMPLEMENT = np.zeros(256, np.uint8)
_COMPLEMENT[np.frombuffer(b"ACGTN", np.uint8)] = np.frombuffer(b"TGCAN", np.uint8)


def reverse_complement(letters: np.ndarray) -> np.ndarray:
    """Return the other strand of upper-case ASCII letters, along the last axis."""
    return _COMPLEMENT[letters[..., ::-1]]


class States(NamedTuple):
    """What the two anchors of every pair carry; four int8 arrays (pairs,)."""

    enhancer_motif: np.ndarray
    enhancer_strand: np.ndarray
    promoter_motif: np.ndarray
    promoter_strand: np.ndarray


def deal_states(
    grammar: str, labels: np.ndarray, contigs: np.ndarray, random: np.random.Generator
) -> States:
    """Deal anchor states to labelled pairs from exactly balanced decks.

    `both`: a positive has CTCF sites forward in the enhancer, which lies upstream, and reverse in
    the promoter. Negatives get four kinds in turn: only the enhancer right, only the promoter
    right, both forward, both reverse. So every negative has one right anchor, and with an even
    number of negatives each anchor alone is right in half of them: a perfect detector of one
    anchor has an AUROC of 0.75. With an odd number n the last one is right at the enhancer, and
    the promoter alone reaches 0.75 + 1 / (4 n).

    `match`: the anchors of a positive carry the same motif, those of a negative different ones,
    and for either anchor every motif is as frequent among negatives as among positives.

    Parameters
    ----------
    grammar
        One of `GRAMMARS`.
    labels
        0 or 1 per pair (pairs,).
    contigs
        Number of the contig per pair (pairs,): the decks are dealt contig by contig, so that
        every contig is as balanced as its count allows.
    random
        Source of the order within a contig and of the strands of `match`.
    """
    shuffled = np.lexsort([random.random(len(labels)), contigs])
    positives, negatives = (shuffled[labels[shuffled] == label] for label in (1, 0))
    if grammar == "both":
        return _deal_both(positives, negatives)
    return _deal_match(positives, negatives, random)


def _deal_both(positives: np.ndarray, negatives: np.ndarray) -> States:
    n_pairs = len(positives) + len(negatives)
    enhancer_strand, promoter_strand = np.zeros((2, n_pairs), np.int8)
    enhancer_strand[positives], promoter_strand[positives] = FORWARD, REVERSE
    # Any even number of cards from the top holds as many right enhancers as right promoters.
    deck = np.array([(FORWARD, 0), (0, REVERSE), (FORWARD, FORWARD), (REVERSE, REVERSE)], np.int8)
    cards = deck[np.arange(len(negatives)) % len(deck)]
    enhancer_strand[negatives], promoter_strand[negatives] = cards.T
    motifs = [
        np.where(strand == 0, NO_MOTIF, CTCF).astype(np.int8)
        for strand in (enhancer_strand, promoter_strand)
    ]
    return States(motifs[0], enhancer_strand, motifs[1], promoter_strand)


def _deal_match(
    positives: np.ndarray, negatives: np.ndarray, random: np.random.Generator
) -> States:
    n_pairs = len(positives) + len(negatives)
    enhancer_motif, promoter_motif = np.zeros((2, n_pairs), np.int8)
    dealt = np.arange(len(positives)) % len(MOTIFS)
    enhancer_motif[positives] = promoter_motif[positives] = dealt
    enhancer_motif[negatives], promoter_motif[negatives] = _unequal_motifs(
        np.bincount(np.resize(dealt, len(negatives)), minlength=len(MOTIFS))
    )
    strands = random.choice(np.array([FORWARD, REVERSE], np.int8), (2, n_pairs))
    return States(enhancer_motif, strands[0], promoter_motif, strands[1])


def _unequal_motifs(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deal two lists that hold motif i `counts[i]` times each and differ at every place.

    One pair alone, or one motif alone, leaves no such lists: the second then takes the next motif.
    """
    n_motifs = len(counts)
    extras = counts - counts.min()
    kept_back = min(int(counts.min()), 1 + int(extras.max()))
    rounds = int(counts.min()) - kept_back
    first = np.tile(np.arange(n_motifs), rounds)
    second = (first + 1 + np.arange(len(first)) // n_motifs % (n_motifs - 1)) % n_motifs
    rest = np.r_[np.tile(np.arange(n_motifs), kept_back), np.repeat(np.arange(n_motifs), extras)]
    order = np.argsort(rest, kind="stable")
    turned = np.empty_like(rest)
    # Turning a sorted list by its longest run moves every value off its own run, if any turn can.
    turned[order] = np.roll(rest[order], int((kept_back + extras).max()))
    first, second = np.r_[first, rest], np.r_[second, turned]
    return first, np.where(first == second, (first + 1) % n_motifs, second)

"""Scoring changed windows: each distinct window and pair once, whatever else is asked for."""

import numpy as np
import pytest

from epipam.genome.encoding import decode
from epipam.genome.fasta import Genome
from epipam.interpret import change_scorer
from epipam.interpret.change_scorer import ChangeScorer, PairOf, WindowOf
from epipam.interpret.edits import Edit


class LetterEngine:
    """Scores a pair by its letters, so that any other window gives another number."""

    enhancer_length, promoter_length = 8, 6

    def __init__(self):
        self.scored = []

    def logits(self, windows):
        enhancers = decode(windows.enhancer, self.enhancer_length)
        promoters = decode(windows.promoter, self.promoter_length)
        assert len(set(enhancers)) == len(enhancers)
        pairs = [
            (enhancers[e], promoters[p])
            for e, p in zip(windows.enhancer_row, windows.promoter_row, strict=True)
        ]
        self.scored += pairs
        return np.array([self.score(*pair) for pair in pairs])

    @staticmethod
    def score(enhancer, promoter):
        return float(int.from_bytes((enhancer + promoter).encode(), "big") % 1_000_003)


@pytest.fixture
def contig(write_genome):
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 500))
    return write_genome({"c": letters}), letters


def snv(letters, position):
    return Edit(position, position + 1, "ACGT"[("ACGT".index(letters[position]) + 1) % 4])


def test_reference_and_change_are_scored_once_each(contig):
    path, letters = contig
    engine = LetterEngine()
    scorer = ChangeScorer(engine, Genome(path))
    edit = snv(letters, 103)
    pairs = [
        PairOf(WindowOf("c", 100, edit), WindowOf("c", 200 + 10 * i)) for i in range(5)
    ] * 2  # two records of one variant
    reference, changed = scorer.logits(pairs)
    expected = [
        LetterEngine.score(letters[100:108], letters[start : start + 6])
        for start in range(200, 250, 10)
    ]
    assert reference.tolist() == expected * 2
    enhancer = letters[100:103] + edit.inserted + letters[104:108]
    expected = [
        LetterEngine.score(enhancer, letters[start : start + 6]) for start in range(200, 250, 10)
    ]
    assert changed.tolist() == expected * 2
    assert len(engine.scored) == len(set(engine.scored)) == 10
    scorer.logits([pair._replace(enhancer=WindowOf("c", 100, snv(letters, 105))) for pair in pairs])
    assert len(engine.scored) == 15  # no reference again


def test_changed_promoters_and_both_are_scored_in_groups(contig, monkeypatch):
    monkeypatch.setattr(change_scorer, "_PROMOTERS", 3)
    path, letters = contig
    scorer = ChangeScorer(LetterEngine(), Genome(path))
    pairs = []
    for position in range(300, 306):
        edit = snv(letters, position)
        pairs += [PairOf(WindowOf("c", 10 * i), WindowOf("c", 300, edit)) for i in range(4)]
        pairs.append(PairOf(WindowOf("c", 299, edit), WindowOf("c", 300, edit)))
    _, changed = scorer.logits(pairs)
    for pair, logit in zip(pairs, changed.tolist(), strict=True):
        edit = pair.promoter.edit
        mutated = letters[: edit.start] + edit.inserted + letters[edit.end :]
        start = pair.enhancer.start
        source = mutated if pair.enhancer.edit else letters
        assert logit == LetterEngine.score(source[start : start + 8], mutated[300:306])


def test_kept_references_are_bounded(contig, monkeypatch):
    monkeypatch.setattr(change_scorer, "_REFERENCES", 10)
    path, letters = contig
    scorer = ChangeScorer(LetterEngine(), Genome(path))
    for start in range(400):
        pair = PairOf(WindowOf("c", start, snv(letters, start + 1)), WindowOf("c", 450))
        (reference,), _ = scorer.logits([pair])
        assert reference == LetterEngine.score(letters[start : start + 8], letters[450:456])
        assert len(scorer._references) <= 11


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 16])
def test_letters_are_those_of_the_genome_however_they_are_read(contig, monkeypatch, block):
    monkeypatch.setattr(change_scorer, "_BLOCK", block)
    path, letters = contig
    scorer = ChangeScorer(LetterEngine(), Genome(path))
    for start, end in [(-5, 3), (0, 500), (63, 65), (128, 128), (490, 512), (-9, -3), (600, 607)]:
        expected = "".join(letters[i] if 0 <= i < 500 else "N" for i in range(start, end))
        assert scorer.fetch("c", start, end) == expected

"""Motifs against known ones: the right target, turned the right way, with the right q."""

import numpy as np
import pytest

from epipam.genome.encoding import BASES
from epipam.interpret.motif_files import Motif, meme_text
from epipam.interpret.motif_matches import match_motifs, read_databases

CTCF = "TGGCCACCAGGGGGCGCTA"


def sharp(consensus: str, keep: float = 0.85) -> np.ndarray:
    """Return probabilities (width, 4) that keep each letter of a consensus."""
    return np.array([[keep if b == c else (1 - keep) / 3 for b in BASES] for c in consensus])


def turned(probabilities: np.ndarray) -> np.ndarray:
    return probabilities[::-1, ::-1]


@pytest.fixture(scope="module")
def collection() -> list[np.ndarray]:
    """Sixty random motifs; CTCF is number 17."""
    rng = np.random.default_rng(8)
    found = [rng.dirichlet([0.4] * 4, rng.integers(8, 20)) for _ in range(60)]
    found[17] = sharp(CTCF)
    return found


def plain_q_values(p_values: list[float]) -> list[float]:
    """Benjamini and Hochberg as they wrote it down: the least m p / rank from each rank on."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    q_values, least = [0.0] * len(p_values), 1.0
    for rank in range(len(p_values), 0, -1):
        index = order[rank - 1]
        least = min(least, p_values[index] * len(p_values) / rank)
        q_values[index] = least
    return q_values


def test_the_target_its_strand_and_its_place_are_found(collection):
    flank = np.full((3, 4), 0.25)
    queries = [
        np.concatenate([flank, sharp(CTCF)]),
        turned(sharp(CTCF)),
        sharp(CTCF)[4:],
        turned(sharp(CTCF)[4:]),
    ]
    found = match_motifs(queries, collection)
    assert found.p_value.argmin(axis=1).tolist() == [17] * 4
    assert (found.q_value[:, 17] < 1e-3).all()
    assert found.reverse[:, 17].tolist() == [False, True, False, True]
    assert found.offset[:, 17].tolist() == [-3, 0, 4, 0]
    assert found.overlap[:, 17].tolist() == [19, 19, 15, 15]


def test_q_values_are_those_of_benjamini_and_hochberg(collection):
    queries = [sharp(CTCF), collection[3][2:], np.random.default_rng(0).dirichlet([1] * 4, 12)]
    found = match_motifs(queries, collection)
    for p_values, q_values in zip(found.p_value, found.q_value, strict=True):
        np.testing.assert_allclose(q_values, plain_q_values(p_values.tolist()))
    everything = plain_q_values(found.p_value.flatten().tolist())
    np.testing.assert_allclose(found.q_value_all.flatten(), everything)


def test_p_values_of_motifs_that_resemble_nothing_are_spread_evenly(collection):
    rng = np.random.default_rng(1)
    queries = [rng.dirichlet([0.4] * 4, 15) for _ in range(40)]
    p_values = match_motifs(queries, collection).p_value
    for level in (0.05, 0.2, 0.5):
        assert (p_values <= level).mean() == pytest.approx(level, rel=0.5)


def test_databases_are_put_together(tmp_path):
    for name in ("a", "b"):
        motifs = [Motif(f"{name}1", "CTCF", sharp(CTCF)), Motif(f"{name}2", "", sharp("ACGT"))]
        (tmp_path / f"{name}.meme").write_text(meme_text(motifs, np.full(4, 0.25)))
    found = read_databases([tmp_path / "a.meme", tmp_path / "b.meme"])
    assert [(t.motif.identifier, t.database) for t in found] == [
        ("a1", "a.meme"), ("a2", "a.meme"), ("b1", "b.meme"), ("b2", "b.meme"),
    ]  # fmt: skip


@pytest.mark.parametrize("names", [["H12CORE.meme.gz"], ["MA0139.1.meme"]])
def test_ctcf_is_found_in_published_collections(shared_data, names):
    targets = read_databases([shared_data / "motifs" / name for name in names])
    queries = [sharp(CTCF), turned(sharp(CTCF))]
    found = match_motifs(queries, [target.motif.probabilities for target in targets])
    best = found.p_value.argmin(axis=1)
    assert all("CTCF" in str(targets[i].motif) for i in best)
    assert (found.q_value[[0, 1], best] < 1e-3).all()
    assert found.reverse[[0, 1], best].tolist() == [False, True]

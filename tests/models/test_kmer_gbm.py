"""Counts of k-mers against a loop over letters, and trees against following them by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from epipam.genome.encoding import encode_packed
from epipam.models import create_model, load_model, save_model, unpack
from epipam.models.kmer_gbm import KmerGbm, KmerGbmConfig, canonical_columns

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def plain_counts(sequence: str, k: int) -> list[int]:
    """Count each k-mer with its reverse complement, in lexical order of the first of the two."""
    counts: dict[str, int] = {}
    for number in range(4**k):
        kmer = "".join("ACGT"[number // 4**place % 4] for place in reversed(range(k)))
        counts.setdefault(min(kmer, kmer.translate(COMPLEMENT)[::-1]), 0)
    for start in range(len(sequence) - k + 1):
        kmer = sequence[start : start + k]
        if "N" not in kmer:
            counts[min(kmer, kmer.translate(COMPLEMENT)[::-1])] += 1
    return [counts[kmer] for kmer in sorted(counts)]


@given(
    st.integers(1, 3),
    st.text(alphabet="ACGTN", min_size=31, max_size=31),
    st.text(alphabet="ACGTN", min_size=20, max_size=20),
)
def test_counts_are_those_of_a_loop_over_letters(k, enhancer, promoter):
    network = KmerGbm(KmerGbmConfig(31, 20, k=k))
    packed = [
        torch.from_numpy(encode_packed([sequence], len(sequence)))
        for sequence in (enhancer, promoter)
    ]
    expected = [plain_counts(enhancer, k) + plain_counts(promoter, k)]
    assert network.counts(*packed).tolist() == expected
    windows = [unpack(packed[0], 31), unpack(packed[1], 20)]
    assert network.counts(*windows).tolist() == expected


@pytest.mark.parametrize(("k", "columns"), [(1, 2), (2, 10), (5, 512), (6, 2_080)])
def test_a_kmer_and_its_reverse_complement_are_one_column(k, columns):
    assert int(canonical_columns(k).max()) == columns


def two_trees() -> KmerGbm:
    """If the enhancer has at most 2 A or T: -1, else 3 or, above 4, 5; and 0.25 in any case."""
    network = KmerGbm(KmerGbmConfig(8, 6, k=1, trees=2, nodes=6, depth=2))
    network.load_state_dict(
        {
            "baseline": torch.tensor([0.5], dtype=torch.float64),
            "root": torch.tensor([0, 5]),
            "feature": torch.zeros(6, dtype=torch.int64),
            "threshold": torch.tensor([2.5, 0, 4.5, 0, 0, 0]),
            "left": torch.tensor([1, 1, 3, 3, 4, 5]),
            "right": torch.tensor([2, 1, 4, 3, 4, 5]),
            "value": torch.tensor([9, -1, 9, 3, 5, 0.25], dtype=torch.float64),
        }
    )
    return network.eval()


def test_logits_are_the_leaves_that_counts_lead_to():
    enhancers = ["AACCCCCC", "AATTCCCC", "AAAAAACC"]
    packed = torch.from_numpy(encode_packed(enhancers, 8))
    promoters = torch.from_numpy(encode_packed(["ACGTAC"] * 3, 6))
    assert two_trees()(packed, promoters).tolist() == [-0.25, 3.75, 5.75]


def test_a_saved_model_comes_back_with_its_trees(tmp_path):
    save_model(two_trees(), tmp_path / "m", {})
    loaded = load_model(tmp_path / "m")
    assert loaded.config == two_trees().config
    for name, tensor in two_trees().state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_without_trees_every_pair_has_the_same_logit():
    network = create_model("kmer-gbm", KmerGbmConfig(8, 6))
    rng = np.random.default_rng(0)
    windows = [
        torch.from_numpy(rng.choice(np.array([0x84, 0x21], dtype=np.uint8), (4, n))) for n in (4, 3)
    ]
    assert network(*windows).tolist() == [0.0] * 4

"""Pairwise: what it does not change under, what each part adds, and what it can learn."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from epipam.errors import ModelError
from epipam.genome.encoding import encode_packed
from epipam.models import create_model, unpack
from epipam.models.pairwise import CrossAttention, PairwiseConfig
from epipam.models.registry import model_config

SMALL = {"channels": 10, "width": 12, "attention_heads": 3, "hidden": 8, "blocks": 2}
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def random_sequences(seed: int, n: int, length: int) -> list[str]:
    drawn = np.random.default_rng(seed).choice(list("ACGTN"), (n, length), p=[0.24] * 4 + [0.04])
    return ["".join(row) for row in drawn]


def other_strand(sequences: list[str]) -> list[str]:
    return [sequence.translate(COMPLEMENT)[::-1] for sequence in sequences]


def packed(sequences: list[str]) -> torch.Tensor:
    return torch.from_numpy(encode_packed(sequences, len(sequences[0])))


def network_of(length: int, promoter_length: int | None = None, **shape):
    torch.manual_seed(0)
    config = PairwiseConfig(length, promoter_length or length, **{**SMALL, **shape})
    network = create_model("pairwise", config).double()
    # Running means that are not the initial ones, as after training.
    network.train()(
        packed(random_sequences(5, 30, length)),
        packed(random_sequences(6, 30, config.promoter_length)),
    )
    return network.eval()


@pytest.mark.parametrize("heads", [0, 3])
@pytest.mark.parametrize("length", [100, 233, 500])
def test_the_other_strand_with_the_anchors_exchanged_has_the_same_logit(length, heads):
    network = network_of(length, attention_heads=heads)
    enhancer, promoter = random_sequences(1, 6, length), random_sequences(2, 6, length)
    logits = network(packed(enhancer), packed(promoter))
    mirrored = network(packed(other_strand(promoter)), packed(other_strand(enhancer)))
    torch.testing.assert_close(mirrored, logits, rtol=0, atol=1e-10)
    exchanged_only = network(packed(promoter), packed(enhancer))
    assert (exchanged_only - logits).abs().min() > 1e-6


@pytest.mark.parametrize(("enhancer", "promoter"), [(100, 100), (3_000, 2_000), (150, 3_000)])
def test_windows_from_100_to_3000_bp_make_finite_logits(enhancer, promoter):
    network = network_of(enhancer, promoter)
    logits = network(
        packed(random_sequences(3, 2, enhancer)), packed(random_sequences(4, 2, promoter))
    )
    assert logits.shape == (2,)
    assert logits.isfinite().all()


def test_windows_of_nothing_but_n_make_finite_logits():
    network = network_of(120)
    assert network(packed(["N" * 120]), packed(["N" * 120])).isfinite().all()


def test_cross_attention_is_a_softmax_over_scaled_cosines():
    torch.manual_seed(1)
    cross = CrossAttention(PairwiseConfig(100, 100, width=8, attention_heads=2)).double()
    asking, asked = torch.randn(1, 5, 8).double(), torch.randn(1, 7, 8).double()
    query, key = (cross.to_match(x[0]).reshape(-1, 2, 4) for x in (asking, asked))
    value = cross.to_value(asked[0]).reshape(-1, 2, 4)
    partner = torch.zeros(5, 2, 4).double()
    for position in range(5):
        for head in range(2):
            cosines = F.cosine_similarity(query[position, head], key[:, head], dim=1)
            weights = torch.softmax(cross.scale[head, 0, 0] * cosines, dim=0)
            partner[position, head] = weights @ value[:, head]
    partner = partner.flatten(1)
    beside = cross.compare(torch.cat([asking[0], partner, asking[0] * partner], dim=1))
    torch.testing.assert_close(cross(asking, asked)[0], beside.relu().amax(dim=0))


@pytest.mark.parametrize("positions", [10, 700])
def test_attention_finds_the_one_like_position_among_few_and_many(positions):
    torch.manual_seed(2)
    cross = CrossAttention(PairwiseConfig(100, 100, width=64, attention_heads=1)).double()
    asked = torch.randn(positions, 64).double()
    query, key = (F.normalize(cross.to_match(x), dim=1) for x in (asked[3:4], asked))
    weight = torch.softmax(cross.scale[0, 0, 0] * (query @ key.T), dim=1)[0, 3]
    assert weight > 0.5


def test_one_hot_windows_have_the_logits_of_packed_ones():
    network = network_of(150)
    enhancer, promoter = packed(random_sequences(7, 3, 150)), packed(random_sequences(8, 3, 150))
    found = network(unpack(enhancer, 150).double(), unpack(promoter, 150).double())
    torch.testing.assert_close(found, network(enhancer, promoter))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"attention_heads": 5}, "attention_heads is 5 but must divide the width, 64"),
        ({"attention_heads": -1}, "cannot be negative"),
        ({"pool": 0}, "pool is 0 but must be at least 1"),
        ({"kernel": 101}, "it needs at least 101 bp"),
    ],
)
def test_a_shape_that_makes_no_network_is_refused(shape, message):
    with pytest.raises(ModelError, match=message):
        model_config("pairwise", 100, 100, shape)


def test_it_learns_that_both_anchors_carry_the_same_of_two_words():
    """One anchor alone says nothing: only their comparison does."""
    rng = np.random.default_rng(9)
    words = ["TGACTCAGCA", "CCGGAAGTAT"]
    codes = rng.integers(0, 2, (2, 260))
    windows = []
    for anchor in range(2):
        sequences = random_sequences(10 + anchor, 260, 60)
        planted = (words[code] * 2 for code in codes[anchor])
        windows.append(
            packed([s[:20] + word + s[40:] for s, word in zip(sequences, planted, strict=True)])
        )
    label = torch.from_numpy((codes[0] == codes[1]).astype(np.float32))
    torch.manual_seed(3)
    # Chances of dropout left out: so few pairs, so few steps.
    shape = {"dropout": 0.0, "block_dropout": 0.0, "kernel": 10, "channels": 8, "hidden": 8}
    network = create_model("pairwise", PairwiseConfig(60, 60, **shape))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    train, test = slice(0, 160), slice(160, 260)
    for _ in range(15):
        logits = network.train()(windows[0][train], windows[1][train])
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(logits, label[train]).backward()
        optimiser.step()
    with torch.no_grad():
        logits = network.eval()(windows[0][test], windows[1][test])
    assert ((logits > 0) == (label[test] > 0)).float().mean() > 0.9

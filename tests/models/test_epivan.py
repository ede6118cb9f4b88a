"""EPIVAN against its layers written out in NumPy."""

import numpy as np
import torch
from plain_layers import (
    batch_norm,
    both_ways,
    convolution,
    dense,
    gru,
    max_pool,
    random_sequences,
    softmax,
    tokens,
    weights_of,
    with_statistics,
)

from epipam.genome.encoding import encode_packed
from epipam.models import create_model
from epipam.models.epivan import EpivanConfig

CONFIG = EpivanConfig(131, 104, embedding=7, channels=5, kernel=11, pool=9, units=4, attention=3)


def test_the_published_network_has_the_published_number_of_parameters():
    network = create_model("epivan")
    embeddings = 2 * 4_097 * 100
    convolutions = 2 * (64 * 100 * 40 + 64)
    norm = 2 * 64
    recurrent = 2 * 3 * (50 * (64 + 50) + 50)  # Keras's; PyTorch's has a second bias
    attention = 100 * 50 + 50 + 50
    published = embeddings + convolutions + norm + recurrent + attention + 101
    assert published == 1_371_357
    assert sum(p.numel() for p in network.parameters()) == published + 2 * 3 * 50


def plain_logit(weights, enhancer: str, promoter: str) -> float:
    parts = []
    for anchor, sequence in (("enhancer", enhancer), ("promoter", promoter)):
        vectors = weights[f"{anchor}_embedding.vectors.weight"][tokens(sequence)].T
        parts.append(max_pool(convolution(weights, f"{anchor}_block", vectors), CONFIG.pool))
    features = batch_norm(weights, "norm", np.concatenate(parts, axis=1))
    states = both_ways(gru, weights, "recurrent", features.T)
    compared = np.array(
        [
            dense(
                weights,
                "attention_layer.context",
                np.tanh(dense(weights, "attention_layer.project", state)),
            )[0]
            for state in states
        ]
    )
    return dense(weights, "head", softmax(compared) @ states)[0]


def test_logits_equal_the_published_layers():
    torch.manual_seed(0)
    network = with_statistics(create_model("epivan", CONFIG), 1).double()
    rng = np.random.default_rng(2)
    enhancers, promoters = random_sequences(rng, 3, 131), random_sequences(rng, 3, 104)
    found = network(
        torch.from_numpy(encode_packed(enhancers, 131)),
        torch.from_numpy(encode_packed(promoters, 104)),
    )
    weights = weights_of(network)
    expected = [plain_logit(weights, *pair) for pair in zip(enhancers, promoters, strict=True)]
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9)

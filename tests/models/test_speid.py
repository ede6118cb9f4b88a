"""SPEID against its layers written out in NumPy."""

import numpy as np
import torch
from plain_layers import (
    batch_norm,
    both_ways,
    convolution,
    dense,
    lstm,
    max_pool,
    onehot,
    random_sequences,
    weights_of,
    with_statistics,
)

from epipam.genome.encoding import encode_packed
from epipam.models import create_model
from epipam.models.speid import SpeidConfig

CONFIG = SpeidConfig(131, 104, channels=6, kernel=11, pool=9, units=4, hidden=5)


def test_the_published_network_has_the_published_number_of_parameters():
    convolutions = 2 * (200 * 4 * 40 + 200)
    recurrent = 2 * 4 * (50 * (200 + 50) + 50)  # Keras's; PyTorch's has a second bias
    states = (2_961 // 20 + 1_961 // 20) * 100
    head = (states * 800 + 800) + 2 * 800 + 801 + 2
    published = convolutions + 2 * 200 + recurrent + 2 * 100 + head
    assert published == 19_848_603
    found = sum(p.numel() for p in create_model("speid").parameters())
    assert found == published + 2 * 4 * 50


def plain_logit(weights, enhancer: str, promoter: str) -> float:
    parts = [
        max_pool(convolution(weights, f"{anchor}_block", onehot(sequence)), CONFIG.pool)
        for anchor, sequence in (("enhancer", enhancer), ("promoter", promoter))
    ]
    features = batch_norm(weights, "norm", np.concatenate(parts, axis=1))
    states = batch_norm(
        weights, "recurrent_norm", both_ways(lstm, weights, "recurrent", features.T).T
    )
    hidden = np.maximum(batch_norm(weights, "head.2", dense(weights, "head.1", states.ravel())), 0)
    return batch_norm(weights, "head.6", dense(weights, "head.5", hidden))[0]


def test_logits_equal_the_published_layers():
    torch.manual_seed(0)
    network = with_statistics(create_model("speid", CONFIG), 1).double()
    rng = np.random.default_rng(2)
    enhancers, promoters = random_sequences(rng, 3, 131), random_sequences(rng, 3, 104)
    found = network(
        torch.from_numpy(encode_packed(enhancers, 131)),
        torch.from_numpy(encode_packed(promoters, 104)),
    )
    weights = weights_of(network)
    expected = [plain_logit(weights, *pair) for pair in zip(enhancers, promoters, strict=True)]
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9)

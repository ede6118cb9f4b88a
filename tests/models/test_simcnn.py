"""SIMCNN against its layers written out in NumPy."""

import numpy as np
import torch
from plain_layers import (
    batch_norm,
    convolution,
    dense,
    max_pool,
    onehot,
    random_sequences,
    weights_of,
    with_statistics,
)

from epipam.genome.encoding import encode_packed
from epipam.models import create_model
from epipam.models.simcnn import SimcnnConfig

CONFIG = SimcnnConfig(131, 104, channels=(6, 5), kernels=(11, 8), pool=9, hidden=7)


def test_the_published_network_has_the_published_number_of_parameters():
    convolutions = 2 * (1_024 * 4 * 40 + 1_024 + 200 * 1_024 * 20 + 200)
    features = ((3_000 - 39 - 19) // 20 + (2_000 - 39 - 19) // 20) * 200
    head = (features * 800 + 800) + 2 * 800 + 801 + 2
    published = convolutions + 2 * 200 + head
    assert published == 47_565_731
    assert sum(p.numel() for p in create_model("simcnn").parameters()) == published


def plain_logit(weights, enhancer: str, promoter: str) -> float:
    parts = []
    for anchor, sequence in (("enhancer", enhancer), ("promoter", promoter)):
        first = convolution(weights, f"{anchor}_branch.first", onehot(sequence))
        parts.append(max_pool(convolution(weights, f"{anchor}_branch.second", first), CONFIG.pool))
    features = batch_norm(weights, "norm", np.concatenate(parts, axis=1))
    dense_layer = dense(weights, "head.0", features.ravel())
    hidden = np.maximum(batch_norm(weights, "head.1", dense_layer), 0)
    return batch_norm(weights, "head.5", dense(weights, "head.4", hidden))[0]


def test_logits_equal_the_published_layers():
    torch.manual_seed(0)
    network = with_statistics(create_model("simcnn", CONFIG), 1).double()
    rng = np.random.default_rng(2)
    enhancers, promoters = random_sequences(rng, 3, 131), random_sequences(rng, 3, 104)
    found = network(
        torch.from_numpy(encode_packed(enhancers, 131)),
        torch.from_numpy(encode_packed(promoters, 104)),
    )
    weights = weights_of(network)
    expected = [plain_logit(weights, *pair) for pair in zip(enhancers, promoters, strict=True)]
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9)

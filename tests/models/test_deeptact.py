"""DeepTACT's sequence part against its layers written out in NumPy."""

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
    softmax,
    weights_of,
    with_statistics,
)

from epipam.genome.encoding import encode_packed
from epipam.models import create_model
from epipam.models.deeptact import DeeptactConfig

CONFIG = DeeptactConfig(131, 104, channels=6, kernel=11, pool=9, units=4, hidden=5)


def test_the_published_network_has_the_published_number_of_parameters():
    convolutions = 2 * (1_024 * 4 * 40 + 1_024)
    recurrent = 2 * 4 * (100 * (1_024 + 100) + 100)  # Keras's; PyTorch's has a second bias
    head = 2 * 200 + (200 * 925 + 925) + 2 * 925 + 926
    published = convolutions + 2 * 1_024 + recurrent + 200 + head
    assert published == 1_421_077
    found = sum(p.numel() for p in create_model("deeptact").parameters())
    assert found == published + 2 * 4 * 100


def plain_logit(weights, enhancer: str, promoter: str) -> float:
    parts = [
        max_pool(convolution(weights, f"{anchor}_block", onehot(sequence)), CONFIG.pool)
        for anchor, sequence in (("enhancer", enhancer), ("promoter", promoter))
    ]
    features = batch_norm(weights, "norm", np.concatenate(parts, axis=1))
    states = both_ways(lstm, weights, "recurrent", features.T)
    weight = softmax(np.array([dense(weights, "context", np.tanh(state))[0] for state in states]))
    attended = batch_norm(weights, "head.0", np.tanh(weight @ states))
    hidden = np.maximum(batch_norm(weights, "head.3", dense(weights, "head.2", attended)), 0)
    return dense(weights, "head.6", hidden)[0]


def test_logits_equal_the_published_layers():
    torch.manual_seed(0)
    network = with_statistics(create_model("deeptact", CONFIG), 1).double()
    rng = np.random.default_rng(2)
    enhancers, promoters = random_sequences(rng, 3, 131), random_sequences(rng, 3, 104)
    found = network(
        torch.from_numpy(encode_packed(enhancers, 131)),
        torch.from_numpy(encode_packed(promoters, 104)),
    )
    weights = weights_of(network)
    expected = [plain_logit(weights, *pair) for pair in zip(enhancers, promoters, strict=True)]
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9)

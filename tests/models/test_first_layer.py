"""The first convolution of every network: which one it is, and what it answers, base by base."""

import numpy as np
import pytest
import torch
from narrow_networks import ENHANCER, NETWORKS, PROMOTER, narrow, packed_windows
from plain_layers import tokens

from epipam.errors import ModelError
from epipam.genome.encoding import decode
from epipam.models import EpipamConfig, create_model
from epipam.models.first_layer import KernelActivations


def plain_activation(layer, letters: str, position: int) -> np.ndarray:
    """What the kernels make of the bases from a position on, by adding up."""
    total = layer.conv.bias.detach().double().numpy().copy()
    weight = layer.conv.weight.detach().double().numpy()
    if layer.embedding is not None:
        vectors = layer.embedding.vectors.weight.detach().double().numpy()
    for tap in range(weight.shape[2]):
        at = position + tap
        if layer.embedding is not None:
            total += weight[:, :, tap] @ vectors[tokens(letters[at : at + 6])[0]]
        elif letters[at] != "N":
            total += weight[:, "ACGT".index(letters[at]), tap]
    return np.maximum(total, 0)


@pytest.mark.parametrize("name", NETWORKS)
def test_activations_are_those_of_adding_up_base_by_base(name):
    network = narrow(name).eval()
    for layer, packed, length in zip(
        network.first_layers(),
        packed_windows(np.random.default_rng(3), 2),
        (ENHANCER, PROMOTER),
        strict=True,
    ):
        with torch.inference_mode():
            found = KernelActivations(layer)(packed, length)
        assert found.shape == (2, length - layer.width + 1, layer.kernels)
        for window, letters in enumerate(decode(packed.numpy(), length)):
            for position in (0, 17, found.shape[1] - 1):
                expected = plain_activation(layer, letters, position)
                np.testing.assert_allclose(found[window, position], expected, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_anchor_is_read_through_its_own_layer_and_no_other(name):
    network = narrow(name).eval()
    first = packed_windows(np.random.default_rng(4), 4)
    other = packed_windows(np.random.default_rng(5), 4)
    for anchor in (0, 1):
        changed = list(first)
        changed[anchor] = other[anchor]
        assert not torch.equal(network(*first), network(*changed))
        layer = network.first_layers()[anchor]
        kept = layer.conv.weight.detach().clone()
        with torch.no_grad():
            layer.conv.weight.zero_()
        torch.testing.assert_close(network(*first), network(*changed))
        with torch.no_grad():
            layer.conv.weight.copy_(kept)


def test_a_symmetric_network_reads_both_anchors_through_one_layer():
    config = EpipamConfig(
        ENHANCER, ENHANCER, channels=4, kernels=(9, 5, 3), pools=(5, 4, 3), symmetric=True
    )
    enhancer, promoter = create_model("epipam", config).first_layers()
    assert enhancer.conv is promoter.conv


def test_trees_have_no_kernels():
    with pytest.raises(ModelError, match="no convolution whose kernels"):
        create_model("kmer-gbm").first_layers()

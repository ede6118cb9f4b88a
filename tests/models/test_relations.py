"""What training reads of a relation matrix, against the whole matrix."""

import pytest
import torch

from epipam.models.attention import attend, position_attention, strongest_relations
from epipam.models.relations import relation_maxima

# Pairs, positions of enhancer and promoter, channels, entries.
SIZES = [(3, 23, 17, 8, 5), (13, 5, 4, 8, 20), (4, 30, 2, 8, 31), (2, 1, 1, 3, 1), (2, 6, 5, 3, 0)]


def features(n, enhancer, promoter, channels, dtype=torch.float64):
    torch.manual_seed(enhancer)
    return (
        torch.randn(n, enhancer, channels, dtype=dtype, requires_grad=True),
        torch.randn(n, promoter, channels, dtype=dtype, requires_grad=True),
    )


def plain(enhancer, promoter, count):
    relation = torch.bmm(enhancer, promoter.transpose(1, 2)) / enhancer.shape[2]
    strongest = relation.flatten(1).topk(count, dim=1).values
    return relation.max(dim=2).values, relation.max(dim=1).values, strongest


@pytest.mark.parametrize("size", SIZES)
def test_values_and_gradients_are_those_of_the_whole_matrix(size):
    *shape, count = size
    windows = features(*shape)
    found, expected = relation_maxima(*windows, count), plain(*windows, count)
    gradients = [torch.randn_like(values) for values in expected]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    for one, other in zip(
        torch.autograd.grad(found, windows, gradients),
        torch.autograd.grad(expected, windows, gradients),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_gradients_are_the_derivatives():
    assert torch.autograd.gradcheck(
        lambda *windows: tuple(relation_maxima(*windows, 4)), features(2, 6, 5, 3)
    )


@pytest.mark.parametrize("size", SIZES)
def test_attending_reweights_as_position_attention_does(size):
    *shape, count = size
    enhancer, promoter = (x.transpose(1, 2) for x in features(*shape))
    found, expected = attend(enhancer, promoter, count), position_attention(enhancer, promoter)
    torch.testing.assert_close(found.enhancer, expected.enhancer)
    torch.testing.assert_close(found.promoter, expected.promoter)
    strongest = strongest_relations(expected.relation, count)
    torch.testing.assert_close(found.strongest, strongest)


def test_under_autocast_attending_takes_the_whole_matrix():
    enhancer, promoter = (x.transpose(1, 2) for x in features(2, 9, 7, 8, torch.float32))
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(enhancer, promoter, 3)
        relation = position_attention(enhancer, promoter).relation
    assert relation.dtype == found.strongest.dtype == torch.bfloat16
    torch.testing.assert_close(found.strongest, strongest_relations(relation, 3))

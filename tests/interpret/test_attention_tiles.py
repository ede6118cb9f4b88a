"""Which bases a PAM's position sees, against sets of bases carried through the layers."""

import pytest

from epipam.errors import ModelError, RequestError
from epipam.interpret.attention_tiles import attention_tiles, attentive
from epipam.models import EpipamConfig, create_model


def plain_fields(config: EpipamConfig, length: int) -> list[list[set[int]]]:
    """The bases that each position sees, after each block."""
    seen = [{base} for base in range(length)]
    if config.embedding:
        seen = [set().union(*seen[i : i + 6]) for i in range(length - 5)]
    blocks = []
    for kernel, pool in zip(config.kernels, config.pools, strict=True):
        seen = [set().union(*seen[i : i + kernel]) for i in range(len(seen) - kernel + 1)]
        pool = min(pool, len(seen))
        seen = [set().union(*seen[i * pool : (i + 1) * pool]) for i in range(len(seen) // pool)]
        blocks.append(seen)
    return blocks


@pytest.mark.parametrize(
    ("config", "length"),
    [
        (EpipamConfig(), 3_000),
        (EpipamConfig(), 2_000),
        (EpipamConfig(1_000, 1_000), 1_000),
        (EpipamConfig(1_000, 1_000, embedding=8), 1_000),
        (EpipamConfig(500, 400, kernels=(8, 5), pools=(3, 2), relation_ratios=(1.0, 1.0)), 500),
    ],
)
def test_positions_stand_for_the_middle_of_what_they_see(config, length):
    for layer, fields in enumerate(plain_fields(config, length), 1):
        tiles = attention_tiles(config, length, layer)
        assert tiles.positions == len(fields)
        for number, field in enumerate(fields):
            begin = tiles.first + number * tiles.stride
            assert len(field) == tiles.field == max(field) - min(field) + 1
            # As much is seen on the left as on the right, but for one base where that is odd.
            left, right = begin - min(field), max(field) + 1 - (begin + tiles.stride)
            assert 0 <= right - left <= 1


def test_the_published_network_has_the_published_strides():
    found = [attention_tiles(EpipamConfig(), 3_000, layer) for layer in (1, 2, 3)]
    assert [tiles.stride for tiles in found] == [10, 100, 500]
    assert [tiles.positions for tiles in found] == [297, 28, 4]


@pytest.mark.parametrize("layer", [0, 4])
def test_a_layer_that_is_not_there_is_refused(layer):
    with pytest.raises(RequestError, match=f"has 3 PAMs; there is no layer {layer}"):
        attention_tiles(EpipamConfig(), 3_000, layer)


@pytest.mark.parametrize("name", ["epi", "kmer-gbm"])
def test_models_without_attention_are_refused(name):
    with pytest.raises(ModelError, match="no position attention"):
        attentive(create_model(name))

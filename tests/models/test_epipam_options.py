"""What the paper names as its limits, as options of `epipam`; none of them changes the default."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from epipam.errors import ModelError
from epipam.genome.encoding import encode_packed, reverse_complement
from epipam.models import EpipamConfig, create_model, load_model, save_model, unpack
from epipam.models.attention import position_attention
from epipam.models.onehot import opposite_strand
from epipam.models.registry import model_config
from epipam.scoring.engine import PairWindows, PlainEngine
from epipam.scoring.region_engine import RegionEngine
from epipam.scoring.score import engine_for

PLAIN = EpipamConfig(251, 240, channels=16, kernels=(9, 5, 3), pools=(5, 4, 3))
SQUARE = replace(PLAIN, promoter_length=251)
OPTIONS = {
    "several heads": replace(PLAIN, attention_heads=4),
    "scaled by the root": replace(PLAIN, scale_relations="root"),
    "four blocks": replace(
        PLAIN, kernels=(9, 5, 3, 2), pools=(5, 3, 2, 2), relation_ratios=(0.01, 0.05, 0.1, 1.0)
    ),
    "two blocks": replace(PLAIN, kernels=(9, 5), pools=(5, 4), relation_ratios=(0.01, 0.1)),
    "symmetric": replace(SQUARE, symmetric=True),
    "both strands": replace(PLAIN, both_strands=True),
    "all": replace(
        SQUARE, attention_heads=2, scale_relations="root", symmetric=True, both_strands=True
    ),
}


def windows(config: EpipamConfig, n: int, seed: int = 0) -> list[torch.Tensor]:
    rng = np.random.default_rng(seed)
    return [
        torch.from_numpy(
            encode_packed(["".join(rng.choice(list("ACGTN"), length)) for _ in range(n)], length)
        )
        for length in (config.enhancer_length, config.promoter_length)
    ]


@pytest.fixture(params=OPTIONS.values(), ids=OPTIONS)
def config(request) -> EpipamConfig:
    torch.manual_seed(0)
    return request.param


@pytest.mark.parametrize("name", ["epipam", "epi", "epipam-embed"])
def test_packed_windows_give_the_logits_of_the_same_windows_as_one_hot(config, name):
    network = create_model(name, config).eval()
    enhancer, promoter = windows(config, 4)
    expected = network(
        unpack(enhancer, config.enhancer_length), unpack(promoter, config.promoter_length)
    )
    assert expected.shape == (4,)
    torch.testing.assert_close(network(enhancer, promoter), expected)
    torch.testing.assert_close(network.both_logits(enhancer, promoter).main, expected)


def test_every_parameter_gets_a_gradient(config):
    network = create_model("epipam", config)
    logits = network.both_logits(*windows(config, 12))
    target = (torch.arange(12) % 2).float()
    sum(F.binary_cross_entropy_with_logits(head, target) for head in logits).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_a_saved_model_comes_back(config, tmp_path):
    network = create_model("epipam", config).eval()
    save_model(network, tmp_path / "m", {})
    pair = windows(config, 3)
    loaded = load_model(tmp_path / "m")
    assert loaded.config == config
    torch.testing.assert_close(loaded(*pair), network(*pair), rtol=0, atol=0)


def test_its_engine_gives_its_logits(config):
    network = create_model("epipam", config).eval()
    enhancer, promoter = windows(config, 6)
    row = np.array([0, 5, 5, 2])
    given = PairWindows(enhancer.numpy(), promoter.numpy(), row, row[::-1].copy())
    engine = engine_for(network, torch.device("cpu"))
    # Windows are shared where blocks are the published ones, however many.
    assert isinstance(engine, RegionEngine) == (config.kernels != PLAIN.kernels)
    expected = network(enhancer[row], promoter[row[::-1].copy()]).detach()
    np.testing.assert_allclose(engine.logits(given), expected, atol=1e-5)


def test_one_block_is_scored_by_forward_passes():
    one = replace(PLAIN, kernels=(9,), pools=(5,), relation_ratios=(0.01,))
    assert isinstance(engine_for(create_model("epipam", one), torch.device("cpu")), PlainEngine)


@pytest.mark.parametrize("length", [7, 8])
def test_the_opposite_strand_is_the_reverse_complement(length):
    rng = np.random.default_rng(3)
    packed = encode_packed(["".join(rng.choice(list("ACGTN"), length)) for _ in range(9)], length)
    found = opposite_strand(torch.from_numpy(packed), length)
    np.testing.assert_array_equal(found.numpy(), reverse_complement(packed, length))
    torch.testing.assert_close(
        opposite_strand(unpack(torch.from_numpy(packed), length), length), unpack(found, length)
    )


def test_both_strands_have_the_same_logit_and_it_is_their_mean():
    config = OPTIONS["both strands"]
    network = create_model("epipam", config).eval()
    forward = windows(config, 5)
    lengths = (config.enhancer_length, config.promoter_length)
    backward = [opposite_strand(*each) for each in zip(forward, lengths, strict=True)]
    torch.testing.assert_close(network(*backward), network(*forward))
    plain = create_model("epipam", PLAIN).eval()
    plain.load_state_dict(network.state_dict())
    torch.testing.assert_close((plain(*forward) + plain(*backward)) / 2, network(*forward))


def test_either_anchor_may_come_first():
    network = create_model("epipam", OPTIONS["symmetric"]).eval()
    one, other = windows(SQUARE, 5)
    torch.testing.assert_close(network(other, one), network(one, other))
    plain = sum(p.numel() for p in create_model("epipam", SQUARE).enhancer_blocks.parameters())
    both = sum(p.numel() for p in create_model("epipam", SQUARE).parameters())
    assert sum(p.numel() for p in network.parameters()) == both - plain


def test_a_head_is_the_attention_of_its_channels():
    network = create_model("epipam", OPTIONS["several heads"]).eval()
    torch.manual_seed(1)
    enhancer, promoter = torch.rand(3, 16, 9), torch.rand(3, 16, 7)
    network._convolved = lambda index, *features: features
    new_enhancer, new_promoter, found = network._block(0, enhancer, promoter)
    parts = [
        position_attention(enhancer[:, first : first + 4], promoter[:, first : first + 4])
        for first in range(0, 16, 4)
    ]
    torch.testing.assert_close(new_enhancer, torch.cat([part.enhancer for part in parts], 1))
    torch.testing.assert_close(new_promoter, torch.cat([part.promoter for part in parts], 1))
    torch.testing.assert_close(found.relation, torch.stack([p.relation for p in parts]).mean(0))


@pytest.mark.parametrize("scale", ["channels", "root"])
def test_relations_are_divided_as_asked(scale):
    network = create_model("epipam", replace(PLAIN, scale_relations=scale)).eval()
    attention = network.attention(*windows(PLAIN, 2))
    blocks = [network._convolved(0, *windows(PLAIN, 2))]
    products = torch.bmm(blocks[0][0].transpose(1, 2), blocks[0][1])
    divisor = {"channels": 16, "root": 4}[scale]
    torch.testing.assert_close(attention[0].relation, products / divisor)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"attention_heads": 5}, "must divide the 64 channels"),
        ({"scale_relations": "none"}, "must be one of channels, root"),
        ({"symmetric": True}, "windows of one length, not 3000 and 2000 bp"),
        ({"kernels": (25, 13)}, "one for each block"),
    ],
)
def test_what_makes_no_network_is_refused_in_words(changes, problem):
    with pytest.raises(ModelError, match=problem):
        EpipamConfig(**changes)


def test_a_shape_is_set_by_plain_values():
    shape = {"kernels": [25, 13], "pools": [10, 10], "relation_ratios": [0.01, 1], "hidden": 32}
    config = model_config("epipam", 3_000, 2_000, shape)
    assert config.kernels == (25, 13)
    assert config.hidden == 32


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ({"position_attention": False}, "has no position_attention to set"),
        ({"enhancer_length": 100}, "has no enhancer_length to set"),
        ({"heads": 4}, "has no heads to set; it has channels, kernels"),
        ({"hidden": "many"}, "hidden of epipam cannot be 'many': it is 64"),
        ({"kernels": 3}, "kernels of epipam cannot be 3"),
        ({"symmetric": 1}, "symmetric of epipam cannot be 1"),
    ],
)
def test_a_shape_that_the_model_does_not_have_is_refused(shape, problem):
    with pytest.raises(ModelError, match=problem):
        model_config("epipam", 3_000, 2_000, shape)


def test_what_training_finds_is_not_set():
    with pytest.raises(ModelError, match="has no trees to set; it has k"):
        model_config("kmer-gbm", 3_000, 2_000, {"trees": 3})
    assert model_config("kmer-gbm", 3_000, 2_000, {"k": 4}).k == 4

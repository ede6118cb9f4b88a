"""The network against plain transcriptions of the paper."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import plain_layers
import pytest
import torch
from torch import nn

from epipam.errors import ModelError
from epipam.genome.encoding import encode_packed, pack, unpack_onehot
from epipam.models import Epipam, EpipamConfig, create_model, unpack
from epipam.models.attention import position_attention, strongest_relations

ENHANCER, PROMOTER = 1_500, 1_300


def onehot(rng: np.random.Generator, n: int, length: int) -> torch.Tensor:
    letters = rng.integers(0, 5, (n, length))
    codes = np.array([8, 4, 2, 1, 0], dtype=np.uint8)[letters]
    return torch.from_numpy(unpack_onehot(pack(codes), length)).float()


@pytest.fixture
def small() -> EpipamConfig:
    return EpipamConfig(enhancer_length=ENHANCER, promoter_length=PROMOTER)


def test_the_published_network_has_the_published_numbers():
    network = Epipam()
    assert sum(parameter.numel() for parameter in network.parameters()) == 245_064
    assert network.config.main_features == 384
    assert network.config.relation_counts == [585, 50, 8]
    assert sum(network.config.relation_counts) == 643


def test_epi_is_the_same_network_without_attention_and_auxiliary_head():
    epipam, epi = create_model("epipam"), create_model("epi")
    auxiliary = sum(p.numel() for p in epipam.auxiliary_head.parameters())
    assert epi.auxiliary_head is None
    assert sum(p.numel() for p in epi.parameters()) == 245_064 - auxiliary


def plain_attention(enhancer: np.ndarray, promoter: np.ndarray):
    """Equations 1 to 3 for one pair, with loops: Me (c, n), Mp (c, m)."""
    channels, n = enhancer.shape
    m = promoter.shape[1]
    relation = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            relation[i, j] = sum(enhancer[k, i] * promoter[k, j] for k in range(channels))
    relation /= channels
    row_maxima = np.array([max(relation[i, j] for j in range(m)) for i in range(n)])
    column_maxima = np.array([max(relation[i, j] for i in range(n)) for j in range(m)])
    enhancer_score = np.exp(row_maxima) / np.exp(row_maxima).sum()
    promoter_score = np.exp(column_maxima) / np.exp(column_maxima).sum()
    return (
        relation,
        enhancer_score,
        promoter_score,
        enhancer + enhancer * enhancer_score,
        promoter + promoter * promoter_score,
    )


def test_position_attention_is_equations_1_to_3():
    rng = np.random.default_rng(0)
    enhancer = rng.normal(size=(3, 6, 9)).astype(np.float32)
    promoter = rng.normal(size=(3, 6, 7)).astype(np.float32)
    found = position_attention(torch.from_numpy(enhancer), torch.from_numpy(promoter))
    for pair in range(3):
        relation, e_score, p_score, e_new, p_new = plain_attention(enhancer[pair], promoter[pair])
        np.testing.assert_allclose(found.relation[pair], relation, atol=1e-6)
        np.testing.assert_allclose(found.enhancer_score[pair], e_score, atol=1e-6)
        np.testing.assert_allclose(found.promoter_score[pair], p_score, atol=1e-6)
        np.testing.assert_allclose(found.enhancer[pair], e_new, atol=1e-6)
        np.testing.assert_allclose(found.promoter[pair], p_new, atol=1e-6)


def test_strongest_relations_are_the_largest_entries_in_order():
    relation = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 5, 4)))
    expected = np.sort(relation.numpy().reshape(2, -1), axis=1)[:, ::-1][:, :7]
    np.testing.assert_array_equal(strongest_relations(relation, 7), expected)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, small: EpipamConfig) -> nn.Module:
    """The published layers one by one; the benchmark's yardstick is this test's oracle."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "bench")
    from measuring.plain import PlainEpipam

    return PlainEpipam(small)


def without_dropout(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_logits_and_gradients_equal_a_plain_transcription(
    small, plain, packed, training, dtype, within
):
    torch.manual_seed(0)
    network = without_dropout(Epipam(small).to(dtype).train(training))
    plain = without_dropout(plain.to(dtype).train(training))
    plain.load_state_dict(network.state_dict())
    rng = np.random.default_rng(2)
    windows = [onehot(rng, 4, length).to(dtype) for length in (ENHANCER, PROMOTER)]
    expected = plain(*windows)
    found = network.both_logits(*(map(packed_of, windows) if packed else windows))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=within, atol=within / 10)
    (found.main.sum() + found.auxiliary.square().sum()).backward()
    (expected[0].sum() + expected[1].square().sum()).backward()
    theirs = dict(plain.named_parameters())
    for name, parameter in network.named_parameters():
        reference = theirs[name].grad
        scale = reference.abs().max().clamp_min(1e-6)
        assert (parameter.grad - reference).abs().max() / scale < within, name


def packed_of(windows: torch.Tensor) -> torch.Tensor:
    codes = (windows * torch.tensor([8, 4, 2, 1])[:, None]).sum(dim=1)
    return torch.from_numpy(pack(codes.numpy().astype(np.uint8)))


@pytest.mark.parametrize(("enhancer", "promoter"), [(1_251, 2_000), (1_000, 845)])
def test_packed_windows_give_the_logits_of_the_same_windows_as_one_hot(enhancer, promoter):
    network = Epipam(EpipamConfig(enhancer_length=enhancer, promoter_length=promoter)).eval()
    rng = np.random.default_rng(7)
    windows = [onehot(rng, 3, length) for length in (enhancer, promoter)]
    packed = [packed_of(window) for window in windows]
    torch.testing.assert_close(network(*packed), network(*windows))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(network(*packed), network(*windows))


def test_under_autocast_every_parameter_gets_a_gradient(small):
    network = Epipam(small)
    rng = np.random.default_rng(8)
    windows = [packed_of(onehot(rng, 8, length)) for length in (ENHANCER, PROMOTER)]
    with torch.autocast("cpu", torch.bfloat16):
        logits = network.both_logits(*windows)
    (logits.main.float().square().sum() + logits.auxiliary.float().square().sum()).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_every_parameter_gets_a_gradient(small):
    network = Epipam(small)
    rng = np.random.default_rng(3)
    logits = network.both_logits(onehot(rng, 8, ENHANCER), onehot(rng, 8, PROMOTER))
    (logits.main.square().sum() + logits.auxiliary.square().sum()).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_prediction_does_not_run_the_auxiliary_head(small):
    network = Epipam(small).eval()
    rng = np.random.default_rng(4)
    windows = onehot(rng, 2, ENHANCER), onehot(rng, 2, PROMOTER)
    expected = network.both_logits(*windows).main
    network.auxiliary_head = None
    torch.testing.assert_close(network(*windows), expected)


@pytest.mark.parametrize(
    ("enhancer", "promoter"), [(1_251, 2_000), (4_000, 1_300), (1_000, 1_000), (844, 2_001)]
)
def test_sizes_follow_from_any_window_lengths(enhancer, promoter):
    network = Epipam(EpipamConfig(enhancer_length=enhancer, promoter_length=promoter)).eval()
    rng = np.random.default_rng(5)
    logits = network.both_logits(onehot(rng, 3, enhancer), onehot(rng, 3, promoter))
    assert logits.main.shape == logits.auxiliary.shape == (3,)


def test_windows_too_short_for_the_blocks_are_refused_in_words():
    assert EpipamConfig().shortest_window == 844
    with pytest.raises(ModelError, match=r"843 bp are too short .* at least 844 bp"):
        Epipam(EpipamConfig(enhancer_length=843))


def test_attention_of_epi_is_refused():
    network = create_model("epi")
    with pytest.raises(ModelError, match="no position attention"):
        network.attention(torch.zeros(1, 4, 3_000), torch.zeros(1, 4, 2_000))


@pytest.mark.parametrize("length", [1, 2, 7, 8, 33])
def test_unpack_on_the_device_equals_unpack_in_numpy(length):
    codes = np.random.default_rng(6).choice(np.array([8, 4, 2, 1, 0], dtype=np.uint8), (5, length))
    packed = pack(codes)
    np.testing.assert_array_equal(
        unpack(torch.from_numpy(packed), length).numpy(), unpack_onehot(packed, length)
    )


def test_unpack_says_which_shape_it_needs():
    with pytest.raises(ValueError, match=r"shape \(2, 3\) but must have shape \(-1, 4\)"):
        unpack(torch.zeros(2, 3, dtype=torch.uint8), 8)


EMBEDDED = EpipamConfig(
    131, 104, embedding=5, channels=6, kernels=(7, 4, 2), pools=(4, 3, 2), hidden=4
)


def plain_logits(config: EpipamConfig, weights, enhancer: str, promoter: str) -> tuple[float, ...]:
    """The embedded network for one pair, in NumPy: main and auxiliary logit."""

    def head(name, values):
        normal = plain_layers.batch_norm(weights, f"{name}.0", values)
        hidden = np.maximum(plain_layers.dense(weights, f"{name}.2", normal), 0)
        return plain_layers.dense(weights, f"{name}.5", hidden)[0]

    sequences = {"enhancer": enhancer, "promoter": promoter}
    features = {
        anchor: weights[f"{anchor}_embedding.vectors.weight"][plain_layers.tokens(sequence)].T
        for anchor, sequence in sequences.items()
    }
    strongest = []
    for index, (pool, ratio) in enumerate(zip(config.pools, config.relation_ratios, strict=True)):
        for anchor, values in features.items():
            convolved = plain_layers.convolution(weights, f"{anchor}_blocks.{index}", values)
            features[anchor] = plain_layers.max_pool(convolved, pool)
        if config.position_attention:
            relation, _, _, *new = plain_attention(*features.values())
            strongest.append(np.sort(relation.ravel())[::-1][: int(ratio * relation.size)])
            features = dict(zip(features, new, strict=True))
    main = head("main_head", np.concatenate([values.ravel() for values in features.values()]))
    if not config.position_attention:
        return (main,)
    return main, head("auxiliary_head", np.concatenate(strongest))


@pytest.mark.parametrize("name", ["epipam-embed", "epi-embed"])
def test_logits_over_embedded_6mers_equal_a_plain_transcription(name):
    torch.manual_seed(0)
    # A model's name says how long its vectors are; the class takes any length.
    network = Epipam(replace(EMBEDDED, position_attention=name == "epipam-embed"))
    network = plain_layers.with_statistics(network, 1).double()
    rng = np.random.default_rng(9)
    sequences = [plain_layers.random_sequences(rng, 3, length) for length in (131, 104)]
    packed = [torch.from_numpy(encode_packed(some, len(some[0]))) for some in sequences]
    found = [logits for logits in network.both_logits(*packed) if logits is not None]
    weights = plain_layers.weights_of(network)
    expected = [
        plain_logits(network.config, weights, *pair) for pair in zip(*sequences, strict=True)
    ]
    np.testing.assert_allclose(torch.stack(found, 1).detach().numpy(), expected, rtol=1e-8)


def test_embedding_changes_no_number_but_those_of_the_first_layer():
    network = create_model("epipam-embed")
    first = 2 * (64 * 100 * 25 - 64 * 4 * 25)
    assert sum(p.numel() for p in network.parameters()) == 245_064 + first + 2 * 4_097 * 100
    assert network.config.main_features == 384
    assert sum(network.config.relation_counts) == 643
    assert network.config.shortest_window == 849
    with pytest.raises(ModelError, match="at least 849 bp"):
        create_model("epipam-embed", EpipamConfig(848))

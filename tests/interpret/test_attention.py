"""The attention over one pair: the numbers of the network, drawn."""

import numpy as np
import pytest
import torch

from epipam.errors import ModelError, RequestError
from epipam.genome.fasta import Genome
from epipam.interpret.attention import attention_figure, pair_attention
from epipam.interpret.mutagenesis import read_pair
from epipam.models import EpipamConfig, create_model

CONFIG = EpipamConfig(enhancer_length=1_300, promoter_length=1_250)


@pytest.fixture
def inputs(tmp_path):
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 6_000))
    (tmp_path / "genome.fa").write_text(f">chr1\n{letters}\n")
    (tmp_path / "pairs.bedpe").write_text("chr1\t1000\t2300\tchr1\t4000\t5250\n" * 2)
    torch.manual_seed(0)
    return create_model("epipam", CONFIG), read_pair(tmp_path / "pairs.bedpe", 2), letters


def onehot(letters: str) -> torch.Tensor:
    return torch.tensor([[[float(base == row) for base in letters] for row in "ACGT"]])


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_it_is_a_pam_of_the_network(inputs, tmp_path, layer):
    network, table, letters = inputs
    found = pair_attention(network, table, Genome(tmp_path / "genome.fa"), layer=layer)
    with torch.no_grad():
        windows = onehot(letters[1000:2300]), onehot(letters[4000:5250])
        expected = network.eval().attention(*windows)[layer - 1]
        logit = network(*windows)
    np.testing.assert_allclose(found.relation, expected.relation[0], atol=1e-6)
    np.testing.assert_allclose(found.enhancer_score, expected.enhancer_score[0], atol=1e-6)
    np.testing.assert_allclose(found.promoter_score, expected.promoter_score[0], atol=1e-6)
    assert found.probability == pytest.approx(torch.sigmoid(logit).item(), abs=1e-6)


def test_the_figure_is_written(inputs, tmp_path):
    network, table, _ = inputs
    attention_figure(network, table, Genome(tmp_path / "genome.fa"), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_pair_or_a_layer_that_is_not_there_is_refused(inputs, tmp_path):
    network, _, _ = inputs
    (tmp_path / "away.bedpe").write_text("chr9\t1\t2\tchr9\t5\t6\n")
    genome = Genome(tmp_path / "genome.fa")
    with pytest.raises(RequestError, match=r"away.bedpe:1: cannot be used on .*genome.fa"):
        pair_attention(network, read_pair(tmp_path / "away.bedpe", 1), genome)
    with pytest.raises(RequestError, match="there is no layer 4"):
        pair_attention(network, inputs[1], genome, layer=4)


def test_a_model_without_attention_is_refused(inputs, tmp_path):
    _, table, _ = inputs
    with pytest.raises(ModelError, match="no position attention"):
        pair_attention(create_model("epi", CONFIG), table, Genome(tmp_path / "genome.fa"))

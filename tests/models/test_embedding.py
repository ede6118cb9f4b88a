"""6-mers by number and by vector, against a loop over letters."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plain_layers import tokens

from epipam.errors import ModelError
from epipam.genome.encoding import encode_packed
from epipam.models import EpipamConfig, create_model, unpack
from epipam.models.embedding import (
    N_TOKENS,
    KmerEmbedding,
    initialise_embeddings,
    kmer_tokens,
)

SEQUENCES = st.integers(6, 40).flatmap(
    lambda length: st.lists(
        st.text(alphabet="ACGTNacgtnRY", min_size=length, max_size=length), min_size=1, max_size=4
    )
)


@given(SEQUENCES)
def test_tokens_are_those_of_a_loop_over_letters(sequences):
    length = len(sequences[0])
    packed = torch.from_numpy(encode_packed(sequences, length))
    expected = [tokens(sequence.upper()) for sequence in sequences]
    assert kmer_tokens(packed, length).tolist() == expected
    assert kmer_tokens(unpack(packed, length), length).tolist() == expected


@pytest.mark.parametrize(
    ("sequence", "token"),
    [("aaaaaa", 1), ("aaaaac", 2), ("tttttt", 4_096), ("AANAAA", 0), ("CAAAAA", 1_025)],
)
def test_6mers_are_numbered_in_lexical_order_from_1(sequence, token):
    packed = torch.from_numpy(encode_packed([sequence], 6))
    assert kmer_tokens(packed, 6).tolist() == [[token]]


def test_a_mixture_of_sequences_has_no_6mers():
    with pytest.raises(ModelError, match="must be one-hot"):
        kmer_tokens(torch.full((1, 4, 8), 0.25), 8)


def test_vectors_come_one_for_each_token_and_begin_zero_for_n():
    torch.manual_seed(0)
    embedding = KmerEmbedding(3)
    packed = torch.from_numpy(encode_packed(["ACGTACGN"], 8))
    found = embedding(packed, 8)
    assert found.shape == (1, 3, 3)
    rows = tokens("ACGTACGN")
    torch.testing.assert_close(found[0], embedding.vectors.weight[rows].T)
    assert rows[-1] == 0
    assert not found[0, :, -1].any()


def config() -> EpipamConfig:
    return EpipamConfig(1_000, 900)


def test_a_file_sets_the_vectors_of_both_anchors(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(N_TOKENS, 100))
    np.save(tmp_path / "v.npy", vectors)
    network = create_model("epi-embed", config())
    initialise_embeddings(network, tmp_path / "v.npy")
    for embedding in (network.enhancer_embedding, network.promoter_embedding):
        np.testing.assert_array_equal(
            embedding.vectors.weight.detach().numpy(), vectors.astype(np.float32)
        )
    assert network.enhancer_embedding.vectors.weight.requires_grad


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros((4_096, 100)), r"has shape \(4096, 100\) but must have shape \(4097, 100\)"),
        (np.full((N_TOKENS, 100), np.nan), "not all finite"),
        (np.zeros((N_TOKENS, 100), dtype=np.int8), "holds int8"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, array, problem):
    np.save(tmp_path / "v.npy", array)
    with pytest.raises(ModelError, match=problem):
        initialise_embeddings(create_model("epi-embed", config()), tmp_path / "v.npy")


def test_a_file_that_is_no_array_is_refused(tmp_path):
    network = create_model("epi-embed", config())
    with pytest.raises(ModelError, match="no such file"):
        initialise_embeddings(network, tmp_path / "absent.npy")
    (tmp_path / "v.npy").write_text("0.1 0.2")
    with pytest.raises(ModelError, match=r"v\.npy: is no \.npy file"):
        initialise_embeddings(network, tmp_path / "v.npy")
    np.save(tmp_path / "o.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ModelError, match=r"o\.npy: is no \.npy file"):
        initialise_embeddings(network, tmp_path / "o.npy")


def test_a_model_of_bases_takes_no_vectors(tmp_path):
    with pytest.raises(ModelError, match="leave out --embedding"):
        initialise_embeddings(create_model("epi", config()), tmp_path / "v.npy")

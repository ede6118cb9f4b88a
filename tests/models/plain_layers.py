"""The published layers, written out in NumPy from their equations: what the networks must equal."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

Weights = dict[str, np.ndarray]

BASES = "ACGT"


def weights_of(network: nn.Module) -> Weights:
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def with_statistics(network: nn.Module, seed: int) -> nn.Module:
    """Give batch norms statistics and all parameters values that no two layers share."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
            elif tensor.is_floating_point() and tensor.dim() < 2:
                tensor.uniform_(-0.5, 0.5, generator=generator)
    return network.eval()


def random_sequences(rng: np.random.Generator, n: int, length: int) -> list[str]:
    return ["".join(rng.choice(list("ACGTN"), length, p=[0.24] * 4 + [0.04])) for _ in range(n)]


def onehot(sequence: str) -> np.ndarray:
    """Return float (4, length)."""
    return np.array([[float(letter == base) for letter in sequence] for base in BASES])


def tokens(sequence: str) -> list[int]:
    """Return 0 for a 6-mer with N, else its place in lexical order, from 1."""
    found = []
    for start in range(len(sequence) - 5):
        kmer = sequence[start : start + 6]
        place = 0
        for letter in kmer:
            place = 4 * place + max(BASES.find(letter), 0)
        found.append(place + 1 if set(kmer) <= set(BASES) else 0)
    return found


def convolution(weights: Weights, name: str, features: np.ndarray) -> np.ndarray:
    """Return convolution and ReLU of (inputs, length)."""
    kernel, bias = weights[f"{name}.conv.weight"], weights[f"{name}.conv.bias"]
    windows = np.lib.stride_tricks.sliding_window_view(features, kernel.shape[2], axis=1)
    return np.maximum(np.einsum("cik,ilk->cl", kernel, windows) + bias[:, None], 0)


def max_pool(features: np.ndarray, width: int) -> np.ndarray:
    n = features.shape[1] // width
    return np.array([features[:, width * i : width * (i + 1)].max(axis=1) for i in range(n)]).T


def batch_norm(weights: Weights, name: str, values: np.ndarray) -> np.ndarray:
    """Normalise the first axis by running statistics."""
    mean, variance, scale, shift = (
        weights[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
    )
    shape = (-1, *[1] * (values.ndim - 1))
    scaled = (values - mean.reshape(shape)) / np.sqrt(variance + 1e-5).reshape(shape)
    return scaled * scale.reshape(shape) + shift.reshape(shape)


def dense(weights: Weights, name: str, values: np.ndarray) -> np.ndarray:
    return weights[f"{name}.weight"] @ values + weights.get(f"{name}.bias", 0)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def softmax(values: np.ndarray) -> np.ndarray:
    return np.exp(values) / np.exp(values).sum()


def gru(weights: Weights, name: str, inputs: np.ndarray, suffix: str = "") -> np.ndarray:
    """Return states (length, units) of inputs (length, features), one step after another."""
    w, u, b, c = _recurrent(weights, name, suffix)
    state, states = np.zeros(u.shape[1]), []
    for step in inputs:
        wr, wz, wn = np.split(w @ step + b, 3)
        ur, uz, un = np.split(u @ state + c, 3)
        reset, update = sigmoid(wr + ur), sigmoid(wz + uz)
        state = (1 - update) * np.tanh(wn + reset * un) + update * state
        states.append(state)
    return np.array(states)


def lstm(weights: Weights, name: str, inputs: np.ndarray, suffix: str = "") -> np.ndarray:
    """Return states (length, units) of inputs (length, features), one step after another."""
    w, u, b, c = _recurrent(weights, name, suffix)
    state, states = np.zeros(u.shape[1]), []
    cell = state
    for step in inputs:
        enter, forget, new, leave = np.split(w @ step + b + u @ state + c, 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
        state = sigmoid(leave) * np.tanh(cell)
        states.append(state)
    return np.array(states)


def both_ways(layer, weights: Weights, name: str, inputs: np.ndarray) -> np.ndarray:
    backward = layer(weights, name, inputs[::-1], "_reverse")[::-1]
    return np.concatenate([layer(weights, name, inputs), backward], axis=1)


def _recurrent(weights: Weights, name: str, suffix: str) -> list[np.ndarray]:
    keys = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [weights[f"{name}.{key}_l0{suffix}"] for key in keys]

"""The sites of kernels, against a loop over every position of every window."""

import numpy as np
import pytest
import torch
from torch import nn

from epipam.genome.encoding import encode_packed
from epipam.interpret import kernel_sites as subject
from epipam.interpret.distinct_windows import Windows
from epipam.interpret.kernel_sites import find_sites
from epipam.models.embedding import KmerEmbedding
from epipam.models.first_layer import FirstLayer

LENGTH = 61


def windows(rng: np.random.Generator, n: int) -> tuple[list[str], np.ndarray]:
    letters = ["".join(rng.choice(list("ACGTN"), LENGTH, p=[0.24] * 4 + [0.04])) for _ in range(n)]
    return letters, rng.choice(np.array([1, 0, -1], dtype=np.int8), n)


def layer_of(rng: np.random.Generator, embeds: bool) -> FirstLayer:
    """Return three kernels of small whole numbers, of which sums are exact; the last is dead."""
    embedding = KmerEmbedding(3) if embeds else None
    conv = nn.Conv1d(3 if embeds else 4, 3, 4)
    with torch.no_grad():
        for parameter in [conv.weight, conv.bias]:
            parameter.copy_(torch.from_numpy(rng.integers(-3, 4, tuple(parameter.shape))))
        conv.bias[2] = -1_000
        if embedding is not None:
            vectors = embedding.vectors.weight
            vectors.copy_(torch.from_numpy(rng.integers(-2, 3, tuple(vectors.shape))))
    return FirstLayer(conv, embedding)


def plain_activation(layer: FirstLayer, kernel: int, site: str) -> float:
    weight, total = layer.conv.weight[kernel].tolist(), layer.conv.bias[kernel].item()
    for tap in range(len(weight[0])):
        if layer.embedding is None:
            total += weight["ACGT".index(site[tap])][tap]
        else:
            digits = site[tap : tap + 6].translate(str.maketrans("ACGT", "0123"))
            number = 1 + int(digits, base=4)
            vector = layer.embedding.vectors.weight[number].tolist()
            total += sum(w[tap] * v for w, v in zip(weight, vector, strict=True))
    return max(0.0, total)


@pytest.mark.parametrize("embeds", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9])
def test_sites_are_those_of_a_loop_over_all_positions(embeds, threshold, monkeypatch):
    # Small pieces, so that there are several of each.
    monkeypatch.setattr(subject, "_ACTIVATIONS", 3 * 55 * 7)
    monkeypatch.setattr(subject, "_SITE_BASES", 40)
    rng = np.random.default_rng(5)
    letters, labels = windows(rng, 40)
    layer = layer_of(rng, embeds)
    assert layer.width == (9 if embeds else 4)
    packed = encode_packed(letters, LENGTH)
    pieces = [Windows(packed[:23], labels[:23]), Windows(packed[23:], labels[23:])]
    found = find_sites(layer, lambda: pieces, LENGTH, threshold=threshold)

    stretches = [
        (window, text[at : at + layer.width])
        for window, text in enumerate(letters)
        for at in range(LENGTH - layer.width + 1)
        if "N" not in text[at : at + layer.width]
    ]
    for kernel in range(3):
        active = [plain_activation(layer, kernel, site) for _, site in stretches]
        assert found.highest[kernel] == max(active)
        sites = [
            stretch
            for stretch, value in zip(stretches, active, strict=True)
            if value > threshold * max(active)
        ]
        assert found.sites[kernel] == len(sites)
        for place in range(layer.width):
            column = [site[place] for _, site in sites]
            assert found.counts[kernel, place].tolist() == [column.count(b) for b in "ACGT"]
        with_site = {window for window, _ in sites}
        for label in (0, 1):
            expected = sum(labels[window] == label for window in with_site)
            assert found.with_site[label, kernel] == expected
    assert found.sites[2] == 0
    assert found.highest[2] == 0
    assert found.windows.tolist() == [(labels == 0).sum(), (labels == 1).sum()]
    assert found.n_windows == 40
    assert found.bases.tolist() == ["".join(letters).count(base) for base in "ACGT"]

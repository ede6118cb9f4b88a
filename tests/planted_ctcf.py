"""A store with CTCF sites planted in it, a network whose first kernels are CTCF, and databases.

Positive pairs have CTCF forward in the enhancer and backward in the promoter; negative pairs have
it the other way round in both.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from epipam.genome.encoding import BASES
from epipam.interpret.motif_files import Motif, meme_text
from epipam.models import EpipamConfig, create_model, save_model
from epipam.store import StoreSettings, build_store

CONSENSUS = "TGGCCACCAGGGGGCGCTA"
ENHANCER, PROMOTER = 251, 240
CONFIG = EpipamConfig(ENHANCER, PROMOTER, channels=4, kernels=(25, 5, 3), pools=(5, 4, 3))
N_PAIRS = 60
LEFT = 3

_TURN = str.maketrans("ACGT", "TGCA")


class Planted(NamedTuple):
    """Paths of the model, the store, and a database of sixty motifs with CTCF among them."""

    model: Path
    store: Path
    database: Path


def turned(letters: str) -> str:
    return letters.translate(_TURN)[::-1]


def plant(folder: Path) -> Planted:
    """Make everything in a folder."""
    rng = np.random.default_rng(11)
    rows = []
    with (folder / "genome.fa").open("w") as handle:
        for contig in ("chr1", "chr2"):
            letters = list("".join(rng.choice(list(BASES), N_PAIRS * 600)))
            for number in range(N_PAIRS // 2):
                label = int(number % 3 == 0)
                enhancer, promoter = 300 + 1_200 * number, 900 + 1_200 * number
                forward, backward = noisy(rng, CONSENSUS), noisy(rng, turned(CONSENSUS))
                sites = (forward, backward) if label else (backward, forward)
                for start, site in zip((enhancer, promoter), sites, strict=True):
                    at = start + int(rng.integers(-90, 70))
                    letters[at : at + len(site)] = site
                regions = (contig, enhancer, enhancer + 1, contig, promoter, promoter + 1)
                rows.append((*regions, label))
            handle.write(f">{contig}\n{''.join(letters)}\n")
    names = [f"{a}_{f}" for a in ("enhancer", "promoter") for f in ("chrom", "start", "end")]
    lines = ["\t".join([*names, "label"]), *("\t".join(map(str, row)) for row in rows)]
    (folder / "pairs.tsv").write_text("\n".join(lines) + "\n")
    settings = StoreSettings(ENHANCER, PROMOTER, augment=1, max_shift=5)
    build_store(folder / "genome.fa", folder / "pairs.tsv", folder / "pairs.zarr", settings)
    torch.manual_seed(0)
    network = create_model("epipam", CONFIG)
    for layer in network.first_layers():
        set_kernels(layer.conv)
    save_model(network, folder / "model", {})
    matrices = [rng.dirichlet([0.4] * 4, rng.integers(8, 20)) for _ in range(60)]
    matrices[17] = np.array([[0.85 if b == c else 0.05 for b in BASES] for c in CONSENSUS])
    motifs = [Motif(f"M{i}", "CTCF" if i == 17 else "", m) for i, m in enumerate(matrices)]
    (folder / "known.meme").write_text(meme_text(motifs, np.full(4, 0.25)))
    return Planted(folder / "model", folder / "pairs.zarr", folder / "known.meme")


def noisy(rng: np.random.Generator, site: str) -> str:
    """Return a site with one base changed, in two cases of three."""
    at, base = rng.integers(len(site)), BASES[rng.integers(4)]
    return site if rng.random() < 1 / 3 else site[:at] + base + site[at + 1 :]


def set_kernels(conv: nn.Conv1d) -> None:
    """Make kernel 0 CTCF forward, kernel 1 CTCF backward, kernel 3 never active."""
    with torch.no_grad():
        for kernel, letters in enumerate((CONSENSUS, turned(CONSENSUS))):
            conv.weight[kernel] = 0
            for tap, letter in enumerate(letters, LEFT):
                conv.weight[kernel, :, tap] = -1
                conv.weight[kernel, BASES.index(letter), tap] = 1
            conv.bias[kernel] = 10 - len(letters)
        conv.bias[3] = -1_000

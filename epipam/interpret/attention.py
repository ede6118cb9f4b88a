"""What the position attention of one pair looks at."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from epipam.checks import check_pairs
from epipam.errors import RequestError
from epipam.genome import Genome
from epipam.models import Network, unpack
from epipam.pairs import PairTable
from epipam.report import Site, relation_figure
from epipam.scoring import probabilities, read_windows
from epipam.windows import resize


class PairAttention(NamedTuple):
    """The first PAM over one pair.

    Attributes
    ----------
    relation
        float32 (n, m): every enhancer position against every promoter position.
    enhancer_score, promoter_score
        float32 (n,), (m,): attention over positions, each summing to one.
    probability
        Of interaction, by the main head.
    """

    relation: np.ndarray
    enhancer_score: np.ndarray
    promoter_score: np.ndarray
    probability: float


def pair_attention(network: Network, table: PairTable, row: int, genome: Genome) -> PairAttention:
    """Run a network over one row (from 0) of a pair table and return its first PAM.

    Raises
    ------
    RequestError
        Where the row does not exist or cannot be windowed on the genome.
    """
    if not 0 <= row < len(table):
        raise RequestError(f"{table.path}: has {len(table)} pairs; there is no row {row + 1}")
    config = network.config
    one = PairTable(
        table.path, table.frame.iloc[row : row + 1], table.line[row : row + 1], table.layout
    )
    check = check_pairs(one, genome, config.enhancer_length, config.promoter_length)
    if not check.usable.all():
        reason = ", ".join(check.skipped)
        raise RequestError(f"{table.path}:{one.line[0]}: cannot be used on {genome.path}: {reason}")
    windows = read_windows(
        one.frame, genome, check.contigs, config.enhancer_length, config.promoter_length
    )
    enhancer = unpack(torch.from_numpy(windows.enhancer), config.enhancer_length)
    promoter = unpack(torch.from_numpy(windows.promoter), config.promoter_length)
    with torch.inference_mode():
        first = network.eval().attention(enhancer, promoter)[0]
        logit = network(enhancer, promoter)
    return PairAttention(
        first.relation[0].numpy(),
        first.enhancer_score[0].numpy(),
        first.promoter_score[0].numpy(),
        float(probabilities(logit.numpy())[0]),
    )


def attention_figure(
    network: Network,
    table: PairTable,
    row: int,
    genome: Genome,
    out: str | Path,
    sites: pd.DataFrame | None = None,
) -> PairAttention:
    """Draw the first PAM over one pair as a heat map; mark the given sites.

    Parameters
    ----------
    sites
        Columns contig, start, end, strand, motif (0-based half-open); those that lie in the
        windows are marked.
    """
    found = pair_attention(network, table, row, genome)
    pair = table.frame.iloc[row]
    marked: dict[str, list[Site]] = {"enhancer": [], "promoter": []}
    lengths = {
        "enhancer": network.config.enhancer_length,
        "promoter": network.config.promoter_length,
    }
    if sites is not None:
        for anchor, length in lengths.items():
            first = int(resize(pair[f"{anchor}_start"], pair[f"{anchor}_end"], length))
            inside = sites[
                (sites["contig"] == pair[f"{anchor}_chrom"])
                & (sites["start"] >= first)
                & (sites["end"] <= first + length)
            ]
            marked[anchor] = [
                Site(int(s.start) - first, int(s.end) - first, str(s.strand), str(s.motif))
                for s in inside.itertuples()
            ]
    anchors = " and ".join(
        f"{pair[f'{a}_chrom']}:{pair[f'{a}_start']:,}-{pair[f'{a}_end']:,}" for a in lengths
    )
    relation_figure(
        found.relation,
        found.enhancer_score,
        found.promoter_score,
        out,
        enhancer_length=lengths["enhancer"],
        promoter_length=lengths["promoter"],
        enhancer_sites=marked["enhancer"],
        promoter_sites=marked["promoter"],
        title=f"First PAM over {anchors}\nprobability {found.probability:.3f}",
    )
    return found

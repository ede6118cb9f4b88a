"""What the position attention of one pair looks at."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from epipam.errors import RequestError
from epipam.genome.fasta import Genome
from epipam.genome.windows import resize
from epipam.interpret.attention_tiles import attention_tiles, attentive
from epipam.models import Network
from epipam.pairs.checks import check_pairs
from epipam.pairs.table import PairTable
from epipam.report import Site, relation_figure
from epipam.scoring.score import probabilities, read_windows


class PairAttention(NamedTuple):
    """One PAM over one pair.

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


def pair_attention(
    network: Network,
    table: PairTable,
    genome: Genome,
    *,
    layer: int = 1,
    device: torch.device | None = None,
) -> PairAttention:
    """Run a network over a pair, the only one of a table, and return one of its PAMs.

    Parameters
    ----------
    layer
        Which PAM, from 1.

    Raises
    ------
    ModelError
        For a network without position attention.
    RequestError
        Where the pair cannot be windowed on the genome, and for a layer that there is not.
    """
    device = device or torch.device("cpu")
    attending = attentive(network).to(device).eval()
    config = attending.config
    attention_tiles(config, config.enhancer_length, layer)  # says which layers there are
    check = check_pairs(table, genome, config.enhancer_length, config.promoter_length)
    if not check.usable.all():
        reason = ", ".join(check.skipped)
        raise RequestError(
            f"{table.path}:{table.line[0]}: cannot be used on {genome.path}: {reason}"
        )
    windows = read_windows(
        table.frame, genome, check.contigs, config.enhancer_length, config.promoter_length
    )
    enhancer = torch.from_numpy(windows.enhancer).to(device)
    promoter = torch.from_numpy(windows.promoter).to(device)
    with torch.inference_mode():
        found = attending.attention(enhancer, promoter)[layer - 1]
        logit = attending(enhancer, promoter)
    return PairAttention(
        found.relation[0].cpu().numpy(),
        found.enhancer_score[0].cpu().numpy(),
        found.promoter_score[0].cpu().numpy(),
        float(probabilities(logit.cpu().numpy())[0]),
    )


def attention_figure(
    network: Network,
    table: PairTable,
    genome: Genome,
    out: str | Path,
    sites: pd.DataFrame | None = None,
    *,
    layer: int = 1,
    device: torch.device | None = None,
) -> PairAttention:
    """Draw one PAM over one pair as a heat map; mark the given sites.

    Parameters
    ----------
    table
        One pair.
    sites
        Columns contig, start, end, strand, motif (0-based half-open); those that lie in the
        windows are marked.
    layer
        Which PAM, from 1.
    """
    found = pair_attention(network, table, genome, layer=layer, device=device)
    pair = table.frame.iloc[0]
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
        title=f"PAM {layer} over {anchors}\nprobability {found.probability:.3f}",
    )
    return found

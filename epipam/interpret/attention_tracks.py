"""The position attention of all pairs of a list as a track over the genome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from epipam.genome.fasta import Genome
from epipam.genome.windows import resize
from epipam.interpret.attention_sums import COMBINATIONS, AttentionSums, segments
from epipam.interpret.attention_tiles import attention_tiles, attentive
from epipam.interpret.value_tracks import open_track
from epipam.models import Epipam, Network
from epipam.pairs.checks import PairCheck, Tally, check_pairs
from epipam.pairs.formats import Columns
from epipam.pairs.table import PairTable, iter_pairs
from epipam.scoring.score import read_windows

ANCHORS = ("enhancer", "promoter")
BOTH = "both"

# Pairs that are read at one time, and that go through the network at one time.
_CHUNK_ROWS = 2_000
_BATCH = 32


@dataclass(frozen=True)
class TrackSettings:
    """What a track holds.

    Attributes
    ----------
    layer
        Which PAM, from 1.
    anchor
        `enhancer`, `promoter`, or `both`.
    combine
        `max` or `mean`, over the pairs, and anchors, that share a base.
    relative
        Whether attention is given in multiples of what each position had if all had the same.
    """

    layer: int = 1
    anchor: str = BOTH
    combine: str = COMBINATIONS[0]
    relative: bool = False


class TrackResult(NamedTuple):
    """What `write_track` wrote.

    Attributes
    ----------
    pairs
        How many went in.
    windows
        How many distinct windows they have, by anchor.
    bases
        How many bases of the genome have a value.
    highest
        The largest value.
    skipped
        Pairs that were left out, by reason.
    renamed
        Chromosome names of the pairs that were read as another name of the genome.
    """

    pairs: int
    windows: dict[str, int]
    bases: int
    highest: float
    skipped: dict[str, int]
    renamed: dict[str, str]


def write_track(
    network: Network,
    pairs: str | Path | PairTable,
    genome: Genome,
    out: Path,
    ending: str,
    settings: TrackSettings | None = None,
    *,
    device: torch.device | None = None,
    bad_pairs: str = "fail",
    trans: str = "error",
    columns: Columns | None = None,
    on_pairs: Callable[[int], None] = lambda pairs: None,
) -> TrackResult:
    """Write the attention of pairs as a track; memory is that of their distinct windows.

    Parameters
    ----------
    pairs
        A file, which is read some thousand pairs at a time, or a table.
    ending
        One of `value_tracks.ENDINGS`.
    bad_pairs
        `fail` checks all pairs first and stops where one cannot be used; `skip` leaves it out.
    trans
        `error` or `keep`: whether anchors may lie on different chromosomes.
    columns
        Which columns of a file are which, as `epipam.pairs.table.read_pairs` takes them.
    on_pairs
        Called with the number of pairs of each piece that is done with.

    Raises
    ------
    ModelError
        For a network without position attention.
    RequestError
        For a layer that it does not have, and for bad pairs.
    EpipamError
        Where `out` cannot be written.
    """
    settings = settings or TrackSettings()
    device = device or torch.device("cpu")
    attending = attentive(network).to(device).eval()
    config = attending.config
    lengths = (config.enhancer_length, config.promoter_length)
    sums = {
        anchor: AttentionSums(attention_tiles(config, length, settings.layer), settings.combine)
        for anchor, length in zip(ANCHORS, lengths, strict=True)
        if settings.anchor in (anchor, BOTH)
    }
    path = pairs.path if isinstance(pairs, PairTable) else Path(pairs)

    def checked() -> Iterator[tuple[PairTable, PairCheck]]:
        tables = (
            iter([pairs])
            if isinstance(pairs, PairTable)
            else iter_pairs(path, chunk_rows=_CHUNK_ROWS, malformed=bad_pairs, columns=columns)
        )
        for table in tables:
            yield table, check_pairs(table, genome, *lengths, allow_trans=trans == "keep")

    if bad_pairs == "fail":
        before = Tally(path, genome)
        for table, check in checked():
            before.add(table, check)
        before.require(bad_pairs)
    tally = Tally(path, genome)
    for table, check in checked():
        tally.add(table, check)
        if check.usable.any():
            _attend(attending, table, check, genome, sums, settings, device)
        on_pairs(len(table))
    tally.require("skip")
    found = list(sums.values())
    contigs = sorted(set().union(*(each.windows() for each in found)), key=str.encode)
    bases, highest = 0, 0.0
    with open_track(out, ending, [(name, genome.contigs[name]) for name in contigs]) as write:
        for contig, piece in segments(found, genome.contigs):
            write(contig, *piece)
            bases += int((piece.end - piece.start).sum())
            highest = max(highest, float(piece.value.max()))
    return TrackResult(
        pairs=tally.usable,
        windows={anchor: len(each) for anchor, each in sums.items()},
        bases=bases,
        highest=highest,
        skipped=dict(tally.skipped),
        renamed=tally.renamed,
    )


def _attend(
    network: Epipam,
    table: PairTable,
    check: PairCheck,
    genome: Genome,
    sums: dict[str, AttentionSums],
    settings: TrackSettings,
    device: torch.device,
) -> None:
    """Add the attention of a table's usable pairs to the sums."""
    frame = table.frame[check.usable]
    lengths = (network.config.enhancer_length, network.config.promoter_length)
    windows = read_windows(frame, genome, check.contigs, *lengths)
    places = {}
    for anchor, length in zip(ANCHORS, lengths, strict=True):
        start = resize(
            frame[f"{anchor}_start"].to_numpy(), frame[f"{anchor}_end"].to_numpy(), length
        )
        places[anchor] = [check.contigs[name] for name in frame[f"{anchor}_chrom"]], start
    for first in range(0, len(frame), _BATCH):
        rows = slice(first, first + _BATCH)
        enhancer = torch.from_numpy(windows.enhancer[windows.enhancer_row[rows]])
        promoter = torch.from_numpy(windows.promoter[windows.promoter_row[rows]])
        with torch.inference_mode():
            found = network.attention(enhancer.to(device), promoter.to(device))[settings.layer - 1]
        scores = {"enhancer": found.enhancer_score, "promoter": found.promoter_score}
        for anchor, each in sums.items():
            score = scores[anchor].double().cpu().numpy()
            contigs, start = places[anchor]
            each.add(
                contigs[rows],
                start[rows],
                score * score.shape[1] if settings.relative else np.asarray(score),
            )

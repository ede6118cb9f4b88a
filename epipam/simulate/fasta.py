"""Streaming a synthetic genome to FASTA, with its index."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from epipam.simulate.sequence import ContigSequence

LINE_LENGTH = 80
BLOCK_LINES = 12_500
"""A block is a million bases: ten isochores, so none is drawn twice."""


def write_fasta(
    path: Path,
    lengths: dict[str, int],
    sequence_of: Callable[[str], ContigSequence],
    advance: Callable[[int, str], None],
    block_lines: int = BLOCK_LINES,
) -> None:
    """Write contigs block by block as 80-column FASTA, and `path` + `.fai` beside it.

    Parameters
    ----------
    path
        The FASTA to write.
    lengths
        Contig lengths in bp, in the order to write.
    sequence_of
        Gives the sequence of a contig by its name.
    advance
        Called with 1 and the contig's name after each contig.
    block_lines
        Lines held in memory at a time; the bytes written do not depend on it.
    """
    offset, index = 0, []
    with open(path, "wb") as fasta:
        for contig, length in lengths.items():
            header = f">{contig}\n".encode()
            fasta.write(header)
            offset += len(header)
            index.append(f"{contig}\t{length}\t{offset}\t{LINE_LENGTH}\t{LINE_LENGTH + 1}\n")
            sequence = sequence_of(contig)
            for start in range(0, length, block_lines * LINE_LENGTH):
                end = min(start + block_lines * LINE_LENGTH, length)
                fasta.write(_in_lines(sequence.fetch(start, end)))
            offset += length + -(-length // LINE_LENGTH)
            advance(1, contig)
        fasta.flush()
        os.fsync(fasta.fileno())
    Path(f"{path}.fai").write_text("".join(index))


def _in_lines(letters: np.ndarray) -> bytes:
    """Break letters into lines; the last one may be short and ends in a newline too."""
    whole = len(letters) // LINE_LENGTH
    lines = np.full((whole, LINE_LENGTH + 1), ord("\n"), np.uint8)
    lines[:, :LINE_LENGTH] = letters[: whole * LINE_LENGTH].reshape(whole, LINE_LENGTH)
    rest = letters[whole * LINE_LENGTH :].tobytes()
    return lines.tobytes() + (rest + b"\n" if rest else b"")

"""Motifs compared with collections of known ones, by Tomtom (Gupta et al. 2007) as memelite has it.

A p-value is that of the best alignment with one target, on either strand, under a null model whose
columns are those of all targets. E is p times the number of targets. q is the least false
discovery rate at which a match counts (Benjamini and Hochberg 1995), over all targets of one query
as Tomtom has it; `q_value_all` is the same over all targets of all queries.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import false_discovery_control

from epipam.interpret.motif_files import Motif, read_meme

# Below so many targets Tomtom's authors call its p-values unreliable.
FEW_TARGETS = 50


class Target(NamedTuple):
    """A known motif and the file it comes from."""

    motif: Motif
    database: str


class Matches(NamedTuple):
    """Queries against targets, each array (queries, targets).

    Attributes
    ----------
    p_value, q_value, q_value_all
        float64. E is the p-value times the number of targets.
    offset
        int64: where the query begins, from the first base of the target as oriented; negative
        where it begins before it.
    overlap
        int64: how many positions are aligned.
    reverse
        bool: whether the target is turned to its reverse complement.
    """

    p_value: np.ndarray
    q_value: np.ndarray
    q_value_all: np.ndarray
    offset: np.ndarray
    overlap: np.ndarray
    reverse: np.ndarray


def read_databases(paths: Sequence[str | Path]) -> list[Target]:
    """Read collections of known motifs, in MEME format.

    Raises
    ------
    MotifError
        As `read_meme` does.
    """
    return [Target(motif, Path(path).name) for path in paths for motif in read_meme(path).motifs]


def match_motifs(queries: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> Matches:
    """Compare motifs with known ones.

    Parameters
    ----------
    queries, targets
        float64 (width, 4) each: probabilities of A, C, G, T.
    """
    from memelite import tomtom  # compiles or loads its machine code: seconds

    with warnings.catch_warnings():
        # Few targets: what is said of that is said by whoever reports.
        warnings.filterwarnings("ignore", "tomtom was given", UserWarning)
        # One thread: memory grows with each, and all targets take a second.
        p, _, offset, overlap, strand = tomtom(
            [np.ascontiguousarray(query.T) for query in queries],
            [np.ascontiguousarray(target.T) for target in targets],
            n_jobs=1,
        )
    p = np.clip(p, 0.0, 1.0)
    return Matches(
        p_value=p,
        q_value=false_discovery_control(p, axis=1),
        q_value_all=false_discovery_control(p, axis=None).reshape(p.shape),
        offset=offset.astype(np.int64),
        overlap=overlap.astype(np.int64),
        reverse=strand == 1,
    )

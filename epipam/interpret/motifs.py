"""The first kernels of a network as motifs: what they answer to, what that resembles, and where.

Each kernel's sites (`epipam.interpret.kernel_sites`) make a position weight matrix, which is
compared with known motifs (`epipam.interpret.motif_matches`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import rel_entr
from scipy.stats import false_discovery_control, fisher_exact

from epipam.errors import EpipamError
from epipam.evaluation.prediction import check_lengths
from epipam.genome.encoding import BASES
from epipam.interpret.distinct_windows import ANCHORS, Windows, distinct_windows
from epipam.interpret.kernel_sites import THRESHOLD, KernelSites, find_sites
from epipam.interpret.motif_files import Motif
from epipam.interpret.motif_matches import Matches, Target, match_motifs
from epipam.models import Network
from epipam.store import Store

MOTIF_COLUMNS = (
    "kernel", "anchor", "number", "sites", "highest_activation", "information", "consensus",
    "target", "target_name", "database", "p_value", "e_value", "q_value", "q_value_all", "offset",
    "overlap", "orientation", "positive_windows", "positive_share", "negative_windows",
    "negative_share", "odds_ratio", "enrichment_p", "enrichment_q",
)  # fmt: skip
MATCH_COLUMNS = (
    "kernel", "anchor", "target", "target_name", "database", "p_value", "e_value", "q_value",
    "q_value_all", "offset", "overlap", "orientation",
)  # fmt: skip

# Counts that are added to those of the sites, shared out as in the background.
_PSEUDOCOUNT = 1.0
# IUPAC letters of bases in the order A C G T.
_TWO_BASES = {"AC": "M", "AG": "R", "AT": "W", "CG": "S", "CT": "Y", "GT": "K"}


@dataclass(frozen=True)
class MotifSettings:
    """How motifs are made and matched.

    Attributes
    ----------
    threshold
        Share of its greatest activation that a kernel must exceed at a site.
    min_sites
        A kernel with fewer sites makes no motif.
    uniform_background
        Whether information is measured against a quarter for each base, and not against the
        bases of the windows.
    max_q
        Matches of at most this q-value are listed.
    """

    threshold: float = THRESHOLD
    min_sites: int = 10
    uniform_background: bool = False
    max_q: float = 0.05


@dataclass(frozen=True)
class KernelMotifs:
    """The kernels of both anchors.

    Attributes
    ----------
    motifs
        One for each kernel with sites enough, enhancer first; named as in `table`.
    background
        float64 (4,): frequencies of A, C, G, T.
    table
        A row for each kernel: `MOTIF_COLUMNS`. What a kernel without a motif lacks is missing.
    matches
        The matches of at most `max_q`, by kernel and p-value: `MATCH_COLUMNS`.
    windows
        Distinct windows by anchor: how many, and how many positive and negative.
    n_targets
        How many known motifs there are to match.
    """

    motifs: list[Motif]
    background: np.ndarray
    table: pd.DataFrame
    matches: pd.DataFrame
    windows: dict[str, dict[str, int]]
    n_targets: int


def find_motifs(
    network: Network,
    store: Store,
    contigs: Sequence[str],
    targets: Sequence[Target],
    settings: MotifSettings | None = None,
    *,
    device: torch.device | None = None,
    on_contig: Callable[[str], None] = lambda what: None,
) -> KernelMotifs:
    """Read the first kernels of a network as motifs, in the unshifted windows of some chromosomes.

    Parameters
    ----------
    targets
        What to compare them with.
    on_contig
        Called with an anchor and a chromosome, in words, whenever one is gone through: twice for
        each.

    Raises
    ------
    ModelError
        Where the network has no kernels, or reads windows of other lengths than the store's.
    EpipamError
        Where no kernel has sites enough.
    """
    settings = settings or MotifSettings()
    layers = network.to(device or torch.device("cpu")).eval().first_layers()
    lengths = (store.enhancer_length, store.promoter_length)
    check_lengths(network, *lengths, str(store.path))
    found = {
        anchor: find_sites(
            layer,
            partial(_windows, store, contigs, anchor, on_contig),
            length,
            threshold=settings.threshold,
            device=device,
        )
        for anchor, layer, length in zip(ANCHORS, layers, lengths, strict=True)
    }
    bases = np.sum([sites.bases for sites in found.values()], axis=0)
    background = np.full(len(BASES), 1 / len(BASES))
    if not settings.uniform_background:
        background = (bases + 1) / (bases.sum() + len(BASES))
    table = pd.concat([_kernels(a, sites) for a, sites in found.items()], ignore_index=True)
    table["enrichment_q"] = false_discovery_control(table["enrichment_p"])
    counts = [matrix for sites in found.values() for matrix in sites.counts]
    makes_motif = np.flatnonzero(table["sites"] >= settings.min_sites)
    if not len(makes_motif):
        raise EpipamError(
            f"none of {len(table)} kernels has {settings.min_sites} sites on "
            f"{', '.join(contigs)} of {store.path}: look at more chromosomes, or ask for fewer "
            f"sites (--min-sites)"
        )
    motifs = [
        Motif(
            table["kernel"][row],
            "",
            frequencies(counts[row], background),
            float(table["sites"][row]),
        )
        for row in makes_motif
    ]
    of_motifs = {
        "information": [information(m.probabilities, background) for m in motifs],
        "consensus": [consensus(m.probabilities) for m in motifs],
    }
    for name, values in of_motifs.items():
        table[name] = pd.Series(values, index=makes_motif).reindex(table.index)
    matched = match_motifs(
        [m.probabilities for m in motifs], [t.motif.probabilities for t in targets]
    )
    kernels = table.loc[makes_motif, ["kernel", "anchor"]].to_numpy().tolist()
    best = pd.DataFrame(_best(matched, kernels, targets), index=makes_motif, columns=MATCH_COLUMNS)
    table = table.join(best.drop(columns=["kernel", "anchor"]))
    listed = pd.DataFrame(
        _listed(matched, kernels, targets, settings.max_q), columns=list(MATCH_COLUMNS)
    )
    return KernelMotifs(
        motifs=motifs,
        background=background,
        table=table[list(MOTIF_COLUMNS)],
        matches=listed,
        windows={
            anchor: {
                "distinct": sites.n_windows,
                "positive": int(sites.windows[1]),
                "negative": int(sites.windows[0]),
            }
            for anchor, sites in found.items()
        },
        n_targets=len(targets),
    )


def frequencies(counts: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return probabilities float64 (width, 4) for counts (width, 4) and one pseudocount."""
    weighed = counts + _PSEUDOCOUNT * background
    return np.asarray(weighed / weighed.sum(axis=1, keepdims=True))


def information(probabilities: np.ndarray, background: np.ndarray) -> float:
    """Return the information of a motif, bits: its divergence from the background, summed."""
    return float(information_by_base(probabilities, background).sum())


def information_by_base(probabilities: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the heights of a logo's letters, bits, float64 (width, 4).

    A position's information, `sum p log2(p / b)`, is shared out by probability.
    """
    of_position = rel_entr(probabilities, background).sum(axis=1, keepdims=True) / np.log(2)
    return np.asarray(probabilities * of_position)


def consensus(probabilities: np.ndarray) -> str:
    """Return a motif in IUPAC letters.

    A base stands alone with more than half, and twice as much as the next; two bases with three
    quarters together; else N (Cavener, Nucleic Acids Res 1987;15:1353-1361).
    """
    letters = []
    for row in probabilities:
        order = np.argsort(-row, kind="stable")
        first, second = row[order[:2]]
        if first > 0.5 and first > 2 * second:
            letters.append(BASES[order[0]])
        elif first + second > 0.75:
            letters.append(_TWO_BASES["".join(BASES[i] for i in sorted(order[:2]))])
        else:
            letters.append("N")
    return "".join(letters)


def enrichment(
    positive: int, n_positive: int, negative: int, n_negative: int
) -> tuple[float, float]:
    """Return the odds ratio of having a site, positive to negative, and Fisher's exact p.

    The odds ratio is that of the counts, and not a number where there is none: where no window
    has a site, or all have.
    """
    table = [[positive, n_positive - positive], [negative, n_negative - negative]]
    found = fisher_exact(table)
    return float(found.statistic), float(found.pvalue)


def _windows(
    store: Store, contigs: Sequence[str], anchor: str, on_contig: Callable[[str], None]
) -> Iterator[Windows]:
    for contig in contigs:
        yield from distinct_windows(store, [contig], anchor)
        on_contig(f"{anchor} {contig}")


def _kernels(anchor: str, found: KernelSites) -> pd.DataFrame:
    """Return a row for each kernel of an anchor: its sites, and how they are spread."""
    n_kernels = len(found.sites)
    digits = len(str(n_kernels - 1))
    n_negative, n_positive = found.windows.tolist()
    negative, positive = found.with_site
    tested = [
        enrichment(p, n_positive, n, n_negative)
        for p, n in zip(positive.tolist(), negative.tolist(), strict=True)
    ]
    odds_ratio, p_value = zip(*tested, strict=True)
    return pd.DataFrame(
        {
            "kernel": [f"{anchor}_{number:0{digits}d}" for number in range(n_kernels)],
            "anchor": anchor,
            "number": np.arange(n_kernels),
            "sites": found.sites,
            "highest_activation": found.highest,
            "positive_windows": positive,
            "positive_share": positive / n_positive if n_positive else np.nan,
            "negative_windows": negative,
            "negative_share": negative / n_negative if n_negative else np.nan,
            "odds_ratio": odds_ratio,
            "enrichment_p": p_value,
        }
    )


def _best(
    matched: Matches, kernels: Sequence[Sequence[str]], targets: Sequence[Target]
) -> list[list[Any]]:
    """Return the best match of each kernel."""
    best = matched.p_value.argmin(axis=1)
    return [
        [*kernels[query], *_match(matched, query, int(target), targets)]
        for query, target in enumerate(best)
    ]


def _listed(
    matched: Matches,
    kernels: Sequence[Sequence[str]],
    targets: Sequence[Target],
    max_q: float,
) -> Iterator[list[Any]]:
    """Yield the matches of a q-value that is low enough, each kernel's best first."""
    for query, kernel in enumerate(kernels):
        for target in np.argsort(matched.p_value[query], kind="stable"):
            if matched.q_value[query, target] > max_q:
                break
            yield [*kernel, *_match(matched, query, int(target), targets)]


def _match(matched: Matches, query: int, target: int, targets: Sequence[Target]) -> list[Any]:
    p_value, q_value, q_value_all, offset, overlap, reverse = (
        array[query, target].item() for array in matched
    )
    motif, database = targets[target]
    return [
        motif.identifier, motif.name, database, p_value, p_value * len(targets), q_value,
        q_value_all, offset, overlap, "-" if reverse else "+",
    ]  # fmt: skip

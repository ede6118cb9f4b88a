"""A genome, its pairs and the truth behind them, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from epipam.errors import RequestError
from epipam.runtime.files import require_only, whole_folder
from epipam.simulate.fasta import write_fasta
from epipam.simulate.given import plant_given_pairs, read_given_pairs, realised_conflicts
from epipam.simulate.grammar import GRAMMARS, LONGEST_MOTIF
from epipam.simulate.layout import lay_out_pairs
from epipam.simulate.planting import (
    WINDOW_LENGTHS,
    WINDOW_MARGIN,
    implied_labels,
    plant_sites,
    planted_letters,
    protected_windows,
)
from epipam.simulate.sequence import ContigSequence, place_gaps
from epipam.version import __version__

_RECORD = "simulation.json"
# What a folder of a simulation holds; the indexes are those that epipam and samtools may add.
FILES = frozenset(
    {"genome.fa", "genome.fa.fai", "genome.fa.gzi", "pairs.tsv", "truth.tsv", _RECORD}
)
_NOTHING_PROTECTED = np.empty((0, 2), np.int64)
MOST_SITES = (min(WINDOW_LENGTHS.values()) - 2 * WINDOW_MARGIN) // LONGEST_MOTIF


@dataclass(frozen=True)
class SimulationSettings:
    """What to simulate.

    Parameters
    ----------
    grammar
        `both`: a pair interacts where both anchors carry CTCF sites that point at each other.
        `match`: a pair interacts where its anchors carry the same one of six motifs.
    sites
        Motif sites per anchor.
    contigs
        Number of contigs: chr1 to chr22, chrX, then chr23 onwards.
    contig_length
        Length of each contig in bp.
    positives
        Number of positive pairs over all contigs.
    negatives_per_positive
        Negative pairs per positive pair.
    seed
        Seed of every random draw.
    chrom_sizes
        File of contig names and lengths, in place of `contigs` and `contig_length`.
    pairs
        Pair table whose coordinates and labels the genome is to realise, in place of
        `positives` and `negatives_per_positive`; needs `chrom_sizes`.
    """

    grammar: str = "both"
    sites: int = 4
    contigs: int = 23
    contig_length: int = 2_000_000
    positives: int = 2_000
    negatives_per_positive: int = 1
    seed: int = 0
    chrom_sizes: Path | None = None
    pairs: Path | None = None

    def __post_init__(self) -> None:
        if self.grammar not in GRAMMARS:
            raise RequestError(f"grammar {self.grammar!r} is none of {', '.join(GRAMMARS)}")
        for name in ("sites", "contigs", "contig_length", "positives", "negatives_per_positive"):
            if getattr(self, name) < 1:
                raise RequestError(f"{name} is {getattr(self, name)} but must be at least 1")
        if self.seed < 0:
            raise RequestError(f"seed is {self.seed} but must not be negative")
        if self.sites > MOST_SITES:
            raise RequestError(f"sites is {self.sites} but a promoter window holds {MOST_SITES}")
        if self.pairs is not None and self.chrom_sizes is None:
            raise RequestError(
                f"{self.pairs}: given pairs need the contigs' lengths too: add --chrom-sizes"
            )
        if self.chrom_sizes is None and self.positives < self.contigs:
            raise RequestError(
                f"{self.positives} positives leave some of {self.contigs} contigs without any; "
                "ask for more positives or fewer contigs"
            )

    def unused(self) -> tuple[str, ...]:
        """Return the names of the settings that the given files stand in for."""
        names = () if self.chrom_sizes is None else ("contigs", "contig_length")
        return names if self.pairs is None else (*names, "positives", "negatives_per_positive")


@dataclass(frozen=True)
class SimulationResult:
    """What was written, and how much of it.

    `conflicts` counts pairs with a label of 0 or 1 whose windows imply the other one;
    `conflict_reasons` splits that number. `renamed` has the chromosome names of the given pairs
    that were read as another.
    """

    folder: Path
    genome: Path
    pairs: Path
    truth: Path
    n_bases: int
    n_positives: int
    n_negatives: int
    n_unlabelled: int
    n_sites: int
    n_sites_without_room: int
    conflicts: int
    conflict_reasons: dict[str, int]
    renamed: dict[str, str]


def simulate(
    out: Path,
    settings: SimulationSettings | None = None,
    *,
    overwrite: bool = False,
    advance: Callable[[int, str], None] = lambda steps, note: None,
) -> SimulationResult:
    """Write `genome.fa`, `genome.fa.fai`, `pairs.tsv`, `truth.tsv` and `simulation.json`.

    The same settings give the same bytes. Memory does not grow with the genome.

    Parameters
    ----------
    out
        Folder to create. It appears under this name only when it is complete.
    settings
        What to simulate; the defaults of `SimulationSettings` if None.
    overwrite
        Replace an earlier simulation of this name.
    advance
        Called with 1 and a contig's name after each of `contig_lengths(settings)`.

    Raises
    ------
    RequestError
        Where `out` exists, or the pairs do not fit on the contigs.
    """
    settings = SimulationSettings() if settings is None else settings
    require_free = partial(_require_replaceable, overwrite=overwrite)
    with whole_folder(Path(out), require_free) as folder:
        result = _write_simulation(folder, settings, advance)
    return _at(result, Path(out))


def contig_lengths(settings: SimulationSettings) -> dict[str, int]:
    """Return the names and lengths (bp) of the contigs that `settings` ask for, in order.

    Raises
    ------
    RequestError
        Where the file of contig sizes has a line that is no name and length.
    """
    if settings.chrom_sizes is not None:
        return _read_chrom_sizes(settings.chrom_sizes)
    names = [f"chr{number}" for number in range(1, 23)] + ["chrX"]
    names += [f"chr{number}" for number in range(23, settings.contigs)]
    return dict.fromkeys(names[: settings.contigs], settings.contig_length)


def _read_chrom_sizes(path: Path) -> dict[str, int]:
    lengths: dict[str, int] = {}
    with open(path) as lines:
        for number, line in enumerate(lines, 1):
            fields = line.split()
            if not fields or line.startswith("#"):
                continue
            if len(fields) < 2 or not fields[1].isdecimal() or int(fields[1]) == 0:
                raise RequestError(f"{path}:{number}: not a contig name and its length in bp")
            if fields[0] in lengths:
                raise RequestError(f"{path}:{number}: contig {fields[0]} appears twice")
            lengths[fields[0]] = int(fields[1])
    if not lengths:
        raise RequestError(f"{path}: no contigs in it")
    return lengths


def _write_simulation(
    folder: Path, settings: SimulationSettings, advance: Callable[[int, str], None]
) -> SimulationResult:
    """Plan the pairs and their sites, then write all files."""
    lengths = contig_lengths(settings)
    given = None if settings.pairs is None else read_given_pairs(settings.pairs, lengths)
    protected = {} if given is None else protected_windows(given.frame, lengths)
    gaps = {
        contig: place_gaps(settings.seed, contig, length, protected.get(contig, _NOTHING_PROTECTED))
        for contig, length in lengths.items()
    }
    if given is None:
        planting = lay_out_pairs(
            settings.grammar,
            settings.seed,
            lengths,
            gaps,
            settings.positives,
            settings.negatives_per_positive,
        )
    else:
        planting = plant_given_pairs(
            settings.grammar, settings.seed, given.frame, lengths, settings.sites
        )
    sites = plant_sites(planting.regions, lengths, settings.sites, settings.seed)
    implied = implied_labels(settings.grammar, planting.pairs, sites.table)
    reasons = realised_conflicts(settings.grammar, planting, implied)
    pairs = planting.pairs if given is None else planting.pairs.assign(implied_label=implied)
    _write_table(pairs, folder / "pairs.tsv")
    _write_table(sites.table, folder / "truth.tsv")
    sites_of_contig = dict(iter(sites.table.groupby("contig", sort=False)))

    def sequence_of(contig: str) -> ContigSequence:
        planted = planted_letters(sites_of_contig.get(contig, sites.table.iloc[:0]))
        return ContigSequence(settings.seed, contig, lengths[contig], gaps[contig], *planted)

    write_fasta(folder / "genome.fa", lengths, sequence_of, advance)
    result = SimulationResult(
        folder=folder,
        genome=folder / "genome.fa",
        pairs=folder / "pairs.tsv",
        truth=folder / "truth.tsv",
        n_bases=sum(lengths.values()),
        n_positives=int((pairs["label"] == 1).sum()),
        n_negatives=int((pairs["label"] == 0).sum()),
        n_unlabelled=int((pairs["label"] == -1).sum()),
        n_sites=len(sites.table),
        n_sites_without_room=sites.n_without_room,
        conflicts=sum(reasons.values()),
        conflict_reasons=reasons,
        renamed={} if given is None else given.renamed,
    )
    _write_record(folder / _RECORD, settings, lengths, result)
    return result


def _write_table(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, sep="\t", index=False, na_rep=".", lineterminator="\n")


def _write_record(
    path: Path, settings: SimulationSettings, lengths: dict[str, int], result: SimulationResult
) -> None:
    """Write all parameters, the digests of the input files and the counts as JSON."""
    parameters = asdict(settings)
    for name in settings.unused():
        parameters[name] = None
    for name in ("chrom_sizes", "pairs"):
        file = getattr(settings, name)
        if file is not None:
            digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
            parameters[name] = {"name": Path(file).name, "sha256": digest}
    counts = {name: value for name, value in asdict(result).items() if not isinstance(value, Path)}
    record = {
        "epipam_version": __version__,
        "parameters": parameters,
        "windows": WINDOW_LENGTHS,
        "contigs": lengths,
        "counts": counts,
    }
    path.write_text(json.dumps(record, indent=2) + "\n")


def _at(result: SimulationResult, folder: Path) -> SimulationResult:
    """Return the result with its paths under the final name."""
    names = ("genome", "pairs", "truth")
    paths = {name: folder / getattr(result, name).name for name in names}
    return replace(result, folder=folder, **paths)


def _require_replaceable(out: Path, *, overwrite: bool) -> None:
    """Raise a RequestError where there is anything but an earlier simulation to be overwritten."""
    if not os.path.lexists(out):
        return
    if not overwrite:
        raise RequestError(f"{out} exists; choose another folder or add --overwrite")
    if out.is_symlink() or not (out / _RECORD).is_file():
        raise RequestError(f"{out} is no earlier simulation, so it is not overwritten")
    require_only(out, FILES)


__all__ = ["SimulationResult", "SimulationSettings", "contig_lengths", "simulate"]

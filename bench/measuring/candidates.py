"""Candidate pairs as a genome-wide job has them: every enhancer with every promoter nearby."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from epipam.pairs.candidates import candidates
from epipam.simulate import SimulationSettings, simulate

# Of the public data that lie beside a checkout on some machines.
DATA = Path(__file__).parents[3] / "shared" / "data"
REGIONS = ("chrom", "start", "end", "name")

# As dense as the real ones, where those are not at hand.
_ENHANCERS_PER_MEGABASE = 21
_PROMOTERS_PER_MEGABASE = 3
_TELOMERE = 50_000


class Candidates(NamedTuple):
    """A genome and candidate pairs on it.

    Attributes
    ----------
    genome
        FASTA of simulated sequence.
    pairs
        BEDPE with a header, sorted by enhancer.
    n_pairs
        Its rows.
    source
        Where the regions come from.
    """

    genome: Path
    pairs: Path
    n_pairs: int
    source: str

    def first(self, n_pairs: int) -> Path:
        """Return a BEDPE of the first pairs only."""
        part = self.pairs.with_name(f"first_{n_pairs}.bedpe")
        with self.pairs.open() as rows, part.open("w") as out:
            out.writelines(line for line, _ in zip(rows, range(n_pairs + 1), strict=False))
        return part


def real_candidates(folder: Path, contigs: list[str]) -> Candidates | None:
    """Lay simulated sequence under all HUVEC pairs of some contigs; None where they are absent.

    Parameters
    ----------
    contigs
        hg19 names; all chromosomes where empty.
    """
    if not DATA.is_dir():
        return None
    sizes = pd.read_csv(DATA / "genome/hg19.chrom.sizes", sep="\t", header=None, names=["c", "n"])
    sizes = sizes[sizes["c"].isin(contigs)] if contigs else sizes
    regions = [_read_regions(f"HUVEC_{kind}.bed.gz") for kind in ("enhancers", "promoters")]
    return _write(folder, sizes, *regions, source=f"HUVEC regions of {', '.join(sizes['c'])}")


def simulated_candidates(folder: Path, contig_length: int) -> Candidates:
    """Put regions anywhere on one contig, as dense as the real ones on average."""
    rng = np.random.default_rng(0)
    regions = []
    for per_megabase in (_ENHANCERS_PER_MEGABASE, _PROMOTERS_PER_MEGABASE):
        n = max(2, per_megabase * contig_length // 1_000_000)
        start = np.sort(rng.integers(_TELOMERE, contig_length - _TELOMERE, n))
        columns = {"chrom": "chr1", "start": start, "end": start + 1_000, "name": "."}
        regions.append(pd.DataFrame(columns))
    sizes = pd.DataFrame({"c": ["chr1"], "n": [contig_length]})
    return _write(folder, sizes, *regions, source="simulated regions")


def _write(
    folder: Path, sizes: pd.DataFrame, enhancers: pd.DataFrame, promoters: pd.DataFrame, source: str
) -> Candidates:
    chrom_sizes, pairs = folder / "chrom.sizes", folder / "candidates.bedpe"
    sizes.to_csv(chrom_sizes, sep="\t", header=False, index=False)
    beds = []
    for name, regions in (("enhancers", enhancers), ("promoters", promoters)):
        beds.append(folder / f"{name}.bed")
        here = regions[regions["chrom"].isin(sizes["c"])]
        here.to_csv(beds[-1], sep="\t", header=False, index=False)
    n_pairs = candidates(*beds, pairs).pairs
    settings = SimulationSettings(chrom_sizes=chrom_sizes, positives=2)
    genome = simulate(folder / "simulated", settings).genome
    return Candidates(genome, pairs, n_pairs, source)


def _read_regions(name: str) -> pd.DataFrame:
    return pd.read_csv(
        DATA / "regions" / name, sep="\t", header=None, names=REGIONS, usecols=range(4)
    )

"""Building the damaged contigs of a store again, with the bytes that they had."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from epipam.errors import RequestError, StoreError
from epipam.genome.contigs import Aliases
from epipam.genome.fasta import Genome
from epipam.pairs.checks import check_pairs
from epipam.pairs.contig_part import ContigPart
from epipam.pairs.pair_lists import mark_contradictions
from epipam.pairs.table import digest
from epipam.store import schema
from epipam.store.contig_writer import ContigJob, all_threads, write_contig
from epipam.store.parts import PART
from epipam.store.reader import Damage, Store
from epipam.store.settings import StoreSettings
from epipam.store.work_folder import put_contig_in_place, work_folder
from epipam.store.writer import contig_jobs, read_table


@dataclass(frozen=True)
class Repair:
    """What `repair_store` did.

    Attributes
    ----------
    path
        The store.
    damage
        The files that were damaged or missing.
    contigs
        The chromosomes that were built again.
    """

    path: Path
    damage: tuple[Damage, ...]
    contigs: tuple[str, ...]


def repair_store(
    path: Path,
    genome_path: str | Path,
    pairs_path: str | Path,
    *,
    on_contig: Callable[[str], None] = lambda name: None,
) -> Repair:
    """Build the damaged chromosomes of a store again; the others stay as they are.

    A chromosome gets its place when it has the bytes that were written at first. So nothing is lost
    where that fails, and a repair that was killed may simply be run again.

    Parameters
    ----------
    path
        Folder of the store, of format 1.2 or later.
    genome_path, pairs_path
        What it was built from.
    on_contig
        Called with the name of each chromosome when it is repaired.

    Raises
    ------
    RequestError
        Where genome or pairs are not those of the store.
    StoreError
        Where it is no store, or of an earlier format, or where another build is writing there; and
        where what was built is not what was written at first.
    """
    store = Store(path, check_sizes=False)
    if schema.LAYOUT not in store.attributes:
        raise StoreError(
            f"{path}: is of format {store.attributes['format_version']}, which does not say how it "
            f"was built; build it again"
        )
    verdicts = {contig: store.verify(contig) for contig in store.contigs}
    damaged = tuple(contig for contig, verdict in verdicts.items() if verdict.damage)
    damage = tuple(found for verdict in verdicts.values() for found in verdict.damage)
    if damaged:
        aliases = Aliases(store.attributes["pairs"].get(schema.ALIASES, {}).items())
        genome = Genome(genome_path, aliases)
        jobs = {job.name: job for job in _jobs(store, genome, Path(pairs_path))}
        with work_folder(path, {"repair": list(damaged)}, overwrite=True) as work:
            try:
                for contig in damaged:
                    job = replace(jobs[contig], root=work.path, threads=all_threads())
                    write_contig(job)
                    _require_same(store, contig, work.path)
                    put_contig_in_place(work.path / contig, path)
                    on_contig(contig)
            finally:
                shutil.rmtree(work.path, ignore_errors=True)
    return Repair(path, damage, damaged)


def _jobs(store: Store, genome: Genome, pairs_path: Path) -> list[ContigJob]:
    """Return what the store's build had to write."""
    own = store.attributes
    _require_inputs(store, genome, pairs_path)
    settings = StoreSettings.of_attributes(own)
    chosen = ContigPart(genome, own[PART]["contigs"]) if PART in own else None
    about = own["pairs"]
    table, _, _ = read_table(
        pairs_path, about["label_column"], "skip", chosen, about.get(schema.COLUMNS)
    )
    check = check_pairs(table, genome, settings.enhancer_length, settings.promoter_length)
    mark_contradictions(table, check, "skip")
    return contig_jobs(table, check, genome, settings)


def _require_inputs(store: Store, genome: Genome, pairs_path: Path) -> None:
    if digest(pairs_path) != store.attributes["pairs"]["sha256"]:
        raise RequestError(
            f"{pairs_path}: is not the pair table of {store.path}, which was "
            f"{store.attributes['pairs']['name']}; give that one"
        )
    for contig in store.attributes["genome"]["contigs"].values():
        if genome.contigs.get(contig["contig"]) != contig["length"]:
            raise RequestError(
                f"{genome.path}: has no contig {contig['contig']} of {contig['length']:,} bp: it "
                f"is not the genome of {store.path}, which was {store.attributes['genome']['name']}"
            )


def _require_same(store: Store, contig: str, folder: Path) -> None:
    """Raise a StoreError unless a chromosome that was built again is what it was."""
    try:
        store.require_written(contig, folder)
    except StoreError as error:
        what = str(error).removeprefix(f"{folder}/").partition(";")[0]
        raise StoreError(
            f"{store.path}: {contig} cannot be repaired: built again, {what}; another genome or "
            f"another version of epipam ({store.attributes['created_by']} made the store)? "
            f"Build it again"
        ) from None

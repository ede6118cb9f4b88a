"""`epipam simulate`: a genome, pairs and the truth behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from epipam.cli.command import EpipamCommand, json_option, note_renamed, print_result, progress
from epipam.errors import RequestError
from epipam.simulate import SimulationResult, SimulationSettings, contig_lengths
from epipam.simulate import simulate as run_simulation

_DEFAULTS = SimulationSettings()
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(cls=EpipamCommand)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to create.",
)
@click.option(
    "--grammar",
    type=click.Choice(["both", "match"]),
    default=_DEFAULTS.grammar,
    help="both: CTCF sites in both anchors that point at each other; match: the same motif.",
)
@click.option("--sites", default=_DEFAULTS.sites, help="Motif sites per anchor.")
@click.option("--contigs", default=_DEFAULTS.contigs, help="Number of contigs.")
@click.option("--contig-length", default=_DEFAULTS.contig_length, help="Length of each, in bp.")
@click.option("--positives", default=_DEFAULTS.positives, help="Number of positive pairs.")
@click.option(
    "--negatives-per-positive",
    default=_DEFAULTS.negatives_per_positive,
    help="Negative pairs per positive pair.",
)
@click.option("--seed", default=_DEFAULTS.seed, help="Seed of every random draw.")
@click.option(
    "--chrom-sizes",
    type=_FILE,
    default=_DEFAULTS.chrom_sizes,
    help="Contig names and lengths, in place of --contigs and --contig-length.",
)
@click.option(
    "--pairs",
    type=_FILE,
    default=_DEFAULTS.pairs,
    help="Pairs whose coordinates and labels to realise; needs --chrom-sizes.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier simulation.")
@json_option
def simulate(output: Path, overwrite: bool, as_json: bool, **options: Any) -> None:
    """Write a synthetic genome, its pairs and the truth behind them.

    The folder holds genome.fa with its index, pairs.tsv, truth.tsv (every planted site) and
    simulation.json. The same options give the same bytes.
    """
    settings = SimulationSettings(**options)
    context = click.get_current_context()
    for name in settings.unused():
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = name.replace("_", "-")
            raise RequestError(f"--{option} has no meaning beside the files given; leave it out")
    with progress(len(contig_lengths(settings)), "simulate") as advance:
        result = run_simulation(output, settings, overwrite=overwrite, advance=advance)
    note_renamed(result.renamed)
    values = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(result).items()
    }
    print_result(values, _describe(result), as_json)


def _describe(result: SimulationResult) -> Iterator[str]:
    yield f"{result.folder}: {result.n_bases:,} bp, {result.n_sites:,} planted sites"
    yield f"{result.n_positives:,} positive and {result.n_negatives:,} negative pairs"
    if result.n_unlabelled:
        yield f"{result.n_unlabelled:,} pairs without a label"
    if result.n_sites_without_room:
        yield f"{result.n_sites_without_room:,} sites found no room"
    if result.conflicts:
        reasons = ", ".join(f"{name} {count:,}" for name, count in result.conflict_reasons.items())
        yield f"{result.conflicts:,} pairs imply another label than the given one: {reasons}"

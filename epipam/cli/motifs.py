"""`epipam motifs`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epipam.cli.command import (
    EpipamCommand,
    ModelFolder,
    Place,
    json_option,
    print_result,
    progress,
)
from epipam.cli.options import device_option

if TYPE_CHECKING:
    from epipam.interpret.motifs import MotifSettings
    from epipam.store import Store


@click.command("motifs", cls=EpipamCommand)
@click.argument("model", type=ModelFolder())
@click.argument("store", type=Place())
@click.option(
    "--database",
    "databases",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Known motifs in MEME format, plain or gzip; give it again for more.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="New folder.")
@click.option("--chromosomes", help="Look at these, comma-separated.  [default: all]")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.5,
    help="Share of its greatest activation that a kernel exceeds at a site.",
)
@click.option(
    "--min-sites",
    type=click.IntRange(1),
    default=10,
    help="Kernels with fewer sites make no motif.",
)
@click.option(
    "--background",
    type=click.Choice(["windows", "uniform"]),
    default="windows",
    help="What information is measured against: the bases of the windows, or a quarter each.",
)
@click.option(
    "--max-q",
    type=click.FloatRange(0, 1),
    default=0.05,
    help="List matches of at most this q-value.",
)
@click.option(
    "--logos", type=click.Choice(["svg", "png", "none"]), default="svg", help="A logo per motif."
)
@device_option
@json_option
def motifs(
    model: Path,
    store: Path | str,
    databases: tuple[Path, ...],
    output: Path,
    chromosomes: str | None,
    threshold: float,
    min_sites: int,
    background: str,
    max_q: float,
    logos: str,
    device: str,
    as_json: bool,
) -> None:
    """Read the first kernels of MODEL as motifs, and find known ones among them.

    A kernel's motif is made of the stretches of STORE's unshifted windows that it answers to with
    more than half of its greatest activation, each distinct window once. It is compared with the
    databases by Tomtom. OUTPUT gets motifs.meme, motifs.tsv (a row for each kernel), matches.tsv,
    motifs.json and logos/.
    """
    from epipam.interpret.motif_folder import lines, write_motifs
    from epipam.interpret.motif_matches import read_databases
    from epipam.interpret.motifs import MotifSettings, find_motifs
    from epipam.loading.splits import natural_order, select_contigs
    from epipam.models import load_model
    from epipam.runtime.devices import choose_device, describe_device
    from epipam.runtime.files import whole_folder
    from epipam.store import Store

    with whole_folder(output) as folder:
        targets = read_databases(databases)
        network, opened, chosen = load_model(model), Store(store), choose_device(device)
        network.first_layers()  # says at once where there are none
        contigs = natural_order(opened.contigs)
        if chromosomes is not None:
            contigs = select_contigs(contigs, chromosomes.split(","))
        settings = MotifSettings(threshold, min_sites, background == "uniform", max_q)
        click.echo(f"device: {describe_device(chosen)}", err=True)
        # Both anchors' windows, each twice.
        with progress(4 * len(contigs), "chromosomes read") as advance:
            found = find_motifs(
                network,
                opened,
                contigs,
                targets,
                settings,
                device=chosen,
                on_contig=lambda what: advance(1, what),
            )
        made_by = _provenance(model, opened, databases, contigs, settings)
        wanted = None if logos == "none" else logos
        result = write_motifs(found, folder, made_by, max_q=max_q, logos=wanted)
    print_result({"output": str(output), **result}, lines(result, output, max_q), as_json)


def _provenance(
    model: Path,
    store: Store,
    databases: tuple[Path, ...],
    contigs: tuple[str, ...],
    settings: MotifSettings,
) -> dict[str, Any]:
    """Return what made the motifs: digests, chromosomes, settings, versions."""
    from epipam.models.folder import model_record
    from epipam.pairs.table import digest
    from epipam.runtime.versions import versions_of

    return {
        "model": model_record(model),
        "store": {key: store.attributes[key] for key in ("genome", "pairs")},
        "databases": {str(path): digest(path) for path in databases},
        "chromosomes": list(contigs),
        "settings": asdict(settings),
        "versions": versions_of("memelite"),
    }

"""`epipam repair`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from epipam.cli.command import EpipamCommand, json_option, print_result
from epipam.store import Repair, repair_store


@click.command("repair", cls=EpipamCommand)
@click.argument("store", type=click.Path(path_type=Path))
@click.argument("genome", type=click.Path(path_type=Path))
@click.argument("pairs", type=click.Path(path_type=Path))
@json_option
def repair(store: Path, genome: Path, pairs: Path, as_json: bool) -> None:
    """Build the damaged or missing chromosomes of STORE again, from the GENOME and PAIRS it is of.

    What is written has the bytes that were there; where it would not, nothing is changed.
    """
    done = repair_store(store, genome, pairs)
    result = {
        "store": str(store),
        "repaired": list(done.contigs),
        "damaged": [damage.path for damage in done.damage],
    }
    print_result(result, _lines(done), as_json)


def _lines(done: Repair) -> Iterator[str]:
    if not done.contigs:
        yield f"{done.path}: no file is damaged, and nothing was done"
        return
    yield f"{done.path}: built {', '.join(done.contigs)} again, of which were damaged"
    for damage in done.damage[:20]:
        yield f"  {damage.path}: {damage.what}"
    if len(done.damage) > 20:
        yield f"  and {len(done.damage) - 20} more files"

"""`epipam calibrate`: the map of a model's probabilities, from pairs it did not learn from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epipam.cli.command import EpipamCommand, Place, json_option, print_result
from epipam.cli.options import batch_size_option, device_option
from epipam.errors import RequestError

if TYPE_CHECKING:
    from epipam.models.calibration import ProbabilityMap
    from epipam.store import Store


@click.command("calibrate", cls=EpipamCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("store", type=Place())
@click.option("--chromosomes", help="Use these, comma-separated.  [default: MODEL's validation]")
@click.option("--allow-training", is_flag=True, help="Also those MODEL learned from.")
@batch_size_option
@device_option
@click.option("--overwrite", is_flag=True, help="Replace the map that MODEL has.")
@json_option
def calibrate(
    model: Path,
    store: Path | str,
    chromosomes: str | None,
    allow_training: bool,
    batch_size: int,
    device: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Fit what makes MODEL's probabilities calibrated, on labelled pairs of STORE.

    MODEL's folder gets calibration.json, which `epipam score --calibrate` applies. `epipam train`
    makes one from the validation chromosomes. The share of positives in STORE becomes that of
    the probabilities; `epipam score --prior` sets another.
    """
    from epipam.loading.splits import Part
    from epipam.models import load_model
    from epipam.models.calibration import write_map
    from epipam.models.folder import CALIBRATION_FILE, read_config
    from epipam.runtime.devices import choose_device, describe_device
    from epipam.store import Store
    from epipam.training.calibrating import fit_map

    read_config(model)  # says so where it is no model's folder
    path = model / CALIBRATION_FILE
    if path.exists() and not overwrite:
        raise RequestError(f"{path}: exists already; --overwrite replaces it")
    opened, chosen = Store(store), choose_device(device)
    contigs = _contigs(model, opened, chromosomes, allow_training)
    network = load_model(model)
    click.echo(f"device: {describe_device(chosen)}", err=True)
    found = fit_map(network, model, opened, Part(contigs), device=chosen, batch_size=batch_size)
    write_map(model, found)
    print_result({"calibration": str(path), **found.to_json()}, _lines(path, found), as_json)


def _contigs(
    model: Path, store: Store, chromosomes: str | None, allow_training: bool
) -> tuple[str, ...]:
    """Return the contigs to use: those named, or on which the model was validated."""
    from epipam.loading.splits import natural_order, select_contigs, was_chosen_on_test
    from epipam.models.folder import read_config

    provenance = read_config(model).get("provenance") or {}
    split = provenance.get("split") or {}
    same = _same_contigs(provenance, store)
    if chromosomes is not None:
        contigs = select_contigs(store.contigs, chromosomes.split(","))
    elif was_chosen_on_test(split):
        raise RequestError(
            f"{model} was validated on its own test pairs, which should stay out of its map; "
            "name other chromosomes with --chromosomes"
        )
    else:
        contigs = natural_order(same & {*split.get("validation", ())})
        if not contigs:
            raise RequestError(
                f"{store.path}: holds none of the chromosomes on which {model} was validated; "
                "name with --chromosomes some that it did not learn from"
            )
    learned = natural_order(same & {*contigs} & {*split.get("train", ())})
    if learned and not allow_training:
        raise RequestError(
            f"{model} learned from pairs on {', '.join(learned)}, where its probabilities look "
            "better than elsewhere; name other chromosomes, or pass --allow-training"
        )
    return contigs


def _same_contigs(provenance: dict[str, Any], store: Store) -> set[str]:
    """Return the store's contigs whose sequence is that which the model was made with."""
    genome = (provenance.get("store") or {}).get("genome") or {}
    theirs, ours = genome.get("contigs") or {}, store.attributes["genome"]["contigs"]
    return {
        contig for contig in store.contigs if contig in ours and theirs.get(contig) == ours[contig]
    }


def _lines(path: Path, found: ProbabilityMap) -> Iterator[str]:
    yield f"{path}: from {found.sentence()}"
    yield f"  platt     sigmoid of {found.platt.slope:.3g} x logit + {found.platt.intercept:.3g}"
    low, high = found.isotonic.probability[0], found.isotonic.probability[-1]
    yield f"  isotonic  {len(found.isotonic.logit):,} points, from {low:.3g} to {high:.3g}"

"""`epipam calibrate`: the map of a model's probabilities, from pairs it did not learn from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from epipam.cli.command import EpipamCommand, Place, json_option, print_result
from epipam.cli.options import batch_size_option, device_option

if TYPE_CHECKING:
    from epipam.models.calibration import ProbabilityMap


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
    from epipam.models.folder import CALIBRATION_FILE
    from epipam.training.calibrating import calibrate as fit

    found = fit(
        model,
        store,
        chromosomes=None if chromosomes is None else chromosomes.split(","),
        allow_training=allow_training,
        batch_size=batch_size,
        device=device,
        overwrite=overwrite,
        say=lambda text: click.echo(text, err=True),
    )
    path = model / CALIBRATION_FILE
    print_result({"calibration": str(path), **found.to_json()}, _lines(path, found), as_json)


def _lines(path: Path, found: ProbabilityMap) -> Iterator[str]:
    yield f"{path}: from {found.sentence()}"
    yield f"  platt     sigmoid of {found.platt.slope:.3g} x logit + {found.platt.intercept:.3g}"
    low, high = found.isotonic.probability[0], found.isotonic.probability[-1]
    yield f"  isotonic  {len(found.isotonic.logit):,} points, from {low:.3g} to {high:.3g}"

"""`epipam info` and `epipam verify`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import click

from epipam.cli.command import EpipamCommand, Place, json_option, print_result, progress
from epipam.errors import EpipamError, RequestError
from epipam.models.calibration import METHODS, read_map
from epipam.models.folder import (
    CALIBRATION_FILE,
    CONFIG_FILE,
    is_on_hub,
    read_config,
    trained_on_simulated,
)
from epipam.models.places import local_folder
from epipam.scoring.native.library import SLOWER_WITHOUT, library
from epipam.store import Damage, Store

_TRAINED_ON = {
    True: "simulated sequence",
    False: "real sequence",
    None: "unknown: it does not say",
}


@click.command("info", cls=EpipamCommand)
@click.argument("path", metavar="STORE|MODEL", type=Place())
@json_option
def info(path: Path | str, as_json: bool) -> None:
    """Say what is in a store, or what a model is and where its weights come from."""
    if isinstance(path, Path) or is_on_hub(path):
        path = local_folder(path)
    if isinstance(path, str):
        _store_info(path, as_json)
    elif (path / CONFIG_FILE).exists():
        config = read_config(path)
        lines = chain(_model_lines(path, config), _map_lines(path))
        print_result({**config, "calibration": _map(path)}, lines, as_json)
    elif (path / "model" / CONFIG_FILE).exists():
        raise RequestError(f"{path}: is a run folder; its model is {path / 'model'}")
    else:
        _store_info(path, as_json)


@click.command("verify", cls=EpipamCommand)
@click.argument("store", type=Place())
@json_option
def verify(store: Path | str, as_json: bool) -> None:
    """Compare every file of STORE's arrays with the digest noted when it was written."""
    opened = Store(store, check_sizes=False)
    n_files = 0
    damaged: list[Damage] = []
    with progress(len(opened.contigs), "chromosomes verified") as advance:
        for contig in opened.contigs:
            verdict = opened.verify(contig)
            n_files += verdict.files
            damaged += verdict.damage
            advance(1, contig)
    if damaged:
        listed = "; ".join(f"{damage.path} {damage.what}" for damage in damaged[:20])
        more = f"; and {len(damaged) - 20} more" if len(damaged) > 20 else ""
        raise EpipamError(
            f"{store}: {len(damaged)} of {n_files} files are damaged: {listed}{more}; "
            f"epipam repair STORE GENOME PAIRS builds these chromosomes again"
        )
    result = {"store": str(store), "files": n_files, "damaged": 0}
    print_result(result, iter([f"{store}: {n_files} files, all as they were written"]), as_json)


def _store_info(path: Path | str, as_json: bool) -> None:
    store = Store(path)
    facts = {
        **store.attributes,
        "bytes": store.size_on_disk(),
        "bits_per_base": round(store.bits_per_base(), 4),
    }
    print_result(facts, _store_lines(store, facts), as_json)


def _store_lines(store: Store, facts: dict[str, Any]) -> Iterator[str]:
    pairs, genome, augmentation = facts["pairs"], facts["genome"], facts["augmentation"]
    yield f"{store.path}: epipam store, format {facts['format_version']}"
    yield f"  genome        {genome['name']}, {len(genome['contigs'])} chromosomes"
    yield f"  pairs         {pairs['name']}: {pairs['stored']:,} of {pairs['rows']:,} stored"
    for reason, count in pairs["skipped"].items():
        yield f"                left out: {count:,} {reason}"
    if part := facts.get("part"):
        yield (
            f"  part          {', '.join(part['contigs'])}: {len(part['contigs'])} of "
            f"{len(part['of'])} chromosomes with pairs; epipam merge makes the whole"
        )
    yield (
        f"  windows       enhancer {store.enhancer_length:,} bp, "
        f"promoter {store.promoter_length:,} bp"
    )
    yield (
        f"  augmentation  {augmentation['copies']} copies of each positive, "
        f"shifted by up to {augmentation['max_shift']} bp; seed {facts['seed']}"
    )
    yield f"  on disk       {facts['bytes']:,} bytes, {facts['bits_per_base']:.3f} bits per base"
    yield ""
    yield f"  {'chromosome':<16}{'pairs':>10}{'positive':>10}{'negative':>10}{'rows':>10}"
    for name, contig in facts["contigs"].items():
        counts = (contig[key] for key in ("pairs", "positives", "negatives", "rows"))
        yield f"  {name:<16}" + "".join(f"{count:>10,}" for count in counts)


def _model_lines(path: Path, config: dict[str, Any]) -> Iterator[str]:
    provenance = config.get("provenance", {})
    yield f"{path}: model {config['model']}, written by epipam {config['epipam_version']}"
    yield f"  trained on  {_TRAINED_ON[trained_on_simulated(provenance)]}"
    if "about" in provenance:
        yield f"  {provenance['about']}"
    yield (
        f"  windows     enhancer {config['enhancer_length']:,} bp, "
        f"promoter {config['promoter_length']:,} bp"
    )
    if "store" in provenance:
        source = provenance["store"]
        yield f"  genome      {source['genome']['name']}"
        yield f"  pairs       {source['pairs']['name']}, sha256 {source['pairs']['sha256']}"
    if initial := provenance.get("initial_model"):
        yield f"  started as  {initial.get('about', 'another model')}"
    if "split" in provenance:
        split = provenance["split"]
        if drawn := split.get("random"):
            yield f"  split       random, fold {drawn['fold']}, seed {drawn['seed']}"
            for part, n_pairs in drawn["pairs"].items():
                yield f"  {part:<12}{n_pairs:,} pairs"
        else:
            for part in ("train", "validation", "test"):
                yield f"  {part:<12}{', '.join(split[part])}"
    if "versions" in provenance:
        versions = ", ".join(f"{name} {v}" for name, v in provenance["versions"].items())
        yield f"  made with   {versions}"
    if library() is None:
        yield (
            "  scoring     native: no (no C compiler when epipam was installed); on a processor, "
            f"scores of epipam models come from torch, {SLOWER_WITHOUT} times slower"
        )


def _map(path: Path) -> dict[str, Any] | None:
    """Return what `calibration.json` of a model says; None where it has none."""
    return read_map(path).to_json() if (path / CALIBRATION_FILE).exists() else None


def _map_lines(path: Path) -> Iterator[str]:
    if (path / CALIBRATION_FILE).exists():
        yield f"  calibrated  {' or '.join(METHODS)}, from {read_map(path).sentence()}"

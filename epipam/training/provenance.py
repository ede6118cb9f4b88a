"""What a number or a model comes from: digests of its inputs, settings, seed, versions."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import Any

from epipam.loading.data_module import DataSettings
from epipam.loading.random_pairs import Split
from epipam.models.folder import WEIGHTS_FILE, read_config
from epipam.pairs.table import digest
from epipam.runtime.versions import versions_of
from epipam.store import Store
from epipam.training.settings import TrainSettings

# What a run may change between its beginning and its end, since it changes no number but for
# rounding.
_MACHINE = ("accelerator", "devices", "nodes")


def run_request(
    store: Store, split: Split, settings: TrainSettings, data: DataSettings
) -> dict[str, Any]:
    """Return the inputs and settings that a resumed run must share with the one it resumes."""
    return {
        "store": store.origin(),
        "split": split.record(),
        "training": training_record(settings),
        "data": data_record(data),
    }


def run_provenance(
    request: dict[str, Any], store: Store, settings: TrainSettings, best_epoch: int
) -> dict[str, Any]:
    """Return what made a model: digests, chromosomes, settings, versions."""
    about = settings.about or f"trained on the pairs of {store.attributes['pairs']['name']}"
    initial = read_config(settings.init).get("provenance") if settings.init else None
    return {
        "about": about,
        **request,
        "best_epoch": best_epoch,
        "initial_model": initial,
        "versions": versions(),
    }


def training_record(settings: TrainSettings) -> dict[str, Any]:
    """Return the settings of training; files by content, since a path may change."""
    files = {
        "init": digest(settings.init / WEIGHTS_FILE) if settings.init is not None else None,
        "embedding": digest(settings.embedding) if settings.embedding is not None else None,
    }
    values = {**asdict(settings), **files}
    return {key: value for key, value in values.items() if key not in _MACHINE}


def data_record(data: DataSettings) -> dict[str, Any]:
    """Return the settings of reading that decide what is read when."""
    return {key: value for key, value in asdict(data).items() if key != "workers"}


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    packages = versions_of("torch", "lightning", "scikit-learn")
    return {**packages, "python": platform.python_version()}

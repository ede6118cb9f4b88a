"""What made the numbers of a page: the few facts a reader looks for, and all of them as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from epipam.report.tables import Table, text

# Where the facts lie in the provenance; what is not there is left out.
_FACTS = {
    "command": "command",
    "model": "model.path",
    "architecture": "model.config.model",
    "weights, SHA-256": "model.weights_sha256",
    "about the model": "model.config.provenance.about",
    "trained on": "model.config.provenance.store.pairs.name",
    "pairs trained on, SHA-256": "model.config.provenance.store.pairs.sha256",
    "models": "models",
    "protocol": "protocol",
    "split": "split",
    "alphas": "alphas",
    "genome": "store.genome.name",
    "pair list": "store.pairs.name",
    "pair list, SHA-256": "store.pairs.sha256",
    "pairs in the list": "store.pairs.rows",
    "pairs in the store": "store.pairs.stored",
    "seed of the store": "store.seed",
    "chromosomes evaluated": "evaluated",
    "seed of draws and bootstrap": "seed",
    "bootstrap replicates": "bootstrap",
    "what they resample": "resample",
    "versions": "versions",
}


def facts_table(provenance: Mapping[str, Any]) -> Table:
    """Arrange the facts of a provenance, those that it holds."""
    found = ((label, _at(provenance, path)) for label, path in _FACTS.items())
    rows = [
        (text(label), text(_written(value))) for label, value in found if value not in (None, "")
    ]
    for name, store in provenance.get("stores", {}).items():
        pairs = store["pairs"]
        rows += [
            (text(f"{name}: genome"), text(store["genome"]["name"])),
            (text(f"{name}: pair list"), text(pairs["name"])),
            (text(f"{name}: pair list, SHA-256"), text(pairs["sha256"])),
        ]
    return Table("facts", "What was evaluated, with what, and how", ("What", "Value"), tuple(rows))


def as_json(provenance: Mapping[str, Any]) -> str:
    """Return all of a provenance as indented JSON."""
    return json.dumps(provenance, indent=2)


def _at(provenance: Mapping[str, Any], path: str) -> Any:
    value: Any = provenance
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)

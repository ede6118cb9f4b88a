"""The facts of the store format: names, dtypes, versions, and the schema of its attributes.

The format is specified in `store/README.md`.
"""

from __future__ import annotations

import json
import textwrap
from importlib import resources
from typing import Any

from epipam.errors import StoreError

FORMAT = "epipam-store"
FORMAT_VERSION = "1.2"
ATTRIBUTE = "epipam"

# Measured in bench/chunks.py: see "Chunks and shards" in store/README.md.
ROWS_PER_CHUNK = 512
ROWS_PER_SHARD = 4_096
ZSTD_LEVEL = 1

METADATA_FILE = "zarr.json"

ENHANCER = "enhancer"
PROMOTER = "promoter"
LABEL = "label"
WINDOW = "window"
WINDOW_COLUMNS = (
    "pair",
    "copy",
    "enhancer_shift",
    "promoter_shift",
    "enhancer_start",
    "promoter_start",
)
PAIRS = "pairs"
FILES = "files"
LAYOUT = "layout"
# Of the attribute `pairs`.
COLUMNS = "columns"
ALIASES = "aliases"
REGION = "region"
REGION_COLUMNS = ("pair", "enhancer_start", "enhancer_end", "promoter_start", "promoter_end")
NAME_COLUMNS = ("enhancer_name", "promoter_name")

# Names of the arrays' dimensions: what has one name within a group has one length.
DIMENSIONS = {
    ENHANCER: ("row", "enhancer_byte"),
    PROMOTER: ("row", "promoter_byte"),
    LABEL: ("row",),
    WINDOW: ("row", "window_column"),
    f"{PAIRS}/{REGION}": ("pair", "region_column"),
    f"{PAIRS}/{LABEL}": ("pair",),
    **{f"{PAIRS}/{column}": (f"{column}_byte",) for column in NAME_COLUMNS},
}


def group_document(own: dict[str, Any]) -> bytes:
    """Return the metadata of a Zarr v3 group with attributes of ours, as its file holds them."""
    group = {"zarr_format": 3, "node_type": "group", "attributes": {ATTRIBUTE: own}}
    return (json.dumps(group, indent=2) + "\n").encode("utf-8")


def without_files(own: dict[str, Any]) -> dict[str, Any]:
    """Return a store's attributes without `files`, which is long and of use to `Store` alone."""
    return {key: value for key, value in own.items() if key != FILES}


def validate_attributes(attributes: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the store's own attributes after checking them against the JSON Schema.

    Raises
    ------
    StoreError
        Where they are not those of a store, or of a newer major version of the format.
    """
    import jsonschema  # here: a process that writes a contig never comes by

    own = attributes.get(ATTRIBUTE)
    if not isinstance(own, dict) or own.get("format") != FORMAT:
        raise StoreError(f"{where}: is no epipam store; epipam build-store makes one")
    version = str(own.get("format_version"))
    major, supported = version.partition(".")[0], FORMAT_VERSION.partition(".")[0]
    if major.isdigit() and int(major) > int(supported):
        raise StoreError(
            f"{where}: is a store of format {version}, and this epipam reads format "
            f"{supported}.x: install a newer epipam to read it"
        )
    try:
        jsonschema.validate(attributes, load_schema())
    except jsonschema.ValidationError as error:
        place = "/".join(str(part) for part in error.absolute_path)
        what = textwrap.shorten(error.message, 200)
        raise StoreError(f"{where}: damaged attributes at {place}: {what}") from None
    return own


def load_schema() -> dict[str, Any]:
    """Return the JSON Schema of the root attributes."""
    text = resources.files("epipam.store").joinpath("schema.json").read_text("utf-8")
    return json.loads(text)

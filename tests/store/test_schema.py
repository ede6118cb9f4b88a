"""The schema of the root attributes: valid itself, and what it lets through."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest

from epipam.errors import StoreError
from epipam.store import schema

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def attributes(built) -> dict:
    document = json.loads((built.path / "zarr.json").read_text())
    return copy.deepcopy(document["attributes"])


def refusal(attributes: dict) -> str:
    with pytest.raises(StoreError) as error:
        schema.validate_attributes(attributes, "some.zarr")
    text = str(error.value)
    assert text.startswith("some.zarr: ")
    assert "\n" not in text
    assert len(text) < 400
    return text


def test_the_schema_is_valid_draft_07():
    found = schema.load_schema()
    assert found["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(found)


def test_the_published_schema_is_the_one_that_is_used():
    assert json.loads((ROOT / "store/schema.json").read_text()) == schema.load_schema()


def test_what_the_writer_writes_is_valid(attributes):
    jsonschema.Draft7Validator(schema.load_schema()).validate(attributes)
    assert schema.validate_attributes(attributes, "some.zarr") == attributes["epipam"]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.27"])
def test_this_and_newer_minor_versions_are_accepted_with_what_they_add(attributes, version):
    attributes["epipam"].update(format_version=version, something_new={"a": 1})
    assert schema.validate_attributes(attributes, "some.zarr")["format_version"] == version


@pytest.mark.parametrize("version", ["2.0", "3.1", "10.0", "2", 2])
def test_a_newer_major_version_is_refused_with_the_way_out(attributes, version):
    attributes["epipam"] = {"format": "epipam-store", "format_version": version}
    assert refusal(attributes) == (
        f"some.zarr: is a store of format {version}, and this epipam reads format 1.x: "
        f"install a newer epipam to read it"
    )


@pytest.mark.parametrize("version", ["one", "", None, "1", "1.x", "-2.0"])
def test_a_version_that_is_none_is_refused(attributes, version):
    attributes["epipam"]["format_version"] = version
    assert "damaged attributes at epipam/format_version" in refusal(attributes)


@pytest.mark.parametrize("name", [*schema.load_schema()["properties"]["epipam"]["required"]])
def test_every_attribute_is_needed(attributes, name):
    del attributes["epipam"][name]
    assert refusal(attributes)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("enhancer_length", 0),
        ("promoter_length", "2000"),
        ("augmentation/copies", -1),
        ("augmentation/max_shift", 1.5),
        ("seed", -1),
        ("genome/contigs/chr1/md5", "ABC"),
        ("genome/contigs/chr1/length", None),
        ("pairs/sha256", ""),
        ("pairs/stored", 0),
        ("pairs/skipped", {"too long": 0}),
        ("contigs/chr1/rows", "many"),
        ("contigs/chr1/positives", -3),
        ("contigs", {}),
        ("contigs", ["chr1"]),
        ("genome", "line one\nline two"),
        ("pairs", "x" * 5_000),
    ],
)
def test_a_damaged_attribute_is_named(attributes, place, value):
    *parents, name = place.split("/")
    node = attributes["epipam"]
    for parent in parents:
        node = node[parent]
    node[name] = value
    assert f"damaged attributes at epipam/{place}" in refusal(attributes)


def test_attributes_of_another_tool_are_no_store():
    assert "is no epipam store" in refusal({"cooler": {}})
    assert "is no epipam store" in refusal({})

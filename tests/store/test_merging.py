"""Parts of a store: together they are the bytes of one build; what does not belong is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from epipam.errors import RequestError, StoreError
from epipam.genome.contigs import Aliases
from epipam.store import Store, build_store, merge_stores, repair_store

PARTITIONS = [
    [["chr1"], ["chr2"], ["c"], ["tiny"]],
    [["chr2", "tiny"], ["c", "chr1"]],
    [["tiny", "c", "1", "2"]],
]


def tree(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


@pytest.fixture
def build(inputs, tmp_path):
    """Return `build(name, contigs, **options)`, which builds a part of the inputs' store."""

    def build(name, contigs, pairs=inputs.pairs, genome=inputs.genome, **options):
        settings = options.pop("settings", inputs.settings)
        out = tmp_path / f"{name}.zarr"
        build_store(genome, pairs, out, settings, contigs=contigs, **options)
        return out

    return build


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda groups: f"{len(groups)} parts")
def test_parts_have_the_bytes_of_one_build(partition, build, built, tmp_path):
    parts = [build(f"part{i}", contigs) for i, contigs in enumerate(partition)]
    for given in (parts, parts[::-1]):
        merge_stores(given, tmp_path / "whole.zarr", overwrite=True)
        assert tree(tmp_path / "whole.zarr") == tree(built.path)
    assert not list(tmp_path.glob(".whole.zarr*"))


@pytest.fixture
def untidy(inputs, tmp_path) -> Path:
    """The inputs' pairs, and rows of each kind that a build leaves out."""
    lines = inputs.pairs.read_text(encoding="utf-8").splitlines()
    bad = [
        "chrNone\t1\t9\t\tchr1\t1\t9\t\t1",
        "chrNone\t9\t1\t\tchrNone\t1\t9\t\t0",
        "chr1\tx\t9\t\tchr1\t1\t9\t\t0",
        "chr1\t1\t9\t\tchrNone\t1\t9\t\t0",
        "chr2\t1\t9\t\tchr1\t1\t9\t\t0",
        "chr2\t1\t99999\t\tchr2\t1\t9\t\t0",
    ]
    path = tmp_path / "untidy.tsv"
    path.write_text("\n".join([*lines[:9], *bad, *lines[9:]]) + "\n", encoding="utf-8")
    return path


def test_rows_left_out_are_counted_as_one_build_counts_them(build, untidy, tmp_path):
    whole = build("one", None, untidy, bad_pairs="skip")
    parts = [
        build(f"part{i}", contigs, untidy, bad_pairs="skip")
        for i, contigs in enumerate(PARTITIONS[1])
    ]
    merge_stores(parts, tmp_path / "merged.zarr")
    assert tree(tmp_path / "merged.zarr") == tree(whole)
    skipped = Store(whole).attributes["pairs"]["skipped"]
    assert sum(skipped.values()) == 6
    assert sum(sum(Store(part).attributes["pairs"]["skipped"].values()) for part in parts) == 3


def test_a_part_says_what_it_is_of(build):
    attributes = Store(build("part", ["chr2", "tiny"])).attributes
    assert attributes["part"]["contigs"] == ["chr2", "tiny"]
    assert attributes["part"]["of"] == ["chr1", "chr2", "c", "tiny"]
    assert set(attributes["contigs"]) == {"chr2", "tiny"}


def test_parts_read_by_columns_and_aliases_have_the_bytes_of_one_build(build, inputs, tmp_path):
    text = inputs.pairs.read_text(encoding="utf-8").replace("chr1\t", "CM1\t")
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text(text.replace("enhancer_name", "e", 1).replace("promoter_name", "p", 1))
    options = {
        "pairs": pairs,
        "columns": {"promoter_name": "p", "enhancer_name": "e"},
        "aliases": Aliases([("chr1", "CM1")]),
    }
    whole = build("one", None, **options)
    about = Store(whole).attributes["pairs"]
    assert about["aliases"] == {"CM1": "chr1"}
    assert about["columns"] == options["columns"]
    assert {"chr1", "chr2"} <= set(Store(whole).contigs)
    parts = [build("a", ["CM1"], **options), build("b", ["chr2", "c", "tiny"], **options)]
    merge_stores(parts[::-1], tmp_path / "whole.zarr")
    assert tree(tmp_path / "whole.zarr") == tree(whole)
    (tmp_path / "whole.zarr/chr1/enhancer/c/0/0").unlink()
    assert repair_store(tmp_path / "whole.zarr", inputs.genome, pairs).contigs == ("chr1",)
    assert tree(tmp_path / "whole.zarr") == tree(whole)


def test_parts_of_which_one_was_read_by_columns_are_refused(build, inputs, tmp_path):
    first = build("a", ["chr1"])
    columns = {"enhancer_name": "promoter_name"}
    second = build("b", ["chr2", "c", "tiny"], columns=columns)
    with pytest.raises(RequestError, match="choice of columns"):
        merge_stores([first, second], tmp_path / "whole.zarr")


def test_pairs_on_no_contig_fail_a_part_as_they_fail_the_whole(build, untidy):
    readable = untidy.read_text(encoding="utf-8").replace("chr1\tx\t9\t\tchr1\t1\t9\t\t0\n", "")
    untidy.write_text(readable, encoding="utf-8")
    with pytest.raises(RequestError, match=r"2 of \d+ pairs cannot be used.*not in the genome"):
        build("part", ["c"], untidy)


def test_parts_that_overlap_or_are_not_all_there_are_refused(build, tmp_path):
    one, other = build("one", ["chr1", "c"]), build("other", ["c", "chr2"])
    with pytest.raises(RequestError, match=r"one.zarr and .*other.zarr: both hold c; give each"):
        merge_stores([one, other], tmp_path / "whole.zarr")
    with pytest.raises(RequestError, match=r"no part holds the pairs on chr2, tiny: build them"):
        merge_stores([one], tmp_path / "whole.zarr")
    assert not (tmp_path / "whole.zarr").exists()


def test_parts_of_different_builds_are_refused(build, inputs, tmp_path):
    one = build("one", ["chr1"])
    seeded = build("seeded", ["chr2"], settings=replace(inputs.settings, seed=8))
    with pytest.raises(RequestError, match=r"seeded.zarr: its seed is 8, that of .*one.zarr is 7"):
        merge_stores([one, seeded], tmp_path / "whole.zarr")

    folder = tmp_path / "other"
    folder.mkdir()
    pairs = folder / "pairs.tsv"
    pairs.write_text(inputs.pairs.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(RequestError, match="its digest of the pair table is"):
        merge_stores([one, build("pairs", ["chr2"], pairs)], tmp_path / "whole.zarr")

    genome = folder / "genome.fa"
    genome.write_text(inputs.genome.read_text() + ">more\nACGT\n")
    with pytest.raises(RequestError, match="its digest of the genome's contigs is"):
        merge_stores([one, build("genome", ["chr2"], genome=genome)], tmp_path / "whole.zarr")


def test_a_whole_store_is_no_part(build, built, tmp_path):
    with pytest.raises(RequestError, match="is a whole store, no part of one"):
        merge_stores([build("one", ["chr1"]), built.path], tmp_path / "whole.zarr")


def test_a_part_of_an_earlier_format_is_refused(build, make_old, tmp_path):
    parts = [make_old(build("old", ["chr1"])), build("rest", ["chr2", "c", "tiny"])]
    with pytest.raises(RequestError, match=r"old\.zarr: is a part of format 1\.1, and this epipam"):
        merge_stores(parts, tmp_path / "whole.zarr")


@pytest.mark.parametrize("harm", ["change", "remove", "metadata"])
def test_a_damaged_part_leaves_nothing_and_is_named(harm, build, tmp_path):
    parts = [build(f"part{i}", contigs) for i, contigs in enumerate(PARTITIONS[1])]
    file = parts[1] / "chr1" / ("zarr.json" if harm == "metadata" else "enhancer/c/0/0")
    data = bytearray(file.read_bytes())
    if harm == "remove":
        file.unlink()
    elif harm == "change":
        data[7] ^= 1
        file.write_bytes(data)
    else:
        file.write_bytes(data[:40])
    with pytest.raises(StoreError, match=r"part1.zarr/chr1.*epipam verify"):
        merge_stores(parts, tmp_path / "whole.zarr")
    assert not (tmp_path / "whole.zarr").exists()


def test_a_store_that_is_there_is_replaced_on_request_only(build, built, tmp_path):
    parts = [build(f"part{i}", contigs) for i, contigs in enumerate(PARTITIONS[1])]
    out = build("whole", ["tiny"])
    with pytest.raises(RequestError, match="exists already"):
        merge_stores(parts, out)
    merge_stores(parts, out, overwrite=True)
    assert tree(out) == tree(built.path)
    assert "part" not in json.loads((out / "zarr.json").read_text())["attributes"]["epipam"]

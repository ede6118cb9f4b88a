"""What the writer puts into a store."""

from __future__ import annotations

import csv
import gzip
import hashlib
import itertools
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import google_crc32c
import numpy as np
import pysam
import pytest
import zarr

from epipam.errors import RequestError
from epipam.genome.packed_contig import PackedContig
from epipam.pairs.table import COLUMNS
from epipam.store import Store, StoreSettings, build_store, writer

NIBBLE = {"A": 0b1000, "C": 0b0100, "G": 0b0010, "T": 0b0001}


class StoredRow(NamedTuple):
    """A row as it lies in the arrays, read with Zarr alone."""

    enhancer: bytes
    promoter: bytes
    label: int
    pair: int
    copy: int
    enhancer_shift: int
    promoter_shift: int
    enhancer_start: int
    promoter_start: int


def stored_rows(path: Path, contig: str) -> list[StoredRow]:
    group = zarr.open_group(path, mode="r")[contig]
    columns = group["window"].attrs["columns"]
    assert columns == list(StoredRow._fields[3:])
    parts = (group["enhancer"][:], group["promoter"][:], group["label"][:], group["window"][:])
    return [
        StoredRow(e.tobytes(), p.tobytes(), int(label), *window.tolist())
        for e, p, label, window in zip(*parts, strict=True)
    ]


def window_start(start: int, end: int, length: int) -> int:
    """docs/architecture.md: resized about the centre."""
    if end - start > length:
        return start + math.ceil((end - start - length) / 2)
    return start - math.ceil((length - (end - start)) / 2)


def packed_letters(fasta: pysam.FastaFile, contig: str, start: int, length: int) -> bytes:
    """docs/architecture.md: two bases to a byte, base by base."""
    packed = bytearray((length + 1) // 2)
    contig_length = fasta.get_reference_length(contig)
    first, last = (min(max(end, 0), contig_length) for end in (start, start + length))
    inside = fasta.fetch(contig, first, last)
    for i in range(length):
        position = start + i
        if 0 <= position < contig_length:
            nibble = NIBBLE.get(inside[position - max(start, 0)].upper(), 0)
            packed[i // 2] |= nibble << (4 if i % 2 == 0 else 0)
    return bytes(packed)


def assert_windows_are_the_letters(path: Path, genome: Path, rows: list, settings) -> int:
    """Compare every stored row with the FASTA; return how many rows there were."""
    n_rows = 0
    with pysam.FastaFile(str(genome)) as fasta:
        for contig in {row[0] for row in rows} & set(fasta.references):
            for found in stored_rows(path, contig):
                row = rows[found.pair]
                starts = (
                    window_start(row[1], row[2], settings.enhancer_length) + found.enhancer_shift,
                    window_start(row[5], row[6], settings.promoter_length) + found.promoter_shift,
                )
                assert (row[0], row[8]) == (contig, found.label)
                assert (found.enhancer_start, found.promoter_start) == starts
                lengths = (settings.enhancer_length, settings.promoter_length)
                assert (found.enhancer, found.promoter) == tuple(
                    packed_letters(fasta, contig, start, length)
                    for start, length in zip(starts, lengths, strict=True)
                )
                n_rows += 1
    return n_rows


def tree(folder: Path) -> dict[str, bytes]:
    """All files of a folder by their path below it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def build(inputs, out, *, settings=None, **options):
    return build_store(inputs.genome, inputs.pairs, out, settings or inputs.settings, **options)


# What is stored


def test_every_stored_window_is_the_fastas_letters_where_the_formula_puts_it(inputs, built):
    stored = assert_windows_are_the_letters(built.path, inputs.genome, inputs.rows, inputs.settings)
    positives = sum(row[8] == 1 for row in inputs.rows)
    assert stored == len(inputs.rows) + inputs.settings.augment * positives


def test_windows_beyond_both_ends_of_a_contig_are_stored(built):
    starts = {row.enhancer_start for row in stored_rows(built.path, "tiny")}
    assert min(starts) < 0
    assert max(starts) + 60 > 30


@pytest.mark.parametrize(
    ("name", "stored"), [("targetfinder_NHEK.tsv.gz", 13), ("targetfinder_K562.tsv.gz", 12)]
)
def test_windows_of_real_pairs_are_the_real_sequence(shared_data, tmp_path, name, stored):
    genome = shared_data / "genome/hg19_chr20_2Mb.fa.gz"
    out = tmp_path / "store"
    result = build_store(genome, shared_data / "pairs" / name, out, bad_pairs="skip")
    rows = _table_rows(shared_data / "pairs" / name)
    n_rows = assert_windows_are_the_letters(out, genome, rows, StoreSettings())
    assert result.attributes["pairs"]["stored"] == stored
    assert n_rows == stored + 10 * result.attributes["contigs"]["chr20"]["positives"]
    counts = {"targetfinder_NHEK.tsv.gz": [26183, 668, 23, 4]}.get(name, [40325, 1084, 53, 3])
    assert list(result.attributes["pairs"]["skipped"].values()) == counts


def _table_rows(path: Path) -> list[tuple]:
    with gzip.open(path, "rt") as handle:
        found = list(csv.DictReader(handle, delimiter="\t"))
    numbers = {column for column in COLUMNS if column.endswith(("_start", "_end", "label"))}
    return [tuple(int(r[c]) if c in numbers else r.get(c, "") for c in COLUMNS) for r in found]


def test_positives_have_numbered_copies_beside_the_unshifted_window_others_none(inputs, built):
    copies: dict[int, list[int]] = {}
    for contig in built.contigs:
        for row in stored_rows(built.path, contig):
            copies.setdefault(row.pair, []).append(row.copy)
    assert {pair: sorted(found) for pair, found in copies.items()} == {
        pair: [0, 1, 2, 3] if row[8] == 1 else [0] for pair, row in enumerate(inputs.rows)
    }


def test_unshifted_windows_have_shift_zero_and_copies_shifts_within_the_limit(inputs, built):
    rows = [row for contig in built.contigs for row in stored_rows(built.path, contig)]
    assert {(r.enhancer_shift, r.promoter_shift) for r in rows if r.copy == 0} == {(0, 0)}
    shifts = [shift for r in rows if r.copy for shift in (r.enhancer_shift, r.promoter_shift)]
    assert max(map(abs, shifts)) <= inputs.settings.max_shift


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """3,000 pairs, half of them positive, over random sequence where no two windows overlap."""
    folder = tmp_path_factory.mktemp("large")
    rng = np.random.default_rng(4)
    n_pairs, spacing = 3_000, 1_200
    letters = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, n_pairs * spacing)]
    (folder / "genome.fa").write_text(f">chr1\n{letters.tobytes().decode()}\n")
    with (folder / "pairs.bedpe").open("w") as handle:
        for i in range(n_pairs):
            start = spacing * i + 100
            anchors = f"chr1\t{start}\t{start + 600}\tchr1\t{start + 600}\t{start + 1000}"
            handle.write(f"{anchors}\tx\t{i % 2}\n")
    return folder


def test_random_sequence_takes_at_most_2_1_bits_per_base(large, tmp_path):
    settings = StoreSettings(enhancer_length=600, promoter_length=400, augment=0)
    build_store(
        large / "genome.fa", large / "pairs.bedpe", tmp_path / "store", settings, label_column="8"
    )
    n_bytes = sum(
        path.stat().st_size
        for name in ("enhancer", "promoter")
        for path in (tmp_path / "store/chr1" / name).rglob("*")
        if path.is_file()
    )
    assert 8 * n_bytes / (3_000 * 1_000) <= 2.1


def test_shifts_are_uniform_and_those_of_the_two_anchors_independent(large, tmp_path):
    settings = StoreSettings(20, 20, augment=4, max_shift=5, seed=1)
    build_store(
        large / "genome.fa", large / "pairs.bedpe", tmp_path / "store", settings, label_column="8"
    )
    window = zarr.open_group(tmp_path / "store", mode="r")["chr1/window"][:]
    copies = window[window[:, 1] > 0]
    assert len(copies) == 6_000
    counts = np.zeros((11, 11))
    np.add.at(counts, (copies[:, 2] + 5, copies[:, 3] + 5), 1)
    expected = 6_000 / 121
    # Chi-squared with 120 degrees of freedom: mean 120, standard deviation 15.5.
    assert ((counts - expected) ** 2 / expected).sum() < 120 + 5 * 15.5


def test_rows_lie_in_a_random_order(built):
    pairs = [row.pair for row in stored_rows(built.path, "chr1")]
    descents = sum(a > b for a, b in itertools.pairwise(pairs))
    assert len(pairs) / 3 < descents < 2 * len(pairs) / 3


def test_another_seed_gives_another_order_and_other_shifts(inputs, built, tmp_path):
    build(inputs, tmp_path / "store", settings=replace(inputs.settings, seed=8))
    one, other = (stored_rows(path, "chr1") for path in (built.path, tmp_path / "store"))
    assert [row.pair for row in one] != [row.pair for row in other]
    assert {row.enhancer for row in one if row.copy == 0} == {
        row.enhancer for row in other if row.copy == 0
    }
    shifts = [
        [(r.enhancer_shift, r.promoter_shift) for r in sorted(rows, key=lambda r: r[3:5])]
        for rows in (one, other)
    ]
    assert shifts[0] != shifts[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_bytes(inputs, built, tmp_path, workers):
    build(inputs, tmp_path / "again", workers=workers)
    assert tree(tmp_path / "again") == tree(built.path)


@pytest.mark.parametrize("n_threads", [1, 5])
def test_any_number_of_threads_gives_the_same_bytes(
    inputs, built, tmp_path, monkeypatch, n_threads
):
    monkeypatch.setattr(writer, "all_threads", lambda: n_threads)
    build(inputs, tmp_path / "again")
    assert tree(tmp_path / "again") == tree(built.path)


def test_a_shard_that_cannot_be_written_fails_the_build(inputs, tmp_path, monkeypatch):
    def fail(contig, starts, length):
        raise OSError("no space left on device")

    monkeypatch.setattr(PackedContig, "windows", fail)
    with pytest.raises(OSError, match="no space left"):
        build(inputs, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_process_that_writes_contigs_starts_without_the_libraries_that_it_does_not_need():
    script = """
import sys
import epipam.store.contig_writer
print(*{"pandas", "jsonschema", "torch"} & sys.modules.keys())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == []


def test_root_attributes_are_the_facts(inputs, built):
    attributes = json.loads((built.path / "zarr.json").read_text())["attributes"]["epipam"]
    with pysam.FastaFile(str(inputs.genome)) as fasta:
        contigs = {
            name: {
                "contig": name,
                "length": fasta.get_reference_length(name),
                "md5": hashlib.md5(fasta.fetch(name).upper().encode()).hexdigest(),
            }
            for name in fasta.references
        }
    by_contig = {name: [row[8] for row in inputs.rows if row[0] == name] for name in contigs}
    assert attributes["genome"] == {"name": "genome.fa", "contigs": contigs}
    assert attributes["pairs"] == {
        "name": "pairs.tsv",
        "sha256": hashlib.sha256(inputs.pairs.read_bytes()).hexdigest(),
        "rows": len(inputs.rows),
        "stored": len(inputs.rows),
        "skipped": {},
        "label_column": None,
    }
    assert attributes["layout"] == {"rows_per_chunk": 16, "rows_per_shard": 32}
    assert attributes["contigs"] == {
        name: {
            "pairs": len(labels),
            "positives": labels.count(1),
            "negatives": labels.count(0),
            "rows": len(labels) + 3 * labels.count(1),
        }
        for name, labels in by_contig.items()
    }
    assert attributes["augmentation"] == {"copies": 3, "max_shift": 20}
    assert (attributes["seed"], attributes["enhancer_length"]) == (7, 60)
    assert attributes["files"] == {
        name: {"size": len(data), "crc32c": f"{google_crc32c.value(data):08x}"}
        for name, data in tree(built.path).items()
        if name != "zarr.json"
    }
    assert (attributes["format"], attributes["format_version"]) == ("epipam-store", "1.2")


def test_contigs_come_in_the_order_in_which_the_pairs_name_them(inputs, built):
    assert list(built.contigs) == list(dict.fromkeys(row[0] for row in inputs.rows))


def test_chromosomes_named_otherwise_in_the_genome_keep_the_pairs_name(write_genome, tmp_path):
    genome = write_genome({"1": "ACGT" * 50})
    (tmp_path / "pairs.bedpe").write_text("chr1\t10\t20\tchr1\t50\t60\n")
    result = build_store(genome, tmp_path / "pairs.bedpe", tmp_path / "s", StoreSettings(20, 20))
    assert result.renamed == {"chr1": "1"}
    assert (tmp_path / "s/chr1").is_dir()
    assert result.attributes["genome"]["contigs"]["chr1"]["contig"] == "1"


@pytest.mark.parametrize(("first", "second"), [("chr1", "1"), ("1", "chr1")])
@pytest.mark.parametrize("contig", ["chr1", "1"])
def test_a_contig_spelled_in_two_ways_is_one_group_named_as_the_pairs_name_it_first(
    write_genome, tmp_path, contig, first, second
):
    genome = write_genome({contig: "ACGTT" * 40, "chr2": "ACGT" * 50})
    names = [("2", "2"), (first, second), (second, second), (second, first), (first, first)]
    lines = [f"{e}\t{10 + i}\t20\t{p}\t50\t{60 + i}\n" for i, (e, p) in enumerate(names)]
    (tmp_path / "pairs.bedpe").write_text("".join(lines))
    out = tmp_path / "s"
    result = build_store(genome, tmp_path / "pairs.bedpe", out, StoreSettings(20, 20))
    assert result.renamed == {"2": "chr2", ({"1", "chr1"} - {contig}).pop(): contig}
    store = Store(out)
    assert store.contigs == ("2", first)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == sorted(["2", first])
    assert {n: c["contig"] for n, c in store.attributes["genome"]["contigs"].items()} == {
        "2": "chr2",
        first: contig,
    }
    assert [store.attributes["contigs"][name]["pairs"] for name in store.contigs] == [1, 4]
    pairs = store.pairs(first)
    assert set(pairs["enhancer_chrom"]) | set(pairs["promoter_chrom"]) == {first}
    assert pairs["pair"].tolist() == [1, 2, 3, 4]
    assert pairs["enhancer_start"].tolist() == [11, 12, 13, 14]


@pytest.mark.parametrize(
    ("setting", "smallest", "largest"),
    [
        ("enhancer_length", 1, 1_000_000),
        ("promoter_length", 1, 1_000_000),
        ("max_shift", 0, 1_000_000),
        ("augment", 0, 32_767),
        ("seed", 0, 2**63 - 1),
    ],
)
def test_settings_out_of_range_are_refused(setting, smallest, largest):
    for value in (smallest, largest):
        StoreSettings(**{setting: value})
    for value in (smallest - 1, largest + 1):
        with pytest.raises(RequestError, match=f"{setting} is {value} but must be from {smallest}"):
            StoreSettings(**{setting: value})


def test_the_largest_shift_gives_windows_of_n_alone_or_letters_where_they_are(
    write_genome, tmp_path
):
    genome = write_genome({"chr1": "ACGTT" * 40})
    row = ("chr1", 10, 20, "", "chr1", 50, 60, "", 1)
    line = "\t".join(map(str, (*row[:3], *row[4:7], 1)))
    (tmp_path / "pairs.bedpe").write_text(line + "\n")
    settings = StoreSettings(20, 20, augment=5, max_shift=1_000_000)
    out = tmp_path / "s"
    build_store(genome, tmp_path / "pairs.bedpe", out, settings, label_column="7")
    assert assert_windows_are_the_letters(out, genome, [row], settings) == 6


def test_any_zarr_library_can_read_it_because_only_core_codecs_are_used(built):
    names, types = set(), set()

    def collect(codecs):
        for codec in codecs:
            names.add(codec["name"])
            for inner in ("codecs", "index_codecs"):
                collect(codec.get("configuration", {}).get(inner, []))

    for path in built.path.rglob("zarr.json"):
        document = json.loads(path.read_text())
        assert document["zarr_format"] == 3
        if document["node_type"] == "array":
            collect(document["codecs"])
            types.add((path.parent.name, document["data_type"]))
            assert document["chunk_grid"]["name"] == "regular"
            assert document["chunk_key_encoding"]["name"] == "default"
            assert not document.get("storage_transformers")
    assert names == {"bytes", "zstd", "sharding_indexed", "crc32c"}
    assert types == {
        ("enhancer", "uint8"),
        ("promoter", "uint8"),
        ("label", "int8"),
        ("window", "int64"),
        ("region", "int64"),
        ("enhancer_name", "uint8"),
        ("promoter_name", "uint8"),
    }


def test_chunks_and_shards_are_as_asked_for_and_hold_the_same_rows(inputs, built, tmp_path):
    settings = replace(inputs.settings, rows_per_chunk=8, rows_per_shard=24)
    build(inputs, tmp_path / "store", settings=settings)
    enhancer = zarr.open_group(tmp_path / "store", mode="r")["chr1/enhancer"]
    assert (enhancer.chunks, enhancer.shards) == ((8, 30), (24, 30))
    assert stored_rows(tmp_path / "store", "chr1") == stored_rows(built.path, "chr1")


def test_a_genome_makes_a_few_files_for_each_contig_and_shard(built):
    shards = sum(-(-built.n_rows(contig) // 32) for contig in built.contigs)
    # Four arrays by shard; in each contig, two groups, eight arrays, four of them with one file.
    assert len(tree(built.path)) == 1 + 4 * shards + len(built.contigs) * (2 + 8 + 4)


def test_digests_are_of_every_file_of_a_contigs_arrays(built):
    for contig in built.contigs:
        files = tree(built.path / contig)
        noted = json.loads(files.pop("zarr.json"))["attributes"]["epipam"]["digests"]
        assert noted == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def test_no_file_is_left_out_where_all_its_numbers_are_zero(write_genome, tmp_path):
    pairs = tmp_path / "pairs.bedpe"
    pairs.write_text("chr1\t10\t20\tchr1\t50\t60\tx\t0\n")
    genome = write_genome({"chr1": "ACGT" * 50})
    out = tmp_path / "store"
    build_store(genome, pairs, out, StoreSettings(20, 20), label_column="8")
    assert (out / "chr1/label/c/0").is_file()
    assert (out / "chr1/pairs/label/c/0").is_file()
    assert Store(out).read("chr1", 0, 1).label.tolist() == [0]


@pytest.mark.parametrize("folder", ["c", "zarr.json", "chr1"])
def test_a_folder_of_any_name_may_hold_the_store(inputs, built, tmp_path, folder):
    build(inputs, tmp_path / folder / "c")
    assert tree(tmp_path / folder / "c") == tree(built.path)


@pytest.mark.parametrize("name", ["a/b", "..", "__c", "zarr.json"])
def test_a_chromosome_that_cannot_name_a_group_is_refused(write_genome, tmp_path, name):
    genome = write_genome({name: "ACGT" * 50})
    pairs = tmp_path / "pairs.bedpe"
    pairs.write_text(f"{name}\t10\t20\t{name}\t50\t60\n")
    with pytest.raises(RequestError, match="cannot hold a chromosome called"):
        build_store(genome, pairs, tmp_path / "out/store", StoreSettings(20, 20))
    assert not (tmp_path / "out").exists()

"""Repairing a store: the damaged contigs get their bytes back, or nothing is changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from epipam.errors import RequestError, StoreError
from epipam.store import Store, build_store, repair_store


@pytest.fixture
def copied(built, tmp_path) -> Path:
    return shutil.copytree(built.path, tmp_path / "copy.zarr")


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_damaged_and_missing_contigs_get_their_bytes_back(inputs, built, copied):
    flip(copied / "chr1/enhancer/c/0/0")
    (copied / "chr2/label/c/0").write_bytes(b"")
    shutil.rmtree(copied / "tiny")
    done = repair_store(copied, inputs.genome, inputs.pairs)
    assert set(done.contigs) == {"chr1", "chr2", "tiny"}
    assert ("chr1/enhancer/c/0/0", "differs from what was written") in done.damage
    assert tree(copied) == tree(built.path)
    assert [path.name for path in copied.parent.iterdir()] == [copied.name]


def test_contigs_that_are_whole_are_not_written(inputs, copied):
    flip(copied / "chr2/window/zarr.json")
    before = (copied / "chr1/zarr.json").stat()
    assert repair_store(copied, inputs.genome, inputs.pairs).contigs == ("chr2",)
    after = (copied / "chr1/zarr.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_whole_store_stays_as_it_is(inputs, built, copied):
    done = repair_store(copied, inputs.genome, inputs.pairs)
    assert (done.contigs, done.damage) == ((), ())
    assert tree(copied) == tree(built.path)


def test_a_part_of_a_store_is_repaired_as_a_part(inputs, tmp_path):
    part = tmp_path / "part.zarr"
    build_store(inputs.genome, inputs.pairs, part, inputs.settings, contigs=["chr2", "tiny"])
    before = tree(part)
    flip(part / "tiny/pairs/region/c/0/0")
    repair_store(part, inputs.genome, inputs.pairs)
    assert tree(part) == before


def test_the_column_of_labels_is_that_of_the_build(inputs, tmp_path):
    pairs, store = tmp_path / "pairs.bedpe", tmp_path / "s.zarr"
    pairs.write_text(
        "".join(f"chr1\t{n}\t{n + 9}\tchr1\t900\t950\tx\t{n % 2}\n" for n in range(20))
    )
    build_store(inputs.genome, pairs, store, inputs.settings, label_column="8")
    before = tree(store)
    flip(store / "chr1/label/c/0")
    repair_store(store, inputs.genome, pairs)
    assert tree(store) == before


def test_other_inputs_change_nothing(inputs, copied, tmp_path):
    flip(copied / "chr1/enhancer/c/0/0")
    damaged = tree(copied)
    pairs, genome, shorter = (tmp_path / name for name in ("p.tsv", "g.fa", "s.fa"))
    pairs.write_text(inputs.pairs.read_text() + inputs.pairs.read_text().splitlines()[1] + "\n")
    letters = inputs.genome.read_text()
    genome.write_text(letters.replace("A", "G"))
    shorter.write_text(letters[:-3])
    for error, *given in (
        (RequestError, inputs.genome, pairs),
        (RequestError, shorter, inputs.pairs),
        (StoreError, genome, inputs.pairs),
    ):
        with pytest.raises(error) as caught:
            repair_store(copied, *given)
        assert "\n" not in str(caught.value)
        assert tree(copied) == damaged
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_store_of_an_earlier_format_is_refused(inputs, copied, make_old):
    make_old(copied)
    with pytest.raises(StoreError, match=r"format 1\.1, which does not say"):
        repair_store(copied, inputs.genome, inputs.pairs)


def test_a_wrong_checksum_in_the_root_is_told_from_damage(inputs, copied):
    root = copied / "zarr.json"
    document = json.loads(root.read_text())
    document["attributes"]["epipam"]["files"]["chr1/label/c/0"]["crc32c"] = "00000000"
    root.write_text(json.dumps(document))
    flip(copied / "chr1/enhancer/c/0/0")
    with pytest.raises(StoreError, match="chr1 cannot be repaired: built again, chr1/label/c/0"):
        repair_store(copied, inputs.genome, inputs.pairs)


def test_the_command_repairs_what_the_error_of_a_damaged_store_says(inputs, built, copied):
    from click.testing import CliRunner

    from epipam.cli import main

    (copied / "chr1/enhancer/c/0/0").write_bytes(b"")
    with pytest.raises(StoreError, match="epipam repair STORE GENOME PAIRS"):
        Store(copied)
    command = ["repair", str(copied), str(inputs.genome), str(inputs.pairs), "--json"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["repaired"] == ["chr1"]
    assert tree(copied) == tree(built.path)

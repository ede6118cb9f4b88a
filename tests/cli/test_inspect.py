"""`epipam info` and `epipam verify` of a store."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from epipam.cli import main
from epipam.store import Store, StoreSettings, build_store


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A store of two chromosomes, one row of its table left out."""
    folder = tmp_path_factory.mktemp("inspect")
    draw = random.Random(3)
    with (folder / "genome.fa").open("w") as fasta, (folder / "pairs.bedpe").open("w") as pairs:
        for contig in ("chr1", "chr2"):
            fasta.write(f">{contig}\n{''.join(draw.choices('ACGT', k=6_000))}\n")
            for pair in range(1_500 if contig == "chr1" else 3):
                anchors = f"{contig}\t{pair}\t{pair + 70}\t{contig}\t{pair + 90}\t{pair + 99}"
                pairs.write(f"{anchors}\t{int(pair == 0)}\n")
        pairs.write("chr3\t1\t2\tchr3\t1\t2\t0\n")
    build_store(
        folder / "genome.fa",
        folder / "pairs.bedpe",
        folder / "pairs.zarr",
        StoreSettings(60, 40, augment=2, max_shift=5, seed=4),
        label_column="7",
        bad_pairs="skip",
    )
    return folder / "pairs.zarr"


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_info_says_what_is_in_a_store(store):
    result = run("info", store)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    n_bytes = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    (on_disk,) = [line for line in lines if line.startswith("on disk")]
    lines.remove(on_disk)
    assert lines == [
        f"{store}: epipam store, format 1.2",
        "genome genome.fa, 2 chromosomes",
        "pairs pairs.bedpe: 1,503 of 1,504 stored",
        "left out: 1 contig not in the genome",
        "windows enhancer 60 bp, promoter 40 bp",
        "augmentation 2 copies of each positive, shifted by up to 5 bp; seed 4",
        "",
        "chromosome pairs positive negative rows",
        "chr1 1,500 1 1,499 1,502",
        "chr2 3 1 2 5",
    ]
    assert on_disk == f"on disk {n_bytes:,} bytes, {Store(store).bits_per_base():.3f} bits per base"


def test_info_as_json_is_the_attributes_but_for_the_list_of_files_and_the_sizes(store):
    facts = json.loads(run("info", store, "--json").stdout)
    n_bytes, bits = facts.pop("bytes"), facts.pop("bits_per_base")
    attributes = json.loads((store / "zarr.json").read_text())["attributes"]["epipam"]
    del attributes["files"]
    assert facts == attributes
    assert n_bytes == Store(store).size_on_disk()
    assert bits == pytest.approx(Store(store).bits_per_base(), abs=1e-4)


@pytest.mark.parametrize("command", ["info", "verify"])
def test_what_is_no_store_is_one_line_and_exit_2(tmp_path, command):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for name, what in [("none", "no such store"), ("file", "is no"), ("folder", "is no")]:
        result = run(command, tmp_path / name)
        assert (result.exit_code, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert f"error: {tmp_path / name}: {what}" in line


def test_verify_finds_a_whole_store_whole(store):
    result = run("verify", store)
    n_files = sum(path.is_file() for path in store.rglob("*")) - 3
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{store}: {n_files} files, all as they were written\n"
    assert result.stderr.splitlines() == [
        "chromosomes verified: 1/2 chr1",
        "chromosomes verified: 2/2 chr2",
    ]
    found = json.loads(run("verify", store, "--json").stdout)
    assert found == {"store": str(store), "files": n_files, "damaged": 0}


@pytest.fixture
def copied(store, tmp_path) -> Path:
    shutil.copytree(store, tmp_path / "copy.zarr")
    return tmp_path / "copy.zarr"


def failure(path: Path) -> str:
    result = run("verify", path)
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr.splitlines()[-1]


def test_verify_names_a_file_with_a_flipped_bit(copied):
    shard = copied / "chr2/promoter/c/0/0"
    data = bytearray(shard.read_bytes())
    data[5] ^= 4
    shard.write_bytes(data)
    line = failure(copied)
    assert "chr2/promoter/c/0/0 differs from what was written; epipam repair" in line
    assert f"{copied}: 1 of " in line


def test_verify_names_a_missing_shard(copied):
    (copied / "chr1/enhancer/c/0/0").unlink()
    assert "chr1/enhancer/c/0/0 is missing" in failure(copied)


def test_verify_names_a_missing_chromosome(copied):
    shutil.rmtree(copied / "chr1")
    assert "chr1/zarr.json is missing" in failure(copied)


def test_verify_lists_at_most_twenty_files_and_counts_the_others(copied):
    files = [path for path in copied.glob("chr*/*/**/*") if path.is_file()]
    for path in files:
        path.unlink()
    line = failure(copied)
    assert f"{copied}: {len(files)} of {len(files)} files are damaged" in line
    assert line.count(" is missing") == 20
    assert f"and {len(files) - 20} more" in line


def test_looking_at_a_store_needs_no_torch(store):
    code = (
        "import sys; from click.testing import CliRunner; from epipam.cli import main\n"
        "for command in ('info', 'verify'):\n"
        "    assert CliRunner().invoke(main, [command, sys.argv[1]]).exit_code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(store)], timeout=60, check=True)


def test_info_of_a_model_says_once_where_no_compiler_was_at_hand(monkeypatch):
    model = Path(__file__).parents[2] / "kipoi_model" / "EPIPAM"
    monkeypatch.setattr("epipam.cli.inspect.library", lambda: object())
    assert "native" not in run("info", model).stdout
    monkeypatch.setattr("epipam.cli.inspect.library", lambda: None)
    shown = run("info", model).stdout
    assert shown.count("native: no (no C compiler when epipam was installed)") == 1


@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        ({"about": "Trained on simulated sequence."}, "simulated sequence"),
        ({"simulated": False}, "real sequence"),
        ({"about": "trained on the pairs of K562"}, "unknown: it does not say"),
    ],
)
def test_info_says_of_a_model_on_which_kind_of_sequence_it_was_trained(tmp_path, provenance, said):
    config = {
        "model": "epipam",
        "epipam_version": "0.1.0",
        "enhancer_length": 3000,
        "promoter_length": 2000,
        "provenance": provenance,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    result = run("info", tmp_path)
    assert result.exit_code == 0, result.output
    assert f"  trained on  {said}" in result.stdout.splitlines()

"""The bundled demo inputs: made again by the commands their README names, and what they promise."""

from __future__ import annotations

import csv
import gzip
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[1] / "store" / "demo"
COMMANDS = Path(sys.executable).parent
TABLES = ("pairs.tsv", "candidates.bedpe", "truth.tsv")


@pytest.fixture(scope="module")
def made_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the commands of the folder's README in an empty folder."""
    (commands,) = re.findall(r"^```bash\n(.*?)^```$", (DEMO / "README.md").read_text(), re.M | re.S)
    folder = tmp_path_factory.mktemp("demo-inputs")
    path = f"{COMMANDS}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-eu", "-c", commands], cwd=folder, env={**os.environ, "PATH": path}, check=True
    )
    return folder


def rows(name: str) -> list[dict[str, str]]:
    with (DEMO / name).open(newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def test_the_genome_has_the_letters_that_its_command_gives(made_again: Path) -> None:
    bundled, again = (
        gzip.decompress((folder / "genome.fa.gz").read_bytes()) for folder in (DEMO, made_again)
    )
    assert bundled == again


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_the_rows_that_its_command_gives(name: str, made_again: Path) -> None:
    assert (DEMO / name).read_text() == (made_again / name).read_text()


def test_the_genome_is_small_and_bgzip() -> None:
    header = (DEMO / "genome.fa.gz").read_bytes()[:18]
    assert header[:2] == b"\x1f\x8b"
    assert header[12:14] == b"BC"
    assert (DEMO / "genome.fa.gz").stat().st_size < 600_000


def test_every_chromosome_has_as_many_positives_as_negatives() -> None:
    counts = Counter((row["enhancer_chrom"], row["label"]) for row in rows("pairs.tsv"))
    assert counts == {(f"chr{n}", label): 5 for n in range(1, 9) for label in "01"}


def test_the_candidates_are_all_downstream_pairs_within_50_kb() -> None:
    pairs = rows("pairs.tsv")
    expected = []
    for e in pairs:
        for p in pairs:
            distance = int(p["promoter_start"]) - int(e["enhancer_end"])
            if e["enhancer_chrom"] == p["promoter_chrom"] and 0 < distance <= 50_000:
                fields = [e[f"enhancer_{c}"] for c in ("chrom", "start", "end")]
                fields += [p[f"promoter_{c}"] for c in ("chrom", "start", "end")]
                expected.append([*fields, f"{e['enhancer_name']}::{p['promoter_name']}"])
    found = [line.split("\t") for line in (DEMO / "candidates.bedpe").read_text().splitlines()]
    assert found == expected


def test_the_truth_is_what_makes_a_pair_positive() -> None:
    strands: dict[str, set[str]] = {}
    for site in rows("truth.tsv"):
        assert site["motif"] == "CTCF"
        strands.setdefault(site["anchor_name"], set()).add(site["strand"])
    for pair in rows("pairs.tsv"):
        sides = [strands.get(pair[f"{kind}_name"]) for kind in ("enhancer", "promoter")]
        assert (sides == [{"+"}, {"-"}]) is (pair["label"] == "1")

"""`epipam build-store`: what it says, how it exits, and what it leaves when it is killed."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from epipam.cli import main
from epipam.store import Store

SIZES = ["--enhancer-length", "60", "--promoter-length", "40"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """`genome.fa` and `pairs.tsv`: sixteen contigs with four pairs each."""
    path = tmp_path_factory.mktemp("inputs")
    draw = random.Random(3)
    columns = "enhancer_chrom enhancer_start enhancer_end promoter_chrom promoter_start"
    with (path / "genome.fa").open("w") as fasta, (path / "pairs.tsv").open("w") as pairs:
        pairs.write("\t".join([*columns.split(), "promoter_end", "label"]) + "\n")
        for number in range(16):
            fasta.write(f">chr{number}\n{''.join(draw.choices('ACGT', k=600))}\n")
            for pair in range(4):
                start = 100 * pair
                row = (f"chr{number}", start, start + 70, f"chr{number}", start + 90, start + 99)
                pairs.write("\t".join(map(str, [*row, pair % 2])) + "\n")
    return path


def run(*arguments) -> object:
    return CliRunner().invoke(main, ["build-store", *map(str, arguments)])


def build(folder: Path, *arguments):
    return run(folder / "genome.fa", folder / "pairs.tsv", *SIZES, *arguments)


def tree(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def test_it_says_what_it_stored(folder, tmp_path):
    result = build(folder, "-o", tmp_path / "out.zarr")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"{tmp_path / 'out.zarr'}: 64 of 64 pairs stored",
        "  32 positive, 32 negative, on 16 chromosomes, 384 rows with shifted copies",
    ]
    read_as, *lines = result.stderr.splitlines()
    assert "read as a table of enhancers and promoters" in read_as
    assert lines == [f"contigs written: {n + 1}/16 chr{n}" for n in range(16)]


def write_bedpe(path: Path, labels: str) -> Path:
    rows = [f"chr1\t{i}\t90\tchr1\t200\t290\t{label}\n" for i, label in enumerate(labels)]
    path.write_text("".join(rows))
    return path


def test_pairs_without_a_label_are_counted(folder, tmp_path):
    pairs = write_bedpe(tmp_path / "p.bedpe", "10..1.")
    options = ["-o", tmp_path / "s", "--label-column", 7]
    result = run(folder / "genome.fa", pairs, *SIZES, *options)
    assert result.stdout.splitlines()[1:] == [
        "  2 positive, 1 negative, 3 without a label, on 1 chromosomes, "
        "26 rows with shifted copies",
        "  N: 10.2% of the stored windows",
    ]


def test_repeats_and_contradictions_are_counted(folder, tmp_path):
    pairs = write_bedpe(tmp_path / "p.bedpe", "110")
    rows = pairs.read_text().splitlines()
    pairs.write_text("".join(f"{row}\n" for row in [*rows, rows[0], rows[1][:-1] + "0"]))
    options = ["-o", tmp_path / "s", "--label-column", 7]
    failed = run(folder / "genome.fa", pairs, *SIZES, *options)
    assert failed.exit_code == 2
    assert "1 rows repeat a pair with the same label" in failed.stderr
    assert "1 pairs have both labels, in 2 rows; --bad-pairs skip" in failed.stderr
    kept = run(folder / "genome.fa", pairs, *SIZES, *options, "--bad-pairs", "skip")
    assert kept.exit_code == 0, kept.stderr
    assert "  left out: 2 pair with both labels" in kept.stdout
    assert "  repeated: 1 rows say what a row before them says" in kept.stdout


def test_a_store_without_any_label_says_how_to_name_the_column(folder, tmp_path):
    pairs = write_bedpe(tmp_path / "p.bedpe", "1010")
    result = run(folder / "genome.fa", pairs, *SIZES, "-o", tmp_path / "s")
    assert result.stdout.splitlines()[1:] == [
        "  0 positive, 0 negative, 4 without a label, on 1 chromosomes, 4 rows with shifted copies",
        "  nothing to train on without labels; for a BEDPE, --label-column names the column "
        "of labels",
    ]


def test_json_is_the_stores_attributes_and_nothing_else_on_standard_output(folder, tmp_path):
    out = tmp_path / "out.zarr"
    result = build(folder, "-o", out, "--json")
    assert json.loads(result.stdout) == {"store": str(out), **Store(out).attributes}


def test_options_reach_the_store(folder, tmp_path):
    options = ["--augment", 2, "--max-shift", 9, "--seed", 11, "--workers", 2]
    assert build(folder, "-o", tmp_path / "s", *options).exit_code == 0
    attributes = Store(tmp_path / "s").attributes
    assert attributes["augmentation"] == {"copies": 2, "max_shift": 9}
    assert [attributes[k] for k in ("seed", "enhancer_length", "promoter_length")] == [11, 60, 40]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("pairs.tsv", "pairs"),
        ("K562.v2.csv", "K562.v2"),
        ("a.bedpe.gz", "a"),
        ("b.txt.bgz", "b"),
        ("no_ending", "no_ending"),
    ],
)
def test_the_default_name_is_the_pair_files_stem_in_this_folder(
    folder, tmp_path, monkeypatch, name, stem
):
    inputs = tmp_path / "elsewhere"
    inputs.mkdir()
    lines = (folder / "pairs.tsv").read_text().splitlines(True)
    (inputs / name).write_text("".join(lines[:3]))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run(folder / "genome.fa", inputs / name, *SIZES).exit_code == 0
    assert [path.name for path in Path.cwd().iterdir()] == [f"{stem}.zarr"]


def test_a_name_read_as_another_is_said(folder, tmp_path):
    (tmp_path / "pairs.bedpe").write_text("7\t10\t20\t7\t50\t60\n")
    result = run(folder / "genome.fa", tmp_path / "pairs.bedpe", *SIZES, "-o", tmp_path / "s")
    assert "read 7 as chr7" in result.stderr


# Refusals


def with_bad_pairs(folder: Path, path: Path) -> Path:
    bad = [
        "chrNo\t1\t9\tchrNo\t10\t20\t1",
        "chr1\t500\t700\tchr1\t1\t2\t0",
        "chr2\tx\t5\tchr2\t1\t2\t0",
    ]
    path.write_text((folder / "pairs.tsv").read_text() + "\n".join(bad) + "\n")
    return path


def test_bad_pairs_stop_the_build_before_any_work_and_are_listed_by_line(folder, tmp_path):
    pairs = with_bad_pairs(folder, tmp_path / "bad.tsv")
    pairs.write_text("".join(pairs.read_text().splitlines(True)[:-1]))
    result = run(folder / "genome.fa", pairs, *SIZES, "-o", tmp_path / "new" / "s.zarr")
    assert result.exit_code == 2
    _, first, *rows = result.stderr.splitlines()
    assert first.startswith(f"main build-store: error: {pairs}: 2 of 66 pairs cannot be used")
    assert "--bad-pairs skip leaves them out" in first
    assert rows == [
        f"{pairs}:66: enhancer_chrom: 'chrNo' is not in the genome",
        f"{pairs}:67: enhancer_end: 700 lies outside chr1 (0 to 600)",
    ]
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["bad.tsv"]


def test_bad_pairs_can_be_left_out_and_are_counted_by_reason(folder, tmp_path):
    pairs = with_bad_pairs(folder, tmp_path / "bad.tsv")
    options = ["-o", tmp_path / "s", "--bad-pairs", "skip"]
    result = run(folder / "genome.fa", pairs, *SIZES, *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:4] == [
        f"{tmp_path / 's'}: 64 of 67 pairs stored",
        "  left out: 1 contig not in the genome",
        "  left out: 1 coordinates outside the contig",
        "  left out: 1 row that cannot be read",
    ]


def test_real_pairs_beyond_the_real_megabase_stop_the_build_and_leave_nothing(
    shared_data, tmp_path
):
    genome = shared_data / "genome/hg19_chr20_2Mb.fa.gz"
    pairs = shared_data / "pairs/targetfinder_NHEK.tsv.gz"
    result = run(genome, pairs, "-o", tmp_path / "s.zarr")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 23
    assert f"26878 of 26891 pairs cannot be used on {genome}" in result.stderr
    assert list(tmp_path.iterdir()) == []
    result = run(genome, pairs, "-o", tmp_path / "s.zarr", "--bad-pairs", "skip")
    assert result.stdout.splitlines()[:5] == [
        f"{tmp_path / 's.zarr'}: 13 of 26,891 pairs stored",
        "  left out: 26,183 contig not in the genome",
        "  left out: 668 coordinates outside the contig",
        "  left out: 23 enhancer window all N",
        "  left out: 4 promoter window all N",
    ]


def one_line(result, exit_code: int) -> str:
    assert result.exit_code == exit_code
    assert result.stdout == ""
    (line,) = [text for text in result.stderr.splitlines() if ": read as " not in text]
    assert "error: " in line
    return line


def test_wrong_requests_are_one_line_and_exit_2(folder, tmp_path):
    genome, pairs = folder / "genome.fa", folder / "pairs.tsv"
    taken = tmp_path / "taken"
    taken.mkdir()
    none = tmp_path / "none"
    assert f"{none}: no such FASTA file" in one_line(run(none, pairs, "-o", tmp_path / "s"), 2)
    assert f"{none}: no such file" in one_line(run(genome, none, "-o", tmp_path / "s"), 2)
    assert f"{taken}: exists already" in one_line(run(genome, pairs, "-o", taken), 2)
    overwriting = run(genome, pairs, "-o", taken, "--overwrite")
    assert f"{taken}: is no epipam store" in one_line(overwriting, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--augment", -1),
        ("--augment", 32768),
        ("--max-shift", -1),
        ("--max-shift", 1_000_001),
        ("--max-shift", 2**63),
        ("--seed", -1),
        ("--seed", 2**63),
        ("--enhancer-length", 0),
        ("--enhancer-length", 1_000_001),
        ("--promoter-length", 0),
        ("--promoter-length", 1_000_001),
        ("--workers", 0),
        ("--bad-pairs", "maybe"),
    ],
)
def test_values_out_of_range_are_refused(folder, tmp_path, option, value):
    result = build(folder, "-o", tmp_path / "s", option, value)
    assert result.exit_code == 2
    assert option in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_largest_seed_is_a_seed(folder, tmp_path):
    assert build(folder, "-o", tmp_path / "s", "--seed", 2**63 - 1).exit_code == 0


def test_work_that_fails_is_one_line_and_exit_1(folder, tmp_path):
    (tmp_path / "file").write_text("")
    line = one_line(build(folder, "-o", tmp_path / "file" / "s"), 1)
    assert str(tmp_path / "file") in line


# Other processes

BUILD_STORE = [sys.executable, "-c", "from epipam.cli import build_store_main as m; m()"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_build_killed_after_its_first_contigs_says_so_next_time_and_ends_the_same(
    folder, tmp_path, workers
):
    inputs = [folder / "genome.fa", folder / "pairs.tsv", *SIZES]
    out = tmp_path / "s.zarr"
    command = [*BUILD_STORE, *inputs, "-o", out, "--workers", workers]
    for _ in range(5):
        with subprocess.Popen(
            list(map(str, command)), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            next(line for line in process.stderr if line.startswith("contigs written: 2/16"))
            process.send_signal(signal.SIGKILL)
        if process.returncode == -signal.SIGKILL:
            break
        # This machine was so busy that the build came to its end before the signal.
        shutil.rmtree(out)
    assert not out.exists()

    result = run(*command[len(BUILD_STORE) :])
    assert result.exit_code == 0, result.output
    _, said, *progress = result.stderr.splitlines()
    assert said.startswith("an earlier build was incomplete: ")
    n_found = 16 - len(progress)
    assert f": {n_found} of 16 contigs are there, left to write: chr" in said
    assert 2 <= n_found < 16
    build(folder, "-o", tmp_path / "undisturbed")
    assert tree(out) == tree(tmp_path / "undisturbed")
    shutil.rmtree(tmp_path / "undisturbed")
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_the_short_command_is_the_same_and_answers_without_torch():
    code = (
        "import sys; from epipam.cli import build_store_main as m\n"
        "try: m()\n"
        "finally: assert 'torch' not in sys.modules"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        timeout=60,
        check=True,
        capture_output=True,
        text=True,
    )
    usage, text = finished.stdout.split(" GENOME PAIRS", 1)
    assert usage == "Usage: epipam-build-store [OPTIONS]"
    assert run("--help").stdout.split(" GENOME PAIRS", 1)[1].split() == text.split()

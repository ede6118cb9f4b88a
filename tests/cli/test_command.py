"""What all commands share: exit codes, one line per error, `--debug`, quick help."""

import json
import subprocess
import sys
import warnings

import click
import pytest
from click.testing import CliRunner

from epipam.cli import COMMANDS, main
from epipam.cli.command import EpipamCommand, json_option, print_result
from epipam.errors import EpipamError, EpipamWarning, RequestError

WITHOUT_TORCH = ["build-store", "info", "verify", "simulate", "train", "score", "evaluate"]


def command_that(raises: Exception) -> EpipamCommand:
    @click.command("work", cls=EpipamCommand)
    def work() -> None:
        raise raises

    return work


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (RequestError("pairs.tsv: no such file"), 2, "work: error: pairs.tsv: no such file"),
        (EpipamError("it broke"), 1, "work: error: it broke"),
        (FileNotFoundError(2, "No such file", "x.fa"), 1, "work: error: x.fa: No such file"),
        (OSError("disk full"), 1, "work: error: disk full"),
        (ValueError("two\nlines"), 1, "work: error: ValueError: two lines (unexpected; --debug"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error, code, line):
    result = CliRunner().invoke(command_that(error), [])
    assert result.exit_code == code
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_debug_shows_the_traceback():
    with pytest.raises(RequestError):
        CliRunner().invoke(command_that(RequestError("no")), ["--debug"], catch_exceptions=False)


def test_json_is_one_object_on_standard_output():
    @click.command("work", cls=EpipamCommand)
    @json_option
    def work(as_json: bool) -> None:
        print_result({"pairs": 3}, iter(["three pairs"]), as_json)

    assert json.loads(CliRunner().invoke(work, ["--json"]).stdout) == {"pairs": 3}
    assert CliRunner().invoke(work, []).stdout == "three pairs\n"


@pytest.mark.parametrize(
    ("name", "hint"), [("scoer", "; did you mean score?"), ("nonsense", " (epipam --help")]
)
def test_an_unknown_command_is_one_line_with_the_nearest_name(name, hint):
    result = CliRunner().invoke(main, [name], prog_name="epipam")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"epipam: error: no command is called '{name}'{hint}")
    assert result.stderr.count("\n") == 1


def test_a_wrong_option_exits_with_2():
    assert CliRunner().invoke(main, ["build-store", "--no-such-option"]).exit_code == 2
    assert CliRunner().invoke(main, ["no-such-command"]).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["build-store", "--no-such-option"],
        ["build-store", "a.fa", "b.tsv", "--augment", "-1"],
        ["train", "s.zarr", "-o", "run", "--fold", "0", "--test", "chr1"],
        ["score"],
    ],
)
def test_a_wrong_request_is_one_line(arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert f"{arguments[0]}: error: " in result.stderr


def test_a_missing_package_says_what_to_install():
    result = CliRunner().invoke(
        command_that(ModuleNotFoundError("No module named 'torch'", name="torch")), []
    )
    assert result.exit_code == 1
    assert "needs torch, which is not installed: pip install" in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_help_needs_no_torch():
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from click.testing import CliRunner; from epipam.cli import main\n"
        f"for name in {WITHOUT_TORCH}:\n"
        "    result = CliRunner().invoke(main, [name, '--help'])\n"
        "    assert result.exit_code == 0, (name, result.exception)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_building_and_reading_a_store_need_no_torch(tmp_path):
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from epipam.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
    )

    def epipam(*arguments):
        subprocess.run(
            [sys.executable, "-c", program, *arguments], check=True, cwd=tmp_path, timeout=120
        )

    size = ["--contigs", "1", "--contig-length", "100000", "--positives", "2"]
    epipam("simulate", "-o", "sim", *size)
    epipam("build-store", "sim/genome.fa", "sim/pairs.tsv")
    epipam("info", "pairs.zarr")
    epipam("verify", "pairs.zarr")


def test_a_warning_of_ours_is_a_note_on_standard_error_and_the_work_goes_on():
    @click.command("work", cls=EpipamCommand)
    def work() -> None:
        for _ in range(2):
            warnings.warn("genome.fa.fai: was built again", EpipamWarning, stacklevel=1)
        click.echo("done")

    result = CliRunner().invoke(work, [])
    assert (result.exit_code, result.stdout) == (0, "done\n")
    assert result.stderr == "note: genome.fa.fai: was built again\n" * 2

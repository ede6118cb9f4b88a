"""What all commands share: exit codes, one line per error, `--debug`, quick help."""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import epipam.cli
from epipam.cli import COMMANDS, LazyGroup, main
from epipam.cli.command import EpipamCommand, json_option, print_result
from epipam.errors import EpipamError, EpipamWarning, RequestError, TableError
from epipam.runtime.files import whole_file

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
        (OSError(28, "No space left", "x"), 1, "work: error: x: No space left; make room there"),
        (ValueError("two\nlines"), 1, "work: error: ValueError: two lines (unexpected; --debug"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error, code, line):
    result = CliRunner().invoke(command_that(error), [])
    assert result.exit_code == code
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee documentation"),
    ],
)
def test_want_of_memory_is_one_line_with_the_options_that_need_less(error):
    command = command_that(error)
    command.params.append(click.Option(["--cache-size"], expose_value=False))
    result = CliRunner().invoke(command, [])
    assert result.exit_code == 1
    assert result.stderr.startswith("work: error: out of memory; give a smaller --cache-size, or")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("control", ["\x1b[2J", "\r", "\x07", "\x9b", "\u202e"])
def test_what_a_file_says_is_shown_and_does_not_command_the_terminal(control):
    error = RequestError(f"v.vcf: the record after ch{control}1:5 cannot be read")
    shown = CliRunner().invoke(command_that(error), []).stderr
    assert control not in shown
    assert f"ch{control.encode('unicode_escape').decode()}1:5" in shown


def test_a_row_that_quotes_a_long_value_is_said_in_few_words():
    text = str(
        TableError("genes.gtf: 1 row cannot be read", [f"genes.gtf:2: {'A' * 100_000}: odd"])
    )
    assert len(text) < 2_000
    assert "genes.gtf:2: AAA" in text
    assert text.endswith("AAA: odd")


@pytest.fixture
def signals():
    """Have signals do what they do in a terminal, however these tests were started."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, usual[number]) for number in usual}
    yield usual
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "work: stopped by Ctrl-C\n"),
        (signal.SIGTERM, 143, "work: stopped by SIGTERM\n"),
    ],
)
def test_a_command_that_is_stopped_says_so_and_leaves_nothing(
    signals, tmp_path, number, code, line
):
    @click.command("work", cls=EpipamCommand)
    def work() -> None:
        with whole_file(tmp_path / "scores.tsv") as partial:
            partial.write_text("half")
            os.kill(os.getpid(), number)
            threading.Event().wait()

    result = CliRunner().invoke(work, ["--debug"])
    assert (result.exit_code, result.stderr) == (code, line)
    assert list(tmp_path.iterdir()) == []
    assert {known: signal.getsignal(known) for known in signals} == signals


@pytest.mark.parametrize("error", [EpipamError("run: stopped"), ValueError("a worker is gone")])
@pytest.mark.usefixtures("signals")
def test_what_fails_because_it_was_stopped_was_stopped(error):
    @click.command("work", cls=EpipamCommand)
    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait()
        except KeyboardInterrupt:
            raise error from None

    result = CliRunner().invoke(work, [])
    assert result.exit_code == 143
    assert result.stderr.splitlines()[-1].startswith("work: ")
    assert "run: stopped" in result.stderr or "stopped by SIGTERM" in result.stderr


@pytest.mark.usefixtures("signals")
def test_a_command_that_is_stopped_before_it_begins_says_so(monkeypatch):
    def stop(*_):
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait()

    monkeypatch.setattr(LazyGroup, "get_command", stop)
    result = CliRunner().invoke(main, ["score"], prog_name="epipam")
    assert (result.exit_code, result.stderr) == (130, "epipam: stopped by Ctrl-C\n")


def test_a_signal_that_is_ignored_stays_ignored(signals):
    @click.command("work", cls=EpipamCommand)
    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert CliRunner().invoke(work, []).exit_code == 0


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


def test_the_list_of_commands_imports_none_of_them_nor_what_they_need():
    program = (
        "import sys\n"
        "from click.testing import CliRunner; from epipam.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print(*sorted(name for name in sys.modules if name.startswith('epipam.')))\n"
        "print(*sorted({'numpy', 'pandas', 'zarr', 'torch', 'rich'} & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["epipam.cli epipam.cli.stops epipam.version", ""]


def test_no_summary_is_cut_in_the_list_of_commands():
    printed = CliRunner().invoke(main, ["--help"], terminal_width=80).stdout.splitlines()
    for name, command in COMMANDS.items():
        assert any(line.split() == [name, *command.summary.split()] for line in printed), name


def test_every_command_of_the_room_is_listed():
    homes = {command.home for command in COMMANDS.values()}
    for file in Path(epipam.cli.__file__).parent.glob("[a-z]*.py"):
        module = importlib.import_module(f"epipam.cli.{file.stem}")
        for name, found in vars(module).items():
            if isinstance(found, EpipamCommand) and found.callback.__module__ == module.__name__:
                parts_of_groups = {"export", "register"}
                assert f"{file.stem}:{name}" in homes or found.name in parts_of_groups, name


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

"""What the stand-ins of `warm_commands` owe their caller: all that a process of its own gives."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest


@pytest.fixture
def start(warm_path, tmp_path):
    """Return `start(program, *arguments)`, which starts a Python program in an empty folder."""

    def start(program, *arguments, **variables):
        (tmp_path / "program.py").write_text(program)
        return subprocess.Popen(
            [shutil.which("python", path=warm_path), "program.py", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PATH": warm_path, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_arguments_folder_environment_and_streams_are_the_callers(start, tmp_path):
    program = (
        "import os, sys\n"
        "print(sys.argv, os.getcwd(), os.environ['COLOUR'], sys.stdin.read())\n"
        "print(__name__, file=sys.stderr)\n"
    )
    out, err = start(program, "a b", COLOUR="red").communicate("blue")
    assert out == f"['program.py', 'a b'] {tmp_path} red blue\n"
    assert err == "__main__\n"


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('no')", 1),
        ("raise ValueError('no')", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_the_caller_ends_as_the_program_does(start, ending, code):
    process = start(ending)
    _, err = process.communicate()
    assert process.returncode == code
    assert ("no" in err) == (code == 1)


def test_nothing_of_epipam_is_imported_beforehand_and_torch_is(start):
    program = "import sys; print('epipam' in sys.modules, 'torch' in sys.modules)"
    assert start(program).communicate()[0] == "False True\n"


def test_a_program_ends_with_its_caller(start):
    process = start("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    pid = int(process.stdout.readline())
    process.kill()
    process.communicate()
    patience = time.monotonic() + 60
    while running(pid) and time.monotonic() < patience:
        time.sleep(0.02)
    assert not running(pid)


def running(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False

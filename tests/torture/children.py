"""Commands and functions in copies (forks) of this process, which has imported the libraries."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

LIBRARIES = (
    "lightning.pytorch",
    "torch.utils.data",
    "zarr",
    "pyranges",
    "pysam",
    "sklearn.metrics",
    "matplotlib.pyplot",
    "jsonschema",
    "pyarrow.parquet",
    "epipam.cli",
    "epipam.interpret",
    "epipam.scoring",
    "epipam.training",
)
HANG_SECONDS = 60.0


class Lost(Exception):
    """What must not happen did; the text says what."""


@dataclass(frozen=True)
class Outcome:
    """How a child ended."""

    code: int  # negative: the signal
    out: str
    err: str
    seconds: float


def import_libraries() -> None:
    """Import here what each child needs; nothing runs a thread of torch or zarr here."""
    for library in LIBRARIES:
        importlib.import_module(library)
    import epipam.cli

    for name in epipam.cli.COMMANDS:
        epipam.cli.main.get_command(None, name)  # type: ignore[arg-type]
    gc.collect()
    gc.freeze()


class Child:
    """A fork that works in a folder, in a session of its own.

    Parameters
    ----------
    work
        What to run: arguments of `epipam`, or a function. A Lost that it raises is printed and
        gives code 99; any other exception a traceback, and code 98.
    folder
        Where to run it.
    before
        Called in the child first, to limit it.
    """

    def __init__(
        self,
        work: Sequence[str] | Callable[[], object],
        folder: Path,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._began = time.monotonic()
        self._files = []
        for _ in range(2):
            descriptor = os.memfd_create("output")
            self._files.append(descriptor)
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become(work, folder, self._files, before)

    def kill_after(self, seconds: float, number: int) -> None:
        """Send a signal when so much time has passed since the start, unless it has ended."""
        while time.monotonic() - self._began < seconds:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return
            time.sleep(0.002)
        os.kill(self.pid, number)

    def wait(self) -> Outcome:
        """Wait for the end, and then for that of its children; a Lost is raised for a hang."""
        status = None
        while time.monotonic() - self._began < HANG_SECONDS:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                break
            time.sleep(0.005)
        else:
            self._kill_all()
            os.waitpid(self.pid, 0)
            raise Lost(f"hangs for {HANG_SECONDS:.0f} s: {self._text(1)[-300:]}")
        seconds = time.monotonic() - self._began
        deadline = time.monotonic() + 25
        while self._session():
            if time.monotonic() > deadline:
                left = self._session()
                self._kill_all()
                raise Lost(f"processes {left} live on after their parent")
            time.sleep(0.05)
        out, err = self._text(0), self._text(1)
        for descriptor in self._files:
            os.close(descriptor)
        return Outcome(os.waitstatus_to_exitcode(status or 0), out, err, seconds)

    def _text(self, number: int) -> str:
        size = os.fstat(self._files[number]).st_size
        return os.pread(self._files[number], size, 0).decode("utf-8", "replace")

    def _session(self) -> list[int]:
        """Return the living processes of the child's session, itself excepted."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, IndexError, ValueError):
                state, _, _, session = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:4]
                if int(session) == self.pid and state != "Z" and int(entry.name) != self.pid:
                    found.append(int(entry.name))
        return found

    def _kill_all(self) -> None:
        for pid in [*self._session(), self.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def run(
    work: Sequence[str] | Callable[[], object],
    folder: Path,
    before: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run a child to its end."""
    return Child(work, folder, before).wait()


def require_plain(outcome: Outcome) -> None:
    """Raise a Lost for a traceback, an error that is not ours, or a signal that ended a child."""
    err = outcome.err.strip()
    for sign in ("Traceback (most recent", "(unexpected;", "[E::", "[W::"):
        if sign in err:
            raise Lost(err[-400:])
    if outcome.code not in (0, 1, 2):
        raise Lost(f"ended with {outcome.code}: {err[-300:]}")
    if outcome.code and not err:
        raise Lost(f"exit {outcome.code} without a word")


def _become(
    work: Sequence[str] | Callable[[], object],
    folder: Path,
    files: list[int],
    before: Callable[[], None],
) -> NoReturn:
    code = 98
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.dup2(files[0], 1)
        os.dup2(files[1], 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(folder)
        # Whatever this one starts anew does not import this harness.
        main = sys.modules["__main__"]
        main.__spec__ = None
        main.__dict__.pop("__file__", None)
        random.seed()
        before()
        code = _exit_code(work)
        sys.stdout.flush()
        threading._shutdown()
        atexit._run_exitfuncs()
    except Lost as lost:
        print(lost, file=sys.stderr)
        code = 99
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _exit_code(work: Sequence[str] | Callable[[], object]) -> int:
    if callable(work):
        work()
        return 0
    from epipam.cli import main

    sys.argv = ["epipam", *work]
    try:
        main(list(work), prog_name="epipam")
    except SystemExit as end:
        return int(end.code or 0)
    return 0

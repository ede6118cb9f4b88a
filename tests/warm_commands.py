"""Commands that start at once: copies of a process that has imported the large libraries.

A command that trains spends seconds on importing torch and Lightning, and a page of the guide runs
many. `WarmCommands` starts one process that imports them, and makes a folder of commands:
`epipam`, `kipoi` and `python` there have a copy (a fork) of that process run the script of the
same name, with the caller's folder, environment, arguments, input and output. Nothing of epipam is
imported beforehand, nor anything that looks at the environment when it is imported, as Kipoi does.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

COMMANDS = Path(sys.executable).parent
NAMES = ("epipam", "epipam-build-store", "kipoi", "python", "torchrun")
LIBRARIES = (
    "lightning.pytorch",
    "torch.utils.data",
    "zarr",
    "pyranges",
    "pysam",
    "sklearn.metrics",
    "matplotlib.pyplot",
    "rich.console",
    "jsonschema",
)


class WarmCommands:
    """A folder of commands whose process is started now and ended by `close`.

    Parameters
    ----------
    folder
        Where to make the commands; `PATH` should begin with it.
    environment
        The process's own environment variables: those that libraries read when they are imported.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        folder.mkdir(parents=True)
        address = folder / "socket"
        for name in NAMES:
            call = [sys.executable, "-IS", str(Path(__file__).parent / "warm_client.py")]
            words = map(shlex.quote, [*call, str(address), str(COMMANDS / name)])
            (folder / name).write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
            (folder / name).chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, __file__, address],
            env={**environment, "HOME": str(folder), "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class _Ending:
    """How this process ends, once all else that runs at its end has run."""

    code = 0

    def leave(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.code)


_ending = _Ending()


def main() -> None:
    """Import the libraries and run a copy for each caller until standard input ends."""
    # Registered first, it runs last, and saves half a second of taking the libraries apart.
    atexit.register(_ending.leave)
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        # Within its folder, as the whole path may be longer than an address can be.
        os.chdir(Path(sys.argv[1]).parent)
        listener.bind(Path(sys.argv[1]).name)
        listener.listen()
        print("ready", flush=True)
        while listener in select.select([sys.stdin, listener], [], [])[0]:
            caller, _ = listener.accept()
            if os.fork() == 0:
                break
            caller.close()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
        else:
            return
    _answer(caller)


def _answer(caller: socket.socket) -> None:
    """Run what a caller asks for in a child, and tell the caller how the child ended."""
    _, descriptors, _, _ = socket.recv_fds(caller, 1, 3)
    with caller.makefile("rb") as lines:
        request = json.loads(lines.readline())
    child = os.fork()
    if child == 0:
        caller.close()
        _run(request, descriptors)
        return
    for descriptor in descriptors:
        os.close(descriptor)
    Thread(target=_end_with_caller, args=(caller, child), daemon=True).start()
    _, status = os.waitpid(child, 0)
    caller.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _end_with_caller(caller: socket.socket, child: int) -> None:
    """End a child whose caller was ended."""
    if caller.recv(1) == b"":
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)


def _run(request: dict[str, Any], descriptors: list[int]) -> None:
    """Become the process that the caller's script would have been."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    script, *_ = sys.argv = request["command"]
    sys.path[0] = str(Path(script).resolve().parent)
    # What it starts with its own Python starts at once as well.
    sys.executable = request["python"]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        _ending.code = 1 if isinstance(end.code, str) else end.code or 0
    except BaseException:
        traceback.print_exc()
        _ending.code = 1


if __name__ == "__main__":
    main()

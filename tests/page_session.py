"""Python blocks of a page, run as the cells of a notebook: one after the other, in one process.

The process is another than pytest's, so that a page sees what its reader sees. Each line that it
reads is a block, in JSON; each that it writes is what the block printed, its last expression's
value as a notebook shows it, and the traceback where it raised.
"""

from __future__ import annotations

import ast
import io
import json
import shutil
import subprocess
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from threading import Timer
from typing import Any


class PageSession:
    """The session of a page; its process starts with the first block, and is ended by `close`.

    Parameters
    ----------
    folder, environment
        Where it runs, and its environment variables.
    seconds
        After how many seconds a block is given up.
    """

    def __init__(self, folder: Path, environment: dict[str, str], seconds: float) -> None:
        self._start = lambda: subprocess.Popen(
            [shutil.which("python", path=environment["PATH"]) or sys.executable, __file__],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._process: subprocess.Popen[str] | None = None
        self._seconds = seconds

    def run(self, code: str) -> str:
        """Run a block and return what it prints; its failure is an AssertionError."""
        if self._process is None:
            self._process = self._start()
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(code) + "\n")
        process.stdin.flush()
        watch = Timer(self._seconds, process.kill)
        watch.start()
        line = process.stdout.readline()
        watch.cancel()
        assert line, f"the session ended, or took more than {self._seconds} s, in\n{code}"
        answer = json.loads(line)
        assert answer["failed"] is None, f"{answer['failed']}in\n{code}"
        return answer["printed"]

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.communicate(timeout=self._seconds)


def run_block(code: str, names: dict[str, Any]) -> None:
    """Run a block; print the value of its last expression unless it is None."""
    block = ast.parse(code)
    last = block.body.pop() if block.body and isinstance(block.body[-1], ast.Expr) else None
    exec(compile(block, "<block>", "exec"), names)
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), "<block>", "eval"), names)
        if value is not None:
            print(repr(value))


def main() -> None:
    """Run blocks until there are no more."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for line in sys.stdin:
        printed, failed = io.StringIO(), None
        with redirect_stdout(printed):
            try:
                run_block(json.loads(line), names)
            except Exception:
                failed = traceback.format_exc()
        print(json.dumps({"printed": printed.getvalue(), "failed": failed}), flush=True)


if __name__ == "__main__":
    main()

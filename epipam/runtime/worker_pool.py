"""Processes of this machine that work for this one, and end when it ends, however that happens.

A worker that is to end is interrupted as by Ctrl-C: what it was writing goes, and nothing hidden
stays. That happens when the pool is left by an error, when its process is gone, and on SIGTERM.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from types import FrameType, TracebackType
from typing import Any, NoReturn

# So long a worker that is to end may take to clear away what it was writing.
GRACE_SECONDS = 20.0
_EXIT_CODE = 128 + signal.SIGTERM


class WorkerPool(ProcessPoolExecutor):
    """A process pool whose workers are started as new processes, and never outlive this one.

    Parameters
    ----------
    workers
        The most processes; each is started when there is a task for it.
    environment
        What workers find in their environment beside what this process has.
    prepare, arguments
        Called in each worker before its first task.
    """

    def __init__(
        self,
        workers: int,
        environment: Mapping[str, str] | None = None,
        prepare: Callable[..., None] | None = None,
        arguments: tuple[Any, ...] = (),
    ) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._environment = dict(environment or {})
        self._scratch = tempfile.TemporaryDirectory(prefix="epipam-")
        # Nobody writes to it: that the other end is closed tells the workers to end.
        lifeline, self._held = spawn.Pipe(duplex=False)
        begin = (lifeline, self._scratch.name, prepare, arguments)
        super().__init__(workers, spawn, _begin, begin)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a function of a module called by a worker."""
        with _as_a_worker_begins(self._environment):
            return super().submit(_work, function, *args, **kwargs)

    def end(self) -> None:
        """End the workers, in whatever they are doing."""
        self._held.close()
        self.shutdown(wait=True, cancel_futures=True)
        self._scratch.cleanup()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.shutdown(wait=True)
        self.end()


@contextmanager
def _as_a_worker_begins(environment: Mapping[str, str]) -> Iterator[None]:
    """Have the environment of a worker, and no Ctrl-C, which a worker cannot take at its start."""
    before = {name: os.environ.get(name) for name in environment}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


# In a worker

_is_working = _is_ending = False
_scratch_folder = ""


def _begin(
    lifeline: Connection,
    scratch: str,
    prepare: Callable[..., None] | None,
    arguments: tuple[Any, ...],
) -> None:
    """Prepare a worker: leave Ctrl-C to its parent, and watch the parent."""
    global _scratch_folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()
    # The parent removes it, also where this process is killed.
    tempfile.tempdir = _scratch_folder = scratch
    if prepare is not None:
        prepare(*arguments)


def _work(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function, and end the worker where it was asked to end meanwhile."""
    global _is_working
    _is_working = True
    try:
        return function(*args, **kwargs)
    finally:
        _is_working = False
        if _is_ending:
            _leave()


def _watch(lifeline: Connection) -> NoReturn:
    """Wait until the parent is gone or has let go, and end this worker."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    assert parent.pid is not None
    try:
        gone: Any = os.pidfd_open(parent.pid)
    except (AttributeError, OSError):  # not on this system, or gone already
        gone = parent.sentinel
    # The pipe alone would not do: another child of the parent may hold its other end.
    if os.getppid() == parent.pid:
        wait([lifeline, gone])
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_SECONDS)
    _leave()


def _end(_signal: int, _frame: FrameType | None) -> None:
    """End at once where there is nothing to do; else interrupt the task, which then ends."""
    global _is_ending
    if _is_ending:
        return
    _is_ending = True
    if not _is_working:
        _leave()
    raise KeyboardInterrupt


def _leave() -> NoReturn:
    """End this worker; its parent may be gone, and then nobody else removes their folder."""
    shutil.rmtree(_scratch_folder, ignore_errors=True)
    os._exit(_EXIT_CODE)

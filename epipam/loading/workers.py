"""Worker processes of a loader, each with a pipe of its own through which it sends NumPy arrays.

Nothing depends on the size of /dev/shm. A worker is asked for several neighbouring batches at a
time, those of its share of the open blocks. This process keeps no copy of a worker's end of its
pipe: of a worker that dies, at whatever moment, the pipe ends, and whoever waits for it learns so
in any thread.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, Protocol

import torch

from epipam.errors import EpipamError
from epipam.loading.blocks import BatchArrays
from epipam.runtime.memory import keep_freed_memory

# A worker's answer that waits to be taken holds so many bytes, or one batch.
MESSAGE_BYTES = 4_000_000
# Requests under way for each worker.
_PREFETCHED = 2
_LOOK_SECONDS = 1.0
_END_SECONDS = 5.0
# One worker is started at a time: one forked meanwhile would keep the pipe of another open.
_starting = threading.Lock()


class Request(NamedTuple):
    """Batches [start, stop) of an epoch."""

    epoch: int
    start: int
    stop: int


class Source(Protocol):
    """What batches come from, as `epipam.loading.loader.PairBatches`."""

    def read(self, number: int, batch_number: int) -> BatchArrays:
        """Return a batch of an epoch."""


class Crew:
    """Worker processes that read one pass at a time, and wait for the next.

    They end with this object.

    Parameters
    ----------
    source
        What batches come from; it is sent to the workers.
    name
        What errors call the source.
    workers
        How many there are, at least 1.
    start_method
        `fork`, `spawn` or `forkserver`; None is Python's default.
    """

    def __init__(self, source: Source, name: str, workers: int, start_method: str | None) -> None:
        self.name = name
        self._workers: list[_Worker] = []
        weakref.finalize(self, _end_all, self._workers, os.getpid())
        context = multiprocessing.get_context(start_method)
        for _ in range(workers):
            self._workers.append(_Worker(context, source))

    def read(self, requests: Iterable[Request]) -> Iterator[BatchArrays]:
        """Yield the batches of requests in order.

        Raises
        ------
        EpipamError
            What a worker raised, and where one died.
        """
        asked: deque[_Worker] = deque()
        for request, worker in zip(requests, cycle(self._workers), strict=False):
            if len(asked) == len(self._workers) * _PREFETCHED:
                yield from self._answer(asked.popleft())
            self._ask(worker, request)
            asked.append(worker)
        while asked:
            yield from self._answer(asked.popleft())

    def _ask(self, worker: _Worker, request: Request) -> None:
        try:
            worker.pipe.send(request)
        except OSError:
            raise self._death_of(worker) from None

    def _answer(self, worker: _Worker) -> list[BatchArrays]:
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):  # before an answer, or within it
            raise self._death_of(worker) from None
        for one in self._workers:
            if not one.process.is_alive():
                raise self._death_of(one)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _death_of(self, worker: _Worker) -> EpipamError:
        """Return the error, of one line, for a worker that died."""
        worker.process.join(_END_SECONDS)
        code = worker.process.exitcode
        by = f" by signal: {signal.Signals(-code).name}" if code is not None and code < 0 else ""
        return EpipamError(
            f"{self.name}: loader worker {worker.process.pid} died or was killed{by}, perhaps for "
            f"want of memory; use fewer --loader-workers, or 0"
        )


class _Worker:
    """A process that answers requests, and this process's end of its pipe."""

    def __init__(self, context: Any, source: Source) -> None:
        with _starting:
            self.pipe, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(theirs, source), daemon=True)
            try:
                self.process.start()
            finally:
                theirs.close()


def _end_all(workers: Sequence[_Worker], started_by: int) -> None:
    """End processes that have nothing to clear away; only who started them can."""
    if os.getpid() != started_by:
        return
    for worker in workers:
        worker.process.kill()
        worker.pipe.close()
    for worker in workers:
        worker.process.join(_END_SECONDS)


# In a worker


def _serve(pipe: Connection, source: Source) -> None:
    """Answer requests until the pipe ends; an error is an answer as well."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_freed_memory()  # a worker allocates the same few sizes over and over
    torch.set_num_threads(1)
    try:
        while True:
            request = pipe.recv()
            try:
                numbers = range(request.start, request.stop)
                answer: Any = [source.read(request.epoch, number) for number in numbers]
            except Exception as error:
                answer = error
            pipe.send(answer)
    except (EOFError, OSError):  # nobody is there any more
        return


def _end_with_parent() -> None:
    """End this process soon after the one that uses it, however that ended.

    The end of its pipe would not do: workers forked later have that process's end open as well.
    """
    parent, started_by = parent_process(), os.getppid()
    assert parent is not None
    # A sentinel, too, may be open in workers forked later.
    while os.getppid() == started_by and not wait([parent.sentinel], _LOOK_SECONDS):
        continue
    os._exit(1)

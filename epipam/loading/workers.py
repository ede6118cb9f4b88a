"""Worker processes of a loader: a plain DataLoader whose workers send NumPy arrays.

Arrays go through a pipe, so nothing depends on the size of /dev/shm. A worker is asked for several
neighbouring batches at a time, those of its share of the open blocks.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.connection import wait
from types import FrameType
from typing import Any, NamedTuple, Protocol

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from epipam.errors import EpipamError
from epipam.loading.blocks import BatchArrays
from epipam.runtime.memory import keep_freed_memory

# A worker's answers that wait to be taken hold so many bytes each, or one batch.
MESSAGE_BYTES = 4_000_000
# Requests under way for each worker.
_PREFETCHED = 2
_LOOK_SECONDS = 1.0
_MODULE_OF_HANDLER = "torch.utils.data._utils.signal_handling"
_DIED = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)(?: is killed by signal: (\w+))?")


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
        self._asked = _Asked()
        self._loader = DataLoader(
            _Answers(source),
            batch_size=None,
            sampler=self._asked,
            collate_fn=_as_it_is,
            num_workers=workers,
            prefetch_factor=_PREFETCHED,
            multiprocessing_context=start_method,
            persistent_workers=True,
            worker_init_fn=_prepare_worker,
            # Of its own: a DataLoader draws from it at every start, and drawing from the global one
            # would move the dropout of a resumed run.
            generator=torch.Generator(),
        )

    def read(self, requests: Iterable[Request]) -> Iterator[BatchArrays]:
        """Yield the batches of requests in order.

        Raises
        ------
        EpipamError
            What a worker raised, and where one died.
        """
        self._asked.requests = requests
        answers: Iterator[list[BatchArrays] | EpipamError] | None = None
        while True:
            try:
                with _noticing_deaths():
                    if answers is None:
                        answers = iter(self._loader)
                    answer = next(answers)
            except StopIteration:
                return
            except RuntimeError as error:
                self._raise_plainly(error)
                raise
            if isinstance(answer, EpipamError):
                raise answer
            yield from answer

    def _raise_plainly(self, error: RuntimeError) -> None:
        """Raise an EpipamError of one line where torch says that a worker died."""
        if found := _DIED.search(str(error)):
            by = f" by signal: {found[2]}" if found[2] else ""
            raise EpipamError(
                f"{self.name}: loader worker {found[1]} died or was killed{by}, perhaps for want "
                f"of memory; use fewer --loader-workers, or 0"
            ) from error


class _Asked(Sampler[Request]):
    """What is asked of the workers in a pass."""

    def __init__(self) -> None:
        self.requests: Iterable[Request] = ()

    def __iter__(self) -> Iterator[Request]:
        return iter(self.requests)


class _Answers(Dataset[Any]):
    """What a worker sends for a request: batches, or the error that it met."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitem__(self, request: Request) -> list[BatchArrays] | EpipamError:
        numbers = range(request.start, request.stop)
        try:
            return [self.source.read(request.epoch, number) for number in numbers]
        except EpipamError as error:  # torch would make a traceback its text
            return error


def _as_it_is(item: Any) -> Any:
    return item


def _prepare_worker(_: int) -> None:
    # A worker allocates the same few sizes over and over.
    keep_freed_memory()
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _end_with_parent(started_by: int) -> None:
    """End this process soon after its parent, however that ended.

    torch looks as well, but then waits for somebody to read what the worker had still to send.
    """
    parent = parent_process()
    while parent is None or not wait([parent.sentinel], _LOOK_SECONDS):
        # A sentinel may be open in processes forked later; a fork server is none's parent process.
        if parent is None or os.getppid() != started_by:
            break
    os._exit(1)


class _DeathsWhileWaiting:
    """torch's handler of SIGCHLD, kept from raising in whatever else the main thread does.

    It must raise while a batch is waited for: of a worker that died in the middle of an answer,
    the rest would be waited for in vain.
    """

    def __init__(self, of_torch: Callable[[int, FrameType | None], object], before: Any) -> None:
        self.of_torch = of_torch  # which calls the one before it
        self.before = before
        self.waiting = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.waiting:
            self.of_torch(number, frame)
        elif callable(self.before):
            self.before(number, frame)


@contextmanager
def _noticing_deaths() -> Iterator[None]:
    """Raise torch's RuntimeError in the block where a worker has died, or does so meanwhile.

    In other threads than the main one there are no signals, and torch looks every five seconds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGCHLD)
    if isinstance(handler, _DeathsWhileWaiting):
        handler.waiting = True
        try:
            handler.of_torch(signal.SIGCHLD, None)
            yield
        finally:
            handler.waiting = False
        return
    yield
    # By now torch has set its own, which it does once in a process.
    found = signal.getsignal(signal.SIGCHLD)
    if callable(found) and getattr(found, "__module__", "") == _MODULE_OF_HANDLER:
        before = None if found is handler else handler
        signal.signal(signal.SIGCHLD, _DeathsWhileWaiting(found, before))

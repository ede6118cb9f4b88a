"""Tasks on workers: processes of this machine, or the workers of a dask cluster that is there.

A task is a function of a module and one argument, both pickled. A task whose worker dies is run
again on another one; an error that a task raises comes back as it was raised.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from epipam.errors import EpipamError, RequestError
from epipam.runtime.versions import versions_of
from epipam.runtime.worker_pool import WorkerPool

if TYPE_CHECKING:
    from distributed import Client

Task = TypeVar("Task")
Result = TypeVar("Result")

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 20
LOOK_SECONDS = 1.0
# So often a task is begun; its worker died each time, or another one that took it along.
_TRIES = 4
# Tasks that wait beside those that run: a cluster that grows with its queue must see some.
_AHEAD_HERE, _AHEAD_ELSEWHERE = 1, 32
# A worker of this machine has one core.
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_WRITERS = ("zarr", "numcodecs", "numpy")


@dataclass(frozen=True)
class Workforce:
    """Who does the work.

    Attributes
    ----------
    workers
        Processes of this machine; with 1 it is done in this process.
    scheduler
        Address of a dask scheduler, whose workers do it instead.
    """

    workers: int = 1
    scheduler: str | None = None

    def alone(self, n_tasks: int | None = None) -> bool:
        """Whether this process does the work itself, of as many tasks as are known of."""
        return self.scheduler is None and (self.workers <= 1 or n_tasks in (0, 1))


class Workers(Protocol):
    """Takes tasks, and says how many of them to have under way.

    Attributes
    ----------
    are_here
        Whether they are processes that this one has started, in its folder, and that end with it.
    """

    are_here: bool

    def count(self) -> int:
        """Return how many workers there are."""

    def capacity(self) -> int:
        """Return how many tasks to have under way."""

    def submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        """Begin a task."""

    def wait(self, futures: Iterable[Future[Any]]) -> set[Future[Any]]:
        """Wait until at least one of the tasks is done, and return those that are."""

    def end(self) -> None:
        """Give up what is under way."""


@contextmanager
def workers_of(workforce: Workforce) -> Iterator[Workers]:
    """Yield the workers; those of this machine start when they get a task, and end with the block.

    Raises
    ------
    RequestError
        Where the scheduler cannot be reached.
    """
    if workforce.scheduler is not None:
        with _client(workforce.scheduler) as client:
            yield _WorkersElsewhere(client)
        return
    workers = _WorkersHere(workforce.workers)
    try:
        yield workers
    finally:
        workers.end()


def as_done(
    workers: Workers, function: Callable[[Task], Result], tasks: Iterable[Task]
) -> Iterator[tuple[int, Result]]:
    """Yield (number of the task, its result) as they come; tasks are begun in their order.

    Tasks are taken from `tasks` as workers come free, so few are in memory at one time.

    Raises
    ------
    Exception
        What a task raised.
    EpipamError
        Where the workers that were given a task died, one after the other.
    """
    given = _Given()
    for number, result in _results(workers, function, tasks, given):
        given.results += 1
        yield number, result


def in_order(
    workers: Workers, function: Callable[[Task], Result], tasks: Iterable[Task]
) -> Iterator[Result]:
    """Yield the results in the order of the tasks; otherwise as `as_done`.

    At most so many tasks are begun beyond the first that is not done, so that few results wait.
    """
    early: dict[int, Result] = {}
    given = _Given()
    for number, result in _results(workers, function, tasks, given):
        early[number] = result
        while given.results in early:
            yield early.pop(given.results)
            given.results += 1


def worker_folder() -> str | None:
    """Return the folder that dask removes when the worker that runs this is gone; else None."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker().local_directory
    except ValueError:
        return None


@dataclass
class _Given:
    """How many results a caller has passed on."""

    results: int = 0


@dataclass
class _Begun(Generic[Task]):
    """A task that was begun: its number, itself, and how often it was."""

    number: int
    task: Task
    tries: int = 1


def _results(
    workers: Workers,
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    given: _Given,
) -> Iterator[tuple[int, Result]]:
    """Yield (number of the task, its result) as they come.

    Parameters
    ----------
    given
        What the caller has passed on: no more tasks than workers can take are begun beyond that.
    """
    numbered = enumerate(tasks)
    running: dict[Future[Result], _Begun[Task]] = {}
    n_begun = 0
    try:
        while True:
            while n_begun - given.results < workers.capacity():
                if (following := next(numbered, None)) is None:
                    break
                running[workers.submit(function, following[1])] = _Begun(*following)
                n_begun += 1
            if not running:
                return
            for future in workers.wait(running):
                begun = running.pop(future)
                if _is_lost(future):
                    if begun.tries == _TRIES:
                        raise _worn_out(_TRIES)
                    begun.tries += 1
                    running[workers.submit(function, begun.task)] = begun
                else:
                    yield begun.number, future.result()
    except BaseException:
        workers.end()
        raise


def _is_lost(future: Future[Any]) -> bool:
    """Whether a task's worker, or one beside it, died; raise where nothing can be done about it."""
    try:
        error = future.exception()
    except CancelledError:
        raise EpipamError("the dask scheduler is gone, or has dropped this work") from None
    if type(error).__name__ == "KilledWorker":  # dask's, which has run it again already
        raise _worn_out(getattr(error, "allowed_failures", 0) + 1) from None
    return isinstance(error, BrokenProcessPool)


def _worn_out(tries: int) -> EpipamError:
    return EpipamError(
        f"workers died on the same task, {tries} of them one after the other: they may lack "
        f"memory; use fewer on one machine"
    )


class _WorkersHere:
    """Processes of this machine, started anew where one of them has died."""

    are_here = True

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: WorkerPool | None = None

    def count(self) -> int:
        return self._workers

    def capacity(self) -> int:
        return self._workers + _AHEAD_HERE

    def submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        if self._pool is not None:
            try:
                return self._pool.submit(function, task)
            except BrokenProcessPool:
                self.end()
        self._pool = WorkerPool(self._workers, THREADS)
        return self._pool.submit(function, task)

    def wait(self, futures: Iterable[Future[Any]]) -> set[Future[Any]]:
        return wait(futures, return_when=FIRST_COMPLETED).done

    def end(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.end()


class _WorkersElsewhere:
    """The workers of a dask cluster."""

    are_here = False

    def __init__(self, client: Client) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False)
        self._said = False

    def count(self) -> int:
        return len(self._client.nthreads())

    def capacity(self) -> int:
        return sum(self._client.nthreads().values()) + _AHEAD_ELSEWHERE

    def submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        return self._executor.submit(_run, function, task, versions_of(*_WRITERS))

    def wait(self, futures: Iterable[Future[Any]]) -> set[Future[Any]]:
        while not (done := wait(futures, LOOK_SECONDS, FIRST_COMPLETED).done):
            self._look()
        return done

    def end(self) -> None:
        self._executor.shutdown(wait=False)
        self._executor = self._client.get_executor(pure=False)

    def _look(self) -> None:
        """Log, once, where the cluster has no worker: who waits for a task may wait for ever."""
        try:
            anyone = bool(self._client.nthreads())
        except OSError:  # the scheduler is gone, which its tasks will say
            return
        if not anyone and not self._said:
            address = self._client.scheduler.address
            logger.warning("waiting for workers: the scheduler %s has none", address)
            self._said = True


def _run(function: Callable[[Task], Result], task: Task, versions: dict[str, str]) -> Result:
    """Run a task, on a worker; refuse where its results could differ from those of the client."""
    if versions != (found := versions_of(*_WRITERS)):
        differing = ", ".join(
            f"{name} {found[name]} instead of {versions[name]}"
            for name in versions
            if found[name] != versions[name]
        )
        raise RequestError(f"a worker has {differing}: install the same versions everywhere")
    return function(task)


@contextmanager
def _client(address: str) -> Iterator[Client]:
    try:
        import dask
        from distributed import Client
    except ModuleNotFoundError as error:
        raise RequestError(
            f"--scheduler needs {error.name}, which is not installed: pip install 'epipam[dask]'"
        ) from None

    settings = {
        "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS}s",
        "distributed.admin.large-graph-warning-threshold": "1TB",  # a contig's pairs may be large
    }
    with dask.config.set(settings):
        try:
            with ThreadPoolExecutor(1) as thread:  # a notebook's own loop may run in this one
                thread.submit(asyncio.run, _reach(address)).result()
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise RequestError(f"--scheduler {address}: cannot be reached: {reason}") from None
        with client:
            yield client


async def _reach(address: str) -> None:
    """Connect and hang up.

    A client that cannot connect is closed when it happens to be collected; if that happens while
    another one starts, both wait for the same lock for ever.
    """
    from distributed.comm import connect
    from distributed.security import Security

    arguments = Security().get_connection_args("client")
    comm = await connect(address, timeout=CONNECT_SECONDS, **arguments)
    await comm.close()

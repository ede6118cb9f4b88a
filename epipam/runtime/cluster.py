"""Tasks on the workers of a dask cluster: one started here, or one that is already there.

A task is a function of a module and one argument, both pickled. A task whose worker dies is run
again on another one; an error that a task raises comes back as it was raised.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from epipam.errors import EpipamError, RequestError
from epipam.runtime.fork_server import (
    METHOD,
    THREADS,
    start_importing,
    unchanged_environment,
    workers_environment,
)
from epipam.runtime.worker_watch import START_SECONDS, WorkerWatch
from epipam.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future

Task = TypeVar("Task")
Result = TypeVar("Result")

CONNECT_SECONDS = 20
# Tasks that wait beside those that run: a cluster that grows with its queue must see one. Of those
# that are done in any order none waits here: dask gives it to a worker before one is free, and
# another may be free first.
_AHEAD_HERE, _AHEAD_ELSEWHERE = 1, 32
_WRITERS = ("zarr", "numcodecs", "numpy")
_SETTINGS = {
    "distributed.worker.multiprocessing-method": METHOD,
    # A worker's allocator and thread pools; dask's own defaults return every freed page.
    "distributed.nanny.pre-spawn-environ": THREADS,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.large-graph-warning-threshold": "1TB",  # a contig's pairs may be large
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS}s",
    # So long after a worker died dask looks whether it is there, and if it has just died again and
    # is being started, gives it up for ever; WorkerWatch does better.
    "distributed.deploy.lost-worker-timeout": "1000 days",
}


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


@contextmanager
def client_of(workforce: Workforce, n_tasks: int | None = None) -> Iterator[Client]:
    """Yield a client of the cluster; one that was started here ends with the block.

    Parameters
    ----------
    n_tasks
        How many tasks there will be, where known: more workers than that are not started.

    Raises
    ------
    RequestError
        Where the scheduler cannot be reached.
    """
    if workforce.scheduler is None:
        start_importing()
    import dask
    import distributed  # noqa: F401  its own settings must be there before ours

    preload = [*dask.config.get("distributed.worker.preload"), __name__]
    settings = {**_SETTINGS, "distributed.worker.preload": preload}
    with unchanged_environment(), dask.config.set(settings):
        if workforce.scheduler is not None:
            with _client_elsewhere(workforce.scheduler) as client:
                yield client
        else:
            workers = min(workforce.workers, n_tasks or workforce.workers)
            with _client_here(workers) as client:
                yield client


@contextmanager
def client_soon(
    workforce: Workforce, most_tasks: int
) -> Iterator[Callable[[], AbstractContextManager[Client]]]:
    """Yield what `client_of` would be called as; it is begun at once, in a thread.

    Meanwhile the caller can read what there is to do. Where it does the work alone, nothing starts.

    Parameters
    ----------
    most_tasks
        No more workers than that are started.
    """
    if workforce.alone(most_tasks):
        yield lambda: client_of(workforce, most_tasks)
        return
    with ExitStack() as stack, ThreadPoolExecutor(1) as thread:
        coming = thread.submit(stack.enter_context, client_of(workforce, most_tasks))

        @contextmanager
        def take() -> Iterator[Client]:
            with closing(stack):
                yield coming.result()

        yield take


def as_done(
    client: Client, function: Callable[[Task], Result], tasks: Iterable[Task]
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
    numbered = enumerate(tasks)
    numbers: dict[Hashable, int] = {}
    running = WorkerWatch(client)

    def submit_more() -> None:
        room = _capacity(client, ahead_here=0)
        while len(numbers) < room and (following := next(numbered, None)) is not None:
            number, task = following
            future = client.submit(_run, function, task, _versions(), pure=False)
            numbers[future.key] = number
            running.add(future)

    submit_more()
    while numbers:
        future = running.next_done()
        number = numbers.pop(future.key)
        result = _result(future)
        future.release()
        submit_more()
        yield number, result


def in_order(
    client: Client, function: Callable[[Task], Result], tasks: Iterable[Task]
) -> Iterator[Result]:
    """Yield the results in the order of the tasks; otherwise as `as_done`.

    At most so many tasks are begun beyond the first that is not done, so that few results wait.
    """
    from collections import deque

    waiting: deque[Future] = deque()
    running = WorkerWatch(client)

    def first() -> Result:
        future = waiting.popleft()
        while not future.done():
            running.next_done()
        result = _result(future)
        future.release()
        return result

    for task in tasks:
        while len(waiting) >= _capacity(client):
            yield first()
        future = client.submit(_run, function, task, _versions(), pure=False)
        waiting.append(future)
        running.add(future)
    while waiting:
        yield first()


def worker_folder() -> str | None:
    """Return the folder that dask removes when the worker that runs this is gone; else None."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker().local_directory
    except ValueError:
        return None


def dask_setup(_worker: object) -> None:
    """Leave Ctrl-C to the process that started this worker; dask calls it in each that we start."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(function: Callable[[Task], Result], task: Task, versions: dict[str, str]) -> Result:
    """Run a task, on a worker; refuse where its results could differ from those of the client."""
    if versions != (found := _versions()):
        differing = ", ".join(
            f"{name} {found[name]} instead of {versions[name]}"
            for name in versions
            if found[name] != versions[name]
        )
        raise RequestError(f"a worker has {differing}: install the same versions everywhere")
    return function(task)


def _versions() -> dict[str, str]:
    return {"epipam": __version__, **{name: version(name) for name in _WRITERS}}


def _capacity(client: Client, ahead_here: int = _AHEAD_HERE) -> int:
    """Return how many tasks to have under way."""
    if client.cluster is None:
        return sum(client.nthreads().values()) + _AHEAD_ELSEWHERE
    return len(client.cluster.worker_spec) + ahead_here


def _result(future: Future) -> Any:
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        return future.result()
    except KilledWorker as error:
        raise EpipamError(
            f"workers died on the same task, {error.allowed_failures + 1} of them one after the "
            f"other: they may lack memory; use fewer on one machine"
        ) from None
    except FutureCancelledError:
        raise EpipamError("the dask scheduler is gone, or has dropped this work") from None


@contextmanager
def _client_here(workers: int) -> Iterator[Client]:
    import logging

    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            memory_limit=None,
            death_timeout=START_SECONDS,
            env=workers_environment(),
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _client_elsewhere(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        with ThreadPoolExecutor(1) as thread:  # where a notebook's own loop may run, there is none
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

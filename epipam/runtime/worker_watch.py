"""Waiting for tasks while looking after the workers that do them.

dask tells nobody that a worker which was started here has gone for good, nor that a scheduler
elsewhere has none: who only waits for a task to be done may wait forever.
"""

from __future__ import annotations

import logging
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

from epipam.errors import EpipamError

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
# A worker starts in a second or two; on a machine with far too much to do, in some more.
START_SECONDS = 60.0


class WorkerWatch:
    """The tasks of a client that are under way, and an eye on its workers.

    Parameters
    ----------
    client
        Of a cluster that was started here, or of one elsewhere.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._done: SimpleQueue[Future] = SimpleQueue()
        self._next_look = 0.0
        self._last_seen = monotonic()
        self._said = False

    def add(self, future: Future) -> None:
        """Wait for a further task."""
        future.add_done_callback(self._done.put)

    def next_done(self) -> Future:
        """Wait until a task is done, has failed or was dropped, and return it, each task once.

        Workers that were started here and are gone are started again meanwhile. Where a cluster
        elsewhere has no worker, that is logged, once, as a warning.

        Raises
        ------
        EpipamError
            Where no worker of this machine could be started for `START_SECONDS`.
        """
        while True:
            if monotonic() >= self._next_look:
                self._look()
                self._next_look = monotonic() + LOOK_SECONDS
            try:
                return self._done.get(timeout=LOOK_SECONDS)
            except Empty:
                continue

    def _look(self) -> None:
        cluster = self.client.cluster
        if cluster is not None:
            cluster.sync(_start_again, cluster)
        if self._is_anyone_there():
            self._last_seen = monotonic()
        elif cluster is None:
            self._say_once()
        elif monotonic() - self._last_seen > START_SECONDS:
            raise EpipamError(
                f"workers of this machine died, and none could be started again for "
                f"{START_SECONDS:.0f} s; do without --workers"
            )

    def _is_anyone_there(self) -> bool:
        try:
            return bool(self.client.nthreads())
        except OSError:  # the scheduler is gone, which its tasks will say
            return True

    def _say_once(self) -> None:
        if not self._said:
            address = self.client.scheduler.address
            logger.warning("waiting for workers: the scheduler %s has none", address)
            self._said = True


async def _start_again(cluster: LocalCluster) -> None:
    """Start workers again whose watching process could not, and has given up."""
    from distributed.core import Status

    given_up = [
        name
        for name, nanny in cluster.workers.items()
        if nanny.status in (Status.closed, Status.failed)
    ]
    for name in given_up:
        del cluster.workers[name]
    if cluster.workers.keys() != cluster.worker_spec.keys():
        cluster.scale(len(cluster.worker_spec))

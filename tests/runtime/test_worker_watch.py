"""Tasks of workers that are gone for good, or that are not there yet."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dask
import pytest
from distributed import Client, LocalCluster

from epipam.errors import EpipamError
from epipam.runtime import worker_watch
from epipam.runtime.cluster import Workforce, as_done, client_of, in_order


def square(number: int) -> int:
    return number * number


def end_workers(client: Client) -> None:
    """End the workers and the processes that watch them, as dask does with one it cannot start."""
    for nanny in client.cluster.workers.values():
        client.sync(nanny.close)
    assert client.nthreads() == {}


@contextmanager
def cluster_without_workers() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=0,
        host="127.0.0.1",
        scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
    ) as cluster:
        yield cluster


@pytest.mark.parametrize("run", [as_done, in_order])
def test_workers_that_are_gone_for_good_are_started_again(run):
    with client_of(Workforce(2)) as client:
        end_workers(client)
        assert len(list(run(client, square, range(6)))) == 6
        client.wait_for_workers(2, timeout=60)


def test_dask_does_not_give_up_a_worker_that_is_being_started_when_it_looks():
    with client_of(Workforce(1)):
        delay = dask.config.get("distributed.deploy.lost-worker-timeout")
        assert dask.utils.parse_timedelta(delay) > 1e6


def test_where_no_worker_can_be_started_the_work_ends_in_one_line(monkeypatch):
    async def cannot(_: LocalCluster) -> None:
        return None

    monkeypatch.setattr(worker_watch, "_start_again", cannot)
    monkeypatch.setattr(worker_watch, "START_SECONDS", 0.5)
    with client_of(Workforce(2)) as client:
        end_workers(client)
        with pytest.raises(EpipamError, match="none could be started again") as error:
            list(as_done(client, square, range(6)))
    assert "\n" not in str(error.value)


def test_a_scheduler_without_workers_is_waited_for_and_that_is_said_once(caplog, monkeypatch):
    monkeypatch.setattr(worker_watch, "LOOK_SECONDS", 0.05)
    with cluster_without_workers() as cluster:
        address = cluster.scheduler_address
        cluster.loop.call_later(1.0, cluster.scale, 1)
        with (
            caplog.at_level(logging.WARNING, "epipam"),
            client_of(Workforce(scheduler=address)) as client,
        ):
            assert dict(as_done(client, square, range(3))) == {0: 0, 1: 1, 2: 4}
            assert list(in_order(client, square, range(3))) == [0, 1, 4]
    said = [record.getMessage() for record in caplog.records if record.name.startswith("epipam")]
    assert said == [f"waiting for workers: the scheduler {address} has none"]

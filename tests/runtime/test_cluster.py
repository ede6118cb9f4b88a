"""Tasks on dask workers: their order, their errors, and what a killed process leaves behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from epipam.errors import EpipamError, PairTableError, RequestError
from epipam.runtime import cluster
from epipam.runtime.cluster import (
    Workforce,
    as_done,
    client_of,
    client_soon,
    in_order,
    worker_folder,
)


def square(number: int) -> int:
    return number * number


def slow_if_first(number: int) -> int:
    time.sleep(1.0 if number == 0 else 0.0)
    return number


def where_am_i(_: int) -> tuple[int, str | None, str]:
    return os.getpid(), worker_folder(), os.environ["OMP_NUM_THREADS"]


def fail(number: int) -> int:
    if number == 3:
        raise refusal()
    return number


def refusal() -> PairTableError:
    return PairTableError("pairs.tsv: 2 rows cannot be read:", ["pairs.tsv:4: row: x"], 2)


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(marker: Path) -> int:
    """Die at the first attempt, which leaves the marker."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


@pytest.fixture(scope="module")
def client():
    with client_of(Workforce(2)) as client:
        yield client


@pytest.mark.parametrize("n_tasks", [0, 1, 20])
def test_every_task_is_done_once_and_results_bear_its_number(client, n_tasks):
    found = dict(as_done(client, square, range(n_tasks)))
    assert found == {number: number * number for number in range(n_tasks)}


def test_results_come_as_they_are_done_or_in_order_as_asked(client):
    assert next(as_done(client, slow_if_first, range(4)))[0] == 1
    assert list(in_order(client, slow_if_first, range(6))) == list(range(6))


def test_few_tasks_are_taken_beyond_the_first_that_is_not_done(client):
    taken: list[int] = []

    def tasks():
        for number in range(30):
            taken.append(number)
            yield number

    for number, _ in enumerate(in_order(client, slow_if_first, tasks())):
        assert len(taken) - number <= 4
    taken.clear()
    for done, _ in enumerate(as_done(client, square, tasks())):
        assert len(taken) - done <= 4


def test_workers_are_other_processes_with_one_thread_and_a_folder_of_their_own(client):
    before = os.environ.get("OMP_NUM_THREADS")
    for pid, folder, threads in in_order(client, where_am_i, range(3)):
        assert pid != os.getpid()
        assert folder is not None
        assert threads == "1"
    assert worker_folder() is None
    assert os.environ.get("OMP_NUM_THREADS") == before or before is None


def test_workers_listen_on_this_machine_only(client):
    pids = [os.getpid(), *{pid for pid, *_ in in_order(client, where_am_i, range(8))}]
    for pid in pids:
        for connection in psutil.Process(pid).net_connections():
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip in ("127.0.0.1", "::1")


@pytest.mark.parametrize("run", [as_done, in_order])
def test_an_error_of_a_task_comes_back_as_it_was_raised(client, run):
    with pytest.raises(PairTableError) as error:
        list(run(client, fail, range(6)))
    assert str(error.value) == str(refusal())
    assert error.value.rows == refusal().rows


def test_a_task_whose_worker_is_killed_is_run_again(client, tmp_path):
    markers = [tmp_path / str(number) for number in range(3)]
    done = dict(as_done(client, die_once, markers))
    assert set(done) == {0, 1, 2}


def test_a_task_that_kills_every_worker_is_given_up_in_one_line():
    with client_of(Workforce(2)) as client, pytest.raises(EpipamError, match="workers died") as e:
        list(as_done(client, die, range(1)))
    assert "\n" not in str(e.value)


def test_no_more_workers_start_than_there_are_tasks():
    with client_of(Workforce(8), n_tasks=1) as client:
        assert len(client.nthreads()) == 1


def test_the_workers_of_another_cluster_do_the_tasks_and_stay(client):
    address = client.scheduler.address
    with client_of(Workforce(scheduler=address)) as other:
        assert list(in_order(other, square, range(5))) == [0, 1, 4, 9, 16]
    assert list(in_order(client, square, [7])) == [49]


def test_a_worker_with_other_versions_is_refused(client, monkeypatch):
    monkeypatch.setattr(cluster, "__version__", "0.0.1")
    with pytest.raises(RequestError, match=r"a worker has epipam \S+ instead of 0\.0\.1: install"):
        list(in_order(client, square, [1]))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere", "tcp://"])
def test_a_scheduler_that_is_not_there_is_refused_in_one_line(monkeypatch, address):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(RequestError, match="cannot be reached") as error,
        client_of(Workforce(scheduler=address)),
    ):
        pass
    assert "\n" not in str(error.value)
    assert address in str(error.value)


@pytest.mark.parametrize(
    ("workforce", "n_tasks", "alone"),
    [
        (Workforce(), None, True),
        (Workforce(2), None, False),
        (Workforce(2), 1, True),
        (Workforce(2), 2, False),
        (Workforce(1, "tcp://x:1"), 1, False),
    ],
)
def test_one_process_works_alone_where_workers_would_not_help(workforce, n_tasks, alone):
    assert workforce.alone(n_tasks) is alone


def test_a_client_that_comes_soon_is_there_when_it_is_asked_for():
    with client_soon(Workforce(2), 5) as client_of_two:
        with client_of_two() as client:
            assert list(in_order(client, square, [3])) == [9]
        assert client.status == "closed"
    with client_soon(Workforce(2), 5):
        pass  # not asked for: its workers end all the same


def test_a_client_that_cannot_come_is_an_error_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with (
        client_soon(Workforce(scheduler="tcp://127.0.0.1:9"), 5) as client_of_nobody,
        pytest.raises(RequestError, match="cannot be reached"),
        client_of_nobody(),
    ):
        pass


SLEEP = """
import os, sys, time
from epipam.runtime.cluster import Workforce, as_done, client_of
if __name__ == "__main__":
    with client_of(Workforce(2)) as client:
        print(*client.run(os.getpid).values(), flush=True)
        list(as_done(client, time.sleep, [600, 600]))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_the_process_that_started_it(tmp_path, how):
    script = tmp_path / "sleep.py"
    script.write_text(SLEEP)
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        pids = [int(pid) for pid in process.stdout.readline().split()]
        time.sleep(0.5)
        process.send_signal(how)
        try:
            process.wait(timeout=60)
        finally:
            process.kill()  # leaving the block would wait for it without end
    assert len(pids) == 2
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(timeout=30)

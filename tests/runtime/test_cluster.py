"""Tasks on dask workers: their order, their errors, and what a killed process leaves behind."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
import pytest

from epipam.errors import EpipamError, PairTableError, RequestError
from epipam.runtime import cluster, versions
from epipam.runtime.cluster import (
    THREADS,
    Workforce,
    as_done,
    in_order,
    worker_folder,
    workers_of,
)


def square(number: int) -> int:
    return number * number


def second_before_first(task: tuple[int, Path]) -> int:
    """Wait, if first, until the second has begun, on another worker, and tells by a pipe."""
    number, pipe = task
    if number < 2:
        pipe.open("r" if number == 0 else "w").close()
    return number


def where_am_i(_: int) -> tuple[int, str | None]:
    return os.getpid(), worker_folder()


def environment_of(name: str) -> str | None:
    return os.environ.get(name)


def temporary_file(_: int) -> Path:
    handle, name = tempfile.mkstemp()
    os.close(handle)
    return Path(name)


def descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def fail(number: int) -> int:
    if number == 3:
        raise refusal()
    return number


def wait_for_ever_if_not_first(number: int) -> int:
    if number:
        threading.Event().wait()
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
def workers():
    with workers_of(Workforce(2)) as workers:
        yield workers


@pytest.mark.parametrize("n_tasks", [0, 1, 20])
def test_every_task_is_done_once_and_results_bear_its_number(workers, n_tasks):
    found = dict(as_done(workers, square, range(n_tasks)))
    assert found == {number: number * number for number in range(n_tasks)}


@pytest.fixture
def pipe(tmp_path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_results_come_as_they_are_done_or_in_order_as_asked(workers, pipe):
    tasks = [(number, pipe) for number in range(6)]
    done = dict(as_done(workers, second_before_first, tasks))
    assert done == {number: number for number in range(6)}
    assert list(in_order(workers, second_before_first, tasks)) == list(range(6))


def test_few_tasks_are_taken_beyond_the_first_that_is_not_done(workers, pipe):
    taken: list[int] = []

    def tasks():
        for number in range(30):
            taken.append(number)
            yield number, pipe

    for number, _ in enumerate(in_order(workers, second_before_first, tasks())):
        assert len(taken) - number <= 4
    taken.clear()
    for done, _ in enumerate(as_done(workers, second_before_first, tasks())):
        assert len(taken) - done <= 4


def test_workers_are_other_processes_with_what_is_in_the_environment_and_one_thread(
    workers, monkeypatch
):
    monkeypatch.setenv("EPIPAM_TEST", "here")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    names = ["EPIPAM_TEST", *THREADS]
    with workers_of(Workforce(2)) as new_workers:
        found = list(in_order(new_workers, environment_of, names))
    assert found == ["here", *THREADS.values()]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert {pid for pid, _ in in_order(workers, where_am_i, range(3))}.isdisjoint({os.getpid()})


def test_what_workers_leave_in_their_temporary_folder_goes_with_them():
    with workers_of(Workforce(2)) as workers:
        (left,) = in_order(workers, temporary_file, [0])
        assert left.exists()
    assert not left.parent.exists()


@pytest.mark.usefixtures("workers")
def test_no_worker_is_left_when_the_block_ends():
    before = descendants()
    with workers_of(Workforce(2)) as others:
        assert dict(as_done(others, square, range(4))) == {0: 0, 1: 1, 2: 4, 3: 9}
        assert len(descendants() - before) == 2
    assert descendants() <= before


@pytest.mark.usefixtures("workers")
def test_no_worker_goes_on_with_a_task_that_nobody_waits_for():
    before = descendants()
    with workers_of(Workforce(2)) as others:
        results = as_done(others, wait_for_ever_if_not_first, range(3))
        assert next(results) == (0, 0)
        results.close()
        assert descendants() <= before


@pytest.mark.parametrize("run", [as_done, in_order])
def test_an_error_of_a_task_comes_back_as_it_was_raised(workers, run):
    with pytest.raises(PairTableError) as error:
        list(run(workers, fail, range(6)))
    assert str(error.value) == str(refusal())
    assert error.value.rows == refusal().rows


def test_a_task_whose_worker_is_killed_is_run_again(workers, tmp_path):
    markers = [tmp_path / str(number) for number in range(3)]
    done = dict(as_done(workers, die_once, markers))
    assert set(done) == {0, 1, 2}


def test_a_task_that_kills_every_worker_is_given_up_in_one_line(workers, monkeypatch):
    monkeypatch.setattr(cluster, "_TRIES", 2)
    with pytest.raises(EpipamError, match="workers died") as e:
        list(as_done(workers, die, range(1)))
    assert "\n" not in str(e.value)


@pytest.mark.usefixtures("workers")
def test_no_more_workers_start_than_there_are_tasks():
    before = descendants()
    with workers_of(Workforce(8)) as others:
        assert dict(as_done(others, square, [3])) == {0: 9}
        assert len(descendants() - before) == 1


# Workers that somebody else has started


@pytest.fixture(scope="module")
def address():
    """The address of a dask cluster."""
    from distributed import LocalCluster  # here, since workers import this file

    options = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=1, threads_per_worker=1, scheduler_kwargs=options) as cluster:
        yield cluster.scheduler_address


def test_the_workers_of_another_cluster_do_the_tasks_and_stay(address):
    for run in (in_order, as_done):
        with workers_of(Workforce(scheduler=address)) as others:
            assert others.count() == 1
            assert len(list(run(others, square, range(5)))) == 5
            (where,) = in_order(others, where_am_i, [0])
            assert where[0] != os.getpid()
            assert where[1] is not None
    assert worker_folder() is None


def test_an_error_on_another_cluster_comes_back_as_it_was_raised(address):
    with (
        workers_of(Workforce(scheduler=address)) as others,
        pytest.raises(PairTableError) as error,
    ):
        list(in_order(others, fail, range(6)))
    assert str(error.value) == str(refusal())


def test_a_task_that_kills_the_workers_of_another_cluster_is_given_up_in_one_line(address):
    with (
        workers_of(Workforce(scheduler=address)) as others,
        pytest.raises(EpipamError, match="workers died") as error,
    ):
        list(as_done(others, die, range(1)))
    assert "\n" not in str(error.value)


def test_a_worker_with_other_versions_is_refused(address, monkeypatch):
    monkeypatch.setattr(versions, "__version__", "0.0.1")
    with (
        workers_of(Workforce(scheduler=address)) as others,
        pytest.raises(RequestError, match=r"a worker has epipam \S+ instead of 0\.0\.1: install"),
    ):
        list(in_order(others, square, [1]))


def test_a_scheduler_without_workers_is_waited_for_and_that_is_said_once(caplog, monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0.05)
    options = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", scheduler_kwargs=options) as empty,
        caplog.at_level(logging.WARNING, "epipam"),
        workers_of(Workforce(scheduler=empty.scheduler_address)) as others,
    ):
        address = empty.scheduler_address
        monkeypatch.setattr(others, "_look", look_and_scale(others, empty))
        assert dict(as_done(others, square, range(3))) == {0: 0, 1: 1, 2: 4}
        assert list(in_order(others, square, range(3))) == [0, 1, 4]
    said = [record.getMessage() for record in caplog.records if record.name.startswith("epipam")]
    assert said == [f"waiting for workers: the scheduler {address} has none"]


def look_and_scale(workers, empty):
    """Return what looks for workers, and starts one when that was done three times in vain."""
    looks = []
    look = workers._look

    def look_and_scale() -> None:
        look()
        looks.append(1)
        if len(looks) == 3:
            empty.scale(1)

    return look_and_scale


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere", "tcp://"])
def test_a_scheduler_that_is_not_there_is_refused_in_one_line(monkeypatch, address):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(RequestError, match="cannot be reached") as error,
        workers_of(Workforce(scheduler=address)),
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


# Ends

WAIT = """
import os, signal, sys, threading
from epipam.runtime.cluster import Workforce, as_done, workers_of

def wait_for_ever(name):
    with open(name, "w"):
        try:
            with open("begun", "w") as begun:
                begun.write(f"{os.getpid()}\\n")
            threading.Event().wait()
        finally:
            os.unlink(name)

if __name__ == "__main__":
    # As in a terminal: what a script starts in the background ignores Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with workers_of(Workforce(2)) as workers:
        list(as_done(workers, wait_for_ever, ["one", "other"]))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_the_process_that_started_it(tmp_path, how):
    script = tmp_path / "wait.py"
    script.write_text(WAIT)
    os.mkfifo(tmp_path / "begun")
    with (
        open(tmp_path / "begun", "r+b", buffering=0) as begun,
        subprocess.Popen([sys.executable, script], cwd=tmp_path, stderr=subprocess.PIPE) as process,
    ):
        workers = [psutil.Process(int(begun.readline())) for _ in range(2)]
        process.send_signal(how)
        _, alive = psutil.wait_procs([process, *workers], timeout=60)
    assert alive == []
    # What they were writing is cleared away.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begun", "wait.py"]

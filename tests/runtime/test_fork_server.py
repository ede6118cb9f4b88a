"""Workers that are forked from one process find what a new process would."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from epipam.runtime.cluster import Workforce, as_done, client_of
from epipam.runtime.fork_server import THREADS, unchanged_environment


def environment_of(name: str) -> str | None:
    return os.environ.get(name)


def is_imported(module: str) -> bool:
    return module in sys.modules


@pytest.mark.parametrize("value", ["one", "another"])
def test_a_worker_has_the_environment_of_the_time_when_it_starts(monkeypatch, value):
    monkeypatch.setenv("EPIPAM_TEST", value)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    names = ["EPIPAM_TEST", *THREADS]
    with client_of(Workforce(2), n_tasks=1) as client:
        found = dict(as_done(client, environment_of, names))
    assert [found[number] for number in range(len(names))] == [value, *THREADS.values()]
    assert os.environ["OMP_NUM_THREADS"] == "7"


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
@pytest.mark.usefixtures("new_fork_server")
def test_a_worker_has_imported_what_contigs_are_written_with():
    with client_of(Workforce(2), n_tasks=1) as client:
        assert dict(as_done(client, is_imported, ["epipam.store.contig_writer"])) == {0: True}


MODULE = """
import os

IMPORTED_BY = os.getpid()

def parent_imported_this(_):
    return IMPORTED_BY == os.getppid()
"""
SCRIPT = """
from epipam.runtime.cluster import Workforce, as_done, client_of
from imported_by_script import parent_imported_this

if __name__ == "__main__":
    with client_of(Workforce(2), n_tasks=1) as client:
        print(dict(as_done(client, parent_imported_this, [None])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_what_a_script_imports_is_imported_once_and_not_by_each_worker(tmp_path):
    (tmp_path / "imported_by_script.py").write_text(MODULE)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("{0: True}\n", 0), done.stderr


def test_what_a_block_does_to_the_environment_is_undone(monkeypatch):
    monkeypatch.setenv("EPIPAM_KEPT", "before")
    monkeypatch.setenv("EPIPAM_REMOVED", "before")
    monkeypatch.delenv("EPIPAM_ADDED", raising=False)
    with unchanged_environment():
        os.environ["EPIPAM_KEPT"] = os.environ["EPIPAM_ADDED"] = "within"
        del os.environ["EPIPAM_REMOVED"]
    assert os.environ["EPIPAM_KEPT"] == os.environ["EPIPAM_REMOVED"] == "before"
    assert "EPIPAM_ADDED" not in os.environ

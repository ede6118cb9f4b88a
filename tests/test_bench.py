"""Every benchmark runs and prints what its readers rely on; how fast things are is not tested."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"
RATIOS = {
    "build": {
        "build_over_codec",
        "build_two_process_speedup",
        "machine_two_process_limit",
        "bits_per_base",
    },
    "loader": {"loader_two_worker_speedup", "train_over_cached_batch"},
    "train": {"step_over_plain", "step_gradient_max_relative_difference"},
    "score": {"score_over_plain", "kipoi_over_plain", "score_max_abs_difference"},
    "genome_build": {
        "genome_build_seconds",
        "genome_build_peak_bytes",
        "genome_build_peak_over_contig_plus_500MB",
    },
    "memory": {"build_memory_ratio", "loader_memory_ratio", "train_memory_ratio"},
    "distributed": {
        "build_two_worker_speedup",
        "score_two_worker_speedup",
        "task_overhead_seconds",
    },
}
NEED_DATA = {"genome_build"}


@pytest.mark.slow
@pytest.mark.parametrize("name", RATIOS)
def test_quick_run_prints_one_object_with_positive_metrics(
    name: str, warm_path: str, request: pytest.FixtureRequest
) -> None:
    if name in NEED_DATA:
        request.getfixturevalue("shared_data")
    script = BENCH / f"{name}.py"
    python = shutil.which("python", path=warm_path)
    assert python is not None
    done = subprocess.run(
        [python, script if script.exists() else BENCH / name / "__main__.py", "--quick"],
        # One thread: several test processes share the cores.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"bench", "environment", "metrics"}
    assert found["bench"] == name
    assert {"date", "commit", "cpu", "cores", "python", "numpy", "zarr", "epipam"} <= set(
        found["environment"]
    )
    metrics = {metric["name"]: metric["value"] for metric in found["metrics"]}
    assert len(metrics) == len(found["metrics"])
    assert set(metrics) >= RATIOS[name]
    assert all(math.isfinite(value) and value > 0 for value in metrics.values()), metrics
    assert all(set(metric) == {"name", "value", "unit"} for metric in found["metrics"])
    assert all(metric["unit"] for metric in found["metrics"])
    if name == "loader":
        assert metrics["device_sequence_bytes_over_onehot"] <= 1 / 8


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the benchmarks' own package importable."""
    monkeypatch.syspath_prepend(BENCH)


@pytest.mark.usefixtures("measuring")
def test_peak_memory_is_that_of_a_command_and_its_children_together() -> None:
    from measuring.memory import peak_memory

    hold = "import time; held = b'x' * 60_000_000; time.sleep(1)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    both = f"held = b'x' * 60_000_000; {child}"
    assert 60e6 < peak_memory([sys.executable, "-c", child]) < 110e6
    assert 120e6 < peak_memory([sys.executable, "-c", both]) < 170e6


@pytest.mark.usefixtures("measuring")
def test_peak_memory_raises_where_the_command_fails() -> None:
    from measuring.memory import peak_memory

    with pytest.raises(subprocess.CalledProcessError):
        peak_memory([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.usefixtures("measuring")
def test_works_are_timed_in_turn_and_compared_turn_by_turn() -> None:
    from measuring.timing import Turns, time_in_turn

    done: list[str] = []

    def work(name: str) -> Callable[[], None]:
        return lambda: done.append(name)

    turns = time_in_turn({"one": work("one"), "two": work("two")}, 2, work("before"))
    assert done == ["before", "one", "before", "two"] * 2
    assert turns.wall["one"].shape == (2,)
    # Median of 2, 3 and 4, though the medians' ratio is 6 / 3.
    slow_machine = {"one": np.array([2.0, 9.0, 6.0]), "two": np.array([1.0, 3.0, 1.5])}
    assert Turns(slow_machine, slow_machine).ratio("one", "two") == 3.0


@pytest.mark.slow
def test_without_the_public_data_the_genome_build_measures_nothing(tmp_path: Path) -> None:
    shutil.copytree(BENCH, tmp_path / "checkout" / "bench")
    done = subprocess.run(
        [sys.executable, tmp_path / "checkout" / "bench" / "genome_build.py"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout)["metrics"] == []
    assert "the public data are absent" in done.stderr


@pytest.mark.usefixtures("measuring")
@pytest.mark.parametrize("n_rows", [1, 3_199, 3_201, 10_000])
def test_the_plain_copy_is_of_as_many_rows_as_asked(
    n_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from measuring import timing

    copied: list[int] = []
    monkeypatch.setattr(timing.np, "copyto", lambda target, source: copied.append(target.nbytes))
    timing.copy_of_unpacked(n_rows, 5_000)()
    assert sum(copied) == n_rows * 20_000

"""What workers gain and cost: building on a dask cluster, scoring here, and a worker's death.

Every time is that of the whole work, from files to files, a cluster's start and end included. A
worker has one thread; alone, a process uses all cores.

A folder, because a file of this name would hide the library from all benchmarks.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from distributed import LocalCluster

sys.path.append(str(Path(__file__).parents[1]))

from measuring.candidates import Candidates, real_candidates, simulated_candidates
from measuring.inputs import SHORT_WINDOWS, Inputs, Scale, random_inputs
from measuring.result import Metric, announce, asked_to_be_quick, environment, print_result
from measuring.timing import Turns, time_in_turn

from epipam.models import EpipamConfig, create_model, save_model
from epipam.runtime.cluster import Workforce, as_done, workers_of
from epipam.scoring.cluster_scorer import PIECE_ROWS, ClusterScorer
from epipam.scoring.score import load_engine, score_file
from epipam.scoring.settings import EngineRecipe
from epipam.store import BuildResult, build_store

ALONE, ONE, TWO = "alone", "one_worker", "two_workers"


@dataclass(frozen=True)
class Work:
    """How much is built and scored, and how often."""

    build: Scale
    windows: EpipamConfig
    candidate_contigs: list[str]
    simulated_length: int
    piece_rows: int
    tasks: int
    turns: int


FULL = Work(
    build=Scale(contigs=8, contig_length=30_000_000, pairs=200_000),
    windows=EpipamConfig(),
    candidate_contigs=["chr14", "chr20"],
    simulated_length=60_000_000,
    piece_rows=PIECE_ROWS,
    tasks=300,
    turns=3,
)
QUICK = Work(
    build=Scale(contigs=2, contig_length=500_000, pairs=40, store=SHORT_WINDOWS),
    windows=EpipamConfig(enhancer_length=1_300, promoter_length=1_250),
    candidate_contigs=[],
    simulated_length=1_000_000,
    piece_rows=20,
    tasks=10,
    turns=1,
)


def main() -> None:
    """Measure, and print."""
    quick = asked_to_be_quick(__doc__)
    found_in = environment(quick=quick)
    work = QUICK if quick else FULL
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        metrics = [*overhead(work), *building(folder, work), *scoring(folder, work, quick=quick)]
    print_result("distributed", found_in, metrics)


def overhead(work: Work) -> Iterator[Metric]:
    """Yield what a cluster costs that does nothing."""
    announce("starting clusters")
    starts, ends, tasks = [], [], []
    for _ in range(work.turns + 1):
        began = time.perf_counter()
        with workers_of(Workforce(2)) as workers:
            assert len(list(as_done(workers, abs, range(2)))) == 2
            starts.append(time.perf_counter() - began)
            began = time.perf_counter()
            assert len(list(as_done(workers, abs, range(work.tasks)))) == work.tasks
            tasks.append((time.perf_counter() - began) / work.tasks)
            began = time.perf_counter()
        ends.append(time.perf_counter() - began)
    yield Metric("cluster_first_start_seconds", starts[0], "s")
    yield Metric("cluster_start_seconds", float(np.median(starts[1:])), "s")
    yield Metric("cluster_end_seconds", float(np.median(ends)), "s")
    yield Metric("task_overhead_seconds", float(np.median(tasks)), "s")


def building(folder: Path, work: Work) -> Iterator[Metric]:
    """Yield what workers gain in building."""
    announce(f"simulating {work.build.contigs} contigs of {work.build.contig_length:,} bp")
    inputs = random_inputs(folder / "build", work.build)
    out = folder / "store"

    def spread(workers: int) -> Callable[..., BuildResult]:
        def build(on_ready: Callable[[], object] = lambda: None) -> BuildResult:
            # As of a cluster elsewhere: with one worker, a build of this machine would need none.
            with LocalCluster(workers, threads_per_worker=1, dashboard_address=None) as cluster:
                on_ready()
                return build_store(
                    inputs.genome,
                    inputs.pairs,
                    out,
                    work.build.store,
                    bad_pairs=inputs.bad_pairs,
                    scheduler=cluster.scheduler_address,
                    overwrite=True,
                )

        return build

    announce(f"building in {work.turns} turns")
    turns = time_in_turn(
        {
            ALONE: lambda: inputs.build(out, work.build.store),
            ONE: spread(1),
            TWO: spread(2),
        },
        work.turns,
    )
    lost = seconds_lost(spread(2), turns.seconds(TWO))
    yield from _compare("build", turns)
    yield Metric("build_task_seconds", turns.seconds(ONE) / work.build.contigs, "s")
    yield Metric("build_seconds_with_a_worker_killed", turns.seconds(TWO) + lost, "s")
    _require_same(inputs, out, folder / "alone", work)


def scoring(folder: Path, work: Work, *, quick: bool) -> Iterator[Metric]:
    """Yield what workers gain in scoring."""
    announce("simulating a genome under the candidates")
    candidates = None if quick else real_candidates(folder, work.candidate_contigs)
    candidates = candidates or simulated_candidates(folder, work.simulated_length)
    model = folder / "model"
    save_model(create_model("epipam", work.windows), model, {"about": "random weights"})
    recipe = EngineRecipe(model, "cpu")

    def alone() -> None:
        _score(candidates, load_engine(model, "cpu"), folder / "scores.tsv")

    def spread(workers: int, on_ready: Callable[[], object] = lambda: None) -> None:
        with workers_of(Workforce(workers)) as others:
            on_ready()
            scorer = ClusterScorer(others, recipe, work.piece_rows)
            _score(candidates, scorer, folder / "scores.tsv")

    announce(f"scoring {candidates.n_pairs:,} pairs in {work.turns} turns")
    turns = time_in_turn(
        {ALONE: alone, ONE: lambda: spread(1), TWO: lambda: spread(2)},
        work.turns,
    )
    lost = seconds_lost(lambda on_ready: spread(2, on_ready), turns.seconds(TWO))
    yield Metric("scored_pairs", candidates.n_pairs, "pairs")
    yield from _compare("score", turns)
    n_tasks = -(-candidates.n_pairs // work.piece_rows)
    yield Metric("score_task_seconds", turns.seconds(ONE) / n_tasks, "s")
    yield Metric("score_seconds_with_a_worker_killed", turns.seconds(TWO) + lost, "s")


def seconds_lost(work: Callable[[Callable[[], object]], object], undisturbed: float) -> float:
    """Run a work again, kill one of its workers in the middle; return the seconds it took longer.

    The work calls what it is given when its workers are there: a cluster whose worker is killed
    while it starts does not start. Noise can make the seconds less than nothing.
    """
    announce("killing a worker in the middle")
    killer = threading.Timer(undisturbed / 3, _kill_a_worker)
    began = time.perf_counter()
    work(killer.start)
    took = time.perf_counter() - began
    killer.cancel()
    return took - undisturbed


def _kill_a_worker() -> None:
    for process in psutil.Process().children(recursive=True):
        if "spawn_main" in " ".join(process.cmdline()):
            process.kill()
            return


def _compare(what: str, turns: Turns) -> Iterator[Metric]:
    for name in (ALONE, ONE, TWO):
        yield Metric(f"{what}_seconds_{name}", turns.seconds(name), "s")
    yield Metric(f"{what}_two_worker_speedup", turns.ratio(ONE, TWO), "x")
    yield Metric(f"{what}_two_workers_over_alone", turns.ratio(ALONE, TWO), "x")


def _score(candidates: Candidates, engine: object, out: Path) -> None:
    pairs, genome = candidates.pairs, candidates.genome
    score_file(engine, genome, pairs, out, bad_pairs="skip", overwrite=True)


def _require_same(inputs: Inputs, out: Path, alone: Path, work: Work) -> None:
    """Make sure that the store from which a worker was torn is that of a build alone."""
    inputs.build(alone, work.build.store)
    for file in alone.rglob("*"):
        if file.is_file():
            other = out / file.relative_to(alone)
            assert file.read_bytes() == other.read_bytes(), other


if __name__ == "__main__":
    main()

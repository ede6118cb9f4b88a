"""One object, several threads: the answers of one thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Barrier
from typing import Any

import numpy as np

from torture.children import Lost, run
from torture.commands import Inputs

CALLS = 24


def threads(inputs: Inputs, folder: Path, draw: Random) -> str:
    """A genome, a store or an engine that 2 to 8 threads use at once."""
    kind = draw.choice(["genome", "store", "engine"])
    n_threads = draw.choice([2, 3, 4, 8])
    seed = draw.getrandbits(32)

    def compare() -> None:
        if kind == "engine":
            import torch

            torch.set_num_threads(1)
        new = {"genome": _genome, "store": _store, "engine": _engine}[kind]
        n_calls = CALLS if kind != "engine" else 8
        alone, together = new(inputs, seed), new(inputs, seed)
        expected = [alone(call) for call in range(n_calls)]
        found = _from_threads(together, n_calls, n_threads)
        for call, (one, other) in enumerate(zip(expected, found, strict=True)):
            if not np.allclose(one, other, rtol=0, atol=1e-5):
                raise Lost(f"{kind}: call {call} differs under {n_threads} threads")

    outcome = run(compare, folder)
    if outcome.code:
        raise Lost(outcome.err.strip()[-400:])
    return kind


def _from_threads(work: Callable[[int], Any], n_calls: int, n_threads: int) -> list[Any]:
    barrier = Barrier(n_threads)

    def share(thread: int) -> list[tuple[int, Any]]:
        barrier.wait()
        return [(call, work(call)) for call in range(thread, n_calls, n_threads)]

    with ThreadPoolExecutor(n_threads) as pool:
        found = [pair for some in pool.map(share, range(n_threads)) for pair in some]
    return [result for _, result in sorted(found, key=lambda pair: pair[0])]


def _genome(inputs: Inputs, seed: int) -> Callable[[int], np.ndarray]:
    from epipam.genome.fasta import Genome

    genome = Genome(inputs.genome)

    def fetch(call: int) -> np.ndarray:
        draw = Random(seed + call)
        contig = draw.choice(inputs.contigs)
        start = draw.randrange(20_000)
        return np.frombuffer(genome.fetch(contig, start, start + 5_000).encode(), np.uint8)

    return fetch


def _store(inputs: Inputs, seed: int) -> Callable[[int], np.ndarray]:
    from epipam.store import Store

    store = Store(inputs.store)

    def read(call: int) -> np.ndarray:
        contig = Random(seed + call).choice(store.contigs)
        rows = store.read(contig, 0, store.n_rows(contig))
        return np.concatenate([np.asarray(column).ravel().astype(np.int64) for column in rows])

    return read


def _engine(inputs: Inputs, seed: int) -> Callable[[int], np.ndarray]:
    from epipam.scoring.engine import PairWindows
    from epipam.scoring.score import load_engine

    engine = load_engine(inputs.model, "cpu")
    rng = np.random.default_rng(seed)
    codes = np.array([8, 4, 2, 1], dtype=np.uint8)

    def windows(length: int) -> np.ndarray:
        bases = rng.choice(codes, (6, length))
        return (bases[:, ::2] << 4) | bases[:, 1::2]

    enhancers, promoters = windows(engine.enhancer_length), windows(engine.promoter_length)

    def score(call: int) -> np.ndarray:
        draw = np.random.default_rng(seed + call)
        return engine.logits(
            PairWindows(enhancers, promoters, draw.integers(0, 6, 8), draw.integers(0, 6, 8))
        )

    return score

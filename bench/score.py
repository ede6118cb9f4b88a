"""How fast candidate pairs of a genome are scored, and that the scores are the plain model's.

`epipam score`, from files to a file, on all pairs within 1 Mb of the HUVEC regions of two contigs,
over simulated sequence, beside batched forward passes of the published layers written down plainly
(`measuring.plain`), of which some of the same pairs suffice; and `kipoi predict`'s pipeline beside
the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from measuring.arithmetic import (
    multiplications_per_second,
    plain_multiplications,
    shared_multiplications,
)
from measuring.candidates import Candidates, real_candidates, simulated_candidates
from measuring.memory import peak_memory
from measuring.plain import PlainEpipam
from measuring.result import Metric, announce, environment, print_result
from measuring.timing import time_in_turn

from epipam.genome.fasta import Genome
from epipam.kipoi.export import export_folder
from epipam.models import Epipam, EpipamConfig, create_model, load_model, save_model, unpack
from epipam.pairs.table import read_pairs
from epipam.runtime.devices import choose_device, describe_device
from epipam.runtime.memory import keep_freed_memory
from epipam.scoring.engine import PairWindows, PlainEngine
from epipam.scoring.score import engine_for, probabilities, read_windows, score_file

# Both have 9.3 pairs per enhancer; the mean of the genome is 9.2.
SAMPLE = ["chr14", "chr20"]
PLAIN_BATCH = 100
EPIPAM = (sys.executable, "-c", "from epipam.cli import main; main()")


@dataclass(frozen=True)
class Scale:
    """How many pairs each way of scoring gets."""

    sample: list[str]
    plain_pairs: int
    kipoi_pairs: int
    turns: int
    windows: EpipamConfig


FULL = Scale(SAMPLE, plain_pairs=800, kipoi_pairs=3_200, turns=3, windows=EpipamConfig())
QUICK = Scale([], 12, 40, 1, EpipamConfig(enhancer_length=1_300, promoter_length=1_250))


class PlainScorer(PlainEngine):
    """Batched forward passes of the published layers: what epipam is compared with."""

    def __init__(self, network: Epipam, device: torch.device) -> None:
        super().__init__(network, device, PLAIN_BATCH)
        self.plain = PlainEpipam(network.config).to(device).eval()
        self.plain.load_state_dict(network.state_dict())

    @torch.inference_mode()
    def logits(self, windows: PairWindows) -> np.ndarray:
        """Return float64 (n_pairs,)."""
        found = []
        for first in range(0, len(windows), self.batch_size):
            rows = slice(first, first + self.batch_size)
            packed = (
                windows.enhancer[windows.enhancer_row[rows]],
                windows.promoter[windows.promoter_row[rows]],
            )
            lengths = (self.enhancer_length, self.promoter_length)
            onehot = (
                unpack(torch.from_numpy(some).to(self.device), length).contiguous()
                for some, length in zip(packed, lengths, strict=True)
            )
            found.append(self.plain(*onehot)[0].double().cpu().numpy())
        return np.concatenate(found)


SKIP = ("--bad-pairs", "skip")


def main() -> None:
    """Measure, and print."""
    asked = _arguments()
    scale = QUICK if asked.quick else FULL
    device = choose_device()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        announce("simulating a genome under the candidates")
        contigs = [] if asked.whole else scale.sample
        candidates = None if asked.quick else real_candidates(folder, contigs)
        candidates = candidates or simulated_candidates(folder, 3_000_000)
        model = export_folder(_model(folder / "model", scale.windows), folder / "EPIPAM")
        found_in = {
            **environment(quick=asked.quick),
            "device": describe_device(device),
            "threads": torch.get_num_threads(),
            "candidates": candidates.source,
            "weights": "random" if asked.quick else "bundled",
        }
        if asked.whole:
            metrics = list(whole_job(candidates, model, folder))
        else:
            metrics = list(against_plain(candidates, model, folder, device, scale))
        if device.type == "cuda" and not asked.whole:
            metrics += reduced_precision(candidates, load_model(model), device, scale)
    print_result("score", found_in, metrics)


def against_plain(
    candidates: Candidates, model: Path, folder: Path, device: torch.device, scale: Scale
) -> Iterator[Metric]:
    """Yield how fast pairs are scored, by epipam and by plain forward passes, in turn."""
    network = load_model(model)
    engines = {
        "score": engine_for(network, device),
        "forward": PlainEngine(network, device),
        "plain": PlainScorer(network, device),
    }
    few = candidates.first(scale.plain_pairs)
    pairs = {"score": candidates.pairs, "forward": few, "plain": few}
    n_pairs = {"kipoi": scale.kipoi_pairs}

    def score(name: str) -> None:
        out = folder / f"{name}.tsv"
        # The simulated genome has runs of N, as a real one; the regions know only the real ones.
        result = score_file(
            engines[name], candidates.genome, pairs[name], out, bad_pairs="skip", overwrite=True
        )
        n_pairs[name] = result.rows - sum(result.skipped.values())

    kipoi = _kipoi_model(model)
    some = candidates.first(scale.kipoi_pairs)
    announce(f"scoring {candidates.n_pairs:,} pairs, {scale.turns} turns")
    turns = time_in_turn(
        {
            "plain": lambda: score("plain"),
            "score": lambda: score("score"),
            "forward": lambda: score("forward"),
            "kipoi": lambda: kipoi.pipeline.predict(
                {"genome": str(candidates.genome), "pairs": str(some)}, batch_size=32
            ),
        },
        scale.turns,
    )
    rates = {name: turns.seconds(name) / n for name, n in n_pairs.items()}
    for name, seconds in rates.items():
        yield Metric(f"{name}_pairs_per_second", 1 / seconds, "pairs/s")
    yield from arithmetic(candidates, network.config, rates)
    for name in ("score", "kipoi"):
        per_pair = n_pairs["plain"] / n_pairs[name]
        yield Metric(f"{name}_over_plain", turns.ratio("plain", name) / per_pair, "x")
        yield Metric(f"{name}_over_forward", turns.ratio("forward", name) / per_pair, "x")
    scores, plain = (
        pd.read_csv(folder / f"{name}.tsv", sep="\t", comment="#", nrows=scale.plain_pairs)[
            "probability"
        ]
        for name in ("score", "plain")
    )
    yield Metric("score_max_abs_difference", np.abs(scores - plain).max(), "probability")


def reduced_precision(
    candidates: Candidates, network: Epipam, device: torch.device, scale: Scale
) -> Iterator[Metric]:
    """Yield how fast forward passes in bfloat16 are on a GPU, and how far they move the scores."""
    engine = PlainEngine(network, device)
    frame = read_pairs(candidates.first(scale.plain_pairs)).frame
    genome = Genome(candidates.genome)
    contigs = {name: name for name in genome.contigs}
    lengths = (engine.enhancer_length, engine.promoter_length)
    windows = read_windows(frame, genome, contigs, *lengths)

    def reduced() -> np.ndarray:
        with torch.autocast(device.type, torch.bfloat16):
            return engine.logits(windows)

    exact, moved = probabilities(engine.logits(windows)), probabilities(reduced())
    turns = time_in_turn({"float32": lambda: engine.logits(windows), "bf16": reduced}, scale.turns)
    for name in ("float32", "bf16"):
        rate = len(windows) / turns.seconds(name)
        yield Metric(f"forward_{name}_pairs_per_second", rate, "pairs/s")
    yield Metric("bf16_max_abs_difference", np.abs(moved - exact).max(), "probability")


def arithmetic(
    candidates: Candidates, config: EpipamConfig, seconds_per_pair: dict[str, float]
) -> Iterator[Metric]:
    """Yield how many multiplications a pair takes, and at what share of the machine's rate."""
    rows = pd.read_csv(candidates.pairs, sep="\t", header=None)
    distinct = (len(rows.drop_duplicates(columns)) for columns in ([0, 1, 2], [3, 4, 5]))
    needed = {
        "plain": plain_multiplications(config),
        "score": shared_multiplications(config, len(rows), *distinct),
    }
    rate = multiplications_per_second()
    yield Metric("matrix_product_rate", rate / 1e9, "1e9 multiplications/s")
    for name, n in needed.items():
        share = n / seconds_per_pair[name] / rate
        yield Metric(f"{name}_multiplications_per_pair", n / 1e6, "1e6 multiplications")
        yield Metric(f"{name}_share_of_matrix_product_rate", share, "x")


def whole_job(candidates: Candidates, model: Path, folder: Path) -> Iterator[Metric]:
    """Yield what `epipam score` takes for all pairs of the genome, and what for a tenth."""

    def peak(pairs: Path) -> int:
        out = folder / "scores.bedpe.gz"
        return peak_memory([*EPIPAM, "score", model, candidates.genome, pairs, "-o", out, *SKIP])

    announce(f"scoring a tenth of {candidates.n_pairs:,} pairs, then all, once")
    few = peak(candidates.first(candidates.n_pairs // 10))
    (folder / "scores.bedpe.gz").unlink()
    began = time.perf_counter()
    many = peak(candidates.pairs)
    seconds = time.perf_counter() - began
    yield Metric("whole_job_pairs", candidates.n_pairs, "pairs")
    yield Metric("whole_job_seconds", seconds, "s")
    yield Metric("whole_job_pairs_per_second", candidates.n_pairs / seconds, "pairs/s")
    yield Metric("whole_job_peak_memory", many / 1e6, "MB")
    yield Metric("whole_job_memory_ratio", many / few, "x")


def _model(folder: Path, config: EpipamConfig) -> Path:
    """Return a model folder: the bundled weights, or random ones where windows are shorter."""
    if config == EpipamConfig():
        return Path(__file__).parents[1] / "kipoi_model" / "EPIPAM"
    save_model(create_model("epipam", config), folder, {})
    return folder


def _kipoi_model(folder: Path):  # type: ignore[no-untyped-def]  # kipoi has no types
    import kipoi

    return kipoi.get_model(str(folder), source="dir")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Small inputs: seconds, no meaning.")
    parser.add_argument("--whole", action="store_true", help="All pairs of the genome, once.")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""How fast a training step is beside the published layers written down plainly in PyTorch.

A step is forward, both heads' loss, backward and Adam, on batches of 100 pairs. Each network runs
in a process of its own, in alternation: the plain one as any PyTorch script would run it, and once
more with the allocator set as `epipam train` sets it. On a GPU also what a step makes of it, by
precision, and what takes its time.
"""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from types import TracebackType

import torch
from measuring.plain import PlainEpipam
from measuring.result import Metric, announce, asked_to_be_quick, environment, print_result
from measuring.timing import time_in_turn
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from epipam.loading.loader import BATCH_SIZE
from epipam.models import EpipamConfig, create_model, unpack
from epipam.runtime.devices import describe_device
from epipam.runtime.memory import keep_freed_memory
from epipam.training.settings import TrainSettings

ALPHA = TrainSettings().alpha
TOP = 10


@dataclass(frozen=True)
class Scale:
    """The windows, and how often a step is timed."""

    config: EpipamConfig
    batch_size: int
    turns: int
    steps: int


FULL = Scale(EpipamConfig(), BATCH_SIZE, turns=11, steps=3)
QUICK = Scale(EpipamConfig(enhancer_length=1_300, promoter_length=1_250), 8, turns=1, steps=1)


@dataclass(frozen=True)
class Contender:
    """A network, and how its process keeps its memory."""

    plain: bool
    keeps_memory: bool


CONTENDERS = {
    "epipam": Contender(plain=False, keeps_memory=True),
    "epipam_default_memory": Contender(plain=False, keeps_memory=False),
    "plain": Contender(plain=True, keeps_memory=False),
    "plain_kept_memory": Contender(plain=True, keeps_memory=True),
}


def main() -> None:
    """Measure, and print."""
    quick = asked_to_be_quick(__doc__)
    scale = QUICK if quick else FULL
    found_in = {
        **environment(quick=quick),
        "device": describe_device(torch.device("cpu")),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    metrics = [*steps(scale), *gradients(scale)]
    for plain in (False, True):
        found_in["profile_plain" if plain else "profile"] = top_of_profile(
            trainer_of(scale, plain, torch.device("cpu")), "self_cpu_time_total"
        )
    if torch.cuda.is_available():
        metrics += gpu(scale, found_in)
    print_result("train", found_in, metrics)


def steps(scale: Scale) -> Iterator[Metric]:
    """Yield how fast steps are, and how much faster than plain ones."""
    with ExitStack() as stack:
        processes = {
            name: stack.enter_context(StepProcess(contender, scale))
            for name, contender in CONTENDERS.items()
        }
        works = {name: process.take_steps for name, process in processes.items()}
        announce(f"taking {scale.steps} steps each in {scale.turns} turns")
        time_in_turn(works, 1)
        turns = time_in_turn(works, scale.turns)
    for name in works:
        rate = scale.steps * scale.batch_size / turns.seconds(name)
        yield Metric(f"{name}_pairs_per_second", rate, "window pairs/s")
        yield Metric(f"{name}_step_seconds", turns.seconds(name) / scale.steps, "s")
    yield Metric("step_over_plain", turns.ratio("plain", "epipam"), "x")
    kept = turns.ratio("plain_kept_memory", "epipam")
    yield Metric("step_over_plain_kept_memory", kept, "x")
    default = turns.ratio("plain", "epipam_default_memory")
    yield Metric("step_over_plain_default_memory", default, "x")


def gradients(scale: Scale) -> Iterator[Metric]:
    """Yield how far gradients are from the plain ones, dropout off.

    The difference of a parameter is its largest one over the parameter's largest plain gradient.
    In float64 the two are the same function. In float32 a few of three million max-pools have two
    candidates that are equal but for rounding, and which of them gets the gradient is as
    arbitrary for the plain network: how far that one is from itself in float64, and from itself
    in float32 without oneDNN, is there to see.
    """
    single, double = (
        {
            plain: gradients_of(network(scale, plain, torch.device("cpu")).to(dtype), scale, dtype)
            for plain in (False, True)
        }
        for dtype in (torch.float32, torch.float64)
    )
    name = "step_gradient_max_relative_difference"
    yield Metric(name, furthest(double[False], double[True]), "x")
    yield Metric(f"{name}_float32", furthest(single[False], single[True]), "x")
    itself = furthest(single[True], double[True])
    yield Metric(f"{name}_plain_float32_from_float64", itself, "x")
    with torch.backends.mkldnn.flags(enabled=False):
        plain = network(scale, True, torch.device("cpu"))
        otherwise = furthest(gradients_of(plain, scale, torch.float32), single[True])
    yield Metric(f"{name}_plain_float32_without_onednn", otherwise, "x")


def furthest(gradients: list[Tensor], references: list[Tensor]) -> float:
    """Return the largest relative difference of any parameter."""
    return max(
        ((one - other).abs().max() / other.abs().max()).item()
        for one, other in zip(gradients, references, strict=True)
    )


def gradients_of(model: nn.Module, scale: Scale, dtype: torch.dtype) -> list[Tensor]:
    """Return the gradients of a step with dropout off."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    loss_of(model, batch(scale, torch.device("cpu")), dtype).backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


class StepProcess:
    """A process that takes steps when it is told to."""

    def __init__(self, contender: Contender, scale: Scale) -> None:
        self.steps = scale.steps
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        arguments = (other, contender, scale)
        self.process = context.Process(target=serve_steps, args=arguments, daemon=True)
        self.process.start()
        other.close()

    def take_steps(self) -> None:
        """Take the steps, and wait for them."""
        self.connection.send(self.steps)
        self.connection.recv()

    def __enter__(self) -> StepProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()
        self.process.join(timeout=30)


def serve_steps(connection: Connection, contender: Contender, scale: Scale) -> None:
    """Take as many steps as asked for, until nobody asks."""
    if contender.keeps_memory:
        keep_freed_memory()
    step = trainer_of(scale, contender.plain, torch.device("cpu"))
    while True:
        try:
            n_steps = connection.recv()
        except EOFError:
            return
        for _ in range(n_steps):
            step()
        connection.send(None)


def trainer_of(
    scale: Scale,
    plain: bool,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    change: Callable[[nn.Module], nn.Module] | None = None,
) -> Callable[[], None]:
    """Return what takes one step of a fresh network, on one batch that is kept.

    Parameters
    ----------
    dtype
        bfloat16 is mixed precision.
    change
        What the network becomes before it trains.
    """
    model = network(scale, plain, device)
    settings = TrainSettings().with_model_defaults()
    optimiser = torch.optim.Adam(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    changed = change(model) if change else model
    kept = batch(scale, device)

    def step() -> None:
        loss = loss_of(changed, kept, dtype)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


class BothHeads(nn.Module):
    """Epipam, called for the logits of both heads."""

    def __init__(self, config: EpipamConfig) -> None:
        super().__init__()
        self.network = create_model("epipam", config)

    def forward(self, enhancer: Tensor, promoter: Tensor) -> tuple[Tensor, Tensor | None]:
        logits = self.network.both_logits(enhancer, promoter)
        return logits.main, logits.auxiliary


def network(scale: Scale, plain: bool, device: torch.device) -> nn.Module:
    """Return a network with the same weights, whichever it is."""
    torch.manual_seed(0)
    ours = BothHeads(scale.config)
    if not plain:
        return ours.to(device)
    other = PlainEpipam(scale.config)
    other.load_state_dict(ours.network.state_dict())
    return other.to(device)


@dataclass(frozen=True)
class PackedBatch:
    """Windows as a loader hands them out, and labels."""

    windows: tuple[Tensor, Tensor]
    label: Tensor


def batch(scale: Scale, device: torch.device) -> PackedBatch:
    """Return a batch of random bases."""
    drawn = torch.Generator().manual_seed(1)
    codes = torch.tensor([8, 4, 2, 1], dtype=torch.uint8)

    def windows(length: int) -> Tensor:
        bases = codes[torch.randint(4, (scale.batch_size, length), generator=drawn)]
        return (bases[:, 0::2] * 16 + bases[:, 1::2]).to(device)

    config = scale.config
    packed = windows(config.enhancer_length), windows(config.promoter_length)
    label = torch.randint(2, (scale.batch_size,), generator=drawn)
    return PackedBatch(packed, label.to(device))


def loss_of(model: nn.Module, kept: PackedBatch, dtype: torch.dtype) -> Tensor:
    """Return the loss of both heads."""
    windows = kept.windows
    if isinstance(model, PlainEpipam):
        lengths = model.config.enhancer_length, model.config.promoter_length
        parameters = next(model.parameters()).dtype
        windows = tuple(  # type: ignore[assignment]
            unpack(packed, length, parameters).contiguous()
            for packed, length in zip(windows, lengths, strict=True)
        )
    mixed = dtype == torch.bfloat16
    with torch.autocast(kept.label.device.type, torch.bfloat16, enabled=mixed):
        main, auxiliary = model(*windows)
    target = kept.label.to(main.dtype)
    losses = [F.binary_cross_entropy_with_logits(logits, target) for logits in (main, auxiliary)]
    return ALPHA * losses[0] + (1 - ALPHA) * losses[1]


def top_of_profile(step: Callable[[], None], by: str) -> list[str]:
    """Return what takes most of a step: operation and its share of the whole, per cent."""
    for _ in range(2):
        step()
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with profile(activities=activities) as profiled:
            step()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
        events = profiled.key_averages()
    times = sorted(((getattr(event, by), event.key) for event in events), reverse=True)
    whole = sum(taken for taken, _ in times)
    return [f"{name} {100 * taken / whole:.1f} %" for taken, name in times[:TOP]]


def gpu(scale: Scale, found_in: dict[str, object]) -> Iterator[Metric]:
    """Yield rates on the GPU, their share of its matrix products' peak; note the top kernels."""
    device = torch.device("cuda")
    found_in["gpu"] = describe_device(device)
    products = 2 * 3 * multiplications(scale.config) * scale.batch_size
    ways: dict[str, Callable[[nn.Module], nn.Module] | None] = {
        "eager": None,
        "compiled": torch.compile,
        "compiled_cuda_graphs": partial(torch.compile, mode="reduce-overhead"),
    }
    for precision, dtype in (("float32", torch.float32), ("bf16_mixed", torch.bfloat16)):
        peak = matrix_product_peak(device, dtype)
        yield Metric(f"gpu_{precision}_matrix_product_peak", peak / 1e12, "TFLOP/s")
        for way, change in ways.items():
            step = trainer_of(scale, False, device, dtype, change)
            seconds = seconds_on_gpu(step, scale.turns * scale.steps)
            name = f"gpu_{precision}_{way}"
            yield Metric(f"{name}_pairs_per_second", scale.batch_size / seconds, "window pairs/s")
            yield Metric(f"{name}_share_of_peak", products / seconds / peak, "x")
            found_in[f"{name}_profile"] = top_of_profile(step, "self_device_time_total")


def multiplications(config: EpipamConfig) -> int:
    """Return the multiplications of one pair's forward pass in convolutions and relations."""
    total = 0
    lengths = (config.enhancer_length, config.promoter_length)
    positions = [config.positions(length) for length in lengths]
    for length, left in zip(lengths, positions, strict=True):
        inputs, before = 4, length
        for kernel, after in zip(config.kernels, left, strict=True):
            total += (before - kernel + 1) * kernel * inputs * config.channels
            inputs, before = config.channels, after
    return total + sum(n * m * config.channels for n, m in zip(*positions, strict=True))


def matrix_product_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Return the rate of one large matrix product, floating-point operations a second."""
    size = 8_192
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds_on_gpu(lambda: torch.mm(one, other), 10)


def seconds_on_gpu(work: Callable[[], object], repeats: int) -> float:
    """Return the seconds of one of several runs, after some that warm up."""
    for _ in range(5):
        work()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


if __name__ == "__main__":
    main()

"""What the test modules share: genomes and files made on the spot, the real data, hypothesis."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pysam
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from warm_commands import COMMANDS, WarmCommands

# The machine may be busy: how long an example takes says nothing about the code.
settings.register_profile("epipam", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("epipam")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# What trains a model, or starts command after command; `bin/test --fast` leaves it out.
SLOW_FILES = (
    "cli/test_crossval_command.py",
    "cli/test_train.py",
    "e2e/",
    "training/crossval/",
    "training/test_boosting.py",
    "training/test_distributed_training.py",
    "training/test_fit.py",
    "workflow/",
)
SLOW_FIXTURES = {"made_again", "warm_path"}

WriteGenome = Callable[..., Path]
MakeOnce = Callable[[str, Callable[[Path], object]], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what lies in a slow file or asks for a slow fixture."""
    for item in items:
        file = item.path.relative_to(Path(__file__).parent).as_posix()
        fixtures = getattr(item, "fixturenames", ())
        if file.startswith(SLOW_FILES) or SLOW_FIXTURES.intersection(fixtures):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real input, which lies beside the repository and not in it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data are absent: no folder {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def real_sequence(shared_data: Path) -> str:
    """Return the two megabases of chr20, read without pysam and without epipam."""
    with gzip.open(shared_data / "genome/hg19_chr20_2Mb.fa.gz", "rt", encoding="ascii") as handle:
        header, *lines = handle.read().split("\n")
    assert header == ">chr20"
    return "".join(lines)


@pytest.fixture
def write_genome(tmp_path: Path) -> WriteGenome:
    """Return `write(contigs, name="genome.fa", width=60)`, which makes a FASTA.

    It is bgzip where the name ends in `.gz`.
    """

    def write(contigs: dict[str, str], name: str = "genome.fa", width: int = 60) -> Path:
        path = tmp_path / name
        text = "".join(
            f">{contig}\n" + "".join(f"{s[i : i + width]}\n" for i in range(0, len(s), width))
            for contig, s in contigs.items()
        )
        if name.endswith(".gz"):
            with pysam.BGZFile(str(path), "w", None) as handle:
                handle.write(text.encode("ascii"))
        else:
            path.write_text(text, encoding="ascii")
        return path

    return write


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Return `make_once(name, make)`, which has one test process make a folder for all.

    It returns the folder that `make(folder)` has filled, now or in another process.
    """
    ours = tmp_path_factory.getbasetemp()
    shared = ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours

    def make_once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / f"once-{name}", shared / f"once-{name}.done"
        with FileLock(shared / f"once-{name}.lock"):
            if not done.exists():
                assert not folder.exists(), f"{name} was begun and could not be made"
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return make_once


@pytest.fixture(scope="session")
def matplotlib_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all processes: matplotlib looks for fonts wherever it has not been before."""
    return tmp_path_factory.mktemp("matplotlib")


@pytest.fixture(scope="session")
def warm_path(tmp_path_factory: pytest.TempPathFactory, matplotlib_folder: Path) -> Iterator[str]:
    """Return a `PATH` on which the environment's commands start at once."""
    folder = tmp_path_factory.mktemp("warm") / "bin"
    variables = {"MPLCONFIGDIR": str(matplotlib_folder), "CUDA_VISIBLE_DEVICES": ""}
    with closing(WarmCommands(folder, {**os.environ, **variables})):
        yield os.pathsep.join([str(folder), str(COMMANDS), os.environ["PATH"]])


@pytest.fixture
def new_fork_server() -> None:
    """Stop a fork server of earlier tests, which has their environment and their imports."""
    from multiprocessing.forkserver import _forkserver

    _forkserver._stop()

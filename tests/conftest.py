"""What the test modules share: genomes and files made on the spot, the real data, hypothesis."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pysam
import pytest
from hypothesis import HealthCheck, settings
from warm_commands import COMMANDS, WarmCommands

# The machine may be busy: how long an example takes says nothing about the code.
settings.register_profile("epipam", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("epipam")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

WriteGenome = Callable[..., Path]


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

"""Which compiled loops there are, and what they refuse to read."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch

from epipam.scoring import native
from epipam.scoring.native import loops
from epipam.scoring.native.library import library
from epipam.scoring.native.loops import KmerShape, kmer_maxima, lanes_for


def test_the_loops_are_built_where_there_is_a_compiler() -> None:
    assert library() is not None or shutil.which("cc") is None


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 8, 15, 16, 64, 100])
def test_vectors_are_no_wider_than_the_channels(channels: int) -> None:
    widest = lanes_for(10_000) or 0
    expected = [lanes for lanes in (4, 8, 16) if lanes <= min(widest, channels)]
    assert lanes_for(channels) == max(expected, default=None)


def test_what_was_not_compiled_serves_no_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "library", lambda: None)
    assert lanes_for(64) is None


@pytest.mark.parametrize(
    "codes",
    [
        torch.zeros((1, 4), dtype=torch.int64),
        torch.zeros((4, 2), dtype=torch.int32).T,
        torch.zeros((1, 4), dtype=torch.int32, device="meta"),
    ],
    ids=["type", "strides", "device"],
)
def test_what_a_loop_cannot_read_has_no_address(codes: torch.Tensor) -> None:
    shape = KmerShape(4, 1, 1, 4, 1, 4)
    with pytest.raises(ValueError, match=r"reads contiguous .*int32 on the processor"):
        kmer_maxima(4, shape, codes, torch.zeros(1, 4), torch.zeros(4))


def test_no_compiler_is_no_obstacle_to_installing(tmp_path: Path) -> None:
    """Build the extension with a compiler that fails; the build itself must not."""
    root = Path(native.__file__).parents[3]
    done = subprocess.run(
        [
            sys.executable,
            "setup.py",
            "build_ext",
            "--build-lib",
            tmp_path,
            "--build-temp",
            tmp_path,
        ],
        cwd=root,
        env={"CC": "false", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "failed" in done.stdout + done.stderr
    assert not list(tmp_path.rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"))

"""Other people's loaders beside ours: the windows they are given, and a peer that is not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from epipam.store import Store, StoreSettings, build_store
from epipam.store.schema import WINDOW_COLUMNS

BENCH = Path(__file__).parents[1] / "bench"
SETTINGS = StoreSettings(60, 41, augment=1, max_shift=9)


@pytest.fixture(autouse=True)
def measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the benchmarks' own package importable."""
    monkeypatch.syspath_prepend(BENCH)


@pytest.fixture
def store(tmp_path) -> Store:
    genome, pairs = tmp_path / "g.fa", tmp_path / "p.bedpe"
    genome.write_text("".join(f">{contig}\n{'ACGTTGCA' * 100}\n" for contig in ("chr1", "chr2")))
    rows = [(c, s) for c in ("chr1", "chr2") for s in range(100, 400, 50)]
    pairs.write_text("".join(f"{c}\t{s}\t{s + 40}\t{c}\t{s + 90}\t{s + 99}\t1\n" for c, s in rows))
    build_store(genome, pairs, tmp_path / "s", SETTINGS, label_column="7")
    return Store(tmp_path / "s")


def test_peers_are_given_the_windows_of_the_store(store, tmp_path):
    from measuring.peers import Windows

    windows = Windows(store, tmp_path / "windows", 10)
    assert windows.n_pairs == 10
    assert windows.bases == (60, 41)
    starts = [WINDOW_COLUMNS.index(f"{anchor}_start") for anchor in ("enhancer", "promoter")]
    for file, column, length in zip(windows.files, starts, windows.bases, strict=True):
        expected = [
            f"{contig}\t{start}\t{start + length}"
            for contig in store.contigs
            for start in store.read(contig, 0, 5).window[:, column].tolist()
        ]
        assert file.read_text().splitlines() == expected


def test_a_peer_that_cannot_be_installed_says_why(store, tmp_path, monkeypatch):
    from measuring import peers

    def no_network(*_, **__):
        return subprocess.CompletedProcess([], 1, stdout="", stderr="pip: trying\nno network\n")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(peers.subprocess, "run", no_network)
    windows = peers.Windows(store, tmp_path / "windows", 10)
    with pytest.raises(peers.PeerError, match="cannot be installed: no network"):
        peers.Peer("kipoiseq", tmp_path / "g.fa", windows, 5)


def test_a_peer_that_fails_or_reads_something_else_is_not_compared(store, tmp_path, monkeypatch):
    from measuring import peers

    monkeypatch.setattr(peers, "PEERS", tmp_path)
    monkeypatch.setattr(peers, "installed", lambda name: Path(sys.executable))
    windows = peers.Windows(store, tmp_path / "windows", 10)
    peer = tmp_path / "some_peer.py"
    for script, said in (
        ("raise SystemExit('it broke')", "does not run: it broke"),
        ("input(); print('{\"bases\": [60, 40]}')", r"reads windows of \(60, 40\) bases"),
    ):
        peer.write_text(script)
        with pytest.raises(peers.PeerError, match=said):
            peers.Peer("some", tmp_path / "g.fa", windows, 5)
    peer.write_text("while True: input(); print('{\"bases\": [60, 41]}', flush=True)")
    with peers.Peer("some", tmp_path / "g.fa", windows, 5) as working:
        working.read_all()

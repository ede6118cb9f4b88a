"""bedGraph and bigWig, read by other means than those that write them."""

import gzip

import numpy as np
import pyBigWig
import pysam
import pytest

from epipam.interpret import value_tracks as subject
from epipam.interpret.value_tracks import ENDINGS, open_track
from epipam.runtime.files import check_new_file

CONTIGS = [("chr10", 500), ("chr2", 1_000)]
ROWS = [
    ("chr10", 0, 10, 0.25), ("chr10", 10, 20, 0.5), ("chr10", 490, 500, 1e-7),
    ("chr2", 100, 101, 3.0), ("chr2", 999, 1_000, 0.0033703831),
]  # fmt: skip


def write(path, ending):
    with open_track(path, ending, CONTIGS) as write:
        for contig, _ in CONTIGS:
            start, end, value = zip(*(row[1:] for row in ROWS if row[0] == contig), strict=True)
            write(contig, np.array(start), np.array(end), np.array(value, dtype=np.float32))


@pytest.mark.parametrize("ending", ENDINGS)
def test_values_are_where_they_were_put(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(subject, "_ROWS_AT_ONCE", 2)
    path = tmp_path / f"track{ending}"
    assert check_new_file(path, "a track", ENDINGS, overwrite=False) == ending
    write(path, ending)
    if ending.lower() in (".bw", ".bigwig"):
        with pyBigWig.open(str(path)) as handle:
            assert handle.chroms() == dict(CONTIGS)
            found = [(c, *entry) for c, _ in CONTIGS for entry in handle.intervals(c)]
    else:
        data = path.read_bytes()
        text = (gzip.decompress(data) if ending.endswith(".gz") else data).decode()
        fields = [line.split("\t") for line in text.splitlines()]
        found = [(c, int(s), int(e), float(v)) for c, s, e, v in fields]
    assert [row[:3] for row in found] == [row[:3] for row in ROWS]
    np.testing.assert_allclose([row[3] for row in found], [row[3] for row in ROWS], rtol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


def test_a_compressed_bedgraph_can_be_indexed(tmp_path):
    path = tmp_path / "track.bedgraph.gz"
    write(path, ".bedgraph.gz")
    pysam.tabix_index(str(path), preset="bed")
    with pysam.TabixFile(str(path)) as handle:
        assert [row.split("\t")[1] for row in handle.fetch("chr10", 5, 15)] == ["0", "10"]
        assert [row.split("\t")[1] for row in handle.fetch("chr2", 500, 1_000)] == ["999"]


@pytest.mark.parametrize("ending", [".bedgraph", ".bedgraph.gz", ".bw"])
def test_an_error_leaves_nothing(tmp_path, ending):
    with pytest.raises(KeyError), open_track(tmp_path / f"t{ending}", ending, CONTIGS) as write:
        write("chr10", np.array([0]), np.array([5]), {}["no value"])
    assert list(tmp_path.iterdir()) == []

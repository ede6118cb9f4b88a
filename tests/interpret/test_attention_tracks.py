"""The attention of many pairs along the genome, against one pair and one base at a time."""

import numpy as np
import pyBigWig
import pytest
import torch

from epipam.errors import ModelError, PairTableError, RequestError
from epipam.genome.encoding import encode_packed
from epipam.genome.fasta import Genome
from epipam.genome.windows import resize
from epipam.interpret import attention_tracks as subject
from epipam.interpret.attention_tiles import attention_tiles
from epipam.interpret.attention_tracks import TrackSettings, write_track
from epipam.interpret.mutagenesis import read_pair
from epipam.models import EpipamConfig, create_model
from epipam.models.onehot import unpack

LENGTHS = {"enhancer": 260, "promoter": 251}
CONFIG = EpipamConfig(*LENGTHS.values(), channels=8, kernels=(9, 5, 3), pools=(5, 4, 3))
PAIRS = [
    ("chr2", 300, 310, "chr2", 900, 904),
    ("chr2", 300, 310, "chr2", 700, 720),
    ("2", 400, 420, "2", 700, 720),
    ("chr1", 20, 30, "chr1", 380, 390),
    ("chr2", 650, 655, "chr2", 700, 720),
    ("chr2", 300, 310, "chr2", 900, 904),
]
# A contig shorter than two windows, so that windows stick out on both sides.
CONTIGS = {"chr1": 400, "chr2": 1_200}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracks")
    rng = np.random.default_rng(2)
    letters = {name: "".join(rng.choice(list("ACGT"), n)) for name, n in CONTIGS.items()}
    (folder / "g.fa").write_text("".join(f">{c}\n{s}\n" for c, s in letters.items()))
    text = "".join("\t".join(map(str, pair)) + "\n" for pair in PAIRS)
    (folder / "p.bedpe").write_text(text)
    torch.manual_seed(4)
    network = create_model("epipam", CONFIG)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 3  # attention that is far from even
    return folder, letters, network.eval()


def plain_values(letters, network, settings, pairs=PAIRS):
    """What lies on each base: pair by pair, position by position, base by base."""
    at_base: dict[tuple[str, int], list[float]] = {}
    for pair in pairs:
        contig = f"chr{pair[0].removeprefix('chr')}"
        padded = "N" * 1_000 + letters[contig] + "N" * 1_000
        starts, windows = {}, []
        for anchor, (start, end) in (("enhancer", pair[1:3]), ("promoter", pair[4:6])):
            length = LENGTHS[anchor]
            starts[anchor] = int(resize(start, end, length))
            window = padded[1_000 + starts[anchor] : 1_000 + starts[anchor] + length]
            windows.append(unpack(torch.from_numpy(encode_packed([window], length)), length))
        with torch.inference_mode():
            pam = network.attention(*windows)[settings.layer - 1]
        for anchor in LENGTHS:
            if settings.anchor not in (anchor, "both"):
                continue
            scores = getattr(pam, f"{anchor}_score")[0].tolist()
            tiles = attention_tiles(CONFIG, LENGTHS[anchor], settings.layer)
            for position, score in enumerate(scores):
                first = starts[anchor] + tiles.first + position * tiles.stride
                for base in range(max(first, 0), min(first + tiles.stride, CONTIGS[contig])):
                    value = score * len(scores) if settings.relative else score
                    at_base.setdefault((contig, base), []).append(value)
    put = max if settings.combine == "max" else lambda values: sum(values) / len(values)
    return {base: put(values) for base, values in at_base.items()}


def read_bigwig(path):
    with pyBigWig.open(str(path)) as handle:
        return {
            (contig, base): value
            for contig in handle.chroms()
            for start, end, value in handle.intervals(contig)
            for base in range(start, end)
        }


@pytest.mark.parametrize(
    "settings",
    [
        TrackSettings(),
        TrackSettings(combine="mean"),
        TrackSettings(anchor="promoter", relative=True),
        TrackSettings(layer=2, anchor="enhancer", combine="mean"),
        TrackSettings(layer=3, relative=True),
    ],
    ids=str,
)
def test_every_base_has_the_attention_of_its_positions(inputs, tmp_path, settings, monkeypatch):
    monkeypatch.setattr(subject, "_CHUNK_ROWS", 4)
    monkeypatch.setattr(subject, "_BATCH", 3)
    folder, letters, network = inputs
    out, done = tmp_path / "t.bw", []
    found = write_track(
        network,
        folder / "p.bedpe",
        Genome(folder / "g.fa"),
        out,
        ".bw",
        settings,
        on_pairs=done.append,
    )
    expected = plain_values(letters, network, settings)
    values = read_bigwig(out)
    assert values.keys() == expected.keys()
    np.testing.assert_allclose(
        [values[base] for base in expected], list(expected.values()), rtol=1e-4
    )
    distinct = {"enhancer": 4, "promoter": 3}
    wanted = {a: n for a, n in distinct.items() if settings.anchor in (a, "both")}
    assert found.windows == wanted
    assert (found.pairs, found.bases, done) == (6, len(expected), [4, 2])
    assert found.highest == pytest.approx(max(expected.values()), rel=1e-4)
    assert found.renamed == {"2": "chr2"}


def test_one_pair_has_a_track_of_its_own(inputs, tmp_path):
    folder, letters, network = inputs
    pair = read_pair(folder / "p.bedpe", 4)
    out = tmp_path / "t.bw"
    found = write_track(network, pair, Genome(folder / "g.fa"), out, ".bw")
    expected = plain_values(letters, network, TrackSettings(), PAIRS[3:4])
    assert read_bigwig(out).keys() == expected.keys()
    assert found.pairs == 1


def test_bad_pairs_stop_the_work_or_are_counted(inputs, tmp_path):
    folder, _, network = inputs
    path = tmp_path / "bad.bedpe"
    text = (folder / "p.bedpe").read_text()
    path.write_text(text + "chr9\t1\t2\tchr9\t5\t6\nchr1\t5\t6\tchr2\t5\t6\n")
    genome, out = Genome(folder / "g.fa"), tmp_path / "t.bedgraph"
    done = []
    with pytest.raises(PairTableError, match="2 of 8 pairs cannot be used"):
        write_track(network, path, genome, out, ".bedgraph", on_pairs=done.append)
    assert not out.exists()
    assert done == []
    found = write_track(network, path, genome, out, ".bedgraph", bad_pairs="skip")
    assert found.pairs == 6
    assert sum(found.skipped.values()) == 2
    found = write_track(network, path, genome, out, ".bedgraph", bad_pairs="skip", trans="keep")
    assert found.pairs == 7


def test_other_models_and_layers_are_refused(inputs, tmp_path):
    folder, _, network = inputs
    genome, out = Genome(folder / "g.fa"), tmp_path / "t.bw"
    with pytest.raises(ModelError, match="no position attention"):
        write_track(create_model("epi", CONFIG), folder / "p.bedpe", genome, out, ".bw")
    with pytest.raises(RequestError, match="there is no layer 4"):
        write_track(network, folder / "p.bedpe", genome, out, ".bw", TrackSettings(layer=4))

"""The windows of a store, each once, with the best label that a pair gives it."""

import random

import numpy as np
import pytest

from epipam.errors import RequestError
from epipam.genome.encoding import encode_packed
from epipam.genome.windows import resize
from epipam.interpret.distinct_windows import distinct_windows
from epipam.store import Store, StoreSettings, build_store

LENGTHS = {"enhancer": 41, "promoter": 60}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distinct")
    draw = random.Random(3)
    genome = {c: "".join(draw.choices("ACGTN", [9, 9, 9, 9, 1], k=900)) for c in ("chr1", "chr2")}
    (folder / "g.fa").write_text("".join(f">{c}\n{s}\n" for c, s in genome.items()))
    pairs = []
    for contig in genome:
        enhancers, promoters = (draw.sample(range(100, 800), k) for k in (23, 4))
        for _ in range(90):
            e, p = draw.choice(enhancers), draw.choice(promoters)
            label = draw.choices([1, 0, -1], [1, 3, 2])[0]
            pairs.append((contig, e, e + 9, contig, p, p + 4, label))
    # One pair has one label; a store refuses it with both.
    both = {p[:-1] for p in pairs if p[-1] == 1} & {p[:-1] for p in pairs if p[-1] == 0}
    pairs = [pair for pair in pairs if pair[:-1] not in both]
    names = [f"{a}_{f}" for a in LENGTHS for f in ("chrom", "start", "end")] + ["label"]
    lines = ["\t".join(names), *("\t".join(map(str, pair)) for pair in pairs)]
    (folder / "p.tsv").write_text("\n".join(lines) + "\n")
    settings = StoreSettings(41, 60, augment=2, max_shift=10, rows_per_chunk=16, rows_per_shard=32)
    build_store(folder / "g.fa", folder / "p.tsv", folder / "s.zarr", settings)
    return genome, pairs, Store(folder / "s.zarr")


@pytest.mark.parametrize("anchor", list(LENGTHS))
@pytest.mark.parametrize("contigs", [("chr1",), ("chr2", "chr1")])
def test_each_window_comes_once_with_its_best_label(inputs, anchor, contigs):
    genome, pairs, store = inputs
    length = LENGTHS[anchor]
    expected: dict[tuple[str, str], int] = {}
    for pair in pairs:
        contig, start, end = pair[:3] if anchor == "enhancer" else pair[3:6]
        if contig in contigs:
            first = int(resize(start, end, length))
            letters = genome[contig][first : first + length]
            expected[contig, letters] = max(pair[6], expected.get((contig, letters), -1))
    found = [
        (window.tobytes(), label)
        for piece in distinct_windows(store, contigs, anchor)
        for window, label in zip(piece.packed, piece.label.tolist(), strict=True)
    ]
    packed = encode_packed([letters for _, letters in expected], length)
    assert sorted(found) == sorted(
        (window.tobytes(), label) for window, label in zip(packed, expected.values(), strict=True)
    )


def test_a_chromosome_that_is_not_there_is_refused(inputs):
    with pytest.raises(RequestError, match="has no chromosome chr9"):
        list(distinct_windows(inputs[2], ["chr9"], "enhancer"))


def test_no_more_than_a_chunk_is_handed_out_at_a_time(inputs):
    pieces = list(distinct_windows(inputs[2], ["chr1", "chr2"], "enhancer"))
    assert len(pieces) > 2
    assert max(len(piece.label) for piece in pieces) <= 16
    assert all(piece.packed.dtype == np.uint8 for piece in pieces)

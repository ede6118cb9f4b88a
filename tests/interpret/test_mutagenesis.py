"""Every single-base change: three for each base, each the score of the changed windows."""

import numpy as np
import pandas as pd
import pytest
import torch

from epipam.errors import RequestError
from epipam.genome.fasta import Genome
from epipam.interpret import mutagenesis as subject
from epipam.interpret.mutagenesis import (
    COLUMNS,
    Region,
    mutate_pair,
    parse_region,
    read_pair,
    write_changes,
)
from epipam.models import EpipamConfig, create_model
from epipam.scoring.engine import PlainEngine
from epipam.scoring.region_engine import RegionEngine

ENHANCER, PROMOTER = 1_301, 1_250
CONFIG = EpipamConfig(enhancer_length=ENHANCER, promoter_length=PROMOTER)


class CountingEngine:
    """Scores short windows by their bytes; remembers how many pairs it was asked for."""

    enhancer_length, promoter_length = 9, 6

    def __init__(self):
        self.pairs = 0

    def logits(self, windows):
        self.pairs += len(windows)
        enhancer = windows.enhancer.astype(float) @ (1.0 + np.arange(5))
        promoter = windows.promoter.astype(float) @ (0.1 + np.arange(3))
        return enhancer[windows.enhancer_row] - promoter[windows.promoter_row]


@pytest.fixture(scope="module")
def letters():
    return "".join(np.random.default_rng(0).choice(list("ACGT"), 6_000))


@pytest.fixture
def pair_of(tmp_path, write_genome, letters):
    """Return `pair_of(row, letters)`: a genome and the table of a BEDPE row."""

    def pair_of(row, sequence=letters):
        path = tmp_path / "pairs.bedpe"
        path.write_text("\t".join(map(str, row)) + "\n")
        return Genome(write_genome({"chr1": sequence, "chr2": sequence})), read_pair(path, 1)

    return pair_of


def onehot(text):
    return torch.tensor([[[float(base == row) for base in text] for row in "ACGT"]])


@pytest.mark.parametrize("engine_class", [PlainEngine, RegionEngine])
def test_a_change_is_the_score_of_the_changed_windows(pair_of, letters, engine_class):
    torch.manual_seed(0)
    network = create_model("epipam", CONFIG)
    genome, table = pair_of(["chr1", 1000, 1000 + ENHANCER, "chr1", 4000, 4000 + PROMOTER])
    engine = engine_class(network, torch.device("cpu"))
    region = Region("chr1", 4_100, 4_120)
    found = mutate_pair(engine, genome, table, region)
    assert len(found.changes) == 60
    more = mutate_pair(engine, genome, table, Region("chr1", 2_000, 2_010)).changes
    with torch.no_grad():
        for row in pd.concat([found.changes.iloc[::7], more.iloc[::7]]).itertuples():
            mutated = letters[: row.pos - 1] + row.alt + letters[row.pos :]
            windows = mutated[1000 : 1000 + ENHANCER], mutated[4000 : 4000 + PROMOTER]
            expected = network.eval()(*map(onehot, windows)).item()
            assert row.alt_logit == pytest.approx(expected, abs=1e-5)


def test_each_base_has_the_three_others(pair_of, letters):
    genome, table = pair_of(["chr1", 100, 109, "chr1", 50, 56])
    engine = CountingEngine()
    told = []
    found = mutate_pair(engine, genome, table, on_changes=told.append).changes
    assert list(found.columns) == list(COLUMNS)
    assert len(found) == 3 * (9 + 6) == sum(told) == engine.pairs - 1
    assert found["pos"].tolist() == [p for p in [*range(51, 57), *range(101, 110)] for _ in "abc"]
    assert all(letters[row.pos - 1] == row.ref != row.alt for row in found.itertuples())
    assert found.groupby("pos")["alt"].nunique().eq(3).all()
    assert found["anchor"].tolist() == ["promoter"] * 18 + ["enhancer"] * 27
    assert found["enhancer_offset"].dropna().tolist() == [o for o in range(9) for _ in "abc"]
    assert found["promoter_offset"].dropna().tolist() == [o for o in range(6) for _ in "abc"]
    np.testing.assert_allclose(found["delta_logit"], found["alt_logit"] - found["ref_logit"])


def test_changes_are_right_in_either_nibble_and_batch(pair_of, letters, monkeypatch):
    genome, table = pair_of(["chr1", 100, 109, "chr1", 104, 110])
    expected = mutate_pair(CountingEngine(), genome, table).changes
    monkeypatch.setattr(subject, "_BATCH", 4)
    found = mutate_pair(CountingEngine(), genome, table).changes
    pd.testing.assert_frame_equal(found, expected)
    value = {base: 8 >> i for i, base in enumerate("ACGT")}
    weights = [w for i in range(5) for w in (16 * (1 + i), 1 + i)]
    for row in expected.itertuples():
        mutated = letters[: row.pos - 1] + row.alt + letters[row.pos :]
        enhancer = sum(w * value[b] for w, b in zip(weights, mutated[100:109], strict=False))
        p = [value[b] for b in mutated[104:110]]
        promoter = sum((0.1 + i) * (16 * p[2 * i] + p[2 * i + 1]) for i in range(3))
        assert row.alt_logit == pytest.approx(enhancer - promoter)


def test_a_base_in_both_windows_is_changed_in_both(pair_of):
    genome, table = pair_of(["chr1", 100, 109, "chr1", 104, 110])
    found = mutate_pair(CountingEngine(), genome, table).changes
    counts = found["anchor"].value_counts().to_dict()
    assert counts == {"enhancer": 3 * 4, "both": 3 * 5, "promoter": 3 * 1}
    both = found[found["anchor"] == "both"]
    assert (both["enhancer_offset"] - both["promoter_offset"]).eq(4).all()


def test_unknown_bases_and_what_sticks_out_have_no_changes(pair_of):
    genome, table = pair_of(["chr1", 0, 3, "chr1", 50, 56], "acgtNNacgt" * 10)
    found = mutate_pair(CountingEngine(), genome, table).changes
    enhancer = found[found["anchor"] == "enhancer"]
    assert enhancer["pos"].unique().tolist() == [1, 2, 3, 4]  # window -3 to 6
    assert enhancer["ref"].unique().tolist() == list("ACGT")
    assert found[found["anchor"] == "promoter"]["pos"].nunique() == 4


def test_anchors_on_two_contigs_are_told_apart(pair_of):
    genome, table = pair_of(["chr2", 100, 109, "chr1", 100, 106])
    found = mutate_pair(CountingEngine(), genome, table).changes
    assert found["chrom"].tolist() == ["chr2"] * 27 + ["chr1"] * 18
    assert set(found["anchor"]) == {"enhancer", "promoter"}


def test_names_are_those_of_the_pairs_and_a_region_may_spell_them_otherwise(pair_of):
    genome, table = pair_of(["1", 100, 109, "1", 50, 56])
    for name in ("1", "chr1"):
        found = mutate_pair(CountingEngine(), genome, table, Region(name, 101, 103)).changes
        assert found["chrom"].unique().tolist() == ["1"]
        assert found["pos"].unique().tolist() == [102, 103]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chr1:11-20", ("chr1", 10, 20)),
        ("chr1:1,001-1,001", ("chr1", 1_000, 1_001)),
        ("HLA:A*01:3-4", ("HLA:A*01", 2, 4)),
    ],
)
def test_regions_count_from_one_and_include_both_ends(text, expected):
    assert parse_region(text) == expected


@pytest.mark.parametrize("text", ["chr1", "chr1:5", "chr1:a-b", ":1-2", "chr1:0-5", "chr1:9-5"])
def test_other_regions_are_refused(text):
    with pytest.raises(RequestError, match=f"--region {text}"):
        parse_region(text)


def test_pairs_that_cannot_be_changed_are_refused(pair_of, tmp_path):
    genome, table = pair_of(["chr1", 100, 109, "chr1", 50, 56])
    with pytest.raises(RequestError, match="--region holds no base of the pair"):
        mutate_pair(CountingEngine(), genome, table, Region("chr1", 0, 50))
    genome, table = pair_of(["chr9", 100, 109, "chr1", 50, 56])
    with pytest.raises(RequestError, match=r"pairs.bedpe:1: .*: contig not in the genome"):
        mutate_pair(CountingEngine(), genome, table)
    with pytest.raises(RequestError, match="has 1 pairs; there is no row 2"):
        read_pair(tmp_path / "pairs.bedpe", 2)


@pytest.mark.parametrize("ending", [".tsv", ".parquet"])
def test_the_table_comes_back_from_its_file(pair_of, tmp_path, ending):
    genome, table = pair_of(["chr1", 100, 109, "chr1", 104, 110])
    found = mutate_pair(CountingEngine(), genome, table)
    out = tmp_path / f"o{ending}"
    write_changes(found, out, ending)
    read = (
        pd.read_parquet(out)
        if ending == ".parquet"
        else pd.read_csv(out, sep="\t", na_values=["."])
    )
    expected = found.changes
    for name in ("enhancer_offset", "promoter_offset"):
        expected[name], read[name] = (f[name].astype("Int64") for f in (expected, read))
    pd.testing.assert_frame_equal(read, expected, check_dtype=False, rtol=1e-7)

"""`epipam.score_pairs`: the scores of `epipam score`, beside what the table had."""

import logging

import numpy as np
import pandas as pd
import pyranges
import pytest
import torch

import epipam
from epipam.errors import ModelError, PairTableError, RequestError
from epipam.genome.fasta import Genome
from epipam.models import EpipamConfig, create_model, save_model
from epipam.scoring import frames as frame_scoring
from epipam.scoring.score import load_engine, score_file

ENHANCER, PROMOTER = 1_300, 1_251
CONTIGS = {"chr1": 9_000, "chr2": 5_001}
N_PAIRS = 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a genome, a model, pairs and the scores that `score_file` writes."""
    folder = tmp_path_factory.mktemp("frame_scoring")
    rng = np.random.default_rng(0)
    with (folder / "genome.fa").open("w") as handle:
        for name, length in CONTIGS.items():
            handle.write(f">{name}\n{''.join(rng.choice(list('ACGTacgtN'), length))}\n")
    torch.manual_seed(0)
    config = EpipamConfig(enhancer_length=ENHANCER, promoter_length=PROMOTER)
    save_model(create_model("epipam", config), folder / "model", {"about": "random weights"})
    chrom = rng.choice(list(CONTIGS), N_PAIRS)
    start = rng.integers(0, 4_000, (2, N_PAIRS))
    pairs = pd.DataFrame(
        {
            "enhancer_chrom": chrom,
            "enhancer_start": start[0],
            "enhancer_end": start[0] + 300,
            "promoter_chrom": chrom,
            "promoter_start": start[1],
            "promoter_end": start[1] + 500,
            "further": np.arange(N_PAIRS) / 7,
        }
    )
    pairs.to_csv(folder / "pairs.tsv", sep="\t", index=False)
    score_file(
        load_engine(folder / "model", "cpu"),
        folder / "genome.fa",
        folder / "pairs.tsv",
        folder / "scores.parquet",
    )
    return folder


@pytest.fixture
def pairs(folder):
    return pd.read_csv(folder / "pairs.tsv", sep="\t")


@pytest.fixture(scope="module")
def expected(folder):
    """Return what `epipam score` gives each pair."""
    return pd.read_parquet(folder / "scores.parquet")[["probability", "logit"]]


@pytest.fixture
def score(folder):
    return lambda pairs, **options: epipam.score_pairs(
        pairs, folder / "genome.fa", folder / "model", device="cpu", **options
    )


def test_scores_equal_those_of_the_command_line_and_the_table_is_kept(score, pairs, expected):
    pairs.index = pd.Index([f"pair{i % 7}" for i in range(N_PAIRS)], name="id")  # some twice
    before = pairs.copy()
    scored = score(pairs)
    pd.testing.assert_frame_equal(pairs, before)
    pd.testing.assert_frame_equal(scored[before.columns], before)
    pd.testing.assert_frame_equal(
        scored[["probability", "logit"]].reset_index(drop=True), expected, check_exact=True
    )


def test_pieces_of_a_long_table_give_the_scores_of_the_whole(score, pairs, expected, monkeypatch):
    monkeypatch.setattr(frame_scoring, "CHUNK_ROWS", 7)
    np.testing.assert_allclose(score(pairs)["logit"], expected["logit"], atol=1e-5)


@pytest.mark.parametrize("form", ["folder", "text", "network", "engine"])
def test_a_model_may_be_a_folder_a_network_or_an_engine(folder, pairs, expected, form):
    path = folder / "model"
    model = {
        "folder": lambda: path,
        "text": lambda: str(path),
        "network": lambda: epipam.load_model(path),
        "engine": lambda: load_engine(path, "cpu"),
    }[form]()
    genome = Genome(folder / "genome.fa")
    scored = epipam.score_pairs(pairs, genome, model, device="cpu")
    np.testing.assert_allclose(scored["logit"], expected["logit"], atol=1e-6)


def test_a_bedpe_as_bioframe_reads_it(score, pairs, expected):
    names = ["chrom1", "start1", "end1", "chrom2", "start2", "end2"]
    bedpe = pairs.iloc[:, :6].set_axis(names, axis=1)
    scored = score(bedpe)
    np.testing.assert_array_equal(scored["logit"], expected["logit"])
    assert list(scored.columns) == [*names, "probability", "logit"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_pyranges_of_joined_regions_in_its_own_order(score, pairs, expected):
    enhancers, promoters = (
        pyranges.PyRanges(
            pd.DataFrame(
                {
                    "Chromosome": pairs[f"{anchor}_chrom"],
                    "Start": pairs[f"{anchor}_start"],
                    "End": pairs[f"{anchor}_end"],
                    "Row": np.arange(N_PAIRS),
                }
            )
        )
        for anchor in ("enhancer", "promoter")
    )
    joined = enhancers.join(promoters, slack=10_000)
    scored = score(joined)
    assert len(scored) == len(joined) > N_PAIRS
    own = scored[scored["Row"] == scored["Row_b"]]
    assert len(own) == N_PAIRS
    np.testing.assert_allclose(own["logit"], expected["logit"].loc[own["Row"]], atol=1e-5)


def test_pair_regions_gives_what_can_be_scored(score, pairs):
    regions = {
        anchor: pairs[[f"{anchor}_chrom", f"{anchor}_start", f"{anchor}_end"]]
        .set_axis(["chrom", "start", "end"], axis=1)
        .iloc[:8]
        for anchor in ("enhancer", "promoter")
    }
    candidates = epipam.pair_regions(regions["enhancer"], regions["promoter"])
    assert score(candidates)["logit"].notna().all()


def test_bad_pairs_are_named_by_row_and_index(score, folder, pairs):
    pairs = pairs.astype({"promoter_start": float}).set_index(pd.Index(range(100, 100 + N_PAIRS)))
    pairs.loc[101, "promoter_start"] = np.nan
    pairs.loc[104, "enhancer_end"] = 99_999
    pairs.loc[102, "enhancer_chrom"] = "chr9"
    with pytest.raises(PairTableError) as caught:
        score(pairs)
    contig = pairs.loc[104, "enhancer_chrom"]
    assert caught.value.rows == [
        "row 1 (index 101): promoter_start: nan is not a whole number",
        "row 2 (index 102): enhancer_chrom: 'chr9' is not in the genome",
        f"row 4 (index 104): enhancer_end: 99999 lies outside {contig} (0 to {CONTIGS[contig]})",
    ]
    assert str(caught.value).startswith(f"3 of {N_PAIRS} pairs cannot be used on {folder}")
    assert "bad_pairs='skip' gives them NaN" in str(caught.value)


def test_a_bad_pair_is_described_by_the_name_of_its_own_column(score, pairs):
    names = ["chrom1", "start1", "end1", "chrom2", "start2", "end2"]
    bedpe = pairs.iloc[:, :6].set_axis(names, axis=1)
    bedpe.loc[3, "end2"] = 99_999
    with pytest.raises(PairTableError, match=r"row 3 \(index 3\): end2: 99999 lies outside"):
        score(bedpe)


def test_skipped_pairs_have_no_score_and_the_others_theirs(score, pairs, expected):
    bad = pairs.astype({"promoter_start": float})
    bad.loc[[1, 30], ["promoter_start", "enhancer_chrom"]] = [[np.nan, "chr1"], [5, "chr9"]]
    scored = score(bad, bad_pairs="skip")
    assert list(np.flatnonzero(scored["logit"].isna())) == [1, 30]
    assert list(np.flatnonzero(scored["probability"].isna())) == [1, 30]
    kept = ~scored["logit"].isna()
    np.testing.assert_allclose(scored["logit"][kept], expected["logit"][kept], atol=1e-5)


def test_where_no_pair_can_be_scored_skipping_does_not_help(score, pairs):
    wrong = pairs.assign(enhancer_chrom="NC_1", promoter_chrom="NC_1")
    with pytest.raises(PairTableError, match="the table says NC_1, the genome chr1, chr2"):
        score(wrong, bad_pairs="skip")


def test_anchors_on_two_chromosomes_are_scored_on_request(score, pairs):
    trans = pairs.iloc[:2].assign(enhancer_chrom="chr1", promoter_chrom="chr2")
    with pytest.raises(PairTableError, match="the anchors lie on chr1 and chr2"):
        score(trans)
    assert score(trans, trans="keep")["logit"].notna().all()


def test_names_that_differ_by_chr_are_read_and_logged(score, pairs, expected, caplog):
    bare = pairs.assign(
        enhancer_chrom=pairs["enhancer_chrom"].str[3:],
        promoter_chrom=pairs["promoter_chrom"].str[3:],
    )
    with caplog.at_level(logging.INFO, "epipam"):
        scored = score(bare)
    np.testing.assert_array_equal(scored["logit"], expected["logit"])
    assert "read 1 as chr1" in caplog.text or "read 2 as chr2" in caplog.text


def test_earlier_scores_are_replaced(score, pairs, expected):
    scored = score(pairs.assign(probability="old", logit="old"))
    np.testing.assert_array_equal(scored["logit"], expected["logit"])


def test_an_empty_table_is_scored_to_an_empty_table(score, pairs):
    scored = score(pairs.iloc[:0])
    assert len(scored) == 0
    assert scored["probability"].dtype == np.float64


def test_calibration_needs_a_folder_that_has_a_map(score, folder, pairs):
    with pytest.raises(ModelError, match=r"has no calibration\.json.*epipam calibrate"):
        score(pairs, calibrate="platt")
    network = epipam.load_model(folder / "model")
    with pytest.raises(RequestError, match="of class Epipam: pass its folder"):
        epipam.score_pairs(pairs, folder / "genome.fa", network, calibrate="platt")


def test_a_prior_is_of_calibrated_probabilities_only(score, pairs):
    with pytest.raises(RequestError, match="pass calibrate, too"):
        score(pairs, prior=0.1)

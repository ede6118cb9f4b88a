"""Pair tables as Kipoi batches, and one-hot batches as probabilities."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from epipam.errors import PairTableError, RequestError
from epipam.kipoi import batches as kipoi_batches
from epipam.kipoi.batches import (
    KIPOI_BATCH_SIZE,
    OnehotScorer,
    PairTableBatches,
    only_batch,
    restore_numpy_names,
)
from epipam.models import EpipamConfig, create_model, load_model, save_model
from epipam.scoring.score import load_engine, score_file

ENHANCER_LENGTH, PROMOTER_LENGTH = 1301, 1250
CONTIGS = {"chr1": 4000, "chr2": 3000}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a genome of random letters and seven pairs."""
    folder = tmp_path_factory.mktemp("inputs")
    config = EpipamConfig(enhancer_length=ENHANCER_LENGTH, promoter_length=PROMOTER_LENGTH)
    save_model(create_model("epipam", config), folder / "model", {"about": "random weights"})
    random = np.random.default_rng(5)
    letters = {name: "".join(random.choice(list("ACGTacgtN"), n)) for name, n in CONTIGS.items()}
    (folder / "genome.fa").write_text("".join(f">{k}\n{v}\n" for k, v in letters.items()))
    pairs = pd.DataFrame(
        [
            # chrom, enhancer start and end, name, promoter start and end, name
            ("chr1", 100, 300, "left edge", 2000, 2500, "p0"),
            ("chr2", 700, 2300, "longer than the window", 1000, 1001, "p1"),
            ("chr1", 1500, 1500, "a point", 3900, 4000, "right edge"),
            ("chr1", 0, 4000, "", 10, 3990, ""),
            ("chr2", 1, 2, "e4", 3, 4, "p4"),
            ("chr1", 1500, 1500, "again", 100, 300, "p5"),
            ("chr2", 2999, 3000, "e6", 0, 3000, "p6"),
        ],
        columns=["chrom", "es", "ee", "en", "ps", "pe", "pn"],
    )
    pairs = pd.DataFrame(
        {
            "enhancer_chrom": pairs.chrom,
            "enhancer_start": pairs.es,
            "enhancer_end": pairs.ee,
            "enhancer_name": pairs.en,
            "promoter_chrom": pairs.chrom,
            "promoter_start": pairs.ps,
            "promoter_end": pairs.pe,
            "promoter_name": pairs.pn,
        }
    )
    pairs.to_csv(folder / "pairs.tsv", sep="\t", index=False)
    return folder


@pytest.fixture
def batches(inputs: Path) -> PairTableBatches:
    return PairTableBatches(inputs / "model", inputs / "genome.fa", inputs / "pairs.tsv")


def onehot_by_hand(inputs: Path, chrom: str, start: int, length: int) -> np.ndarray:
    """One-hot of [start, start + length), base by base."""
    lines = (inputs / "genome.fa").read_text().split("\n")
    letters = dict(zip((name[1:] for name in lines[0::2]), lines[1::2], strict=False))[chrom]
    onehot = np.zeros((4, length), dtype=np.float32)
    for i, position in enumerate(range(start, start + length)):
        if 0 <= position < len(letters) and letters[position].upper() in "ACGT":
            onehot["ACGT".index(letters[position].upper()), i] = 1
    return onehot


@pytest.mark.parametrize("rows_read_together", [1, 4, 512])
@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_every_row_comes_once_and_in_input_order(
    batches: PairTableBatches,
    inputs: Path,
    batch_size: int,
    rows_read_together: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kipoi_batches, "_BLOCK_ROWS", rows_read_together)
    batches.batch_size = batch_size
    pairs = pd.read_csv(inputs / "pairs.tsv", sep="\t", keep_default_na=False)
    found = [batches[i] for i in range(len(batches))]
    sizes = [len(batch["metadata"]["row"]) for batch in found]
    assert sum(sizes) == len(pairs)
    assert all(size == batch_size for size in sizes[:-1])
    assert np.concatenate([b["metadata"]["row"] for b in found]).tolist() == [*range(len(pairs))]
    for anchor in ("enhancer", "promoter"):
        for key, column in (("chr", "chrom"), ("start",) * 2, ("end",) * 2, ("id", "name")):
            values = np.concatenate([batch["metadata"][anchor][key] for batch in found])
            assert values.tolist() == pairs[f"{anchor}_{column}"].tolist()


def test_inputs_are_the_letters_of_the_windows_that_the_metadata_name(
    batches: PairTableBatches, inputs: Path
) -> None:
    (batch,) = [batches[i] for i in range(len(batches))]
    for anchor, length in (("enhancer", ENHANCER_LENGTH), ("promoter", PROMOTER_LENGTH)):
        window = batch["metadata"][f"{anchor}_window"]
        onehot = batch["inputs"][anchor]
        assert onehot.dtype == np.float32
        assert onehot.shape == (7, 4, length)
        assert (window["end"] - window["start"] == length).all()
        for row, (chrom, start) in enumerate(zip(window["chr"], window["start"], strict=True)):
            np.testing.assert_array_equal(
                onehot[row], onehot_by_hand(inputs, chrom, int(start), length)
            )


def test_strings_have_a_fixed_width_as_the_hdf5_writer_wants_them(
    batches: PairTableBatches,
) -> None:
    metadata = batches[0]["metadata"]
    for ranges in ("enhancer", "promoter", "enhancer_window", "promoter_window"):
        assert {metadata[ranges][key].dtype.kind for key in ("chr", "id", "strand")} == {"U"}


def test_what_workers_get_crosses_a_process_boundary(batches: PairTableBatches) -> None:
    batches[0]  # the FASTA is open now
    copy, collate = pickle.loads(pickle.dumps((batches, only_batch)))
    np.testing.assert_array_equal(
        collate([copy[0]])["inputs"]["enhancer"], batches[0]["inputs"]["enhancer"]
    )


def test_relative_paths_mean_the_folder_where_the_dataloader_was_made(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inputs)
    batches = PairTableBatches("model", "genome.fa", "pairs.tsv")
    monkeypatch.chdir(tmp_path)
    assert batches[0]["inputs"]["promoter"].sum() > 0


def test_batch_size_is_that_of_kipoi_and_at_least_one(batches: PairTableBatches) -> None:
    assert batches.batch_size == KIPOI_BATCH_SIZE == 32
    with pytest.raises(RequestError, match="batch_size is 0"):
        batches.batch_size = 0


def test_batches_in_any_order_and_of_changing_size_are_those_rows(
    batches: PairTableBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kipoi_batches, "_BLOCK_ROWS", 4)
    whole = batches[0]["inputs"]
    for size, index in [(2, 2), (2, 0), (3, 1), (2, 3), (3, 2), (1, 6)]:
        batches.batch_size = size
        rows = slice(index * size, (index + 1) * size)
        for anchor, onehot in batches[index]["inputs"].items():
            np.testing.assert_array_equal(onehot, whole[anchor][rows])


def test_there_is_no_batch_beyond_the_last(batches: PairTableBatches) -> None:
    for index in (len(batches), -1):
        with pytest.raises(IndexError):
            batches[index]


def test_a_pair_that_cannot_be_windowed_stops_before_any_batch(
    inputs: Path, tmp_path: Path
) -> None:
    pairs = tmp_path / "pairs.bedpe"
    pairs.write_text("chr1\t1\t2\tchr1\t3\t4\nchr9\t1\t2\tchr9\t3\t4\n")
    with pytest.raises(PairTableError, match=r"pairs\.bedpe:2: enhancer_chrom: 'chr9'"):
        PairTableBatches(inputs / "model", inputs / "genome.fa", pairs)


def test_probabilities_are_those_of_epipam_score(
    batches: PairTableBatches, inputs: Path, tmp_path: Path
) -> None:
    engine = load_engine(inputs / "model", device="cpu")
    score_file(engine, inputs / "genome.fa", inputs / "pairs.tsv", tmp_path / "scores.tsv")
    expected = pd.read_csv(tmp_path / "scores.tsv", sep="\t")["probability"].to_numpy()
    scorer = OnehotScorer(inputs / "model", device="cpu")
    batches.batch_size = 4
    found = [
        scorer.probabilities(b["inputs"]["enhancer"], b["inputs"]["promoter"])
        for b in (batches[i] for i in range(len(batches)))
    ]
    assert [part.shape for part in found] == [(4, 1), (3, 1)]
    np.testing.assert_allclose(np.concatenate(found)[:, 0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["one-hot", "shared", "mean of sequences"])
def test_probabilities_are_those_of_a_forward_pass_whatever_the_windows(
    batches: PairTableBatches, inputs: Path, kind: str
) -> None:
    given = batches[0]["inputs"]
    enhancer, promoter = given["enhancer"], given["promoter"]
    if kind == "shared":
        promoter = np.repeat(promoter[:1], len(promoter), axis=0)
    if kind == "mean of sequences":
        enhancer = (enhancer + enhancer[::-1]) / 2
    with torch.no_grad():
        logits = load_model(inputs / "model")(torch.tensor(enhancer), torch.tensor(promoter))
    found = OnehotScorer(inputs / "model", device="cpu").probabilities(enhancer, promoter)
    np.testing.assert_allclose(found[:, 0], torch.sigmoid(logits).numpy(), rtol=0, atol=1e-6)


def test_numpy_gets_back_the_names_that_the_hdf5_writer_looks_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("string_", "unicode_"):
        monkeypatch.setattr(np, name, None, raising=False)  # noted, to be undone
        delattr(np, name)
    restore_numpy_names()
    assert np.string_ is np.bytes_  # type: ignore[attr-defined]  # noqa: NPY201
    assert np.unicode_ is np.str_  # type: ignore[attr-defined]  # noqa: NPY201

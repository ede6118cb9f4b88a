"""The bundled weights on a genome they have never seen, and what they say of themselves."""

from pathlib import Path

import pytest

from epipam.evaluation.evaluate import evaluate
from epipam.evaluation.prediction import predict_store
from epipam.models import load_model
from epipam.models.folder import read_config
from epipam.pairs.table import COLUMNS
from epipam.simulate import SimulationSettings, simulate
from epipam.store import Store, StoreSettings, build_store

BUNDLED = Path(__file__).parents[2] / "kipoi_model" / "EPIPAM"


@pytest.mark.parametrize("seed", [101, 202])
def test_it_knows_the_grammar_on_a_genome_of_another_seed(tmp_path, seed):
    settings = SimulationSettings(contigs=4, contig_length=2_500_000, positives=240, seed=seed)
    simulate(tmp_path / "sim", settings)
    build_store(
        tmp_path / "sim/genome.fa",
        tmp_path / "sim/pairs.tsv",
        tmp_path / "s.zarr",
        StoreSettings(augment=0),
    )
    store = Store(tmp_path / "s.zarr")
    predictions = predict_store(load_model(BUNDLED), store, ["chr1", "chr2"])
    training = store.pairs("chr3")[list(COLUMNS)]
    result = evaluate(predictions, predictions["probability"].to_numpy(), training, n_bootstrap=0)
    auroc = {scorer: by_ratio["all"].auroc for scorer, by_ratio in result.scorers.items()}
    assert auroc["model"] >= 0.90
    assert auroc["distance"] < 0.60
    assert auroc["frequency"] < 0.60


def test_it_says_that_it_is_no_predictor_for_human_cells():
    for text in (
        read_config(BUNDLED)["provenance"]["about"],
        (BUNDLED / "model.yaml").read_text(),
        (BUNDLED / "README.md").read_text(),
    ):
        flat = " ".join(text.split())
        assert "simulated sequence" in flat
        assert "not a predictor for human cells" in flat

"""Training: the loss, the run folder, stopping and going on."""

import csv
import json
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from epipam.errors import EpipamError, ModelError, RequestError
from epipam.evaluation.baselines import frequency_scores
from epipam.evaluation.held_out import training_notes
from epipam.evaluation.prediction import predict_store
from epipam.loading.data_module import DataSettings
from epipam.loading.loader import Batch
from epipam.loading.random_pairs import random_pairs
from epipam.loading.splits import explicit_split
from epipam.models import EpipamConfig, create_model, load_model, unpack
from epipam.models.calibration import read_map
from epipam.models.card import read_card, run_metrics
from epipam.models.logits import logits_of
from epipam.pairs.table import digest
from epipam.report.evaluate_model import evaluate_model
from epipam.simulate import SimulationSettings, simulate
from epipam.store import Store, StoreSettings, build_store
from epipam.training import trainer as training
from epipam.training.fit import PairClassifier, TrainSettings, train

ENHANCER, PROMOTER = 1_300, 1_250
DATA = DataSettings(batch_size=8, buffer_rows=200)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("training")
    settings = SimulationSettings(contigs=3, contig_length=700_000, positives=60, seed=3)
    simulate(folder / "sim", settings)
    build_store(
        folder / "sim/genome.fa",
        folder / "sim/pairs.tsv",
        folder / "s.zarr",
        StoreSettings(ENHANCER, PROMOTER, augment=2),
    )
    return Store(folder / "s.zarr")


@pytest.fixture(scope="module")
def split(store):
    return explicit_split(store.contigs, validation=["chr2"], test=["chr3"])


def run_training(store, split, run, **changes):
    settings = TrainSettings(epochs=2, seed=1, accelerator="cpu", **changes)
    return train(store, split, run, settings, DATA, progress=False)


@pytest.fixture(scope="module")
def finished(store, split, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"
    return run_training(store, split, run)


def test_the_run_folder_holds_what_is_promised(finished):
    names = {path.name for path in finished.run.iterdir()}
    assert names == {"model", "metrics.json", "history.csv", "predictions.tsv", "checkpoints"}
    assert (finished.run / "checkpoints/last.ckpt").exists()


def test_the_model_has_a_card_with_the_metrics_of_the_run(finished):
    card = read_card(finished.run / "model")
    assert "took no part in training: chr3." in card.text
    performance = finished.evaluation.scorers["model"]["all"]
    values = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert values["roc_auc"] == pytest.approx(performance.auroc, abs=1e-4)
    assert run_metrics(finished.run / "model") is not None


def test_predictions_are_the_models_on_every_test_pair(finished, store):
    predictions = pd.read_csv(finished.run / "predictions.tsv", sep="\t")
    pairs = store.pairs("chr3")
    assert list(predictions.enhancer_name) == list(pairs.enhancer_name)
    network = load_model(finished.run / "model")
    rows = store.read("chr3", 0, store.n_rows("chr3"))
    unshifted = rows.window[:, 1] == 0
    from epipam.genome.encoding import unpack_onehot

    with torch.no_grad():
        logits = network(
            torch.from_numpy(unpack_onehot(rows.enhancer[unshifted], ENHANCER)).float(),
            torch.from_numpy(unpack_onehot(rows.promoter[unshifted], PROMOTER)).float(),
        )
    expected = dict(zip(rows.window[unshifted, 0], torch.sigmoid(logits).numpy(), strict=True))
    found = dict(zip(pairs["pair"], predictions.probability, strict=True))
    assert found.keys() == expected.keys()
    for pair, probability in found.items():
        assert probability == pytest.approx(expected[pair], abs=1e-6)


def test_metrics_stand_beside_the_baselines_and_say_what_made_them(finished, store):
    metrics = json.loads((finished.run / "metrics.json").read_text())
    assert set(metrics["test"]["scorers"]) == {"model", "distance", "frequency"}
    assert metrics["test"]["controls"]["permuted_partners"]["n_pairs"] > 0
    provenance = metrics["provenance"]
    assert provenance["store"]["pairs"]["sha256"] == store.attributes["pairs"]["sha256"]
    assert provenance["training"]["seed"] == 1
    assert provenance["versions"]["torch"] == torch.__version__
    assert provenance["split"]["test"] == ["chr3"]


def test_metrics_hold_how_the_best_epoch_validated(finished):
    metrics = json.loads((finished.run / "metrics.json").read_text())
    history = pd.read_csv(finished.run / "history.csv", index_col="epoch")
    best = history.loc[finished.best_epoch]
    assert best["validation_auprc"] == history["validation_auprc"].max()
    assert metrics["validation"] == {
        name: best[f"validation_{name}"] for name in ("loss", "auroc", "auprc")
    }
    assert "leakage" not in metrics


def test_a_random_split_is_trained_on_and_says_what_it_leaks(store, tmp_path):
    split = random_pairs(store, 0, seed=1)
    settings = TrainSettings(model="kmer-gbm", epochs=3)
    result = train(store, split, tmp_path / "run", settings, DATA, progress=False)
    frames = pd.concat([store.pairs(contig) for contig in store.contigs]).set_index("pair")
    predictions = pd.read_csv(tmp_path / "run/predictions.tsv", sep="\t")
    names = frames.loc[split.test, "enhancer_name"]
    assert predictions["enhancer_name"].tolist() == names.tolist()
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    train_pairs, test_pairs = frames.loc[split.train], frames.loc[split.test]
    frequency = frequency_scores(test_pairs, train_pairs)
    assert metrics["leakage"]["n_test"] == len(split.test)
    assert metrics["leakage"]["frequency_auroc"] == pytest.approx(
        roc_auc_score(test_pairs["label"], frequency), abs=1e-6
    )
    assert metrics["provenance"]["split"]["random"]["fold"] == 0
    (sentence,) = [line for line in result.lines() if line.startswith("The split is random")]
    assert f"of {len(split.test)} test pairs" in sentence


def test_probabilities_are_calibrated_on_the_validation_part(finished, store, split):
    found = read_map(finished.run / "model")
    network = load_model(finished.run / "model")
    pairs = predict_store(network, store, split.validation)
    labels = pairs["label"].to_numpy()
    logits = logits_of(pairs["probability"].to_numpy())
    assert found.chromosomes == split.validation
    assert (found.pairs, found.positives) == (len(pairs), labels.sum())
    oracle = IsotonicRegression(out_of_bounds="clip").fit(logits, labels)
    assert found.apply(logits, "isotonic") == pytest.approx(oracle.predict(logits), abs=1e-4)


def test_evaluating_the_model_gives_the_numbers_and_rows_of_the_run(finished, store, tmp_path):
    found = evaluate_model(
        finished.run / "model", store, tmp_path / "out", seed=1, batch_size=8, device="cpu"
    )
    metrics = json.loads((finished.run / "metrics.json").read_text())
    assert json.loads(json.dumps(found.evaluation.to_json())) == metrics["test"]
    ours, theirs = (folder / "predictions.tsv" for folder in (tmp_path / "out", finished.run))
    assert ours.read_bytes() == theirs.read_bytes()


def test_a_best_epoch_that_is_the_last_is_warned_of(finished, store, tmp_path):
    note = "the model's best epoch is the last, 2 of 2"
    is_last = finished.best_epoch == 2
    assert any(note in line for line in finished.lines()) == is_last
    provenance = {"best_epoch": 2, "training": {"epochs": 2}}
    assert next(training_notes(provenance)).startswith(note)
    assert list(training_notes({**provenance, "best_epoch": 1})) == []
    assert list(training_notes({})) == []


def test_history_has_a_line_per_epoch(finished):
    with (finished.run / "history.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(np.isfinite(float(row["training_loss"])) for row in rows)


def test_checkpoints_load_with_weights_only(finished):
    for path in (finished.run / "checkpoints").glob("*.ckpt"):
        assert "state_dict" in torch.load(path, weights_only=True)


def test_the_same_seed_gives_the_same_weights(finished, store, split, tmp_path):
    again = run_training(store, split, tmp_path / "run")
    assert_same_weights(again.run, finished.run)


def assert_same_weights(run, other):
    ours = load_file(run / "model/model.safetensors")
    theirs = load_file(other / "model/model.safetensors")
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=0, atol=0)


@pytest.mark.parametrize("step", [1, 5, 8, 13])
def test_a_stopped_run_goes_on_to_the_uninterrupted_end(
    finished, store, split, tmp_path, monkeypatch, step
):
    monkeypatch.setattr(training, "CHECKPOINT_STEPS", 3)
    taken = 0
    step_once = PairClassifier.training_step

    def stop_at(self, batch, batch_index):
        nonlocal taken
        taken += 1
        if taken == step:
            raise OSError("the machine went away")
        return step_once(self, batch, batch_index)

    monkeypatch.setattr(PairClassifier, "training_step", stop_at)
    with pytest.raises(OSError, match="went away"):
        run_training(store, split, tmp_path / "run")
    assert not (tmp_path / "run/metrics.json").exists()
    monkeypatch.setattr(PairClassifier, "training_step", step_once)
    run_training(store, split, tmp_path / "run")
    assert_same_weights(tmp_path / "run", finished.run)


def test_a_finished_run_is_not_overwritten(finished, store, split):
    with pytest.raises(RequestError, match="finished run"):
        run_training(store, split, finished.run)


def test_a_run_begun_with_other_settings_is_refused(store, split, tmp_path, monkeypatch):
    def stop(self, batch, batch_index):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(PairClassifier, "training_step", stop)
        with pytest.raises(OSError):
            run_training(store, split, tmp_path / "run")
    with pytest.raises(RequestError, match="other settings"):
        run_training(store, split, tmp_path / "run", alpha=0.5)


def test_a_folder_of_something_else_is_not_written_into(store, split, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RequestError, match="no run to go on with"):
        run_training(store, split, tmp_path)


def test_training_may_start_from_another_model(finished, store, split, tmp_path):
    result = run_training(store, split, tmp_path / "run", init=finished.run / "model")
    provenance = json.loads((result.run / "metrics.json").read_text())["provenance"]
    assert provenance["initial_model"]["best_epoch"] == finished.best_epoch


def test_a_refused_run_leaves_nothing(store, split, tmp_path):
    with pytest.raises(RequestError, match="one batch"):
        train(store, split, tmp_path / "run", data=DataSettings(batch_size=5_000))
    assert not (tmp_path / "run").exists()


def test_a_run_in_progress_is_not_joined_by_a_second(store, split, tmp_path, monkeypatch):
    def start_another(self, batch, batch_index):
        with pytest.raises(RequestError, match="another process is training here"):
            run_training(store, split, tmp_path / "run")
        raise OSError("enough")

    monkeypatch.setattr(PairClassifier, "training_step", start_another)
    with pytest.raises(OSError, match="enough"):
        run_training(store, split, tmp_path / "run")


def test_a_moved_run_is_not_gone_on_with(store, split, tmp_path, monkeypatch):
    def stop(self, batch, batch_index):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(PairClassifier, "training_step", stop)
        with pytest.raises(OSError):
            run_training(store, split, tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    with pytest.raises(RequestError, match="in another folder"):
        run_training(store, split, tmp_path / "moved")


def test_the_last_checkpoint_is_of_the_last_epoch_even_where_nothing_got_better(
    store, split, tmp_path
):
    result = train(
        store,
        split,
        tmp_path / "run",
        TrainSettings(epochs=4, learning_rate=1e-9, accelerator="cpu"),
        DATA,
        progress=False,
    )
    last = torch.load(result.run / "checkpoints/last.ckpt", weights_only=True)
    assert last["epoch"] == 3


@pytest.mark.parametrize("wrong", [{"precision": "8-bit"}, {"devices": "x"}])
def test_a_trainer_that_cannot_be_is_refused_before_anything_is_written(
    store, split, tmp_path, wrong
):
    with pytest.raises(RequestError, match="precision"):
        run_training(store, split, tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists()


def test_an_initial_model_of_another_kind_is_refused(finished, store, split, tmp_path):
    with pytest.raises(ModelError, match="pass --model epipam"):
        run_training(store, split, tmp_path / "run", model="epi", init=finished.run / "model")


def test_an_interrupt_says_how_to_go_on(store, split, tmp_path, monkeypatch):
    def interrupt(self, batch, batch_index):
        raise KeyboardInterrupt

    monkeypatch.setattr(PairClassifier, "training_step", interrupt)
    with pytest.raises(EpipamError, match="the same command goes on"):
        run_training(store, split, tmp_path / "run")


def test_an_initial_model_of_other_lengths_is_refused(store, split, tmp_path):
    from epipam.models import save_model

    save_model(create_model("epipam"), tmp_path / "m", {})
    with pytest.raises(ModelError, match="3000 and 2000 bp"):
        run_training(store, split, tmp_path / "run", init=tmp_path / "m")


def test_epi_trains_without_an_auxiliary_head(store, split, tmp_path):
    result = run_training(store, split, tmp_path / "run", model="epi")
    assert load_model(result.run / "model").auxiliary_head is None


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_loss_is_the_weighted_cross_entropy_of_both_heads(alpha):
    config = EpipamConfig(enhancer_length=ENHANCER, promoter_length=PROMOTER)
    classifier = PairClassifier(create_model("epipam", config), TrainSettings(alpha=alpha)).eval()
    rng = np.random.default_rng(0)
    batch = Batch(
        torch.from_numpy(rng.choice(np.array([0x88, 0x41], dtype=np.uint8), (6, ENHANCER // 2))),
        torch.from_numpy(rng.choice(np.array([0x24, 0x11], dtype=np.uint8), (6, PROMOTER // 2))),
        torch.tensor([1, 0, 1, 0, 0, 1], dtype=torch.int8),
        torch.zeros(6, dtype=torch.int16),
        torch.arange(6),
    )
    windows = unpack(batch.enhancer, ENHANCER), unpack(batch.promoter, PROMOTER)
    logits = classifier.network.both_logits(*windows)

    def cross_entropy(values):
        p = 1 / (1 + np.exp(-values.detach().double().numpy()))
        y = batch.label.numpy()
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()

    expected = alpha * cross_entropy(logits.main) + (1 - alpha) * cross_entropy(logits.auxiliary)
    classifier.log = lambda *args, **kwargs: None
    assert classifier.training_step(batch, 0).item() == pytest.approx(expected, rel=1e-4)


def test_the_device_is_logged(store, split, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="epipam"):
        run_training(store, split, tmp_path / "run")
    assert any(message.startswith("device: CPU") for message in caplog.messages)
    assert any(message.startswith("epoch 2 of 2") for message in caplog.messages)


def test_the_optimiser_is_the_papers():
    config = EpipamConfig(enhancer_length=ENHANCER, promoter_length=PROMOTER)
    optimiser = PairClassifier(create_model("epi", config), TrainSettings()).configure_optimizers()
    assert isinstance(optimiser, torch.optim.Adam)
    assert optimiser.defaults["lr"] == 0.001
    assert optimiser.defaults["weight_decay"] == 0.0005


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "6mers.npy"
    np.save(path, np.random.default_rng(5).normal(size=(4_097, 100)))
    return path


def test_embedded_6mers_begin_as_given_and_are_fine_tuned(store, split, tmp_path, vectors):
    result = run_training(store, split, tmp_path / "run", model="epivan", embedding=vectors)
    weight = load_model(result.run / "model").enhancer_embedding.vectors.weight.detach().numpy()
    given = np.load(vectors)
    moved = np.abs(weight - given)
    assert moved.max() > 0
    assert moved.max() < 0.05
    provenance = json.loads((result.run / "metrics.json").read_text())["provenance"]
    assert provenance["training"]["embedding"] == digest(vectors)
    assert provenance["training"]["learning_rate"] == 0.001
    assert provenance["training"]["weight_decay"] == 0


def test_vectors_for_a_model_of_bases_are_refused(store, split, tmp_path, vectors):
    with pytest.raises(ModelError, match="leave out --embedding"):
        run_training(store, split, tmp_path / "run", model="epi", embedding=vectors)
    assert not (tmp_path / "run").exists()


def test_missing_vectors_are_named(store, split, tmp_path):
    with pytest.raises(ModelError, match=r"absent\.npy: no such file"):
        run_training(
            store, split, tmp_path / "run", model="epivan", embedding=tmp_path / "absent.npy"
        )


@pytest.mark.parametrize(
    ("name", "rate", "decay", "epochs"),
    [("epipam", 0.001, 0.0005, 15), ("deeptact", 1e-5, 0, 40), ("simcnn", 1e-5, 2e-5, 32)],
)
def test_what_is_not_said_is_as_published(name, rate, decay, epochs):
    filled = TrainSettings(model=name).with_model_defaults()
    assert (filled.learning_rate, filled.weight_decay, filled.epochs) == (rate, decay, epochs)
    said = TrainSettings(model=name, learning_rate=0.5, weight_decay=0.0, epochs=1)
    assert said.with_model_defaults() == said


def test_an_unknown_model_is_refused(store, split, tmp_path):
    with pytest.raises(ModelError, match="no model is called 'epipan'"):
        run_training(store, split, tmp_path / "run", model="epipan")

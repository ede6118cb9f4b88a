"""Predictions of a store's pairs, as they are and taken apart, against the genome's windows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from epipam.errors import ModelError, RequestError
from epipam.evaluation import prediction
from epipam.evaluation.evaluate import evaluate
from epipam.evaluation.partners import NOBODY
from epipam.evaluation.prediction import predict_store, score_partners
from epipam.genome.encoding import encode_packed
from epipam.genome.windows import resize
from epipam.models import Network, create_model
from epipam.models.catalogue import MODELS
from epipam.models.network import WindowConfig
from epipam.models.registry import model_config
from epipam.pairs.table import COLUMNS
from epipam.store import Store, StoreSettings, build_store

CONTIGS = ("chr1", "chr2", "chr3")
LENGTH = 60_000


class Reader(Network):
    """Logits from exact whole numbers of each window, so that no rounding hides a wrong window.

    `weights` says how much the enhancer's number counts, the promoter's, and their likeness.
    """

    def __init__(self, lengths, weights):
        super().__init__(WindowConfig(*lengths))
        self.weights = weights

    def forward(self, enhancer, promoter):
        first, second = (self._number(window) for window in (enhancer, promoter))
        likeness = torch.where((first > 3.5) == (second > 3.5), 1.0, -1.0)
        own, other, both = self.weights
        return (own * (first - 3.5) + other * (second - 3.5) + both * likeness).double()

    @staticmethod
    def _number(window):
        """0 to 7.5 from the sixth base pair of the window, which is random."""
        return (window[:, 2:9].long().sum(dim=1) % 16) / 2


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    """Three random contigs, and 360 pairs of 90 enhancers and 45 promoters."""
    folder = tmp_path_factory.mktemp("prediction")
    generator = np.random.default_rng(0)
    sequences = {c: "".join(generator.choice(list("ACGT"), LENGTH)) for c in CONTIGS}
    (folder / "genome.fa").write_text("".join(f">{c}\n{s}\n" for c, s in sequences.items()))
    rows = []
    for number in range(360):
        contig = CONTIGS[number % 3]
        enhancer, promoter = generator.integers(0, 30), generator.integers(0, 15)
        start, end = 2_000 + 800 * enhancer, 2_300 + 800 * enhancer
        first, last = 30_000 + 1_700 * promoter, 30_800 + 1_700 * promoter
        label = generator.choice([-1, 0, 1], p=[0.1, 0.6, 0.3])
        rows.append((contig, start, end, "", contig, first, last, "", label))
    pairs = pd.DataFrame(rows, columns=list(COLUMNS)).drop_duplicates(list(COLUMNS[:-1]))
    pairs.to_csv(folder / "pairs.tsv", sep="\t", index=False)
    return folder, sequences


def open_store(genome, lengths):
    folder, _ = genome
    path = folder / f"{lengths[0]}-{lengths[1]}.zarr"
    if not path.exists():
        settings = StoreSettings(*lengths, augment=2)
        build_store(folder / "genome.fa", folder / "pairs.tsv", path, settings)
    return Store(path)


def plain(network, genome, pairs, promoters_of):
    """The probability of each pair's enhancer with the promoter of a row of `promoters_of`."""
    _, sequences = genome
    lengths = (network.config.enhancer_length, network.config.promoter_length)
    windows = []
    for anchor, frame, length in zip(
        ("enhancer", "promoter"), (pairs, promoters_of), lengths, strict=True
    ):
        starts = resize(
            frame[f"{anchor}_start"].to_numpy(), frame[f"{anchor}_end"].to_numpy(), length
        )
        cut = [
            sequences[contig][start : start + length]
            for contig, start in zip(frame[f"{anchor}_chrom"], starts, strict=True)
        ]
        windows.append(torch.from_numpy(encode_packed(cut, length)))
    with torch.no_grad():
        return torch.sigmoid(network.eval()(*windows).double()).numpy()


LENGTHS = (60, 41)


def test_predictions_are_of_unshifted_windows_in_the_order_of_the_table(genome):
    store, network = open_store(genome, LENGTHS), Reader(LENGTHS, (0.3, 0.4, 0.5))
    found = predict_store(network, store, ["chr3", "chr1"], batch_size=7)
    assert list(found.columns) == [*COLUMNS, "probability"]
    every = pd.concat([store.pairs(c) for c in ("chr1", "chr3")]).set_index("pair").sort_index()
    pd.testing.assert_frame_equal(found[list(COLUMNS)], every[list(COLUMNS)])
    np.testing.assert_allclose(found["probability"], plain(network, genome, found, found))


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_partners_are_scored_with_the_other_promoters_window(genome, batch_size):
    store, network = open_store(genome, LENGTHS), Reader(LENGTHS, (0.3, 0.4, 0.5))
    # Chromosome by chromosome and not in the order of the table, as the command line has them.
    parts = [predict_store(network, store, [contig]) for contig in ("chr2", "chr1")]
    pairs = pd.concat(parts)
    found = score_partners(network, store, pairs, seed=2, batch_size=batch_size)
    moved = found.partners.rows != NOBODY
    assert moved.sum() > 0.8 * len(pairs)
    assert np.isnan(found.probabilities[~moved]).all()
    assert (pairs["label"].to_numpy()[moved] != -1).all()
    others = pairs.iloc[found.partners.rows[moved]]
    expected = plain(network, genome, pairs[moved], others)
    np.testing.assert_allclose(found.probabilities[moved], expected)
    assert (others["promoter_chrom"].to_numpy() != pairs[moved]["enhancer_chrom"]).any()


def test_some_of_the_pairs_can_be_taken_apart_alone(genome):
    """A random split tests some pairs of every chromosome: the others lend no promoter."""
    store, network = open_store(genome, LENGTHS), Reader(LENGTHS, (0.3, 0.4, 0.5))
    some = predict_store(network, store, CONTIGS).iloc[::3]
    found = score_partners(network, store, some)
    moved = found.partners.rows != NOBODY
    expected = plain(network, genome, some[moved], some.iloc[found.partners.rows[moved]])
    np.testing.assert_allclose(found.probabilities[moved], expected)


def test_only_what_is_needed_is_read(genome, monkeypatch):
    store, network = open_store(genome, LENGTHS), Reader(LENGTHS, (0.3, 0.4, 0.5))
    some = predict_store(network, store, CONTIGS).iloc[::3]
    read = []

    def loader(*arguments, **options):
        for batch in own(*arguments, **options):
            read.extend(batch.pair.tolist())
            yield batch

    own = prediction._loader
    monkeypatch.setattr(prediction, "_loader", loader)
    found = score_partners(network, store, some)
    moved = some.index[found.partners.rows != NOBODY]
    # Each pair for its promoter, and those that are given another for their enhancer.
    assert sorted(read) == sorted([*some.index, *moved])


def test_a_chromosome_of_unlabelled_pairs_has_nobody_to_exchange(genome):
    store, network = open_store(genome, LENGTHS), Reader(LENGTHS, (0.3, 0.4, 0.5))
    pairs = predict_store(network, store, CONTIGS)
    pairs.loc[pairs["enhancer_chrom"] == "chr2", "label"] = -1
    done = []
    found = score_partners(network, store, pairs, on_contig=lambda n, contig: done.append(contig))
    assert np.isnan(found.probabilities[pairs["enhancer_chrom"] == "chr2"]).all()
    assert done == list(CONTIGS)


def test_chromosomes_are_reported_as_they_are_done(genome):
    store, network = open_store(genome, LENGTHS), Reader(LENGTHS, (0.3, 0.4, 0.5))
    pairs = predict_store(network, store, CONTIGS)
    done = []
    score_partners(network, store, pairs, on_contig=lambda n, contig: done.append((contig, n)))
    assert done == [(contig, len(store.pairs(contig))) for contig in CONTIGS]


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ((1, 0, 0), "so it does not use the pairing"),
        ((0, 1, 0), "so it does not use the pairing"),
        ((0, 0, 2), "so it uses the pairing."),
    ],
    ids=["enhancer only", "promoter only", "both"],
)
def test_the_evaluation_says_what_a_model_reads(genome, weights, sentence):
    """Labels follow the model, but for one in seven: its AUROC is high whatever it reads."""
    store, network = open_store(genome, LENGTHS), Reader(LENGTHS, weights)
    pairs = predict_store(network, store, CONTIGS)
    pairs["label"] = (pairs["probability"] > 0.5).astype(int)
    pairs.iloc[::7, pairs.columns.get_loc("label")] ^= 1
    partners = score_partners(network, store, pairs, seed=1)
    result = evaluate(pairs, pairs["probability"].to_numpy(), partners=partners, n_bootstrap=200)
    control = result.controls.permuted_partners
    assert control.auroc > 0.8
    if "not" in sentence:
        # Not to the last digit: a sigmoid's rounding depends on the place in the batch.
        assert control.fall == pytest.approx(0, abs=0.01)
    else:
        assert control.permuted_auroc < 0.65
    assert sum(sentence in verdict for verdict in result.verdicts) == 1
    assert result.controls.permuted_labels.auroc == pytest.approx(0.5, abs=0.05)


# Of those that take seconds at their published width.
NARROW = {"simcnn": {"channels": (16, 12), "hidden": 40}, "deeptact": {"channels": 32, "units": 10}}


@pytest.mark.parametrize("name", MODELS)
def test_every_models_pairs_can_be_taken_apart(genome, name):
    lengths = (1_300, 1_250)
    torch.manual_seed(0)
    network = create_model(name, model_config(name, *lengths, NARROW.get(name, {})))
    store = open_store(genome, lengths)
    pairs = predict_store(network, store, ["chr1"]).iloc[:12]
    found = score_partners(network, store, pairs)
    moved = found.partners.rows != NOBODY
    assert moved.any()
    expected = plain(network, genome, pairs[moved], pairs.iloc[found.partners.rows[moved]])
    np.testing.assert_allclose(found.probabilities[moved], expected, atol=1e-5)


def test_a_model_of_other_lengths_is_refused(genome):
    store, network = open_store(genome, LENGTHS), Reader((61, 41), (1, 1, 1))
    with pytest.raises(ModelError, match="windows of 61 and 41 bp"):
        predict_store(network, store, CONTIGS)
    pairs = predict_store(Reader(LENGTHS, (1, 1, 1)), store, CONTIGS)
    with pytest.raises(ModelError, match="windows of 61 and 41 bp"):
        score_partners(network, store, pairs)


def test_pairs_that_do_not_say_which_of_the_store_they_are_are_refused(genome):
    store, network = open_store(genome, LENGTHS), Reader(LENGTHS, (1, 1, 1))
    pairs = predict_store(network, store, CONTIGS).reset_index(drop=True)
    with pytest.raises(RequestError, match="indexed by None but must be by 'pair'"):
        score_partners(network, store, pairs)

"""The loaders of a run, under Lightning's own loop."""

from __future__ import annotations

import random
from types import SimpleNamespace

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from epipam.errors import RequestError
from epipam.loading.data_module import DataSettings, PairDataModule
from epipam.loading.random_pairs import random_pairs
from epipam.loading.splits import ChromosomeSplit
from epipam.store import Store, StoreSettings, build_store

SPLIT = ChromosomeSplit(train=("chr1", "chr2"), validation=("chr3",), test=("chr4",))
# Lightning's own advice and its use of what torch has since renamed.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("data_module")
    draw = random.Random(2)
    with (folder / "genome.fa").open("w") as fasta, (folder / "pairs.bedpe").open("w") as bedpe:
        for contig in ("chr1", "chr2", "chr3", "chr4"):
            fasta.write(f">{contig}\n{''.join(draw.choices('ACGT', k=1_000))}\n")
            for number in range(20):
                starts = (40 * number, 1_000 - 40 * number - 10)
                anchors = "\t".join(f"{contig}\t{start}\t{start + 10}" for start in starts)
                bedpe.write(f"{anchors}\t{number % 2}\n")
    settings = StoreSettings(20, 10, augment=2, rows_per_chunk=8, rows_per_shard=16)
    build_store(
        folder / "genome.fa", folder / "pairs.bedpe", folder / "s", settings, label_column="7"
    )
    return Store(folder / "s")


class Recorder(L.LightningModule):
    """Notes which pairs it is given; learns nothing."""

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.stop_after = stop_after
        self.trained: list[list[int]] = []
        self.validated: list[int] = []

    def training_step(self, batch, batch_index):
        self.trained.append(batch.pair.tolist())
        if len(self.trained) == self.stop_after:
            self.trainer.should_stop = True
        return self.weight * 0

    def validation_step(self, batch, batch_index):
        self.validated += batch.pair.tolist()

    def test_step(self, batch, batch_index):
        self.validated += batch.pair.tolist()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(folder, epochs, **options) -> L.Trainer:
    return L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        **{"enable_checkpointing": False, **options},
    )


def data(store, split=SPLIT, **options) -> PairDataModule:
    return PairDataModule(store, split, DataSettings(batch_size=4, buffer_rows=96, **options))


def pairs_of(store, contig) -> list[int]:
    return sorted(store.pairs(contig)["pair"])


def test_each_part_reads_its_chromosomes_in_its_role(store):
    module = data(store)
    loaders = (module.train_dataloader(), module.val_dataloader(), module.test_dataloader())
    assert [loader.batches.contigs for loader in loaders] == [
        ("chr1", "chr2"),
        ("chr3",),
        ("chr4",),
    ]
    assert [loader.batches.settings.training for loader in loaders] == [True, False, False]
    # Two shifted copies of 20 positives and 20 negatives; 20 unshifted windows each.
    assert [loader.batches.order.n_rows for loader in loaders] == [60, 20, 20]


def test_a_random_split_reads_pairs_of_all_chromosomes_each_in_one_part(store):
    split = random_pairs(store, 3, seed=2)
    module = data(store, split)
    module.check()
    loaders = (module.train_dataloader(), module.val_dataloader(), module.test_dataloader())
    seen = [{pair for batch in loader for pair in batch.pair.tolist()} for loader in loaders]
    for name, found in zip(("validation", "test"), seen[1:], strict=True):
        assert found == set(split.part(name).pairs.tolist())
    assert seen[0] <= set(split.train.tolist())
    assert len(seen[0]) > 50
    assert {loader.batches.contigs for loader in loaders} == {("chr1", "chr2", "chr3", "chr4")}


@pytest.fixture(scope="module")
def uneven(tmp_path_factory) -> Store:
    """A store with one kind of pair on some chromosomes: their names say which."""
    folder = tmp_path_factory.mktemp("uneven")
    labels = {"both": "1010", "also": "0101", "ones": "1111", "zeros": "0000", "none": "...."}
    with (folder / "genome.fa").open("w") as fasta, (folder / "pairs.bedpe").open("w") as bedpe:
        for contig in labels:
            fasta.write(f">{contig}\n{'ACGT' * 50}\n")
            for start, label in enumerate(labels[contig]):
                bedpe.write(f"{contig}\t{start}\t{start + 10}\t{contig}\t50\t60\t{label}\n")
    paths = (folder / "genome.fa", folder / "pairs.bedpe", folder / "s")
    build_store(*paths, StoreSettings(20, 10, augment=2), label_column="7")
    return Store(folder / "s")


def split_of(validation: str, test: str, train: str = "both") -> ChromosomeSplit:
    return ChromosomeSplit((train,), tuple(validation.split()), tuple(test.split()))


def check(store, split) -> None:
    PairDataModule(store, split, DataSettings(batch_size=2)).check()


@pytest.mark.parametrize(
    ("validation", "test", "refused"),
    [
        ("ones", "also", "the validation part (ones) has 4 positive and 0 negative pairs"),
        ("also", "zeros", "the test part (zeros) has 0 positive and 4 negative pairs"),
        ("also", "none", "the test part (none) has 0 positive and 0 negative pairs"),
        ("zeros none", "also", "the validation part (zeros, none) has 0 positive and 4 negative"),
    ],
)
def test_a_part_to_measure_on_needs_positives_and_negatives(uneven, validation, test, refused):
    with pytest.raises(RequestError) as caught:
        check(uneven, split_of(validation, test))
    assert str(caught.value).startswith(f"{uneven.path}: {refused}")
    assert "choose other chromosomes" in str(caught.value)


def test_positives_and_negatives_of_a_part_may_lie_on_different_chromosomes(uneven):
    check(uneven, split_of("ones zeros", "also none"))


def test_a_training_part_without_labels_is_refused_as_such(uneven):
    with pytest.raises(RequestError, match="no labelled pairs on none"):
        check(uneven, split_of("ones", "ones", train="none"))


def test_a_part_on_a_chromosome_that_is_not_there_is_refused(uneven):
    with pytest.raises(RequestError, match="has no chromosome chr9"):
        check(uneven, split_of("also", "chr9"))


def test_settings_reach_the_loader(store):
    settings = DataSettings(7, 70, 0, 5, True, 3)
    found = PairDataModule(store, SPLIT, settings).train_dataloader().batches.settings
    assert vars(found) == {
        "training": True,
        "batch_size": 7,
        "buffer_rows": 70,
        "seed": 5,
        "reverse_complement": True,
        "max_shift": 3,
    }


def test_each_rank_of_a_trainer_reads_its_own_share(store):
    seen: list[list[int]] = []
    for rank in range(2):
        module = data(store)
        module.trainer = SimpleNamespace(global_rank=rank, world_size=2)
        seen.append([pair for batch in module.val_dataloader() for pair in batch.pair.tolist()])
        assert len(module.train_dataloader()) == 60 // (4 * 2)
    assert sorted(seen[0] + seen[1]) == pairs_of(store, "chr3")


def test_fewer_rows_than_processes_are_refused_before_any_work(store):
    data(store).check(15)  # 60 training rows in batches of 4
    with pytest.raises(RequestError, match="fewer than one batch of 4 on each of 16 ranks"):
        data(store).check(16)
    small = PairDataModule(store, SPLIT, DataSettings(batch_size=1))
    small.check(20)
    with pytest.raises(RequestError, match="20 pairs on chr3 are fewer than 21 processes"):
        small.check(21)


@pytest.mark.parametrize("workers", [0, 2])
def test_under_lightning_every_epoch_has_its_own_order_and_validation_sees_all(
    store, tmp_path, workers
):
    recorder, module = Recorder(), data(store, workers=workers)
    trainer(tmp_path, 3).fit(recorder, module)
    loader = data(store).train_dataloader()
    assert recorder.trained == [batch.pair.tolist() for _ in range(3) for batch in loader]
    assert sorted(recorder.validated) == sorted(3 * pairs_of(store, "chr3"))


def test_the_test_part_is_seen_once(store, tmp_path):
    recorder = Recorder()
    trainer(tmp_path, 1).test(recorder, data(store), verbose=False)
    assert sorted(recorder.validated) == pairs_of(store, "chr4")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["chromosomes", "random"])
def test_a_run_that_lightning_resumes_twice_in_mid_epoch_keeps_its_order(
    store, tmp_path, kind, workers
):
    split = SPLIT if kind == "chromosomes" else random_pairs(store, 1, 0)
    loader = data(store, split).train_dataloader()
    steps_of_epoch = len(loader)
    assert steps_of_epoch >= 15
    expected = [batch.pair.tolist() for _ in range(3) for batch in loader]
    seen, last = [], None
    for part, steps in enumerate((6, steps_of_epoch + 7, 3 * steps_of_epoch)):
        # A checkpoint after every step; the run is cut in the first and in the second epoch.
        keep = ModelCheckpoint(
            tmp_path, filename=f"part-{part}", every_n_train_steps=1, enable_version_counter=False
        )
        recorder = Recorder()
        run = trainer(tmp_path, 3, max_steps=steps, callbacks=[keep], enable_checkpointing=True)
        run.fit(recorder, data(store, split, workers=workers), ckpt_path=last)
        seen += recorder.trained
        last = keep.best_model_path
    assert seen == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_lightning_resumes_between_epochs_keeps_its_order(store, tmp_path, workers):
    loader = data(store).train_dataloader()
    expected = [batch.pair.tolist() for _ in range(4) for batch in loader]
    seen, last = [], None
    for part, epochs in enumerate((1, 2, 4)):
        keep = ModelCheckpoint(tmp_path, filename=f"part-{part}", enable_version_counter=False)
        recorder = Recorder()
        run = trainer(tmp_path, epochs, callbacks=[keep], enable_checkpointing=True)
        run.fit(recorder, data(store, workers=workers), ckpt_path=last)
        seen += recorder.trained
        last = keep.best_model_path
    assert seen == expected

"""What Lightning trains: a network with its loss, its optimiser and what it validates by."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
import torch.distributed
from torch import Tensor
from torch.nn import functional as F

from epipam.errors import EpipamError
from epipam.evaluation.metrics import auprc, auroc
from epipam.loading.loader import Batch
from epipam.models import Network
from epipam.models.catalogue import find_model
from epipam.training.settings import TrainSettings

# Share of the steps in which the learning rate of a `rate_cycle` rises.
_WARM_UP = 0.1
MONITORED = "validation_auprc"


class TrainingDiverged(EpipamError):
    """Training whose loss, gradients or logits are no numbers any more."""


class PairClassifier(L.LightningModule):
    """A network, its loss `alpha * BCE(main) + (1 - alpha) * BCE(auxiliary)`, and its optimiser.

    Parameters
    ----------
    network
        What to train.
    settings
        Loss and optimiser.
    """

    def __init__(self, network: Network, settings: TrainSettings) -> None:
        super().__init__()
        self.network = network
        self.settings = settings.with_model_defaults()
        self.has_begun = False
        self._validated: list[tuple[Tensor, Tensor]] = []
        self._loss: Tensor | None = None
        self._batch = 0

    def on_train_start(self) -> None:
        self.has_begun = True

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        logits = self.network.both_logits(batch.enhancer, batch.promoter)
        target = batch.label.to(logits.main.dtype)
        loss = F.binary_cross_entropy_with_logits(logits.main, target)
        if logits.auxiliary is not None:
            auxiliary = F.binary_cross_entropy_with_logits(logits.auxiliary, target)
            loss = self.settings.alpha * loss + (1 - self.settings.alpha) * auxiliary
        self.log(
            "training_loss",
            loss,
            on_step=False,
            on_epoch=True,
            batch_size=len(target),
            sync_dist=self._distributed,
        )
        self._loss, self._batch = loss.detach(), batch_index
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # Here gradients are the mean over all processes, which so stop together.
        numbers = [] if self._loss is None else [self._loss]
        if not self.settings.precision.startswith("16"):
            # float16 begins with a scale at which gradients overflow, and lowers it.
            numbers += [p.grad.sum() for p in self.parameters() if p.grad is not None]
        # Together, since each look costs a GPU a pause.
        if numbers and not bool(torch.stack([n.float() for n in numbers]).isfinite().all()):
            what = "loss" if self._loss is not None and not self._loss.isfinite() else "gradient"
            raise self._diverged(f"the {what} of batch {self._batch + 1}")

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        known = batch.label >= 0
        logits = self.network(batch.enhancer, batch.promoter)[known]
        self._validated.append((logits.float().cpu(), batch.label[known].long().cpu()))

    def on_validation_epoch_end(self) -> None:
        # Every process may have another number of labelled pairs, or none.
        parts = [part for parts in self._gathered(self._validated) for part in parts]
        self._validated = []
        logits, label = (torch.cat(column) for column in zip(*parts, strict=True))
        if not bool(logits.isfinite().all()):
            raise self._diverged("a logit of a validation pair")
        loss = F.binary_cross_entropy_with_logits(logits, label.to(logits.dtype))
        self.log("validation_loss", loss)
        # Ranked by logits: probabilities of float32 are 1 alike where logits are large.
        ranked = label.numpy(), logits.numpy()
        area, precision = auroc(*ranked), auprc(*ranked)
        # PairDataModule.check saw both labels.
        assert area is not None
        assert precision is not None
        self.log("validation_auroc", area)
        self.log(MONITORED, precision, prog_bar=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["torch_rng_states"] = self._gathered(torch.get_rng_state())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Dropout goes on where it was, so that a resumed run equals an uninterrupted one.
        torch.set_rng_state(checkpoint["torch_rng_states"][self.global_rank])

    def _diverged(self, what: str) -> TrainingDiverged:
        rate = self.settings.learning_rate
        return TrainingDiverged(
            f"training diverged: in epoch {self.current_epoch + 1} {what} is no number any more; "
            f"try a lower --learning-rate than {rate:g}, --precision 32-true, or another --seed"
        )

    @property
    def _distributed(self) -> bool:
        return torch.distributed.is_available() and torch.distributed.is_initialized()

    def _gathered(self, mine: Any) -> list[Any]:
        """Return what each process has, in order of rank."""
        if not self._distributed:
            return [mine]
        everyones: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(everyones, mine)
        return everyones

    def configure_optimizers(self) -> Any:
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        assert rate is not None
        assert decay is not None
        adam = torch.optim.Adam(self.parameters(), lr=rate, weight_decay=decay)
        if not find_model(self.settings.model).rate_cycle:
            return adam
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            adam,
            rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
            pct_start=_WARM_UP,
            cycle_momentum=False,
        )
        return {"optimizer": adam, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

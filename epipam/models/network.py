"""What every model is to those who train, save, score and evaluate it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from epipam.errors import ModelError
from epipam.genome.windows import ENHANCER_LENGTH, PROMOTER_LENGTH
from epipam.models.first_layer import FirstLayer
from epipam.models.hub_mixin import HubFolder

NO_ATTENTION = "this model has no position attention to look at: only an epipam or epipam-embed has"


@dataclass(frozen=True)
class WindowConfig:
    """What every model's config begins with.

    Attributes
    ----------
    enhancer_length, promoter_length
        Window lengths in bp.
    """

    enhancer_length: int = ENHANCER_LENGTH
    promoter_length: int = PROMOTER_LENGTH


class Logits(NamedTuple):
    """Outputs for training, float (N,); `auxiliary` is None for a network with one head."""

    main: Tensor
    auxiliary: Tensor | None


class Network(nn.Module, HubFolder, ABC):
    """A model of enhancer-promoter pairs: two windows in, a logit out.

    Parameters
    ----------
    config
        Its shape.

    Attributes
    ----------
    config_class
        Of `config`; its fields, with their values, are what `config.json` holds.
    found_fields
        Fields of it that training finds, and nobody sets.
    provenance
        What the weights come from, as `config.json` holds it.
    """

    config_class: ClassVar[type[WindowConfig]] = WindowConfig
    found_fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: WindowConfig) -> None:
        super().__init__()
        self.config = config
        self.provenance: dict[str, Any] = {}

    @abstractmethod
    def forward(self, enhancer: Tensor, promoter: Tensor) -> Tensor:
        """Return the logits, whose sigmoid is the probability of interaction.

        Parameters
        ----------
        enhancer, promoter
            Packed windows, uint8 (N, ceil(L / 2)), or one-hot ones, (N, 4, L).

        Returns
        -------
        Tensor
            float (N,).
        """

    def both_logits(self, enhancer: Tensor, promoter: Tensor) -> Logits:
        """Return what training reads: the logits of the main head and of the auxiliary one."""
        return Logits(self(enhancer, promoter), None)

    def attention(self, enhancer: Tensor, promoter: Tensor) -> list[Any]:
        """Return what the position attention of each block computes, where there is any."""
        raise ModelError(NO_ATTENTION)

    def first_layers(self) -> tuple[FirstLayer, FirstLayer]:
        """Return the convolutions that read the enhancer's and the promoter's window."""
        raise ModelError("this model has no convolution whose kernels could be read as motifs")

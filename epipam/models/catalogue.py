"""The models by name: what each is, where it comes from, how it is trained unless told otherwise.

Nothing is imported here that takes time, so that a command's `--help` can list the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from epipam.errors import ModelError

_EPIPAM = "Liu, Zhu and Zhang, Comput Biomed 2026;1:202525"
_EPIPAM_DOI = "10.70401/cbm.2026.0013"


@dataclass(frozen=True)
class ModelEntry:
    """One model.

    Attributes
    ----------
    network
        Its class, as `module:class`.
    about
        What it is, to follow "by" in a sentence.
    source
        The paper it comes from.
    doi
        Of that paper, where it is known for certain.
    preset
        Fields of the class's config that make it this model and no other of its class.
    learning_rate, weight_decay, epochs
        Training as published; `TrainSettings` says what they are.
    rate_cycle
        Whether training begins with a small learning rate, reaches the full one after a tenth of
        its steps and ends near zero (`OneCycleLR`); otherwise the rate stays the same.
    boosted
        Whether it is made of trees, which gradient boosting grows, and not of layers.
    auxiliary_head
        Whether training reads a second head; `TrainSettings.alpha` weighs the two.
    """

    network: str
    about: str
    source: str
    doi: str | None = None
    preset: Mapping[str, Any] = field(default_factory=dict)
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    epochs: int = 15
    rate_cycle: bool = False
    boosted: bool = False
    auxiliary_head: bool = False

    @property
    def cite_as(self) -> str:
        """The paper's DOI as a URL; the reference where none is known."""
        return self.source if self.doi is None else f"https://doi.org/{self.doi}"

    @property
    def reference(self) -> str:
        """The paper in words, with the URL of its DOI where one is known."""
        return self.source if self.doi is None else f"{self.source}, {self.cite_as}"


def find_model(name: str) -> ModelEntry:
    """Return the entry of a model.

    Raises
    ------
    ModelError
        For a name that no model has.
    """
    if name not in MODELS:
        raise ModelError(f"no model is called {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


def _epipam(about: str, *, position_attention: bool, embedding: int) -> ModelEntry:
    return ModelEntry(
        "epipam.models.epipam:Epipam",
        about,
        _EPIPAM,
        _EPIPAM_DOI,
        {"position_attention": position_attention, "embedding": embedding},
        weight_decay=0.0005,
        auxiliary_head=position_attention,
    )


MODELS: dict[str, ModelEntry] = {
    "epipam": _epipam(
        "a convolutional network with position attention (EPIPAM)",
        position_attention=True,
        embedding=0,
    ),
    "epi": _epipam(
        "a convolutional network without position attention (EPI)",
        position_attention=False,
        embedding=0,
    ),
    "epipam-embed": _epipam(
        "a convolutional network with position attention over embedded 6-mers (EPIPAM*)",
        position_attention=True,
        embedding=100,
    ),
    "epi-embed": _epipam(
        "a convolutional network without position attention over embedded 6-mers (EPI*)",
        position_attention=False,
        embedding=100,
    ),
    "epivan": ModelEntry(
        "epipam.models.epivan:Epivan",
        "a convolutional and recurrent network with attention over embedded 6-mers (EPIVAN)",
        "Hong et al., Bioinformatics 2020;36:1037-1043",
    ),
    "deeptact": ModelEntry(
        "epipam.models.deeptact:Deeptact",
        "a convolutional and recurrent network with attention (DeepTACT, its sequence part)",
        "Li, Wong and Jiang, Nucleic Acids Res 2019;47:e60",
        "10.1093/nar/gkz167",
        learning_rate=1e-5,
        epochs=40,
    ),
    "speid": ModelEntry(
        "epipam.models.speid:Speid",
        "a convolutional and recurrent network (SPEID)",
        "Singh et al., Quant Biol 2019;7:122-137",
        "10.1007/s40484-019-0154-0",
        learning_rate=1e-5,
        weight_decay=2e-5,
        epochs=32,
    ),
    "simcnn": ModelEntry(
        "epipam.models.simcnn:Simcnn",
        "a convolutional network of two layers (SIMCNN)",
        "Zhuang, Shen and Pan, Bioinformatics 2019;35:2899-2906",
        "10.1093/bioinformatics/bty1050",
        learning_rate=1e-5,
        weight_decay=2e-5,
        epochs=32,
    ),
    "pairwise": ModelEntry(
        "epipam.models.pairwise:Pairwise",
        "a convolutional network that compares both anchors through one strand-aware trunk",
        "epipam's own, from no paper",
        learning_rate=0.002,
        weight_decay=0.0005,
        epochs=5,
        rate_cycle=True,
    ),
    "kmer-gbm": ModelEntry(
        "epipam.models.kmer_gbm:KmerGbm",
        "gradient-boosted trees on counts of 5-mers",
        "a baseline, from no paper; scikit-learn's HistGradientBoostingClassifier grows the trees",
        learning_rate=0.1,
        epochs=200,
        boosted=True,
    ),
}

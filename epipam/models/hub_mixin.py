"""The model folder as the Hugging Face hub knows it: `save_pretrained`, `from_pretrained`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from huggingface_hub import ModelCard, ModelHubMixin, snapshot_download

from epipam.models.card import LIBRARY, TAGS, model_card
from epipam.models.folder import MODEL_FILES
from epipam.models.registry import describe_model, load_model, save_model

if TYPE_CHECKING:
    from epipam.models.network import Network


class HubFolder(ModelHubMixin, library_name=LIBRARY, tags=list(TAGS)):
    """Saves a network as a model folder, and loads one from a folder or a hub repository.

    Attributes
    ----------
    provenance
        What the weights come from, as `config.json` holds it.
    """

    provenance: dict[str, Any]

    def generate_model_card(self, *_: Any, **__: Any) -> ModelCard:
        """Return the card that `save_pretrained` and `push_to_hub` write: without metrics."""
        return model_card(describe_model(cast("Network", self), self.provenance), None)

    def _save_pretrained(self, save_directory: Path) -> None:
        save_model(cast("Network", self), save_directory, self.provenance)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **_: Any,
    ) -> HubFolder:
        if Path(model_id).is_dir():
            return load_model(model_id)
        folder = snapshot_download(
            model_id,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            allow_patterns=[*MODEL_FILES],
        )
        return load_model(folder)

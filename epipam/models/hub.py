"""Models on the Hugging Face hub: fetched by `hf://USER/NAME`, pushed with their card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    CommitOperationAdd,
    HfApi,
    constants,
    get_token,
    snapshot_download,
)
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    # What the library's HTTP client raises where the hub cannot be reached.
    HTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from epipam.errors import EpipamError, ModelError, RequestError
from epipam.models.card import folder_card, read_card, run_metrics
from epipam.models.folder import (
    CARD_FILE,
    CONFIG_FILE,
    HUB_PREFIX,
    MODEL_FILES,
    WEIGHTS_FILE,
    read_config,
)

_LOG_IN = "log in with 'hf auth login', or set the variable HF_TOKEN, to a token that may write"


@dataclass(frozen=True)
class Pushed:
    """What `push_model` did.

    Attributes
    ----------
    repo_id
        The repository, with the name of its owner.
    url
        Of the commit.
    files
        Names of the files in it.
    """

    repo_id: str
    url: str
    files: tuple[str, ...]


def fetch_model(model: str) -> Path:
    """Return the folder of a model on the hub, fetched into the library's cache where it is new.

    Parameters
    ----------
    model
        `hf://USER/NAME`, or `hf://USER/NAME@REVISION`: a branch, a tag or a commit.

    Raises
    ------
    RequestError
        For a name that no repository can have, and a repository or revision that is not there.
    EpipamError
        Where the hub cannot be reached and the cache does not hold the model.
    ModelError
        Where the repository holds no epipam model.
    """
    repo_id, _, revision = model.removeprefix(HUB_PREFIX).partition("@")
    with _in_one_line(model, repo_id):
        validate_repo_id(repo_id)
        folder = Path(
            snapshot_download(
                repo_id,
                revision=revision or None,
                allow_patterns=[*MODEL_FILES],
            )
        )
    if not (folder / CONFIG_FILE).exists():
        raise ModelError(f"{model}: holds no epipam model: it has no {CONFIG_FILE}")
    return folder


def push_model(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    license: str | None = None,
    revision: str | None = None,
    message: str = "Push a model with epipam",
) -> Pushed:
    """Put a model folder into a repository of the hub, which is made where there is none.

    Its files go in one commit: the configuration, the weights and the card. A card that the
    folder lacks is written for the occasion; the folder itself stays as it is.

    Parameters
    ----------
    folder
        The model folder.
    repo_id
        `USER/NAME`, or `NAME` alone for whoever is logged in.
    private
        Whether a new repository is private.
    license
        Of the weights, as the hub names licenses (`mit`, `cc-by-4.0`); noted in the card.
    revision
        Branch to push to; `main` by default.
    message
        Of the commit.

    Raises
    ------
    ModelError
        Where the folder holds no whole model.
    RequestError
        For a name that no repository can have, and where nobody is logged in.
    EpipamError
        Where the hub cannot be reached, or refuses.
    """
    folder = Path(folder)
    read_config(folder)
    if not (folder / WEIGHTS_FILE).is_file():
        raise ModelError(f"{folder}: has no {WEIGHTS_FILE}")
    card = read_card(folder) or folder_card(folder, run_metrics(folder))
    if license is not None:
        card.data["license"] = license
    contents: dict[str, Path | bytes] = {
        name: folder / name for name in MODEL_FILES if (folder / name).is_file()
    }
    contents[CARD_FILE] = str(card).encode("utf-8")
    with _in_one_line(repo_id, repo_id):
        validate_repo_id(repo_id)
        if get_token() is None:
            raise RequestError(f"{repo_id}: nobody is logged in to the hub: {_LOG_IN}")
        api = HfApi(library_name="epipam")
        repository = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        commit = api.create_commit(
            repository,
            [CommitOperationAdd(name, content) for name, content in contents.items()],
            commit_message=message,
            revision=revision,
        )
    return Pushed(repository, commit.commit_url, tuple(sorted(contents)))


@contextmanager
def _in_one_line(what: str, repo_id: str) -> Iterator[None]:
    """Turn what the hub's library raises into one line that says what to do."""
    endpoint = constants.ENDPOINT
    try:
        yield
    except HFValidationError as error:
        raise RequestError(
            f"{what}: {repo_id!r} is no name of a repository, which is USER/NAME: {_line(error)}"
        ) from None
    except LocalTokenNotFoundError:
        raise RequestError(f"{what}: nobody is logged in to the hub: {_LOG_IN}") from None
    except RevisionNotFoundError:
        raise RequestError(f"{what}: {repo_id} at {endpoint} has no such revision") from None
    except RepositoryNotFoundError:
        raise RequestError(
            f"{what}: {endpoint} has no repository {repo_id}, or it is private and "
            "'hf auth login' is needed"
        ) from None
    except HfHubHTTPError as error:
        refused = error.response is not None and error.response.status_code in (401, 403)
        remedy = f"; {_LOG_IN} there" if refused else ""
        raise EpipamError(f"{what}: {endpoint} refuses: {_line(error)}{remedy}") from None
    except (HTTPError, LocalEntryNotFoundError, ConnectionError) as error:
        raise EpipamError(
            f"{what}: {endpoint} cannot be reached: {_line(error)}; check the network"
        ) from None


def _line(error: Exception) -> str:
    """Return the first line of what an error says: further ones are advice."""
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")

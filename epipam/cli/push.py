"""`epipam push`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from epipam.cli.command import EpipamCommand, json_option, print_result


@click.command("push", cls=EpipamCommand)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("repository", metavar="USER/NAME")
@click.option("--private", is_flag=True, help="Make a new repository a private one.")
@click.option("--license", help="Of the weights: mit, cc-by-4.0, ...; noted in the model card.")
@click.option("--revision", help="Branch to push to.  [default: main]")
@click.option("--message", default="Push a model with epipam", help="Of the commit.")
@json_option
def push(
    model: Path,
    repository: str,
    private: bool,
    license: str | None,
    revision: str | None,
    message: str,
    as_json: bool,
) -> None:
    """Put the model folder MODEL on the Hugging Face hub, with its model card.

    Whoever is logged in there (`hf auth login`, or the variable HF_TOKEN) needs to be allowed to
    write to the repository, which is made where there is none.
    """
    from epipam.models.hub import push_model

    pushed = push_model(
        model, repository, private=private, license=license, revision=revision, message=message
    )
    lines = (
        f"{model}: {', '.join(pushed.files)} pushed to {pushed.url}",
        f"try: epipam info hf://{pushed.repo_id}",
    )
    print_result({"model": str(model), **asdict(pushed)}, iter(lines), as_json)

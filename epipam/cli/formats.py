"""`epipam formats`: which pair tables are read, and how they are recognised."""

from __future__ import annotations

from collections.abc import Iterator

import click

from epipam.cli.command import EpipamCommand, json_option, print_result


@click.command("formats", cls=EpipamCommand)
@json_option
def formats(as_json: bool) -> None:
    """List the formats of pair tables: recognised by what, which anchor is the enhancer, labels.

    Each is read plain or compressed (gzip, bgzip, bzip2, xz, zip), from a file, a pipe or -.
    --columns reads any other table.
    """
    from epipam.pairs.formats import FORMATS

    print_result({"formats": [one.to_json() for one in FORMATS]}, _lines(), as_json)


def _lines() -> Iterator[str]:
    from epipam.pairs.formats import FORMATS

    for one in FORMATS:
        yield f"{one.name}: {one.about}"
        yield f"  recognised by  {one.recognised_by}"
        yield f"  roles          {one.roles}"
        yield f"  labels         {one.labels or 'none without --label-column'}"

"""The `epipam` command: one module per command group, imported only when it is called."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import click

from epipam.version import __version__

COMMANDS = {
    "build-store": "epipam.cli.build_store:build_store",
    "info": "epipam.cli.inspect:info",
    "verify": "epipam.cli.inspect:verify",
    "chiapet": "epipam.cli.chiapet:chiapet",
    "negatives": "epipam.cli.negatives:negatives",
    "audit": "epipam.cli.audit:audit",
    "formats": "epipam.cli.formats:formats",
    "train": "epipam.cli.train:train",
    "crossval": "epipam.cli.crossval:crossval",
    "evaluate": "epipam.cli.evaluate:evaluate",
    "calibrate": "epipam.cli.calibrate:calibrate",
    "motifs": "epipam.cli.motifs:motifs",
    "attention": "epipam.cli.attention:attention",
    "simulate": "epipam.cli.simulate:simulate",
    "candidates": "epipam.cli.candidates:candidates",
    "score": "epipam.cli.score:score",
    "merge": "epipam.cli.merge:merge",
    "variants": "epipam.cli.variants:variants",
    "mutagenesis": "epipam.cli.mutagenesis:mutagenesis",
    "kipoi": "epipam.cli.kipoi:kipoi",
    "push": "epipam.cli.push:push",
}


class LazyGroup(click.Group):
    """A group that imports a command's module when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            path = ctx.command_path
            click.echo(
                f"{path}: error: no command is called {name!r}{hint} ({path} --help lists them)",
                err=True,
            )
            ctx.exit(2)
        return super().resolve_command(ctx, args)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="epipam")
def main() -> None:
    """Enhancer-promoter interactions from sequence, at the scale of genomes."""


def build_store_main() -> None:
    """Run `epipam build-store` under its own name, `epipam-build-store`."""
    from epipam.cli.build_store import build_store

    build_store(prog_name="epipam-build-store")

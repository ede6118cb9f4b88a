"""The `epipam` command line: parses what was asked, calls the rooms below, prints the answer.

Arguments of a shell come in; files, lines on standard output and an exit code go out. Each command
is one thin module of this room, imported when it is called: `COMMANDS` says where it is and, for
`epipam --help`, what it does.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Any, NamedTuple

import click

from epipam.cli.stops import stop_signals
from epipam.version import __version__


class Command(NamedTuple):
    """Where a command is (`module:name`), and what it does in one line of `epipam --help`."""

    home: str
    summary: str


# By job, in the order in which they are mostly needed.
JOBS: dict[str, dict[str, Command]] = {
    "Prepare pairs and windows": {
        "formats": Command("formats:formats", "List the formats of pair tables"),
        "candidates": Command("candidates:candidates", "Pair every enhancer with promoters nearby"),
        "chiapet": Command("chiapet:chiapet", "Make labelled pairs of loops and peaks"),
        "label": Command("label:label", "Label candidate pairs by loops that join them"),
        "negatives": Command("negatives:negatives", "Draw negatives for positive pairs"),
        "audit": Command("audit:audit", "Say what lists of pairs give away without sequence"),
        "simulate": Command("simulate:simulate", "Write a synthetic genome with known pairs"),
        "build-store": Command("build_store:build_store", "Pack the windows of pairs into a store"),
        "info": Command("inspect:info", "Say what is in a store or a model"),
        "verify": Command("inspect:verify", "Compare a store's files with their digests"),
        "repair": Command("repair:repair", "Rebuild the damaged contigs of a store"),
    },
    "Train and judge": {
        "train": Command("train:train", "Train a model, chromosomes held out"),
        "crossval": Command("crossval:crossval", "Cross-validate and compare models"),
        "evaluate": Command("evaluate:evaluate", "Judge a model beside baselines and controls"),
        "calibrate": Command("calibrate:calibrate", "Fit the map to calibrated probabilities"),
    },
    "Answer": {
        "score": Command("score:score", "Score candidate pairs of a genome"),
        "variants": Command("variants:variants", "Score what variants do to pairs"),
        "merge": Command("merge:merge", "Put parts made with --contigs together"),
    },
    "Understand a model": {
        "motifs": Command("motifs:motifs", "Read first kernels as motifs, find known ones"),
        "attention": Command("attention:attention", "Show where position attention looks"),
        "mutagenesis": Command("mutagenesis:mutagenesis", "Score every base change of a pair"),
    },
    "Share a model": {
        "models": Command("models:models", "List the models that come with epipam"),
        "push": Command("push:push", "Put a model on the Hugging Face hub"),
        "kipoi": Command("kipoi:kipoi", "Package models for Kipoi"),
    },
}
COMMANDS = {name: command for commands in JOBS.values() for name, command in commands.items()}


class LazyGroup(click.Group):
    """A group that imports a command's module when that command is called, not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].home.split(":")
        return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by job, without importing any."""
        width = max(map(len, COMMANDS))
        for job, commands in JOBS.items():
            with formatter.section(job):
                rows = [(name.ljust(width), command.summary) for name, command in commands.items()]
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        with stop_signals() as stops:
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:  # before the command itself has begun
                stops.report(ctx)

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
@click.version_option(__version__, "-V", "--version", prog_name="epipam")
def main() -> None:
    """Enhancer-promoter interactions from sequence, at the scale of genomes.

    `epipam COMMAND --help` explains a command.
    """


def build_store_main() -> None:
    """Run `epipam build-store` under its own name, `epipam-build-store`."""
    from epipam.cli.build_store import build_store

    build_store(prog_name="epipam-build-store")

"""Options that several commands share, each with its default in one place."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from epipam.cli.command import ModelFolder
from epipam.genome.contigs import Aliases
from epipam.pairs.formats.layout import COLUMNS
from epipam.scoring.settings import BATCH_SIZE, CACHE_SIZE, OutputOptions

MEGABYTE = 1_000_000
# A share of N in windows that is worth a line.
SHARE_OF_N_SAID = 0.01

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


label_column_option = click.option(
    "--label-column", help="Name or 1-based number of the label's column in a BEDPE."
)
batch_size_option = click.option(
    "--batch-size", type=click.IntRange(1), default=100, help="Pairs per forward pass."
)
device_option = click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
bootstrap_option = click.option(
    "--bootstrap", type=click.IntRange(0), default=1000, help="Replicates for intervals."
)
resample_option = click.option(
    "--resample",
    type=click.Choice(["clusters", "promoters", "chromosomes", "pairs"]),
    default="clusters",
    help="What intervals draw as a whole; clusters are pairs that share regions.",
)


def together(*options: Decorator) -> Decorator:
    """Return what adds several options, in this order."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def pairs_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add MODEL, GENOME and BEDPE: what is scored, and by what."""
    path = click.Path(path_type=Path)
    function = click.argument("pairs", metavar="BEDPE", type=path)(function)
    function = click.argument("genome", type=path)(function)
    return click.argument("model", type=ModelFolder())(function)


def columns_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--columns`: which columns of a pair table are which, as the argument `columns`."""
    return click.option(
        "--columns",
        metavar="COLUMN=NAME,...",
        multiple=True,
        callback=_parse_columns,
        help="Which columns hold what, by name or number: enhancer_chrom=CHR,enhancer_start=2,...",
    )(function)


def output_option(help: str) -> Decorator:
    """Add `-o`: the file to write, as `out`."""
    path = click.Path(path_type=Path)
    return click.option("-o", "--output", "out", type=path, required=True, help=help)


def contigs_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--contigs`: names of contigs, as the argument `contigs`, None without."""
    return click.option(
        "--contigs",
        metavar="NAME,...",
        callback=_split_names,
        help="Work on the part that lies on these contigs; epipam merge puts parts together.",
    )(function)


def aliases_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--aliases`: a table of names of contigs, as the argument `aliases`, None without."""

    @click.option(
        "--aliases",
        "aliases_path",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Names that mean one contig on each line: UCSC's chromAlias, or two columns.",
    )
    @functools.wraps(function)
    def with_aliases(*args: Any, aliases_path: Path | None, **kwargs: Any) -> Any:
        # Read here, not while the line is parsed: what is wrong with the file is then one line.
        aliases = None if aliases_path is None else Aliases.read(aliases_path)
        return function(*args, aliases=aliases, **kwargs)

    return with_aliases


def contig_lengths_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--genome`: where contigs end and how they are spelled; None without."""
    return click.option(
        "--genome",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="FASTA or table of contig lengths: all must lie inside, and the pairs bear its names.",
    )(function)


def distance_limits(what: str) -> Decorator:
    """Add `--min-distance` and `--max-distance`, None without."""

    def limit(name: str, help: str) -> Decorator:
        return click.option(name, type=click.IntRange(0), metavar="BP", help=help)

    return together(
        limit("--min-distance", f"Leave out nearer {what}, midpoint to midpoint."),
        limit("--max-distance", f"Leave out farther {what}."),
    )


def selection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says which scores are written and how, as the argument `output`."""

    @click.option(
        "--min-score",
        type=click.FloatRange(0, 1),
        help="Write only pairs of at least this probability.",
    )
    @click.option(
        "--top",
        type=click.IntRange(1),
        metavar="N",
        help="Write only the N best pairs of each promoter.",
    )
    @click.option(
        "--sort", is_flag=True, help="Sort a table by position; browser tracks always are."
    )
    @click.option(
        "--index", is_flag=True, help="Sort, and write a tabix index beside the file, a .gz."
    )
    @click.option(
        "--genes",
        type=click.Path(path_type=Path),
        help="Also write the best enhancers of each gene: .tsv or .tsv.gz.",
    )
    @click.option(
        "--genes-top",
        type=click.IntRange(1),
        default=OutputOptions.genes_top,
        metavar="N",
        help="How many enhancers of each gene.",
    )
    @functools.wraps(function)
    def with_selection(
        *args: Any,
        min_score: float | None,
        top: int | None,
        sort: bool,
        index: bool,
        genes: Path | None,
        genes_top: int,
        **kwargs: Any,
    ) -> Any:
        output = OutputOptions(min_score, top, sort, index, genes, genes_top)
        return function(*args, output=output, **kwargs)

    return with_selection


def bad_pairs_option(help: str) -> Decorator:
    """Add `--bad-pairs`: `fail` or `skip`."""
    return click.option(
        "--bad-pairs", type=click.Choice(["fail", "skip"]), default="fail", help=help
    )


def trans_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--trans`: `error` or `keep`."""
    return click.option(
        "--trans",
        type=click.Choice(["error", "keep"]),
        default="error",
        help="Pairs whose anchors lie on different chromosomes.",
    )(function)


def cache_size_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--cache-size`, in megabytes."""
    return click.option(
        "--cache-size",
        type=click.IntRange(1),
        default=CACHE_SIZE // MEGABYTE,
        metavar="MB",
        help="Memory for what is computed once per region, in megabytes.",
    )(function)


def device_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--batch-size` and `--device`."""
    return together(
        click.option(
            "--batch-size",
            type=click.IntRange(1),
            default=BATCH_SIZE,
            help="Pairs per forward pass, of a model without position attention.",
        ),
        device_option,
    )(function)


def _split_names(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = tuple(name for name in map(str.strip, value.split(",")) if name)
    if not names:
        raise click.BadParameter("names no contig; give names with commas between: chr1,chr2")
    return names


def _parse_columns(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str] | None:
    columns: dict[str, str] = {}
    for pair in ",".join(values).split(",") if values else ():
        column, separator, name = pair.partition("=")
        column = column.strip()
        if not separator or not name.strip():
            raise click.BadParameter(f"{pair!r} is not COLUMN=NAME, such as enhancer_chrom=CHR")
        if column not in COLUMNS:
            raise click.BadParameter(f"{column!r} is no column: {', '.join(COLUMNS)}")
        if column in columns:
            raise click.BadParameter(f"{column} is given twice")
        columns[column] = name.strip()
    return columns or None


def parse_setting(text: str) -> tuple[str, Any]:
    """Return the field and the value, which is JSON, of FIELD=VALUE."""
    name, separator, value = text.partition("=")
    if not separator:
        raise click.UsageError(f"--set {text}: is not FIELD=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        # A word is one without its quotes.
        return name, value

"""`epipam attention`."""

from __future__ import annotations

from pathlib import Path

import click

from epipam.cli.command import EpipamCommand, ModelFolder, json_option, print_result


@click.command("attention", cls=EpipamCommand)
@click.argument("model", type=ModelFolder())
@click.argument("genome", type=click.Path(path_type=Path))
@click.argument("pairs", metavar="BEDPE", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "out", type=click.Path(path_type=Path), required=True, help=".png or .svg."
)
@click.option("--row", type=click.IntRange(1), default=1, help="Which pair of BEDPE, from 1.")
@click.option(
    "--sites",
    "sites_path",
    type=click.Path(path_type=Path),
    help="Sites to mark: TSV with contig, start, end, strand, motif (a simulation's truth.tsv).",
)
@json_option
def attention(
    model: Path,
    genome: Path,
    pairs: Path,
    out: Path,
    row: int,
    sites_path: Path | None,
    as_json: bool,
) -> None:
    """Draw where the first position attention of MODEL looks in one pair of BEDPE."""
    import pandas as pd

    from epipam.errors import RequestError
    from epipam.genome import Genome
    from epipam.interpret.attention import attention_figure
    from epipam.models import load_model
    from epipam.pairs import read_pairs

    sites = None
    if sites_path is not None:
        if not sites_path.is_file():
            raise RequestError(f"{sites_path}: no such file")
        sites = pd.read_csv(sites_path, sep="\t")
        if missing := {"contig", "start", "end", "strand", "motif"} - set(sites.columns):
            raise RequestError(f"{sites_path}: missing columns: {', '.join(sorted(missing))}")
    found = attention_figure(
        load_model(model), read_pairs(pairs), row - 1, Genome(genome), out, sites
    )
    result = {"figure": str(out), "row": row, "probability": found.probability}
    print_result(result, iter([f"{out}: row {row}, probability {found.probability:.4f}"]), as_json)

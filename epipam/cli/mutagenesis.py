"""`epipam mutagenesis`."""

from __future__ import annotations

from pathlib import Path

import click

from epipam.cli.command import EpipamCommand, json_option, print_result, row_progress
from epipam.cli.options import (
    aliases_option,
    columns_option,
    device_options,
    output_option,
    pairs_arguments,
)
from epipam.genome.contigs import Aliases


@click.command("mutagenesis", cls=EpipamCommand)
@pairs_arguments
@output_option(".tsv, .tsv.gz (bgzip) or .parquet.")
@click.option("--row", type=click.IntRange(1), default=1, help="Which pair of BEDPE, from 1.")
@click.option("--figure", type=click.Path(path_type=Path), help="Also draw it: .png or .svg.")
@click.option(
    "--region",
    metavar="CHROM:START-END",
    help="Change only these bases; 1-based, both ends included.",
)
@columns_option
@aliases_option
@device_options
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@json_option
def mutagenesis(
    model: Path,
    genome: Path,
    pairs: Path,
    out: Path,
    row: int,
    figure: Path | None,
    region: str | None,
    columns: dict[str, str] | None,
    aliases: Aliases | None,
    batch_size: int,
    device: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Score every single-base change of one pair of BEDPE (or a pair table) with MODEL.

    Three rows for each base of the enhancer's and the promoter's window, with the difference of
    the logits. The figure shows them as a logo.
    """
    from epipam.genome.fasta import Genome
    from epipam.interpret.mutagenesis import mutate_pair, parse_region, read_pair, write_changes
    from epipam.models.registry import read_config
    from epipam.runtime.column_tables import ENDINGS
    from epipam.runtime.devices import describe_device
    from epipam.runtime.files import check_new_file
    from epipam.runtime.memory import keep_freed_memory
    from epipam.scoring.score import load_engine

    ending = check_new_file(out, "the changes", ENDINGS, overwrite=overwrite)
    if figure is not None:
        from epipam.interpret.mutagenesis_figure import check_figure, draw_changes

        check_figure(figure, overwrite=overwrite)
    part = None if region is None else parse_region(region)
    keep_freed_memory()
    engine = load_engine(model, device, batch_size)
    click.echo(f"device: {describe_device(engine.device)}", err=True)
    if about := read_config(model).get("provenance", {}).get("about"):
        click.echo(f"model: {about}", err=True)
    with row_progress("changes done") as advance:
        table = read_pair(pairs, row, columns)
        found = mutate_pair(engine, Genome(genome, aliases), table, part, advance)
    write_changes(found, out, ending)
    strongest = found.changes.iloc[int(found.changes["delta_logit"].abs().to_numpy().argmax())]
    change = f"{strongest.chrom}:{strongest.pos} {strongest.ref}>{strongest.alt}"
    lines = [
        f"{out}: {len(found.changes):,} changes of row {row}, probability {found.probability:.4f}",
        f"  strongest: {change} in {strongest.anchor}, logit {strongest.delta_logit:+.4f}",
    ]
    result = {
        "changes": str(out),
        "rows": len(found.changes),
        "row": row,
        "probability": found.probability,
        "logit": found.logit,
        "strongest": {"change": change, "delta_logit": float(strongest.delta_logit)},
    }
    if figure is not None:
        draw_changes(found, figure)
        lines.append(f"{figure}: the figure")
        result["figure"] = str(figure)
    print_result(result, iter(lines), as_json)

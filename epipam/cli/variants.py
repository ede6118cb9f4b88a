"""`epipam variants`."""

from __future__ import annotations

from pathlib import Path

import click

from epipam.cli.command import EpipamCommand, json_option, note_renamed, print_result, row_progress
from epipam.cli.options import (
    MEGABYTE,
    aliases_option,
    bad_pairs_option,
    cache_size_option,
    columns_option,
    contigs_option,
    device_options,
    output_option,
    pairs_arguments,
    trans_option,
)
from epipam.genome.contigs import Aliases


@click.command("variants", cls=EpipamCommand)
@pairs_arguments
@click.argument("variants", metavar="VCF", type=click.Path(path_type=Path))
@output_option(".tsv, .tsv.gz (bgzip) or .parquet.")
@contigs_option
@cache_size_option
@device_options
@bad_pairs_option(
    "Pairs that cannot be scored: stop before any work, or leave them out and count them."
)
@trans_option
@columns_option
@aliases_option
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def variants(
    model: Path,
    genome: Path,
    pairs: Path,
    variants: Path,
    out: Path,
    contigs: tuple[str, ...] | None,
    cache_size: int,
    batch_size: int,
    device: str,
    bad_pairs: str,
    trans: str,
    columns: dict[str, str] | None,
    aliases: Aliases | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Score what the variants of VCF do to the pairs of BEDPE (or a pair table).

    One row for each allele and each pair with a window that it changes: the score of the
    reference, of the alternative, and the difference of their logits. VCF may be BCF.
    """
    from epipam.interpret.variants import check_variant_output, score_variants
    from epipam.models.registry import read_config
    from epipam.runtime.devices import describe_device
    from epipam.runtime.memory import keep_freed_memory
    from epipam.scoring.score import load_engine

    check_variant_output(out, overwrite=overwrite)
    keep_freed_memory()
    engine = load_engine(model, device, batch_size, cache_size * MEGABYTE)
    click.echo(f"device: {describe_device(engine.device)}", err=True)
    if about := read_config(model).get("provenance", {}).get("about"):
        click.echo(f"model: {about}", err=True)
    with row_progress("rows done") as advance:
        result = score_variants(
            engine,
            genome,
            pairs,
            variants,
            out,
            bad_pairs=bad_pairs,
            trans=trans,
            contigs=contigs,
            columns=columns,
            aliases=aliases,
            overwrite=overwrite,
            on_rows=advance,
        )
    note_renamed(result.renamed)
    for name, contig in list(result.renamed_variants.items())[:3]:
        click.echo(f"note: read {name} of the variants as {contig}", err=True)
    for mismatch in result.mismatches:
        click.echo(f"{variants}: {mismatch}", err=True)
    lines = [
        f"{result.path}: {result.rows:,} rows",
        f"  {result.scored:,} of {result.alleles:,} alleles, in {result.pairs:,} pairs",
        f"  in no window: {result.outside:,} alleles",
    ]
    lines += [f"  not scored: {n:,} {reason}" for reason, n in result.skipped.items()]
    lines += [f"  pairs left out: {n:,} {reason}" for reason, n in result.skipped_pairs.items()]
    found = {
        name: getattr(result, name)
        for name in (
            "rows", "records", "alleles", "scored", "outside", "skipped", "removed",
            "mismatches", "pairs", "skipped_pairs",
        )
    }  # fmt: skip
    print_result({"variants": str(result.path), **found}, iter(lines), as_json)

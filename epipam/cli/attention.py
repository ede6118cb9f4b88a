"""`epipam attention`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epipam.cli.command import EpipamCommand, json_option, note_renamed, print_result, row_progress
from epipam.cli.options import (
    aliases_option,
    bad_pairs_option,
    columns_option,
    device_option,
    output_option,
    pairs_arguments,
    trans_option,
)
from epipam.genome.contigs import Aliases

if TYPE_CHECKING:
    import pandas as pd

_FIGURES = (".png", ".svg")


@click.command("attention", cls=EpipamCommand)
@pairs_arguments
@output_option("A figure (.png, .svg) or a track (.bedgraph, .bedgraph.gz, .bw).")
@click.option(
    "--row",
    type=click.IntRange(1),
    help="Which pair of BEDPE, from 1.  [default: 1 for a figure, all for a track]",
)
@click.option("--layer", type=click.IntRange(1), default=1, help="Which PAM, from 1.")
@click.option(
    "--sites",
    "sites_path",
    type=click.Path(path_type=Path),
    help="Sites to mark in a figure: TSV with contig, start, end, strand, motif (a simulation's "
    "truth.tsv).",
)
@click.option(
    "--anchor",
    type=click.Choice(["both", "enhancer", "promoter"]),
    default="both",
    help="Whose attention a track holds.",
)
@click.option(
    "--combine",
    type=click.Choice(["max", "mean"]),
    default="max",
    help="What a track holds where windows of several pairs lie on each other.",
)
@click.option(
    "--relative",
    is_flag=True,
    help="In a track: multiples of what each position had if all had the same.",
)
@bad_pairs_option(
    "Pairs that cannot be windowed: stop before any work, or leave them out and count them."
)
@trans_option
@columns_option
@aliases_option
@device_option
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option
def attention(
    model: Path,
    genome: Path,
    pairs: Path,
    out: Path,
    row: int | None,
    layer: int,
    sites_path: Path | None,
    anchor: str,
    combine: str,
    relative: bool,
    bad_pairs: str,
    trans: str,
    columns: dict[str, str] | None,
    aliases: Aliases | None,
    device: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Show where the position attention of MODEL looks in the pairs of BEDPE (or a pair table).

    A figure shows one pair: every enhancer position against every promoter position. A track
    shows all pairs, or one, along the genome: the attention of both anchors, by base.
    """
    from epipam.genome.fasta import Genome
    from epipam.interpret.attention_tracks import TrackSettings, write_track
    from epipam.interpret.mutagenesis import read_pair
    from epipam.interpret.value_tracks import ENDINGS
    from epipam.models import load_model
    from epipam.runtime.devices import choose_device
    from epipam.runtime.files import check_new_file

    ending = check_new_file(out, "a figure or a track", (*_FIGURES, *ENDINGS), overwrite=overwrite)
    if ending in _FIGURES:
        from epipam.interpret.attention import attention_figure

        row = 1 if row is None else row
        found = attention_figure(
            load_model(model),
            read_pair(pairs, row, columns),
            Genome(genome, aliases),
            out,
            None if sites_path is None else _read_sites(sites_path),
            layer=layer,
            device=choose_device(device),
        )
        line = f"{out}: row {row}, probability {found.probability:.4f}"
        result: dict[str, Any] = {"figure": str(out), "row": row, "layer": layer}
        print_result({**result, "probability": found.probability}, iter([line]), as_json)
        return
    if sites_path is not None:
        raise click.UsageError("--sites marks sites in a figure; a track has none")
    with row_progress("pairs done") as advance:
        track = write_track(
            load_model(model),
            pairs if row is None else read_pair(pairs, row, columns),
            Genome(genome, aliases),
            out,
            ending,
            TrackSettings(layer, anchor, combine, relative),
            device=choose_device(device),
            bad_pairs=bad_pairs,
            trans=trans,
            columns=columns,
            on_pairs=advance,
        )
    note_renamed(track.renamed)
    windows = " and ".join(f"{count:,} {name}" for name, count in track.windows.items())
    lines = [
        f"{out}: PAM {layer} of {track.pairs:,} pairs, {windows} windows",
        f"  {track.bases:,} bases have a value, the highest is {track.highest:.4g}",
    ]
    lines += [f"  left out: {count:,} {reason}" for reason, count in track.skipped.items()]
    names = ("pairs", "windows", "bases", "highest", "skipped")
    result = {"track": str(out), "layer": layer, **{n: getattr(track, n) for n in names}}
    print_result(result, iter(lines), as_json)


def _read_sites(path: Path) -> pd.DataFrame:
    import pandas as pd

    from epipam.errors import RequestError

    if not path.is_file():
        raise RequestError(f"{path}: no such file")
    sites = pd.read_csv(path, sep="\t")
    if missing := {"contig", "start", "end", "strand", "motif"} - set(sites.columns):
        raise RequestError(f"{path}: missing columns: {', '.join(sorted(missing))}")
    return sites

"""`epipam merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epipam.cli.command import (
    EpipamCommand,
    Place,
    json_option,
    print_result,
    progress,
    row_progress,
)
from epipam.cli.options import bad_pairs_option, selection_options
from epipam.errors import RequestError
from epipam.scoring.settings import ALL_PAIRS, OutputOptions


@click.command("merge", cls=EpipamCommand)
@click.argument("parts", metavar="PART...", type=Place(), nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "out",
    type=Place(),
    required=True,
    help="The whole: a store, or a table; with --pairs any format of scores.",
)
@click.option(
    "--pairs",
    type=click.Path(path_type=Path),
    help="Of scores: the pair table that was scored. Its order is that of the whole, each of its "
    "pairs must be there, and the options of epipam score apply.",
)
@click.option("--label-column", help="Of --pairs, as epipam score was given it.")
@bad_pairs_option("Of --pairs, pairs that no part holds: stop, or write them without a score.")
@selection_options
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@json_option
def merge(
    parts: tuple[Path | str, ...],
    out: Path | str,
    pairs: Path | None,
    label_column: str | None,
    bad_pairs: str,
    output: OutputOptions,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Put together what commands with --contigs have made: parts of a store, scores, tables.

    Parts of a store become the store that one build would have made, byte for byte. Scores become
    with --pairs what one run would have written. Tables (candidates, variants, scores) are
    otherwise put end to end in the order given.
    """
    places = [Path(part) for part in parts if isinstance(part, Path)]
    stores = len(places) < len(parts) or any(place.is_dir() for place in places)
    if pairs is None and (output != ALL_PAIRS or label_column or bad_pairs != "fail"):
        raise click.UsageError("the options of scores need --pairs, the table that was scored")
    if stores and pairs is not None:
        raise click.UsageError("--pairs is for scores; parts of a store know their pairs")
    if isinstance(out, str):
        raise RequestError(f"{out}: the whole is written on this machine; copy it there afterwards")
    for place in places:
        if not place.exists():
            raise RequestError(f"{place}: no such part")
    if stores:
        found = _merge_stores(parts, out, overwrite)
        pairs_found = found["pairs"]
        line = f"{out}: {pairs_found['stored']:,} of {pairs_found['rows']:,} pairs stored"
    elif pairs is None:
        found = _merge_tables(places, out, overwrite)
        line = f"{out}: {found['rows']:,} rows"
    else:
        found = _merge_scores(places, pairs, out, label_column, bad_pairs, output, overwrite)
        kept = "" if found["written"] == found["rows"] else f"{found['written']:,} of "
        line = f"{out}: {kept}{found['rows']:,} pairs"
    lines = [f"{line}, from {len(parts)} {'part' if len(parts) == 1 else 'parts'}"]
    lines += [
        f"  without a score: {n:,} on {contig}, in no part"
        for contig, n in found.get("missing", {}).items()
    ]
    if output.genes is not None:
        lines.append(f"{output.genes}: the best enhancers of each gene")
    print_result({"merged": str(out), **found}, iter(lines), as_json)


def _merge_stores(parts: tuple[Path | str, ...], out: Path, overwrite: bool) -> dict[str, Any]:
    from epipam.store import Store, merge_stores

    n_contigs = sum(len(Store(part).contigs) for part in parts)
    with progress(n_contigs, "contigs copied") as advance:
        result = merge_stores(
            parts, out, overwrite=overwrite, on_contig=lambda name: advance(1, name)
        )
    return result.attributes


def _merge_tables(parts: list[Path], out: Path, overwrite: bool) -> dict[str, Any]:
    from epipam.scoring.merging.tables import merge_tables

    with row_progress("rows done") as advance:
        return {"rows": merge_tables(parts, out, overwrite=overwrite, on_rows=advance).rows}


def _merge_scores(
    parts: list[Path],
    pairs: Path,
    out: Path,
    label_column: str | None,
    bad_pairs: str,
    output: OutputOptions,
    overwrite: bool,
) -> dict[str, Any]:
    from epipam.scoring.merging.scores import merge_scores
    from epipam.scoring.merging.tables import refuse_tracks

    refuse_tracks(parts)
    with row_progress("pairs done") as advance:
        result = merge_scores(
            parts,
            pairs,
            out,
            label_column=label_column,
            bad_pairs=bad_pairs,
            output=output,
            overwrite=overwrite,
            on_rows=advance,
        )
    found: dict[str, Any] = {
        "rows": result.rows, "written": result.written, "missing": result.missing
    }  # fmt: skip
    if output.genes is not None:
        found["genes"] = str(output.genes)
    return found

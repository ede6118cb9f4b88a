"""The folder of motifs: MEME file, tables, logos, and what made them; and its summary in lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from epipam.interpret.motif_files import meme_text
from epipam.interpret.motif_logos import draw_logo
from epipam.interpret.motif_matches import FEW_TARGETS
from epipam.interpret.motifs import KernelMotifs
from epipam.runtime.files import write_text

MOTIFS, TABLE, MATCHES, SUMMARY, LOGOS = (
    "motifs.meme", "motifs.tsv", "matches.tsv", "motifs.json", "logos",
)  # fmt: skip

_MOST_LISTED = 10
# Kernels whose sites are this much likelier, or less likely, in positive windows count as such.
_ENRICHED_Q = 0.05


def write_motifs(
    found: KernelMotifs,
    folder: Path,
    provenance: Mapping[str, Any],
    *,
    max_q: float,
    logos: str | None = "svg",
) -> dict[str, Any]:
    """Fill a folder, and return what its `motifs.json` holds.

    Parameters
    ----------
    provenance
        What made the motifs: digests, chromosomes, settings, versions.
    max_q
        Of the matches that count.
    logos
        `svg`, `png`, or None for no logos.
    """
    result = {"provenance": dict(provenance), **summary(found, max_q)}
    write_text(folder / MOTIFS, meme_text(found.motifs, found.background))
    _write_table(found.table, folder / TABLE)
    _write_table(found.matches, folder / MATCHES)
    if logos is not None:
        (folder / LOGOS).mkdir()
        rows = found.table.set_index("kernel")
        for motif in found.motifs:
            path = folder / LOGOS / f"{motif.identifier}.{logos}"
            title = _title(rows.loc[motif.identifier], motif.identifier, max_q)
            draw_logo(motif, found.background, title, path)
    write_text(folder / SUMMARY, json.dumps(result, indent=2) + "\n")
    return result


def summary(found: KernelMotifs, max_q: float) -> dict[str, Any]:
    """Return what was found, in plain values: counts, the best match of each kernel, families."""
    table = found.table
    matched = table[table["q_value"] <= max_q]
    best = matched.sort_values(["q_value", "kernel"])
    return {
        "windows": found.windows,
        "background": dict(zip("ACGT", found.background.tolist(), strict=True)),
        "targets": found.n_targets,
        "kernels": {
            anchor: {
                "kernels": len(rows),
                "silent": int((rows["highest_activation"] <= 0).sum()),
                "with_motif": int(rows["information"].notna().sum()),
                "matched": int((rows["q_value"] <= max_q).sum()),
            }
            for anchor, rows in table.groupby("anchor")
        },
        "best_matches": [
            {key: _plain(value) for key, value in row.items()} for row in best.to_dict("records")
        ],
        "orientations": orientations(matched),
    }


def orientations(matched: pd.DataFrame) -> list[dict[str, Any]]:
    """Count kernels by the target they match best, their anchor and the target's orientation.

    Returns
    -------
    list of dict
        target, target_name, anchor, orientation; `kernels`, how many; `enriched` and `depleted`,
        how many of them have sites in a larger, or smaller, share of positive windows than of
        negative ones. The targets of most kernels come first.
    """
    different = matched["enrichment_q"] <= _ENRICHED_Q
    counted = matched.assign(
        enriched=different & (matched["odds_ratio"] > 1),
        depleted=different & (matched["odds_ratio"] < 1),
        in_all=matched.groupby("target")["kernel"].transform("size"),
    )
    keys = ["in_all", "target", "target_name", "anchor", "orientation"]
    groups = counted.groupby(keys).agg(
        kernels=("kernel", "size"), enriched=("enriched", "sum"), depleted=("depleted", "sum")
    )
    rows = groups.reset_index().sort_values(keys, ascending=[False, True, True, True, True])
    return rows.drop(columns="in_all").to_dict("records")


def lines(result: Mapping[str, Any], folder: Path, max_q: float) -> Iterator[str]:
    """Yield the result for people."""
    yield f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}"
    for anchor, windows in result["windows"].items():
        kernels = result["kernels"][anchor]
        yield (
            f"  {anchor:<9} {windows['distinct']:,} distinct windows, {windows['positive']:,} of "
            f"positive pairs; {kernels['with_motif']} of {kernels['kernels']} kernels make a "
            f"motif, {kernels['matched']} match at q <= {max_q:g}"
        )
    if result["targets"] < FEW_TARGETS:
        yield (
            f"  note: {result['targets']} known motifs are too few for Tomtom's null model; "
            f"p, E and q need a collection of {FEW_TARGETS} or more"
        )
    if not (best := result["best_matches"]):
        yield "  no kernel matches a known motif"
        return
    yield "  best matches, and the share of positive and negative windows with a site:"
    yield f"    {'kernel':<14} {'target':<27} strand          q  positive  negative"
    for row in best[:_MOST_LISTED]:
        shares = f"{_share(row['positive_share'])}{_share(row['negative_share'])}"
        yield (
            f"    {row['kernel']:<14} {_target(row):<27} {row['orientation']:^6} "
            f"{row['q_value']:>10.1e}{shares}"
        )
    if (more := len(best) - _MOST_LISTED) > 0:
        yield f"    ... and {more} more in {TABLE}"
    yield "  kernels by best match, anchor and strand; more or fewer positive windows with a site:"
    for row in result["orientations"][:_MOST_LISTED]:
        yield (
            f"    {_target(row):<27} {row['anchor']:<9} {row['orientation']}  "
            f"{row['kernels']:>3} kernels, {row['enriched']:>3} more, {row['depleted']:>3} fewer"
        )


def _write_table(table: pd.DataFrame, path: Path) -> None:
    text = table.to_csv(sep="\t", index=False, na_rep=".", float_format="%.6g", lineterminator="\n")
    write_text(path, text)


def _title(row: Any, kernel: str, max_q: float) -> str:
    title = f"{kernel}, {row['sites']:,} sites"
    if row["q_value"] <= max_q:
        title += f": {_target(row)} {row['orientation']}, q {row['q_value']:.1e}"
    return title


def _target(row: Any) -> str:
    return f"{row['target']} {row['target_name']}".rstrip()


def _share(share: float | None) -> str:
    return f"{'-' if share is None else f'{share:.1%}':>10}"


def _plain(value: Any) -> Any:
    """Return a number that JSON knows; None for what is none."""
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return None
    return value

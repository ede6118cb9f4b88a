"""The part of a page on motifs: what `epipam motifs` found in the first kernels of the model."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from epipam.errors import RequestError
from epipam.report.tables import Cell, Table, count, share, text

TABLE, SUMMARY, LOGOS = "motifs.tsv", "motifs.json", "logos"
MOST_SHOWN = 8
MATCHED_Q = 0.05
_COLUMNS = (
    "kernel",
    "anchor",
    "sites",
    "information",
    "target",
    "target_name",
    "q_value",
    "orientation",
    "positive_share",
    "negative_share",
)
_MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Logo:
    """The logo of a kernel.

    Attributes
    ----------
    kernel
        Its name.
    source
        The image, as a `data:` URL.
    """

    kernel: str
    source: str


@dataclass(frozen=True)
class MotifPart:
    """The motifs of a model, as a page shows them.

    Attributes
    ----------
    in_words
        What was found.
    table
        The kernels that resemble a known motif most.
    orientations
        How many kernels resemble which motif, at which anchor, on which strand; None where none
        resembles any.
    logos
        Of the kernels of `table`.
    """

    in_words: str
    table: Table
    orientations: Table | None
    logos: tuple[Logo, ...]


def motif_part(folder: Path, weights_sha256: str) -> MotifPart:
    """Arrange what `epipam motifs` wrote for a page.

    Parameters
    ----------
    folder
        Its folder.
    weights_sha256
        Digest of the model's weights, whose motifs these must be.

    Raises
    ------
    RequestError
        Where the folder is none of `epipam motifs`, or another model's.
    """
    summary = _read_summary(folder / SUMMARY, weights_sha256)
    kernels = _read(folder / TABLE)
    with_motif = kernels["information"].notna().sum()
    matched = int((kernels["q_value"] <= MATCHED_Q).sum())
    best = kernels.dropna(subset=["information"]).sort_values(["q_value", "kernel"])[:MOST_SHOWN]
    return MotifPart(
        in_words=(
            f"Of {len(kernels):,} kernels of the first layer, which see the sequence itself, "
            f"{with_motif:,} answer to enough sites to make a motif, and {matched:,} of these "
            f"resemble a known motif (q at most {MATCHED_Q:g}). "
            + ("The clearest:" if matched else "The nearest to one:")
        ),
        table=Table(
            "motif-rows",
            "Kernels by their likeness to known motifs",
            (
                "Kernel",
                "Anchor",
                "Best match",
                "Strand",
                "q-value",
                "Sites",
                "With a site: positive pairs",
                "negative pairs",
            ),
            tuple(_row(row) for _, row in best.iterrows()),
        ),
        orientations=_orientations(summary.get("orientations", ())),
        logos=tuple(_logos(folder / LOGOS, best["kernel"].astype(str).tolist())),
    )


def _read_summary(path: Path, weights_sha256: str) -> dict[str, Any]:
    """Return what `motifs.json` says, of this model and no other."""
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        found = summary["provenance"]["model"]
    except (OSError, ValueError, KeyError, TypeError):
        raise RequestError(
            f"{path.parent}: holds no motifs: {path.name} cannot be read; epipam motifs makes one"
        ) from None
    if found.get("weights_sha256") != weights_sha256:
        raise RequestError(
            f"{path.parent}: holds motifs of another model ({found.get('path')}, other weights); "
            f"run epipam motifs on this one"
        )
    return summary


def _orientations(found: Sequence[Mapping[str, Any]]) -> Table | None:
    if not found:
        return None
    return Table(
        "motif-orientations",
        "Kernels by the motif they resemble, their anchor and the strand",
        (
            "Motif",
            "Anchor",
            "Strand",
            "Kernels",
            "of them more often in positive pairs",
            "less often",
        ),
        tuple(
            (
                text(_names(row["target"], row["target_name"])),
                text(row["anchor"]),
                text(row["orientation"]),
                count(row["kernels"]),
                count(row["enriched"]),
                count(row["depleted"]),
            )
            for row in found[:MOST_SHOWN]
        ),
    )


def _read(path: Path) -> pd.DataFrame:
    try:
        kernels = pd.read_csv(path, sep="\t", na_values=["."])
    except (OSError, ValueError) as error:
        raise RequestError(f"{path}: cannot be read: {error}") from None
    if missing := [column for column in _COLUMNS if column not in kernels.columns]:
        raise RequestError(f"{path}: lacks the columns {', '.join(missing)}")
    return kernels


def _row(row: pd.Series) -> tuple[Cell, ...]:
    target, name, q = row["target"], row["target_name"], row["q_value"]
    return (
        text(row["kernel"]),
        text(row["anchor"]),
        text(_names("" if pd.isna(target) else target, "" if pd.isna(name) else name)),
        text(None if pd.isna(row["orientation"]) else row["orientation"]),
        Cell(f"{q:.1e}", float(q)) if pd.notna(q) else text(None),
        count(int(row["sites"])),
        *(
            share(None if pd.isna(row[column]) else float(row[column]))
            for column in ("positive_share", "negative_share")
        ),
    )


def _names(target: str, name: str) -> str:
    """Return a motif's identifier and, where it is another word, its name."""
    return " ".join(dict.fromkeys(filter(None, (str(target), str(name)))))


def _logos(folder: Path, kernels: list[str]) -> Iterator[Logo]:
    """Yield the logos that are there; `epipam motifs --logos none` draws none."""
    for kernel in kernels:
        for ending, media_type in _MEDIA_TYPES.items():
            path = folder / f"{kernel}{ending}"
            if path.is_file():
                encoded = base64.b64encode(path.read_bytes()).decode("ascii")
                yield Logo(kernel, f"data:{media_type};base64,{encoded}")
                break

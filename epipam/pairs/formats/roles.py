"""Which columns a header means: enhancer and promoter by its own words, in any order and case."""

from __future__ import annotations

import re
from collections.abc import Sequence

from epipam.pairs.formats.layout import (
    COLUMNS,
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    Fields,
    Found,
    Head,
    Rewrite,
)

_SEPARATOR = r"[^a-z0-9]*"
_PARTS = {
    "chrom": r"chrom|chr|chromosome|seqnames?|seqid|contig",
    "start": rf"(?:chrom|chr)?{_SEPARATOR}(?:start|begin|left)",
    "end": rf"(?:chrom|chr)?{_SEPARATOR}(?:end|stop|right)",
    "name": r"name|id",
}
_WORDS = {
    "enhancer": rf"enhancers?|enh|elements?|elem|c?cre|other{_SEPARATOR}end|oe|peak|distal",
    "promoter": r"promoters?|prom|bait|tss",
}
# A gene's start and end are those of its body, which is no promoter: only its name is taken.
_GENE_NAMES = re.compile(
    rf"(?:target|measured)?{_SEPARATOR}gene{_SEPARATOR}(?:symbol|name|id)?|(?:gene)?symbol"
    rf"|target{_SEPARATOR}(?:name|symbol)"
)
_POINT = re.compile(
    rf"(?:target)?{_SEPARATOR}(?:gene)?{_SEPARATOR}tss{_SEPARATOR}(?:pos|position|coord(?:inate)?)?"
)
_NUMBERED = rf"(?:bin|anchor|region|fragment|frag|end|loop|peak|r|i)?{_SEPARATOR}"
_REGION = {
    ("enhancer" if number == 1 else "promoter", part): re.compile(
        rf"{_NUMBERED}{number}{_SEPARATOR}(?:{words})|(?:{words}){_SEPARATOR}r?{number}"
    )
    for number in (1, 2)
    for part, words in {
        **_PARTS,
        "start": rf"s|{_PARTS['start']}",
        "end": rf"e|{_PARTS['end']}",
    }.items()
    if part != "name"
}
_MATCHES = {
    (role, part): re.compile(
        rf"(?:{words}){_SEPARATOR}(?:{part_words})|(?:{part_words}){_SEPARATOR}(?:{words})"
    )
    for role, words in _WORDS.items()
    for part, part_words in _PARTS.items()
}
_BARE = {part: re.compile(words) for part, words in _PARTS.items()}


class AmbiguousHeader(ValueError):
    """A header in which two columns could be one and the same; the text names both."""


def canonical_columns(names: Sequence[str]) -> dict[str, int]:
    """Return the position of each canonical column by its own name, in any case."""
    lower = [name.lower() for name in names]
    for column in COLUMNS:
        if lower.count(column) > 1:
            raise AmbiguousHeader(f"more than one column is called {column}: rename all but one")
    return {column: lower.index(column) for column in COLUMNS if column in lower}


def role_columns(names: Sequence[str]) -> dict[str, int]:
    """Return the position of each canonical column that a header names by role and part.

    `enhancer_chr`, `chrEnhancer`, `Enhancer Start` and `enh.end` all count; so do `bait` and
    `other end`, `element` and `TSS`. Of several columns for one thing, canonical names come first.
    """
    lower = [name.lower() for name in names]
    found: dict[str, int] = {}
    for (role, part), pattern in _MATCHES.items():
        places = [i for i, name in enumerate(lower) if pattern.fullmatch(name)]
        if not places:
            continue
        column = f"{role}_{part}"
        exact = [i for i in places if lower[i] == column]
        if part == "name":  # a name says more than a number
            exact = exact or [i for i in places if "name" in lower[i]]
        if len(exact or places) > 1 and column not in OPTIONAL_COLUMNS:
            twice = ", ".join(names[i] for i in places)
            raise AmbiguousHeader(
                f"more than one column could be {column}: {twice}; rename all but one"
            )
        found[column] = (exact or places)[0]
    if "label" in lower:
        if lower.count("label") > 1:
            raise AmbiguousHeader("more than one column is called label: rename all but one")
        found["label"] = lower.index("label")
    return found


def element_and_tss(head: Head) -> Found | None:
    """Find an element and a promoter: named by role, or bare columns and a TSS.

    A promoter that is one position becomes the base at it. Where one chromosome is named, it is
    that of both.

    Returns
    -------
    None where the header does not name two roles.

    Raises
    ------
    AmbiguousHeader
        Where two columns could be one and the same.
    """
    names = list(head.names or ())
    lower = [name.lower() for name in names]
    found = role_columns(names)
    bare = {part: i for part in _BARE if (i := _only(lower, _BARE[part])) is not None}
    point = next((i for i, name in enumerate(lower) if _POINT.fullmatch(name)), None)
    if point is not None and "promoter_start" not in found:
        found["promoter_start"] = point
    if not any(column.startswith("promoter_") for column in set(found) - OPTIONAL_COLUMNS):
        return None
    for part in ("chrom", "start", "end", "name"):
        if part in bare:
            found.setdefault(f"enhancer_{part}", bare[part])
    for one, other in (("enhancer", "promoter"), ("promoter", "enhancer")):
        if f"{other}_chrom" in found:
            found.setdefault(f"{one}_chrom", found[f"{other}_chrom"])
    gene = next((i for i, name in enumerate(lower) if _GENE_NAMES.fullmatch(name)), None)
    if gene is not None:
        found.setdefault("promoter_name", gene)
    if not any(c in found for c in ("enhancer_start", "enhancer_end")):
        return None
    rewrite: Rewrite | None = None
    if "promoter_start" in found and "promoter_end" not in found:
        rewrite = one_base(found["promoter_start"], len(names))
        found["promoter_end"] = len(names)
        names.append("promoter_end")
    return Found(found, tuple(names), "", rewrite)


def numbered_anchors(names: Sequence[str]) -> dict[str, int] | None:
    """Return where a header of BEDPE has its anchors: `chrom1 start1 end1 chrom2 start2 end2`."""
    lower = [name.lower() for name in names]
    found: dict[str, int] = {}
    for (anchor, part), pattern in _REGION.items():
        places = [i for i, name in enumerate(lower) if pattern.fullmatch(name)]
        if len(places) != 1:
            return None
        found[f"{anchor}_{part}"] = places[0]
    return found


def one_base(position: int, width: int) -> Rewrite:
    """Return what appends to a row of `width` columns the end of the base at a position."""

    def rewrite(fields: Fields) -> Fields:
        padded = [*fields[:width], *[""] * (width - len(fields))]
        return [*padded, _after(padded[position]), *fields[width:]]

    return rewrite


def missing_columns(found: dict[str, int]) -> list[str]:
    """Return the required columns that are not found, in their order."""
    return [column for column in REQUIRED_COLUMNS if column not in found]


def _after(text: str) -> str:
    whole = text.removesuffix(".0")
    return str(int(whole) + 1) if re.fullmatch("[0-9]{1,15}", whole) else text


def _only(lower: list[str], pattern: re.Pattern[str]) -> int | None:
    places = [i for i, name in enumerate(lower) if pattern.fullmatch(name)]
    return places[0] if len(places) == 1 else None

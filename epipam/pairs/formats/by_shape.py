"""Formats without a header, which the shape of their first rows tells; and browser tracks."""

from __future__ import annotations

import re

from epipam.pairs.formats.layout import (
    REQUIRED_COLUMNS,
    Fields,
    Found,
    Head,
    PairFormat,
)

INTERACT_NAMES = (
    "chrom", "chromStart", "chromEnd", "name", "score", "value", "exp", "color",
    "sourceChrom", "sourceStart", "sourceEnd", "sourceName", "sourceStrand",
    "targetChrom", "targetStart", "targetEnd", "targetName", "targetStrand",
)  # fmt: skip
IGV_NAMES = ("chrom1", "start1", "end1", "chrom2", "start2", "end2", "enhancer", "span_end")
# What the comment above a longrange track of epipam says of the ids of its records.
LONGRANGE_MARK = "odd id at the enhancer, even at the promoter"

_ANCHORS = ("chrom1", "start1", "end1", "chrom2", "start2", "end2")
_LISTED = (
    "label", "distance",
    "enhancer_chrom", "enhancer_start", "enhancer_end", "enhancer_name",
    "promoter_chrom", "promoter_start", "promoter_end", "promoter_name",
)  # fmt: skip
_WHOLE = re.compile(r"-?[0-9]{1,15}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?|NA|nan|inf")
_PLACE = re.compile(r"([^,:\s]+)[,:]([0-9]{1,15})[-,]([0-9]{1,15})")
_TARGET = re.compile(r"([^,\s]+):([0-9]{1,15})-([0-9]{1,15}),([-+.0-9eE]+)")
_ATLAS = re.compile(r"([^:\s]+):([0-9]+)-([0-9]+)_([^$]*)\$([^$]*)\$([^$]+)\$([0-9]{1,15})\$[-+.]?")
_FIRST = "first anchor as enhancer"


def _first_places() -> dict[str, int]:
    return {column: place for place, column in enumerate(REQUIRED_COLUMNS)}


def _listed(head: Head) -> Found | None:
    """Find a TransEPI or BENGI list: label, distance, enhancer, its name, promoter, its name."""
    if head.names is not None or not head.rows:
        return None
    for fields in head.rows:
        if len(fields) < len(_LISTED) or fields[0] not in ("0", "1", "-1"):
            return None
        whole = all(_WHOLE.fullmatch(fields[i]) for i in (3, 4, 7, 8))
        if not whole or not _NUMBER.fullmatch(fields[1]):
            return None
    positions = {name: i for i, name in enumerate(_LISTED) if name != "distance"}
    names = (*_LISTED, *(f"column_{i + 1}" for i in range(len(_LISTED), head.width)))
    return Found(positions, names, "enhancer before promoter, column 1 as label")


def _atlas(head: Head) -> Found | None:
    """Find EnhancerAtlas' `chr1:10-20_ENSG$GENE$chr1$TSS$+` and a score."""
    if not head.rows or not all(_ATLAS.match(fields[0]) for fields in head.rows):
        return None
    names = (
        "enhancer_chrom", "enhancer_start", "enhancer_end", "gene_id", "promoter_name",
        "promoter_chrom", "promoter_start", "promoter_end", "score",
    )  # fmt: skip

    def rewrite(fields: Fields) -> Fields:
        match = _ATLAS.match(fields[0])
        if match is None:
            return [*[""] * 8, *fields[1:]]
        *first, tss = match.groups()
        return [*first, tss, str(int(tss) + 1), *fields[1:]]

    positions = {name: i for i, name in enumerate(names) if name not in ("gene_id", "score")}
    return Found(positions, names, "TSS as promoter", rewrite)


def _places(head: Head) -> Found | None:
    """Find two columns `chr,start,end`, as hichipper and CHiCAGO's washU_text have them."""
    both = [fields[:2] for fields in head.rows]
    if not both or not all(len(b) == 2 and all(map(_PLACE.fullmatch, b)) for b in both):
        return None

    def rewrite(fields: Fields) -> Fields:
        anchors = [_split_place(fields[i] if i < len(fields) else "") for i in (0, 1)]
        return [*anchors[0], *anchors[1], *fields[2:]]

    width = head.width - 2
    further = ["score"] if width == 1 else [f"column_{i + 3}" for i in range(width)]
    names = (*_ANCHORS, *further)
    return Found(_first_places(), names, _FIRST, rewrite)


def _longrange(head: Head) -> Found | None:
    """Find WashU longrange: a region, and `chr:start-end,score` of the other; two for each pair."""
    if not head.rows or not all(map(_is_longrange, head.rows)):
        return None
    own = any(LONGRANGE_MARK in comment for comment in head.comments)

    def rewrite(fields: Fields) -> Fields:
        match = _TARGET.fullmatch(fields[3]) if len(fields) > 3 else None
        target = list(match.groups()) if match else ["", "", "", ""]
        here, there = [*fields[:3], *[""] * (3 - len(fields))], target[:3]
        is_promoter = own and len(fields) > 4 and fields[4][-1:] in "02468"
        first, second = (there, here) if is_promoter else (here, there)
        return [*first, *second, target[3], *fields[4:]]

    def mirror_by_id(fields: Fields) -> tuple[int, int] | None:
        if len(fields) < 8 or not _WHOLE.fullmatch(fields[7]):
            return None
        number = int(fields[7])
        return number, number + 1 if number % 2 else number - 1

    def mirror_by_place(fields: Fields) -> tuple[tuple[str, ...], tuple[str, ...]]:
        score = fields[6]
        return (*fields[:6], score), (*fields[3:6], *fields[:3], score)

    names = (*_ANCHORS, "score", "id", "strand")[: 7 + max(0, head.width - 4)]
    return Found(
        _first_places(),
        names,
        "enhancer by the ids of epipam" if own else f"each pair once, {_FIRST}",
        rewrite,
        mirror_by_id if own else mirror_by_place,
    )


def _igv(head: Head) -> Found | None:
    """Find the BEDPE that epipam writes for igv.js: column `enhancer` says which anchor it is."""
    names = head.lower_names
    if names[:6] != _ANCHORS or not set(IGV_NAMES) <= set(names):
        return None
    which = names.index("enhancer")

    def rewrite(fields: Fields) -> Fields:
        if len(fields) > which and fields[which] == "2":
            return [*fields[3:6], *fields[:3], *fields[6:]]
        return fields

    def mirror(fields: Fields) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        if len(fields) <= which or fields[0] == fields[3]:
            return None
        others = {"1": "2", "2": "1"}
        same = (*fields[:6], *fields[6:8])
        return (*same, fields[which]), (*same, others.get(fields[which], ""))

    roles = "column enhancer says which anchor it is"
    return Found(_first_places(), head.names, roles, rewrite, mirror, pair_name=6)


def _interact(head: Head) -> Found | None:
    """Find UCSC interact: bed5+13, source and target; two records for a pair on two contigs."""
    lower = [name.lower() for name in INTERACT_NAMES]
    named = set(lower[8:11] + lower[13:16]) <= set(head.lower_names)
    if not named and not (head.rows and all(map(_is_interact, head.rows))):
        return None
    names = head.names if named and head.names else INTERACT_NAMES
    at = {name: i for i, name in enumerate(n.lower() for n in names)}
    positions = {
        f"{role}_{part}": at[f"{word}{part}"]
        for role, word in (("enhancer", "source"), ("promoter", "target"))
        for part in ("chrom", "start", "end", "name")
        if f"{word}{part}" in at
    }
    source, target = positions["enhancer_chrom"], positions["promoter_chrom"]
    anchors = [positions[column] for column in REQUIRED_COLUMNS]

    def mirror(fields: Fields) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        if len(fields) <= max(anchors) or fields[source] == fields[target]:
            return None
        same = tuple(fields[i] for i in (*anchors, 3, 4))
        other = fields[target] if fields[0] == fields[source] else fields[source]
        return (*same, fields[0]), (*same, other)

    return Found(positions, tuple(names), "source as enhancer, target as promoter", mirror=mirror)


def _split_place(text: str) -> list[str]:
    match = _PLACE.fullmatch(text)
    return list(match.groups()) if match else [text, "", ""]


def _is_longrange(fields: Fields) -> bool:
    return (
        len(fields) >= 4
        and all(_WHOLE.fullmatch(value) for value in fields[1:3])
        and bool(_TARGET.fullmatch(fields[3]))
    )


def _is_interact(fields: Fields) -> bool:
    if len(fields) < len(INTERACT_NAMES):
        return False
    return all(_WHOLE.fullmatch(fields[i]) for i in (1, 2, 4, 9, 10, 14, 15))


IGV_FORMAT = PairFormat(
    "igv",
    "epipam's BEDPE for igv.js",
    "epipam score -o NAME.igv.bedpe",
    "a header of BEDPE with enhancer and span_end",
    "the column enhancer, 1 or 2, says which anchor it is",
    _igv,
)
INTERACT_FORMAT = PairFormat(
    "interact",
    "UCSC interact",
    "UCSC's Genome Browser, epipam score -o NAME.interact; bigInteract (.inter.bb) too",
    "sourceChrom and targetChrom in its header, or 18 columns of that shape",
    "the source is the enhancer, the target the promoter",
    _interact,
)
SHAPE_FORMATS = (
    PairFormat(
        "bengi",
        "a TransEPI or BENGI list",
        "TransEPI, of BENGI's benchmarks",
        "no header; label, distance, then chrom, start, end and name of both",
        "the enhancer comes before the promoter",
        _listed,
        "column 1",
    ),
    PairFormat(
        "enhanceratlas",
        "EnhancerAtlas interactions",
        "EnhancerAtlas 2.0",
        "chr1:10-20_ENSG$GENE$chr1$TSS$+ in column 1",
        "the base at the TSS is the promoter",
        _atlas,
    ),
    PairFormat(
        "places",
        "loops of chr,start,end",
        "hichipper, CHiCAGO's washU_text",
        "chr,start,end in columns 1 and 2",
        "the first anchor is the enhancer",
        _places,
    ),
    PairFormat(
        "longrange",
        "WashU longrange",
        "the WashU Epigenome Browser, epipam score -o NAME.longrange",
        "chrom, start, end, and chr:start-end,score",
        "the first anchor is the enhancer; epipam's own say it by the ids of their records",
        _longrange,
    ),
)

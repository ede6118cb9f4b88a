"""Formats that their header names: tables of the project, of predictions, screens and loops."""

from __future__ import annotations

import re
from dataclasses import replace

from epipam.pairs.formats.layout import (
    BEDPE,
    BEDPE_NAME,
    BEDPE_POSITIONS,
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    Fields,
    Found,
    Head,
    PairFormat,
    Rewrite,
)
from epipam.pairs.formats.roles import (
    canonical_columns,
    element_and_tss,
    missing_columns,
    numbered_anchors,
    role_columns,
)

CHIAPET_COLUMNS = (
    "chr_r1",
    "start_r1",
    "end_r1",
    "name_r1",
    "chr_r2",
    "start_r2",
    "end_r2",
    "name_r2",
    "label",
)
_FIRST = "first anchor as enhancer"
_TSS = "TSS as promoter"
_WHOLE = re.compile(r"[0-9]{1,15}")
_REGION_NAMES = (
    r"chr|chrom|chromosome|seqnames?|contig",
    r"(chrom|chr)?_?start",
    r"(chrom|chr)?_?(end|stop)",
)
_FITHIC = ("chr1", "fragmentmid1", "chr2", "fragmentmid2")


def _canonical(head: Head) -> Found | None:
    found = canonical_columns(head.names or ())
    if not set(found) & set(REQUIRED_COLUMNS) or missing_columns(found):
        return None
    return Found(found, head.names, "columns by name")


def _target_finder(head: Head) -> Found | None:
    is_one = {"enhancer_distance_to_promoter", "window_start"} & set(head.lower_names)
    return _canonical(head) if is_one else None


def _chiapet(head: Head) -> Found | None:
    names = head.lower_names
    if not set(CHIAPET_COLUMNS[:-1]) & set(names):
        return None
    columns = zip((*BEDPE_NAMES_BY_ROLE, "label"), CHIAPET_COLUMNS, strict=True)
    found = {column: names.index(name) for column, name in columns if name in names}
    return Found(found, head.names, "region 1 as enhancer")


BEDPE_NAMES_BY_ROLE = (
    "enhancer_chrom",
    "enhancer_start",
    "enhancer_end",
    "enhancer_name",
    "promoter_chrom",
    "promoter_start",
    "promoter_end",
    "promoter_name",
)


def _abc(head: Head) -> Found | None:
    names = head.lower_names
    if "targetgenetss" not in names or not {"abc.score", "abc_score"} & set(names):
        return None
    return _with_roles(element_and_tss(head), _TSS)


def _encode_re2g(head: Head) -> Found | None:
    names = head.lower_names
    is_one = "targetgenetss" in names and ("score" in names or any("e2g" in n for n in names))
    return _with_roles(element_and_tss(head), _TSS) if is_one else None


def _crispr(head: Head) -> Found | None:
    names = head.lower_names
    if "starttss" not in names or not {"regulated", "effectsize"} & set(names):
        return None
    found = element_and_tss(head)
    if found is not None and "regulated" in names:
        found.positions["label"] = names.index("regulated")
    return _with_roles(found, f"{_TSS}, Regulated as label" if "regulated" in names else _TSS)


def _bait_and_other_end(head: Head) -> Found | None:
    """Find CHiCAGO's columns: of an ibed file, or of a PCHi-C peak matrix."""
    names = head.lower_names
    if not any(n.startswith("bait") for n in names):
        return None
    if not any(re.match(r"oe|other[^a-z]?end", n) for n in names):
        return None
    found = role_columns(head.names or ())
    return Found(found, head.names, "bait as promoter, other end as enhancer")


def _chicago_ibed(head: Head) -> Found | None:
    is_one = any(name.startswith("otherend") for name in head.lower_names)
    return _bait_and_other_end(head) if is_one else None


def _pchic_matrix(head: Head) -> Found | None:
    is_one = any(name.startswith("oe") for name in head.lower_names)
    return _bait_and_other_end(head) if is_one else None


def _fithic(head: Head) -> Found | None:
    names = head.lower_names
    if not set(_FITHIC) <= set(names):
        return None
    chrom1, middle1, chrom2, middle2 = (names.index(name) for name in _FITHIC)
    width = len(names)

    def rewrite(fields: Fields) -> Fields:
        padded = [*fields[:width], *[""] * (width - len(fields))]
        return [*padded, _next(padded[middle1]), _next(padded[middle2]), *fields[width:]]

    places = (chrom1, middle1, width, chrom2, middle2, width + 1)
    titles = (*(head.names or ()), "fragmentEnd1", "fragmentEnd2")
    positions = dict(zip(REQUIRED_COLUMNS, places, strict=True))
    return Found(positions, titles, f"middles of bins, {_FIRST}", rewrite)


def _roles(head: Head) -> Found | None:
    found = element_and_tss(head)
    if found is None:
        return None
    return _with_roles(found, "columns by name" if found.rewrite is None else _TSS)


def _bedpe(head: Head) -> Found | None:
    """Find the anchors of a BEDPE: by names such as `chrom1`, else by their places."""
    named = numbered_anchors(head.names) if head.names is not None else None
    positions = dict(BEDPE_POSITIONS) if named is None else named
    if head.width < len(BEDPE_POSITIONS) or (named is None and holds_regions(head)):
        return None
    pair_name = BEDPE_NAME if positions == BEDPE_POSITIONS else None
    if named is not None and (rewrite := _from_one_based(head, named)) is not None:
        return Found(positions, head.names, f"{_FIRST}, counted from 1", rewrite)
    return Found(positions, head.names, _FIRST, pair_name=pair_name)


def holds_regions(head: Head) -> bool:
    """Whether rows are one region each: a BED with its strand, or a header of such a table."""
    if head.names is not None and len(head.names) > 3:
        # MACS' peaks, GRanges, genes: chr, start, end, and what is no second chromosome.
        pairs = zip(_REGION_NAMES, head.lower_names, strict=False)
        bare = all(re.fullmatch(pattern, name) for pattern, name in pairs)
        return bare and not re.search(r"chr|seq|contig", head.lower_names[3])
    strands = {fields[5] for fields in head.rows if len(fields) > 5}
    return bool(strands) and strands <= {"+", "-", "."}


def _bedpe_columns(head: Head) -> Found | None:
    """Find a BEDPE whose columns lie elsewhere, or count from 1 as GRanges do."""
    found = _bedpe(head) if head.names is not None else None
    if found is None or (found.positions == BEDPE_POSITIONS and found.rewrite is None):
        return None
    return found


def _from_one_based(head: Head, positions: dict[str, int]) -> Rewrite | None:
    """Return what makes 0-based starts of those of R's GInteractions, which have widths beside."""
    names = head.lower_names
    widths = [names.index(name) for name in ("width1", "width2") if name in names]
    if len(widths) != 2 or not head.rows:
        return None
    starts = [positions[f"{anchor}_start"] for anchor in ("enhancer", "promoter")]
    ends = [positions[f"{anchor}_end"] for anchor in ("enhancer", "promoter")]
    for fields in head.rows:
        values = [fields[i] if i < len(fields) else "" for i in (*starts, *ends, *widths)]
        if not all(_WHOLE.fullmatch(value) for value in values):
            return None
        s1, s2, e1, e2, w1, w2 = map(int, values)
        if (e1 - s1 + 1, e2 - s2 + 1) != (w1, w2):
            return None

    def rewrite(fields: Fields) -> Fields:
        moved = list(fields)
        for i in starts:
            if i < len(moved) and _WHOLE.fullmatch(moved[i]):
                moved[i] = str(int(moved[i]) - 1)
        return moved

    return rewrite


def _with_roles(found: Found | None, roles: str) -> Found | None:
    return None if found is None else found._replace(roles=roles)


def _next(text: str) -> str:
    return str(int(text) + 1) if _WHOLE.fullmatch(text) else text


TABLE_FORMAT = PairFormat(
    "table",
    "a table of enhancers and promoters",
    "epipam and its users; TSV or CSV",
    f"a header with {', '.join(REQUIRED_COLUMNS)}",
    "columns by name",
    _canonical,
    "column label",
)
ROLES_FORMAT = PairFormat(
    "roles",
    "a table whose header names roles",
    "laboratories; TSV or CSV",
    "a header with start and end of enhancer (element, cCRE, peak) and promoter (bait), or a TSS",
    "columns by name; a TSS is the promoter",
    _roles,
    "column label",
)
BEDPE_FORMAT = PairFormat(
    BEDPE,
    "BEDPE",
    "bedtools, HiCCUPS, mustache, cooltools, MAPS, FitHiChIP, epipam candidates and score",
    "six columns chrom, start, end, chrom, start, end, with any header or none",
    "the first anchor is the enhancer",
    _bedpe,
    "none without --label-column",
)
BEDPE_COLUMNS_FORMAT = replace(
    BEDPE_FORMAT,
    key="bedpe-columns",
    name="BEDPE by column names",
    about="R's GInteractions, and tables with chrom1, start1, end1, chrom2, start2, end2 anywhere",
    recognised_by="a header with chrom1, start1, end1, chrom2, start2, end2 in other places, or "
    "with width1 and width2 that count from 1",
    find=_bedpe_columns,
)

# In the order in which they are tried; none takes what a later one would read otherwise.
HEADER_FORMATS = (
    PairFormat(
        "targetfinder",
        "TargetFinder's list",
        "TargetFinder (Whalen et al. 2016)",
        "the canonical columns with enhancer_distance_to_promoter or window_start",
        "columns by name",
        _target_finder,
        "column label",
    ),
    TABLE_FORMAT,
    PairFormat(
        "chiapet",
        "a published ChIA-PET list",
        "the authors of EPIPAM; CSV",
        f"a header with {', '.join(CHIAPET_COLUMNS[:3])}, ...",
        "region 1 is the enhancer",
        _chiapet,
        "column label",
    ),
    PairFormat(
        "abc",
        "ABC predictions",
        "the Activity-by-Contact model",
        "a header with TargetGeneTSS and ABC.Score",
        "the element is the enhancer, the base at TargetGeneTSS the promoter",
        _abc,
    ),
    PairFormat(
        "encode-re2g",
        "ENCODE-rE2G predictions",
        "ENCODE-rE2G",
        "a header with TargetGeneTSS and Score",
        "the element is the enhancer, the base at TargetGeneTSS the promoter",
        _encode_re2g,
    ),
    PairFormat(
        "crispr",
        "a CRISPR benchmark",
        "ENCODE's CRISPR comparison",
        "a header with chrTSS, startTSS, endTSS and Regulated or EffectSize",
        "the element is the enhancer, the TSS the promoter",
        _crispr,
        "column Regulated",
    ),
    PairFormat(
        "chicago",
        "CHiCAGO ibed",
        "CHiCAGO's exportResults",
        "a header with bait_chr and otherEnd_chr",
        "the bait is the promoter, the other end the enhancer",
        _chicago_ibed,
    ),
    PairFormat(
        "pchic",
        "a PCHi-C peak matrix",
        "CHiCAGO's makePeakMatrix",
        "a header with baitChr and oeChr",
        "the bait is the promoter, the other end the enhancer",
        _pchic_matrix,
    ),
    PairFormat(
        "fithic",
        "FitHiC contacts",
        "FitHiC",
        "a header with chr1, fragmentMid1, chr2, fragmentMid2",
        "the first anchor is the enhancer; each is the base in the middle of its bin",
        _fithic,
    ),
    ROLES_FORMAT,
)


def incomplete_roles(head: Head) -> list[str]:
    """Return the required columns that a header lacks though it names others of them.

    Empty where it names none, or all.
    """
    names = head.lower_names
    if set(CHIAPET_COLUMNS[:-1]) & set(names):
        optional = {"name_r1", "name_r2", "label"}
        return [name for name in CHIAPET_COLUMNS if name not in names and name not in optional]
    found = role_columns(head.names or ())
    return missing_columns(found) if set(found) - OPTIONAL_COLUMNS else []

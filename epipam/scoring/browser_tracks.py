"""Scored pairs as genome browsers draw them: UCSC interact, WashU longrange, BEDPE for igv.js.

Pairs without a score are left out. Each format is written as its specification has it:

- interact: https://genome.ucsc.edu/goldenPath/help/interact.html (bed5+13; the enhancer is the
  source and the promoter the target; a pair on two chromosomes takes two records);
- longrange: https://epigenomegateway.readthedocs.io/en/latest/tracks.html#longrange (two records
  for each pair, one for each of its regions, with the id and strand that are optional there; the id
  is odd at the enhancer);
- BEDPE: https://bedtools.readthedocs.io/en/latest/content/general-usage.html, with what igv.js
  asks of it: the leftmost region first, and a score from 0 to 1000 to shade by (`useScore`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from epipam.errors import EpipamError, RequestError
from epipam.pairs.formats.by_shape import LONGRANGE_MARK
from epipam.pairs.names import pair_names
from epipam.scoring.origin import Origin
from epipam.scoring.selection import ScoredPairs

CONVERTER = "bedToBigBed"
MOST_SCORE = 1_000

# The columns and types of UCSC's interact.as; what they say of themselves is ours.
INTERACT_COLUMNS = {
    "chrom": ("string", "Chromosome; a pair on two chromosomes has one record on each"),
    "chromStart": ("uint", "Start of the pair's lower region; of its region on this chromosome"),
    "chromEnd": ("uint", "End of the pair's upper region; of its region on this chromosome"),
    "name": ("string", "Enhancer and promoter"),
    "score": ("uint", "Probability of interaction in thousandths"),
    "value": ("double", "Probability of interaction"),
    "exp": ("string", "Always epipam"),
    "color": ("string", "Always 0: shaded by score"),
    "sourceChrom": ("string", "Chromosome of the enhancer"),
    "sourceStart": ("uint", "Start of the enhancer"),
    "sourceEnd": ("uint", "End of the enhancer"),
    "sourceName": ("string", "Name of the enhancer"),
    "sourceStrand": ("string", "Always ."),
    "targetChrom": ("string", "Chromosome of the promoter"),
    "targetStart": ("uint", "Start of the promoter"),
    "targetEnd": ("uint", "End of the promoter"),
    "targetName": ("string", "Name of the promoter"),
    "targetStrand": ("string", "Always ."),
}
IGV_COLUMNS = (
    "chrom1", "start1", "end1", "chrom2", "start2", "end2", "name", "score", "strand1", "strand2",
    "enhancer", "probability", "logit", "span_end",
)  # fmt: skip

_PLACE = ("chrom", "start", "end")
_BLANKS = re.compile(r"\s+")


class Anchor(NamedTuple):
    """One region of a pair."""

    contig: str
    start: int
    end: int

    def fields(self) -> list[str]:
        """Return its three columns of BED."""
        return [self.contig, str(self.start), str(self.end)]


class Arc(NamedTuple):
    """One scored pair; its names are one word each, or `.`."""

    enhancer: Anchor
    promoter: Anchor
    name: str
    enhancer_name: str
    promoter_name: str
    probability: float
    logit: float

    @property
    def is_trans(self) -> bool:
        """Whether the regions lie on different chromosomes."""
        return self.enhancer.contig != self.promoter.contig

    @property
    def thousandths(self) -> str:
        """The probability as browsers shade it."""
        return str(round(MOST_SCORE * self.probability))


def interact_header(title: str, origin: Origin | None = None) -> list[list[str]]:
    """Return the track line of a custom track, and a comment with the names of the columns."""
    name = _BLANKS.sub(" ", title.replace('"', "'"))
    about = "probability of interaction"
    if origin is not None:
        name = origin.title(name)
        about += f"; {origin.made_by()}".replace('"', "'")
    track = (
        f'track type=interact name="{name}" description="{name}: {about}" '
        "interactDirectional=true maxHeightPixels=300:150:20 spectrum=on visibility=full"
    )
    first, *others = INTERACT_COLUMNS
    return [[track], [f"#{first}", *others]]


def interact_rows(pairs: ScoredPairs) -> Iterator[list[str]]:
    """Yield bed5+13, one record for a pair on one chromosome and two for any other."""
    for arc in arcs(pairs):
        named = [arc.enhancer_name, arc.promoter_name]
        name = arc.name if "." in named else "/".join(named)
        rest = [
            name, arc.thousandths, f"{arc.probability:.8g}", "epipam", "0",
            *arc.enhancer.fields(), arc.enhancer_name, ".",
            *arc.promoter.fields(), arc.promoter_name, ".",
        ]  # fmt: skip
        if arc.is_trans:
            yield [*arc.enhancer.fields(), *rest]
            yield [*arc.promoter.fields(), *rest]
        else:
            yield [*_span(arc).fields(), *rest]


def longrange_header() -> list[list[str]]:
    """Return comments: what the ids mean, and the names of the columns."""
    return [
        [f"# {LONGRANGE_MARK}: 2k - 1 and 2k are one pair"],
        ["#chrom", "start", "end", "target", "id", "strand"],
    ]


class LongrangeRows:
    """Yields two records for each pair, with ids that go on from piece to piece.

    A record is a region, the other one with the probability, an id, and `.` for the strand.
    """

    def __init__(self) -> None:
        self._id = 0

    def __call__(self, pairs: ScoredPairs) -> Iterator[list[str]]:
        for arc in arcs(pairs):
            for here, there in ((arc.enhancer, arc.promoter), (arc.promoter, arc.enhancer)):
                self._id += 1
                contig, start, end = there.fields()
                target = f"{contig}:{start}-{end},{arc.probability:.8g}"
                yield [*here.fields(), target, str(self._id), "."]


def igv_header() -> list[list[str]]:
    """Return the names of the columns, as a comment."""
    first, *others = IGV_COLUMNS
    return [[f"#{first}", *others]]


def igv_rows(pairs: ScoredPairs, *, twice: bool = False) -> Iterator[list[str]]:
    """Yield BEDPE with the leftmost region first; `enhancer` says which of the two it is.

    `span_end` is the end of the whole pair, so that an index finds an arc above what is shown.

    Parameters
    ----------
    twice
        Pairs on two chromosomes get a record on each, as an index needs it. Without an index
        igv.js makes the second one.
    """
    for arc in arcs(pairs):
        orders = [(1, arc.enhancer, arc.promoter), (2, arc.promoter, arc.enhancer)]
        if not arc.is_trans:
            orders = orders[:1] if arc.enhancer <= arc.promoter else orders[1:]
        elif not twice:
            orders = orders[:1]
        for enhancer, first, second in orders:
            end = first.end if arc.is_trans else _span(arc).end
            yield [
                *first.fields(), *second.fields(), arc.name, arc.thousandths, ".", ".",
                str(enhancer), f"{arc.probability:.8g}", f"{arc.logit:.8g}", str(end),
            ]  # fmt: skip


def arcs(pairs: ScoredPairs) -> Iterator[Arc]:
    """Yield the pairs that have a score."""
    frame = pairs.table.frame
    anchors = [
        [Anchor(*row) for row in zip(*(frame[f"{a}_{c}"].tolist() for c in _PLACE), strict=True)]
        for a in ("enhancer", "promoter")
    ]
    names = [[_word(name) for name in column] for column in pair_names(pairs.table)]
    scores = (pairs.probability.tolist(), pairs.logit.tolist())
    for arc in map(Arc, *anchors, *names, *scores):
        if not np.isnan(arc.probability):
            yield arc


def require_converter(out: Path) -> None:
    """Raise a RequestError where UCSC's converter to bigBed is not on the PATH."""
    if shutil.which(CONVERTER) is None:
        raise RequestError(
            f"{out}: bigInteract is made by UCSC's {CONVERTER}, which is not on the PATH: install "
            "it (conda install -c bioconda ucsc-bedtobigbed), or write .interact"
        )


def write_big_interact(
    bed: Path,
    contigs: Mapping[str, int],
    path: Path,
    out: Path,
    origin: Origin | None = None,
) -> None:
    """Convert sorted interact rows without a header to bigInteract, with UCSC's converter.

    Parameters
    ----------
    bed
        The rows; the two small files that the converter needs are written beside it.
    contigs
        Length of each contig in them.
    path, out
        The file to write, and its name in messages.
    origin
        What made the scores, for the file's own description.

    Raises
    ------
    EpipamError
        Where the converter fails, with the last it said.
    """
    definition, sizes = bed.with_name("interact.as"), bed.with_name("chrom.sizes")
    definition.write_text(auto_sql(origin), encoding="utf-8")
    sizes.write_text("".join(f"{name}\t{n}\n" for name, n in contigs.items()), encoding="utf-8")
    command = [CONVERTER, f"-as={definition}", "-type=bed5+13", "-tab", str(bed), str(sizes)]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise EpipamError(f"{out}: {CONVERTER} failed with exit {done.returncode}: {said}")


def auto_sql(origin: Origin | None = None) -> str:
    """Return the autoSql definition of bigInteract; its description says what made the scores."""
    fields = "".join(
        f'    {kind} {name}; "{about}"\n' for name, (kind, about) in INTERACT_COLUMNS.items()
    )
    about = "Enhancer-promoter pairs scored by epipam"
    if origin is not None:
        about = f"Enhancer-promoter pairs: {origin.comment()}".replace('"', "'")
    return f'table interact\n"{about}"\n    (\n{fields}    )\n'


def _span(arc: Arc) -> Anchor:
    """Return from where to where a pair reaches on its chromosome."""
    start = min(arc.enhancer.start, arc.promoter.start)
    return Anchor(arc.enhancer.contig, start, max(arc.enhancer.end, arc.promoter.end))


def _word(name: str) -> str:
    """Return a name without blanks, at which custom tracks and igv.js split lines."""
    return _BLANKS.sub("_", name.strip()) or "."

"""What variants do to the scores of pairs: reference, alternative and their difference.

An alternative window is cut as `epipam.interpret.edits` says. Where a variant lies in both windows
of a pair, both are changed, as they would be in a genome that carries it.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from epipam.errors import MAX_REPORTED_ROWS
from epipam.genome.contigs import Aliases
from epipam.genome.fasta import Genome
from epipam.interpret.change_scorer import ChangeScorer, PairOf, WindowOf
from epipam.interpret.edits import Edit, removes
from epipam.interpret.variant_files import Allele, VariantError, VariantReader
from epipam.interpret.variant_pairs import PAIR_COLUMNS, sort_pairs
from epipam.interpret.window_sweep import Hit, SortedWindows, WindowSweep
from epipam.pairs.contig_part import ContigPart
from epipam.pairs.formats import Columns
from epipam.runtime.column_tables import ENDINGS, Write, open_table
from epipam.runtime.files import check_new_file
from epipam.scoring.engine import Engine
from epipam.scoring.score import probabilities

MISMATCH = "REF that is not the genome's"
REMOVED = "window deleted whole"

COLUMNS: dict[str, type] = {
    "chrom": str,
    "pos": int,
    "id": str,
    "ref": str,
    "alt": str,
    "af": float,
    "pair": int,
    **PAIR_COLUMNS,
    "anchor": str,
    "enhancer_offset": int,
    "promoter_offset": int,
    "ref_probability": float,
    "alt_probability": float,
    "ref_logit": float,
    "alt_logit": float,
    "delta_logit": float,
}

_BATCH_ROWS = 20_000
_NAMED_CONTIGS = 5


@dataclass(frozen=True)
class VariantsResult:
    """What `score_variants` did.

    Attributes
    ----------
    path
        The table.
    rows
        Its rows: one for each allele and pair with a window that the allele changes.
    records, alleles
        What the variants' file holds; a record without ALT counts as one allele.
    scored
        Alleles with at least one row.
    outside
        Alleles that lie in no window.
    skipped
        Other alleles without a row, by reason.
    removed
        Alleles and pairs without a row, because the allele deletes a window whole.
    mismatches
        `CHROM:POS: REF is ..., the genome has ...`, the first 20 of them.
    pairs, skipped_pairs
        Pairs that could be used, and the others by reason.
    renamed, renamed_variants
        Chromosome names of either file that were read as another name of the genome.
    """

    path: Path
    rows: int
    records: int
    alleles: int
    scored: int
    outside: int
    skipped: dict[str, int]
    removed: int
    mismatches: list[str]
    pairs: int
    skipped_pairs: dict[str, int]
    renamed: dict[str, str]
    renamed_variants: dict[str, str]


class _Row(NamedTuple):
    """An allele, a pair that it changes, and the windows that it makes of them."""

    allele: Allele
    hit: Hit
    windows: PairOf


def check_variant_output(out: Path, *, overwrite: bool) -> str:
    """Return the ending of a table of variants; raise a RequestError for one that cannot be."""
    return check_new_file(out, "the variants", ENDINGS, overwrite=overwrite)


def score_variants(
    engine: Engine,
    genome_path: str | Path,
    pairs_path: str | Path,
    variants_path: str | Path,
    out: str | Path,
    *,
    bad_pairs: str = "fail",
    trans: str = "error",
    contigs: Sequence[str] | None = None,
    columns: Columns | None = None,
    aliases: Aliases | None = None,
    overwrite: bool = False,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> VariantsResult:
    """Score each variant in each pair with a window that it changes.

    Rows come in the order of the variants, for each in the order of the pairs. Memory grows with
    neither: the windows are sorted in a folder beside `out`, which takes about 300 bytes for each
    pair, twice.

    Parameters
    ----------
    pairs_path
        A pair table, in any order.
    variants_path
        VCF or BCF; best sorted by position.
    out
        `.tsv`, `.tsv.gz` (bgzip) or `.parquet`, with `COLUMNS`.
    bad_pairs, trans, columns, aliases
        As `epipam.scoring.score.score_file` takes them.
    contigs
        Only the variants on these contigs, in whichever pairs they change; all without.
    on_rows
        Called with the number of rows of each piece when it is written.

    Raises
    ------
    RequestError
        For bad inputs, and where no variant can be scored.
    EpipamError
        Where `out` cannot be written.
    """
    out = Path(out)
    ending = check_variant_output(out, overwrite=overwrite)
    genome = Genome(genome_path, aliases)
    part = None if contigs is None else ContigPart(genome, contigs)
    reader = VariantReader(variants_path, part.includes if part else lambda chrom: True)
    reader.require()
    with (
        open_table(out, ending, COLUMNS, overwrite=overwrite) as write,
        tempfile.TemporaryDirectory(
            prefix=f".{out.name}.", suffix=".partial", dir=out.parent
        ) as folder,
    ):
        windows = SortedWindows(Path(folder), engine.enhancer_length, engine.promoter_length)
        tally = sort_pairs(windows, Path(pairs_path), genome, bad_pairs, trans, part, columns)
        search = _Search(reader, windows, genome, ChangeScorer(engine, genome))
        n_rows = 0
        rows = search.rows()
        while batch := list(islice(rows, _BATCH_ROWS)):
            _write(write, batch, search.scorer)
            n_rows += len(batch)
            on_rows(len(batch))
        if n_rows == 0:
            raise VariantError(f"{reader.path}: {search.why_nothing(Path(pairs_path))}")
    skipped = reader.skipped + search.skipped
    return VariantsResult(
        out,
        n_rows,
        reader.records,
        reader.alleles,
        search.scored,
        search.outside,
        dict(skipped),
        search.removed,
        search.mismatches,
        tally.usable,
        dict(tally.skipped),
        tally.renamed,
        search.renamed,
    )


class _Search:
    """Finds, for each allele, the pairs that it changes; counts the others."""

    def __init__(
        self,
        reader: VariantReader,
        windows: SortedWindows,
        genome: Genome,
        scorer: ChangeScorer,
    ) -> None:
        self.scorer = scorer
        self.scored = self.outside = self.removed = 0
        self.skipped: Counter[str] = Counter()
        self.mismatches: list[str] = []
        self._reader = reader
        self._windows = windows
        self._genome = genome
        self._names = list(genome.contigs)
        self._codes = {name: code for code, name in enumerate(self._names)}
        self._contigs: dict[str, str | None] = {}

    @property
    def renamed(self) -> dict[str, str]:
        """Names of the variants' contigs that were read as another of the genome's."""
        return {
            name: contig for name, contig in self._contigs.items() if contig not in (None, name)
        }

    def rows(self) -> Iterator[_Row]:
        """Yield a row for each allele and pair, alleles in the order of their file."""
        sweep = WindowSweep(self._windows)
        try:
            for allele in self._reader:
                yield from self._rows_of(allele, sweep)
        finally:
            sweep.close()

    def why_nothing(self, pairs_path: Path) -> str:
        """Say why there is no row at all."""
        if self.skipped[MISMATCH]:
            return (
                f"none of {self.skipped[MISMATCH]:,} alleles in windows has the bases of "
                f"{self._genome.path} as its REF, first {self.mismatches[0]}: is it their genome?"
            )
        of_pairs = [self._names[code] for code in self._windows.offsets]
        if not set(of_pairs) & set(self._contigs.values()):
            return (
                f"no variant lies on a contig of {pairs_path}: {_some(list(self._contigs))} "
                f"against {_some(of_pairs)}; are they of one assembly?"
            )
        return f"no variant with a sequence lies in a window of {pairs_path}"

    def _rows_of(self, allele: Allele, sweep: WindowSweep) -> Iterator[_Row]:
        if allele.chrom not in self._contigs:
            self._contigs[allele.chrom] = self._genome.resolve([allele.chrom]).get(allele.chrom)
        contig = self._contigs[allele.chrom]
        hits = sweep.hits(self._codes[contig], allele.pos - 1, allele.edit) if contig else []
        if contig is None or not hits:
            self.outside += 1
            return
        if not self._agrees(allele, contig):
            self.skipped[MISMATCH] += 1
            return
        rows = [_Row(allele, hit, self._changed(hit, allele.edit)) for hit in hits]
        kept = [row for row in rows if not self._removes_a_window(row)]
        self.removed += len(rows) - len(kept)
        if kept:
            self.scored += 1
        else:
            self.skipped[REMOVED] += 1
        yield from kept

    def _agrees(self, allele: Allele, contig: str) -> bool:
        start = allele.pos - 1
        bases = self.scorer.fetch(contig, start, start + len(allele.ref))
        if bases.upper() == allele.ref.upper():
            return True
        text = f"{allele.chrom}:{allele.pos}: REF is {_short(allele.ref)}, the genome has "
        text += _short(bases.upper())
        if len(self.mismatches) < MAX_REPORTED_ROWS and text not in self.mismatches:
            self.mismatches.append(text)
        return False

    def _changed(self, hit: Hit, edit: Edit) -> PairOf:
        enhancer, promoter = (
            WindowOf(self._names[place.contig], place.start, edit if changed else None)
            for place, changed in (
                (hit.pair.enhancer, hit.in_enhancer),
                (hit.pair.promoter, hit.in_promoter),
            )
        )
        return PairOf(enhancer, promoter)

    def _removes_a_window(self, row: _Row) -> bool:
        return any(
            removes(window.edit, window.start, window.start + length)
            for window, length in zip(row.windows, self._windows.lengths, strict=True)
            if window.edit is not None
        )


def _write(write: Write, rows: list[_Row], scorer: ChangeScorer) -> None:
    reference, alternative = scorer.logits([row.windows for row in rows])
    alleles = [row.allele for row in rows]
    pairs: list[list[Any]] = [
        [kind(field) for field, kind in zip(fields, PAIR_COLUMNS.values(), strict=True)]
        for fields in (row.hit.pair.text.split("\t") for row in rows)
    ]
    columns = zip(*pairs, strict=True)
    write(
        {
            **{name: [getattr(a, name) for a in alleles] for name in ("chrom", "pos", "id")},
            **{name: [getattr(a, name) for a in alleles] for name in ("ref", "alt")},
            "af": [None if math.isnan(a.frequency) else a.frequency for a in alleles],
            "pair": [row.hit.pair.number for row in rows],
            **dict(zip(PAIR_COLUMNS, columns, strict=True)),
            "anchor": [_anchor(row.hit) for row in rows],
            "enhancer_offset": [_offset(row.windows.enhancer) for row in rows],
            "promoter_offset": [_offset(row.windows.promoter) for row in rows],
            "ref_probability": probabilities(reference).tolist(),
            "alt_probability": probabilities(alternative).tolist(),
            "ref_logit": reference.tolist(),
            "alt_logit": alternative.tolist(),
            "delta_logit": (alternative - reference).tolist(),
        }
    )


def _anchor(hit: Hit) -> str:
    if hit.in_enhancer and hit.in_promoter:
        return "both"
    return "enhancer" if hit.in_enhancer else "promoter"


def _offset(window: WindowOf) -> int | None:
    """Return where in a window its edit begins; negative where that is before the window."""
    return None if window.edit is None else window.edit.start - window.start


def _short(bases: str) -> str:
    return bases if len(bases) <= 20 else f"{bases[:17]}..."


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED_CONTIGS]) or "no contig"
    return f"{shown}, ..." if len(names) > _NAMED_CONTIGS else shown

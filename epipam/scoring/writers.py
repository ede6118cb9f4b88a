"""Score files, streamed, under their final name only when whole; the ending names the format.

Tables (`.bedpe`, `.tsv`, `.csv`, `.parquet`) hold every pair in the input's order, unless something
else is asked for. Browser tracks (`.interact`, `.inter.bb`, `.longrange`, `.igv.bedpe`) hold the
pairs that have a score, sorted by position. A tab or line end within a field (quoted CSV can have
one) becomes a blank in text.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pysam

from epipam.errors import RequestError
from epipam.genome.fasta import Genome
from epipam.pairs.table import PairTable
from epipam.runtime.files import check_new_file, whole_file
from epipam.runtime.sorted_rows import (
    Columns,
    SortedRows,
    index_suffix,
    write_index,
)
from epipam.scoring.browser_tracks import (
    LongrangeRows,
    igv_header,
    igv_rows,
    interact_header,
    interact_rows,
    longrange_header,
    require_converter,
    write_big_interact,
)
from epipam.scoring.formats import (
    FurtherColumns,
    arrow_table,
    bedpe_header,
    bedpe_rows,
    tsv_header,
    tsv_rows,
)
from epipam.scoring.gene_summary import SUMMARY_ENDINGS, GeneSummary
from epipam.scoring.origin import Origin
from epipam.scoring.selection import ScoredPairs, Selection, take
from epipam.scoring.settings import ALL_PAIRS, OutputOptions

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["ENDINGS", "TRACKS", "FurtherColumns", "ScoreWriter", "check_output", "open_writer"]

_BEDPE_COLUMNS = Columns(key=(0, 1, 3, 4, 2, 5), contigs=(0, 3))
_TSV_COLUMNS = Columns(key=(0, 1, 4, 5, 2, 6), contigs=(0, 4))
# By position, then by all that tells pairs apart: read and written again, rows keep their order.
_INTERACT_COLUMNS = Columns(key=(0, 1, 2, 8, 9, 10, 13, 14, 15), contigs=(0, 8, 13))
_LONGRANGE_COLUMNS = Columns(key=(0, 1, 2, 3), contigs=(0, 3))
_IGV_COLUMNS = Columns(key=(0, 1, 4, 2, 3, 5, 10), contigs=(0, 3), index=(0, 1, 13))
# Of each format of text: what rows are sorted by, and first lines that are no rows and no comment.
_TEXTS = {
    ".bedpe": (_BEDPE_COLUMNS, 0),
    ".tsv": (_TSV_COLUMNS, 1),
    ".csv": (_TSV_COLUMNS, 1),
    ".interact": (_INTERACT_COLUMNS, 1),
    ".longrange": (_LONGRANGE_COLUMNS, 0),
    ".igv.bedpe": (_IGV_COLUMNS, 0),
}
TRACKS = frozenset({".interact", ".inter.bb", ".longrange", ".igv.bedpe"})
ENDINGS = (*(e for text in _TEXTS for e in (text, f"{text}.gz")), ".parquet", ".inter.bb")

_BLANKS = str.maketrans("\t\r\n", "   ")

Rows = Callable[[ScoredPairs], Iterator[Iterable[str]]]


def check_output(out: Path, *, overwrite: bool, options: OutputOptions = ALL_PAIRS) -> str:
    """Return the file's ending, one of `ENDINGS`.

    Raises
    ------
    RequestError
        For any other ending, a path that no file can have, a file that exists and must not be
        replaced, options that do not go with the ending, and bigInteract without UCSC's converter.
    """
    ending = check_new_file(out, "the scores", ENDINGS, overwrite=overwrite)
    if options.index and not ending.endswith(".gz"):
        raise RequestError(f"{out}: --index needs bgzip: an ending as .bedpe.gz or .interact.gz")
    if (options.sort or options.index) and ending.startswith(".csv"):
        raise RequestError(f"{out}: CSV keeps the input's order; --sort and --index are for .tsv")
    if options.sort and ending == ".parquet":
        raise RequestError(f"{out}: Parquet keeps the input's order; --sort is for text")
    if options.genes is not None:
        if options.genes.resolve() == out.resolve():
            raise RequestError(f"{out}: the scores and the summary of genes need two names")
        check_new_file(options.genes, "the best enhancers", SUMMARY_ENDINGS, overwrite=overwrite)
    if ending == ".inter.bb":
        require_converter(out)
    return ending


class ScoreWriter:
    """What `open_writer` yields: call it with a table, its probabilities and its logits.

    Attributes
    ----------
    written
        How many pairs the file holds; known when the block has ended.
    """

    def __init__(self, sink: _TextSink | _ParquetSink, options: OutputOptions) -> None:
        self.written = 0
        self._sink = sink
        least = options.min_score
        if least is None and sink.scored_only:
            least = 0.0
        self._selection = Selection(least, options.top)
        self.genes = GeneSummary(options.genes_top, options.min_score) if options.genes else None

    def __call__(self, table: PairTable, probability: np.ndarray, logit: np.ndarray) -> None:
        """Write the pairs that are asked for, or keep them until it is known which are."""
        if len(table) == 0:
            return
        pairs = ScoredPairs(table, probability, logit)
        self._sink.begin(pairs)
        self._write(self._selection.add(pairs))
        if self.genes is not None:
            self.genes.add(pairs)

    def finish(self) -> None:
        """Write what was kept."""
        self._write(self._selection.rest())

    def _write(self, pieces: Iterable[ScoredPairs]) -> None:
        for pairs in pieces:
            self._sink.write(pairs)
            self.written += len(pairs.table)


@contextmanager
def open_writer(
    out: Path,
    *,
    overwrite: bool,
    options: OutputOptions = ALL_PAIRS,
    genome: Genome | None = None,
    origin: Origin | None = None,
    columns: FurtherColumns | None = None,
) -> Iterator[ScoreWriter]:
    """Yield `write(table, probability, logit)` for the format that the file's ending names.

    The file appears under its name when the block ends without an error, and so do its index and
    the summary of genes. What is sorted is sorted in a folder beside it, which takes as much
    room as the rows do as plain text.

    Parameters
    ----------
    genome
        Says how long the contigs are, for `.inter.bb`.
    origin
        What makes the scores; the file says it.
    columns
        The input's further columns, of which `learn_types` has seen all; they are text without.

    Raises
    ------
    RequestError
        As `check_output` does.
    PairTableError
        From `write`, as `FurtherColumns.fit` does.
    EpipamError
        Where writing fails.
    """
    ending = check_output(out, overwrite=overwrite, options=options)
    sort = options.sort or options.index or ending.removesuffix(".gz") in TRACKS
    with (
        ExitStack() as after,  # left when the scores have their name: their index follows them
        whole_file(out, overwrite=overwrite) as partial_file,
        tempfile.TemporaryDirectory(
            prefix=f".{out.name}.", suffix=".partial", dir=out.parent
        ) as work,
    ):
        sink: _TextSink | _ParquetSink
        if ending == ".parquet":
            sink = _ParquetSink(partial_file, origin, columns)
        else:
            text = partial_file if ending != ".inter.bb" else Path(work) / "interact.bed"
            sink = _TextSink(text, out, ending, Path(work) if sort else None, options, origin)
        writer = ScoreWriter(sink, options)
        try:
            yield writer
            writer.finish()
            sink.finish()
        finally:
            sink.close()
        if ending == ".inter.bb":
            if genome is None or writer.written == 0:
                raise RequestError(f"{out}: no pair to show; bigInteract cannot be empty")
            resolved = genome.resolve(sink.contigs)
            lengths = {name: genome.contigs[contig] for name, contig in resolved.items()}
            write_big_interact(text, lengths, partial_file, out, origin)
        if options.genes is not None and writer.genes is not None:
            writer.genes.write(options.genes, overwrite=overwrite)
        if options.index:
            suffix = index_suffix(sink.end)
            index = after.enter_context(whole_file(out.with_name(out.name + suffix)))
            places, headers = _TEXTS[ending.removesuffix(".gz")]
            # A comment comes before a table's header, and behind a track line.
            headers += origin is not None and ending.startswith(".tsv")
            write_index(partial_file, index, places, csi=suffix == ".csi", headers=headers)


class _TextSink:
    """Lines of text: a header, and rows as they come or sorted at the end.

    Attributes
    ----------
    scored_only
        Whether the format has no place for a pair without a score.
    end
        The last position of any pair.
    contigs
        The contigs of all pairs.
    """

    def __init__(
        self,
        path: Path,
        out: Path,
        ending: str,
        work: Path | None,
        options: OutputOptions,
        origin: Origin | None,
    ) -> None:
        self.scored_only = ending.removesuffix(".gz") in TRACKS
        self.end = 0
        self.contigs: set[str] = set()
        self._format = ending.removesuffix(".gz")
        self._title = out.name.removesuffix(ending)
        self._origin = origin
        self._encoded = _encoded_csv if self._format == ".csv" else _encoded
        self._columns = FurtherColumns(ending)
        self._begun = False
        self._rows = self._rows_of(options)
        compressed = ending.endswith(".gz")
        self._handle: Any = pysam.BGZFile(str(path), "w", None) if compressed else path.open("wb")
        columns = _TEXTS.get(self._format, (_INTERACT_COLUMNS, 0))[0]
        self._sorted = SortedRows(work, columns.of) if work else None

    def begin(self, pairs: ScoredPairs) -> None:
        """Look at pairs before some of them are chosen; the first bring the header."""
        self._columns.fit(pairs.table)
        if not self._begun:
            self._handle.write(self._encoded_header(pairs.table))
            self._begun = True

    def write(self, pairs: ScoredPairs) -> None:
        text = self._encoded(self._rows(pairs))
        frame = pairs.table.frame
        self.end = max(self.end, *(int(frame[f"{a}_end"].max()) for a in ("enhancer", "promoter")))
        self.contigs.update(frame["enhancer_chrom"], frame["promoter_chrom"])
        if self._sorted is None:
            self._handle.write(text)
        else:
            self._sorted.add(text.splitlines(keepends=True))

    def finish(self) -> None:
        """Write what was to be sorted."""
        if self._sorted is not None:
            for row in self._sorted.merged():
                self._handle.write(row)

    def close(self) -> None:
        self._handle.close()

    def _encoded_header(self, table: PairTable) -> bytes:
        """Return the first lines: what made the file, and the names of its columns."""
        header = self._header(table)
        if self._origin is None or self._format == ".inter.bb":
            return self._encoded(header)
        comment = _encoded([[f"# {self._origin.comment()}"]])
        if self._format == ".interact":  # the track line must come first
            return self._encoded(header[:1]) + comment + self._encoded(header[1:])
        return comment + self._encoded(header)

    def _header(self, table: PairTable) -> list[list[str]]:
        if self._format == ".bedpe":
            return bedpe_header(table, self._columns)
        if self._format in (".tsv", ".csv"):
            return tsv_header(table, self._columns)
        if self._format == ".interact":
            return interact_header(self._title, self._origin)
        if self._format == ".longrange":
            return longrange_header()
        return igv_header() if self._format == ".igv.bedpe" else []

    def _rows_of(self, options: OutputOptions) -> Rows:
        if self._format == ".bedpe":
            return partial(bedpe_rows, columns=self._columns)
        if self._format in (".tsv", ".csv"):
            return partial(tsv_rows, columns=self._columns)
        if self._format == ".longrange":
            return LongrangeRows()
        if self._format == ".igv.bedpe":
            return partial(igv_rows, twice=options.index)
        return interact_rows


class _ParquetSink:
    """Row groups of Parquet, whose pages have checksums."""

    def __init__(self, path: Path, origin: Origin | None, columns: FurtherColumns | None) -> None:
        self.scored_only = False
        self.end = 0
        self.contigs: set[str] = set()
        self._path = path
        self._columns = columns or FurtherColumns(".parquet")
        self._origin = origin
        self._writer: pq.ParquetWriter | None = None

    def begin(self, pairs: ScoredPairs) -> None:
        """Take the columns from the first pairs, chosen or not."""
        import pyarrow.parquet as pq

        self._columns.fit(pairs.table)
        if self._writer is None:
            nothing = take(pairs, np.empty(0, dtype=np.int64))
            schema = arrow_table(nothing, self._columns).schema
            if self._origin is not None:
                schema = schema.with_metadata(self._origin.metadata())
            self._writer = pq.ParquetWriter(self._path, schema, write_page_checksum=True)

    def write(self, pairs: ScoredPairs) -> None:
        assert self._writer is not None, "begin comes first"
        self._writer.write_table(arrow_table(pairs, self._columns))

    def finish(self) -> None:
        """Do nothing: Parquet is not sorted."""

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _encoded(rows: Iterable[Iterable[str]]) -> bytes:
    text = "".join(
        "\t".join(field.translate(_BLANKS) for field in fields) + "\n" for fields in rows
    )
    return text.encode("utf-8", "surrogateescape")


def _encoded_csv(rows: Iterable[Iterable[str]]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [field.translate(_BLANKS) for field in fields] for fields in rows
    )
    return text.getvalue().encode("utf-8", "surrogateescape")

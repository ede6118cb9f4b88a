"""Tables end to end: candidates, scores or variants of different contigs, in the order given."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, cast

import pysam

from epipam.errors import RequestError, TableError
from epipam.genome.contigs import canonical_name, listed_contigs
from epipam.pairs.formats.registry import OWN_COMMENT
from epipam.runtime.compressed import is_gzip
from epipam.runtime.files import check_new_file, whole_file
from epipam.scoring.writers import TRACKS

ENDINGS = (".bedpe", ".bedpe.gz", ".tsv", ".tsv.gz", ".parquet")

_ROWS_AT_ONCE = 20_000
# The column that says to which part a row belongs: a variant's contig, or an enhancer's.
_OWN_COMMENT = f"# {OWN_COMMENT}".encode()
_CONTIG_COLUMNS = ("chrom", "enhancer_chrom")


@dataclass(frozen=True)
class MergedTable:
    """What `merge_tables` did: the file, and how many rows it holds."""

    path: Path
    rows: int


def merge_tables(
    parts: Sequence[Path],
    out: Path,
    *,
    overwrite: bool = False,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> MergedTable:
    """Write the rows of several tables into one, those of the first part first.

    Parameters
    ----------
    parts
        BEDPE or TSV, plain or compressed, or Parquet; all of one format, with one header.
    out
        Of the same format; `.gz` is bgzip.
    on_rows
        Called with the number of rows of each piece when it is written.

    Raises
    ------
    RequestError
        For other formats, headers that differ, contigs that two parts hold, and where `out` exists.
    TableError
        For a part that cannot be read.
    """
    ending = check_merged(parts, out, overwrite=overwrite)
    holders: dict[str, Path] = {}
    n_rows = 0
    with whole_file(out, overwrite=overwrite) as partial:
        write = _write_parquet if ending == ".parquet" else _write_text
        for part, contigs, rows in write(parts, partial, ending):
            _require_new(holders, part, contigs)
            n_rows += rows
            on_rows(rows)
    return MergedTable(out, n_rows)


def check_merged(parts: Sequence[Path], out: Path, *, overwrite: bool) -> str:
    """Return the ending of `out`; raise a RequestError where the parts cannot be merged into it."""
    refuse_tracks([*parts, out])
    ending = check_new_file(out, "the merged rows", ENDINGS, overwrite=overwrite)
    for part in parts:
        if not part.name.endswith((ending.removesuffix(".gz"), f"{ending.removesuffix('.gz')}.gz")):
            raise RequestError(
                f"{part}: is no {ending.removesuffix('.gz')} as {out} is; --pairs makes any format "
                "of scores out of any other"
            )
        if part.exists() and out.exists() and part.samefile(out):
            raise RequestError(f"{out}: is a part as well; give the whole another name")
    return ending


def refuse_tracks(paths: Sequence[Path]) -> None:
    """Raise a RequestError for browser tracks: the pairs without a score are not in them."""
    for path in paths:
        track = next((t for t in TRACKS if path.name.endswith((t, f"{t}.gz"))), None)
        if track is not None:
            raise RequestError(
                f"{path}: is a browser track; merge tables (.parquet, .tsv, .bedpe) with --pairs, "
                f"which also writes {track}"
            )


def _require_new(holders: dict[str, Path], part: Path, contigs: set[str]) -> None:
    """Note which part holds which contigs; refuse a second one."""
    keys = {contig: canonical_name(contig) for contig in contigs}
    for key in keys.values():
        if holders.setdefault(key, part) != part:
            both = {c for c in contigs if holders.get(keys[c], part) != part}
            raise RequestError(
                f"{holders[key]} and {part}: both hold {listed_contigs(both)}; "
                "give each contig once"
            )


def _write_text(
    parts: Sequence[Path], path: Path, ending: str
) -> Iterator[tuple[Path, set[str], int]]:
    """Write lines; yield the part, the contigs and the number of rows of each piece."""
    compressed = ending.endswith(".gz")
    bedpe = ending.startswith(".bedpe")
    header: list[bytes] | None = None
    with closing(pysam.BGZFile(str(path), "w", None) if compressed else path.open("wb")) as out:
        for part in parts:
            with _open(part) as handle:
                lines = _lines(part, handle)
                own, first = _header(part, lines, bedpe=bedpe)
                if header is None:
                    header = own
                    out.write(b"".join(header))
                elif _named(own) != _named(header):
                    raise RequestError(
                        f"{part}: its header is not that of {parts[0]}: are they of one table?"
                    )
                column = 0 if bedpe else _contig_column(part, own[-1])
                number = len(own)
                while rows := [*first, *islice(lines, _ROWS_AT_ONCE)]:
                    first = []
                    out.write(b"".join(rows))
                    yield part, _contigs(part, number, rows, column), len(rows)
                    number += len(rows)


def _open(part: Path) -> IO[bytes]:
    if not part.is_file():
        raise RequestError(f"{part}: {'no such file' if not part.exists() else 'is no file'}")
    return cast("IO[bytes]", gzip.open(part, "rb") if is_gzip(part) else part.open("rb"))


def _lines(part: Path, handle: IO[bytes]) -> Iterator[bytes]:
    """Yield lines with their ends, blank ones left out."""
    try:
        for line in handle:
            if line.strip():
                yield line if line.endswith(b"\n") else line + b"\n"
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TableError(f"{part}: damaged gzip file: {error}; make this part again") from None


def _header(part: Path, lines: Iterator[bytes], *, bedpe: bool) -> tuple[list[bytes], list[bytes]]:
    """Return comments and the line of names, and the first row where reading them took it."""
    header: list[bytes] = []
    for line in lines:
        if not line.startswith(b"#"):
            return (header, [line]) if bedpe else ([*header, line], [])
        header.append(line)
    if not header:
        raise TableError(f"{part}: the file is empty; make this part again")
    return header, []


def _named(header: list[bytes]) -> list[bytes]:
    """Return a header without what made the part: its command is another for each."""
    return [line for line in header if not line.startswith(_OWN_COMMENT)]


def _contig_column(part: Path, header: bytes) -> int:
    names = header.decode("utf-8", "surrogateescape").rstrip("\r\n").split("\t")
    if names[0] == _CONTIG_COLUMNS[0]:
        return 0
    if _CONTIG_COLUMNS[1] in names:
        return names.index(_CONTIG_COLUMNS[1])
    raise TableError(f"{part}:1: no column {' or '.join(_CONTIG_COLUMNS)}: is it of epipam?")


def _contigs(part: Path, before: int, rows: list[bytes], column: int) -> set[str]:
    try:
        found = {row.split(b"\t", column + 1)[column] for row in rows}
    except IndexError:
        short = next(i for i, row in enumerate(rows) if row.count(b"\t") < column)
        raise TableError(f"{part}:{before + short + 1}: row: too few columns") from None
    return {contig.decode("utf-8", "surrogateescape") for contig in found}


def _write_parquet(
    parts: Sequence[Path], path: Path, _ending: str
) -> Iterator[tuple[Path, set[str], int]]:
    """Write row groups; yield the part, the contigs and the number of rows of each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for part in parts:
            if not part.is_file():
                raise RequestError(f"{part}: no such file")
            try:
                opened = stack.enter_context(pq.ParquetFile(part, page_checksum_verification=True))
                column = next(c for c in _CONTIG_COLUMNS if c in opened.schema_arrow.names)
            except (pa.ArrowInvalid, StopIteration):
                raise TableError(f"{part}: is no Parquet file of epipam") from None
            if writer is None:
                writer = stack.enter_context(
                    pq.ParquetWriter(path, opened.schema_arrow, write_page_checksum=True)
                )
            elif not opened.schema_arrow.equals(writer.schema):
                raise RequestError(
                    f"{part}: its columns are not those of {parts[0]}: are they of one table?"
                )
            for number in range(opened.num_row_groups):
                rows = opened.read_row_group(number)
                writer.write_table(rows)
                yield part, set(rows[column].unique().to_pylist()), len(rows)

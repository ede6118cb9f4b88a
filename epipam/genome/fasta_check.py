"""Whether an index tells the truth about its FASTA: names, places and lengths, and bgzip's blocks.

An index holds, for each contig, where its first letter lies and how long its lines are. If it is
that of another file, it gives the wrong letters without a word. So the file is looked at where the
index says that contigs begin and end: a header line of just that name must end before the first
letter, the first line must end where it should, and behind the last letter the next header must
begin, or the file end. Of a bgzip file, the index of its blocks is compared with the blocks.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam

from epipam.errors import GenomeError

# Header of a block with its size as the last of 18 bytes (SAM specification, section 4.1).
_BLOCK_HEADER = struct.Struct("<12sBBHH")
_BLOCK_MAGIC = b"\x1f\x8b\x08\x04"
_SIZE = struct.Struct("<I")
_BLOCK_SIZE = 1 << 16
_LONGEST_HEADER = 1_000_000
_LARGEST_NUMBER = 1 << 62
_BLANKS = b" \t\v\f\r"

Read = Callable[[int, int], bytes]


class IndexFault(Exception):
    """An index that does not fit its FASTA.

    Attributes
    ----------
    names
        Names of contigs that were found where they should not be.
    """

    def __init__(self, what: str, names: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.names = tuple(names)


class Record(NamedTuple):
    """A line of the index: where a contig's letters lie in the file, in bytes."""

    length: int
    offset: int
    line_bases: int
    line_bytes: int

    @property
    def end(self) -> int:
        """Where the last letter ends."""
        line, column = divmod(self.length - 1, self.line_bases)
        return self.offset + line * self.line_bytes + column + 1


class Blocks(NamedTuple):
    """The blocks of a bgzip file.

    Attributes
    ----------
    packed, unpacked
        Where each begins, in the file and in what it unpacks to, int64 (n_blocks,).
    size
        What the file unpacks to, in bytes.
    """

    packed: np.ndarray
    unpacked: np.ndarray
    size: int


def parse_index(content: bytes) -> dict[str, Record]:
    """Return the records of a `.fai` by contig.

    Raises
    ------
    IndexFault
        For anything that samtools would not write.
    """
    records: dict[str, Record] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line:
            continue
        name, *numbers = line.split(b"\t")
        if len(numbers) != 4 or not all(n.isdigit() and len(n) < 20 for n in numbers):
            raise IndexFault(f"line {number} is not a name and four numbers")
        record = Record(*map(int, numbers))
        if not 0 < record.line_bases < record.line_bytes or not record.length:
            raise IndexFault(f"line {number} has lengths that no sequence has")
        if max(record) > _LARGEST_NUMBER:
            raise IndexFault(f"line {number} has a number that is too large")
        contig = name.decode("utf-8", "surrogateescape")
        if reason := unfit_name(contig):
            raise IndexFault(f"line {number} has a name that {reason}", [contig])
        if contig in records:
            raise IndexFault(f"line {number} names {contig} again")
        records[contig] = record
    if not content.endswith(b"\n"):
        raise IndexFault("it is cut short" if content else "it is empty")
    return records


def unfit_name(name: str) -> str | None:
    """Say why no contig can have a name, None where it can."""
    if not name:
        return "is empty"
    if not name.isprintable():  # what was no UTF-8 is not printable either
        is_text = not any("\udc80" <= letter <= "\udcff" for letter in name)
        return "has a control character" if is_text else "is not UTF-8"
    return None


def check_index(path: Path, records: dict[str, Record], blocks: Blocks | None) -> None:
    """Compare an index with its FASTA, contig by contig.

    Parameters
    ----------
    blocks
        Those of a bgzip file; None for a plain one.

    Raises
    ------
    IndexFault
        Where the file is another than the one that was indexed.
    """
    with _opened(path, blocks) as (read, size):
        end = 0
        for name, record in sorted(records.items(), key=lambda item: item[1].offset):
            headers = _headers_between(read, end, record.offset)
            if not headers or headers[-1] != name:
                raise IndexFault(f"{name} does not begin where it says", headers)
            _require_unknown(headers[:-1], records)
            _require_line(read, name, record, size)
            end = record.end
        _require_unknown(_headers_between(read, end, size), records)


def scan_blocks(path: Path) -> Blocks:
    """Return the blocks of a bgzip file, from their headers alone.

    Raises
    ------
    GenomeError
        Where a block has none.
    """
    places, sizes = [], []
    with path.open("rb", 0) as handle:
        file = handle.fileno()
        n_bytes = os.fstat(file).st_size
        at, header = 0, os.pread(file, _BLOCK_HEADER.size, 0)
        while at < n_bytes:
            length = _block_length(header)
            # The size of what this one unpacks to, and the header of the next.
            behind = os.pread(file, _SIZE.size + _BLOCK_HEADER.size, at + length - _SIZE.size)
            if not length or len(behind) < _SIZE.size:
                raise GenomeError(
                    f"{path}: is damaged: no bgzip block begins at byte {at:,}; "
                    "copy or download it again"
                )
            places.append(at)
            sizes.append(_SIZE.unpack_from(behind)[0])
            at, header = at + length, behind[_SIZE.size :]
    ends = np.cumsum([0, *sizes], dtype=np.int64)
    return Blocks(np.array(places, dtype=np.int64), ends[:-1], int(ends[-1]))


def check_block_index(content: bytes, blocks: Blocks) -> None:
    """Compare a `.gzi` with the blocks of its file.

    Raises
    ------
    IndexFault
        Where they differ.
    """
    if len(content) < 8 or len(content) % 16 != 8:
        raise IndexFault("its .gzi is cut short")
    numbers = np.frombuffer(content, dtype="<u8")
    entries = numbers[1:].reshape(-1, 2)
    # It leaves out the first block, and may leave out those at the end that are empty.
    known = np.column_stack([blocks.packed, blocks.unpacked])[1:].astype(np.uint64)
    filled = int(np.count_nonzero(known[:, 1] < blocks.size))
    complete = filled <= len(entries) <= len(known)
    if numbers[0] != len(entries) or not complete or (entries != known[: len(entries)]).any():
        raise IndexFault("its .gzi has other blocks than the file")


def _block_length(header: bytes) -> int:
    """Return how many bytes a block takes in the file, 0 where its header is none."""
    if len(header) < _BLOCK_HEADER.size:
        return 0
    start, first, second, two, last = _BLOCK_HEADER.unpack(header)
    is_header = start.startswith(_BLOCK_MAGIC) and (first, second, two) == (ord("B"), ord("C"), 2)
    return last + 1 if is_header and last >= _BLOCK_HEADER.size + _SIZE.size else 0


@contextmanager
def _opened(path: Path, blocks: Blocks | None) -> Iterator[tuple[Read, int]]:
    """Yield what reads (offset, n_bytes) of the letters of a FASTA, and how many there are."""
    if blocks is None:
        with path.open("rb", 0) as handle:
            file = handle.fileno()
            yield lambda offset, n: os.pread(file, n, offset), os.fstat(file).st_size
    else:
        with pysam.BGZFile(str(path), "rb", None) as handle:
            yield _Unpacked(handle, blocks).read, blocks.size


class _Unpacked:
    """What a bgzip file unpacks to, read here and there; short contigs share a block."""

    def __init__(self, handle: pysam.BGZFile, blocks: Blocks) -> None:
        self._handle, self._blocks = handle, blocks
        self._start, self._kept = 0, b""

    def read(self, offset: int, n_bytes: int) -> bytes:
        first = offset - self._start
        if first < 0 or first + n_bytes > len(self._kept):
            block = int(np.searchsorted(self._blocks.unpacked, offset, side="right")) - 1
            first = offset - int(self._blocks.unpacked[block])
            # A virtual offset: of the block in the file, and within what it unpacks to.
            self._handle.seek(int(self._blocks.packed[block]) << 16 | first)
            self._start, first = offset, 0
            self._kept = self._handle.read(max(n_bytes, _BLOCK_SIZE))
        return self._kept[first : first + n_bytes]


def _headers_between(read: Read, start: int, end: int) -> list[str]:
    """Return the names in the header lines of a stretch that should hold nothing else.

    A sequence ends where it starts, unless it starts at 0.
    """
    if end < start:
        raise IndexFault("two contigs overlap")
    before = min(start, 1)
    stretch = read(start - before, before + min(end - start, _LONGEST_HEADER))
    letter, stretch = stretch[:before], stretch[before:]
    if letter.isspace() or (letter and stretch.lstrip(_BLANKS)[:1] not in (b"\n", b"")):
        raise IndexFault(f"no sequence ends at byte {start:,}")
    names: list[str] = []
    *lines, rest = stretch.split(b"\n")
    for line in lines:
        if line.startswith(b">"):
            # What is no text becomes what no name of a contig has.
            names += [word.decode("utf-8", "surrogateescape") for word in line[1:].split()[:1]]
        elif line.strip():
            raise IndexFault(f"there are letters between bytes {start:,} and {end:,}", names)
    if end - start > _LONGEST_HEADER or rest.strip(_BLANKS):
        raise IndexFault(f"a line goes on behind byte {start + len(stretch):,}", names)
    return names


def _require_unknown(names: Sequence[str], records: dict[str, Record]) -> None:
    """Refuse a header without letters that bears the name of a contig; others may be there."""
    if known := [name for name in names if name in records]:
        raise IndexFault(f"{known[0]} stands at another place too", known)


def _require_line(read: Read, name: str, record: Record, size: int) -> None:
    """Refuse a contig whose first line does not end where it should."""
    if record.end > size:
        raise IndexFault(f"{name} ends behind the end of the file")
    if record.length > record.line_bases:
        last = record.offset + record.line_bases - 1
        letter, *line_end = read(last, record.line_bytes - record.line_bases + 1)
        if bytes([letter]).isspace() or bytes(line_end).strip(_BLANKS) != b"\n":
            raise IndexFault(f"the lines of {name} have another length")

"""Reading variants: VCF, plain or compressed, and BCF, one allele at a time."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pysam

from epipam.errors import TableError
from epipam.interpret.edits import Edit, trimmed

MISSING = "no ALT"
OVERLAPPING = "ALT * (deleted by another variant)"
SYMBOLIC = "symbolic ALT (no sequence given)"
BREAKEND = "breakend"
NOT_BASES = "ALT with letters other than A, C, G, T, N"
SAME = "ALT that is REF"

# What every whole BGZF file has at bytes 12 to 15, and at its end (SAM specification, 4.1).
_BGZF_EXTRA = b"BC\x02\x00"
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

_BASES = re.compile("[ACGTNacgtn]+")


class VariantError(TableError):
    """A file of variants that cannot be used."""


class Allele(NamedTuple):
    """One ALT of one record.

    Attributes
    ----------
    chrom, pos, id, ref, alt
        As the file has them; `pos` is 1-based, `id` empty where there is none.
    frequency
        The allele's AF; NaN where the record has none.
    edit
        What it changes.
    """

    chrom: str
    pos: int
    id: str
    ref: str
    alt: str
    frequency: float
    edit: Edit


class VariantReader:
    """The alleles of a VCF or BCF, in its order; memory is that of one record.

    Parameters
    ----------
    path
        VCF, plain, gzip or bgzip, or BCF. An index is not needed. Genotypes are not read.
    wanted
        Says of a chromosome's name whether its records are wanted; others are passed over.

    Attributes
    ----------
    records, alleles
        How many were read so far; a record without ALT counts as one allele.
    skipped
        Alleles that give no sequence, by reason.

    Raises
    ------
    VariantError
        For a file that is missing, damaged or no VCF, when it is opened or read.
    """

    def __init__(
        self, path: str | Path, wanted: Callable[[str], bool] = lambda chrom: True
    ) -> None:
        self.path = Path(path)
        self._wanted = cache(wanted)
        self.records = self.alleles = 0
        self.skipped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Allele]:
        verbosity = pysam.set_verbosity(0)  # htslib would print beside the one line of an error
        handle = None
        try:
            handle = self._open()
            yield from self._alleles(handle)
        finally:
            with suppress(OSError):  # closing says again that a file is damaged
                if handle is not None:
                    handle.close()
            pysam.set_verbosity(verbosity)

    def require(self) -> None:
        """Raise a VariantError where the file cannot be opened."""
        verbosity = pysam.set_verbosity(0)
        try:
            self._open().close()
        finally:
            pysam.set_verbosity(verbosity)

    def _open(self) -> pysam.VariantFile:
        if self.path.is_dir():
            raise VariantError(f"{self.path}: is a folder, not a VCF or BCF")
        if not self.path.exists():
            raise VariantError(f"{self.path}: no such file")
        if _is_cut_short(self.path):
            raise VariantError(f"{self.path}: is cut short: its bgzip end marker is missing")
        try:
            return pysam.VariantFile(str(self.path), drop_samples=True)
        except (ValueError, OSError):
            raise VariantError(
                f"{self.path}: is no VCF or BCF: it must begin with ##fileformat=VCF and have a "
                "line that begins with #CHROM (`bcftools view` names the fault)"
            ) from None

    def _alleles(self, handle: pysam.VariantFile) -> Iterator[Allele]:
        records = iter(handle)
        place = "its header"
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            except (OSError, ValueError, UnicodeDecodeError):
                raise VariantError(
                    f"{self.path}: the record after {place} cannot be read: the file is damaged "
                    "or cut short (`bcftools view` names the fault)"
                ) from None
            place = f"{record.chrom}:{record.pos}"
            if self._wanted(record.chrom):
                self.records += 1
                yield from self._split(record)

    def _split(self, record: pysam.VariantRecord) -> Iterator[Allele]:
        """Yield each ALT with a sequence; count the others."""
        ref, alts = record.ref or "", record.alts or ()
        self.alleles += max(1, len(alts))
        if not alts:
            self.skipped[MISSING] += 1
        for number, alt in enumerate(alts):
            if reason := _reason(ref, alt):
                self.skipped[reason] += 1
            else:
                edit = trimmed(record.pos - 1, ref, alt)
                frequency = _frequency(record, number, len(alts))
                yield Allele(record.chrom, record.pos, record.id or "", ref, alt, frequency, edit)


def _is_cut_short(path: Path) -> bool:
    """Whether a BGZF file lacks its end, which htslib would read as the end of the data."""
    if not path.is_file() or path.stat().st_size < len(_BGZF_END):
        return False
    with path.open("rb") as handle:
        if handle.read(18)[12:16] != _BGZF_EXTRA:
            return False
        handle.seek(-len(_BGZF_END), os.SEEK_END)
        return handle.read() != _BGZF_END


def _reason(ref: str, alt: str) -> str | None:
    """Say why an allele has no sequence of its own, None where it has."""
    if _BASES.fullmatch(alt):
        return SAME if ref.upper() == alt.upper() else None
    if alt == "*":
        return OVERLAPPING
    if alt.startswith("<"):
        return SYMBOLIC
    if alt in ("", "."):
        return MISSING
    if set("[].") & set(alt):
        return BREAKEND
    return NOT_BASES


def _frequency(record: pysam.VariantRecord, number: int, n_alts: int) -> float:
    """Return the AF of one ALT; NaN where there is none, or none for each ALT."""
    try:
        value = record.info["AF"]
    except (KeyError, ValueError):
        return math.nan
    values = value if isinstance(value, tuple) else (value,)
    if len(values) != n_alts:
        return math.nan
    try:
        return float(values[number])
    except (TypeError, ValueError):
        return math.nan

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
from epipam.genome.fasta_index import quiet_htslib
from epipam.genome.text_lines import read_lines
from epipam.interpret.edits import Edit, trimmed
from epipam.interpret.variant_stream import (
    VariantStream,
    is_cut_short,
    is_piped,
    is_plain_gzip,
)

MISSING = "no ALT"
OVERLAPPING = "ALT * (deleted by another variant)"
SYMBOLIC = "symbolic ALT (no sequence given)"
BREAKEND = "breakend"
NOT_BASES = "ALT with letters other than A, C, G, T, N"
SAME = "ALT that is REF"

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
        VCF, plain, gzip or bgzip, or BCF; a file, a pipe, or `-` for standard input, which are
        opened once. An index is not used, so that an old one does no harm. Genotypes are not read.
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
        self._opened: pysam.VariantFile | None = None
        self._stream: VariantStream | None = None

    def __iter__(self) -> Iterator[Allele]:
        with quiet_htslib():  # it would print beside the one line of an error
            handle = self._opened or self._open()
            self._opened = None
            try:
                yield from self._alleles(handle)
                if self._stream is not None and self._stream.fault:
                    raise VariantError(f"{self.path}: {self._stream.fault}")
            finally:
                with suppress(OSError):  # closing says again that a file is damaged
                    handle.close()

    def require(self) -> None:
        """Raise a VariantError where the file cannot be opened; it stays open to be read."""
        if self._opened is None:
            with quiet_htslib():
                self._opened = self._open()

    def _open(self) -> pysam.VariantFile:
        if self.path.is_dir():
            raise VariantError(f"{self.path}: is a folder, not a VCF or BCF")
        piped = is_piped(self.path)
        if not piped and not self.path.exists():
            raise VariantError(f"{self.path}: no such file")
        if is_cut_short(self.path):
            raise VariantError(f"{self.path}: is cut short: its bgzip end marker is missing")
        if piped and self._stream is not None:
            raise VariantError(f"{self.path}: is a pipe, which was read already")
        if not piped:
            with self.path.open("rb") as handle:
                start = handle.read(18)
            if not is_plain_gzip(start):
                return self._open_with_pysam(str(self.path))
        self._stream = VariantStream(self.path)
        try:
            return self._open_with_pysam(self._stream.descriptor)
        finally:
            os.close(self._stream.descriptor)  # pysam has one of its own

    def _open_with_pysam(self, source: str | int) -> pysam.VariantFile:
        try:
            return pysam.VariantFile(source, drop_samples=True)
        except (ValueError, OSError):
            twice = None if is_piped(self.path) else _sample_twice(self.path)
            if twice is not None:
                raise VariantError(
                    f"{self.path}: has two samples that are called {twice}; leave samples out, "
                    f"which are not read: `cut -f 1-8`"
                ) from None
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
            try:
                place = f"{record.chrom}:{record.pos}"
                alleles = list(self._split(record)) if self._wanted(record.chrom) else []
            except UnicodeDecodeError:
                raise VariantError(
                    f"{self.path}: the record at or after {place} holds what is not UTF-8; if it "
                    "is Latin-1, `iconv -f latin1 -t utf8` converts it"
                ) from None
            yield from alleles

    def _split(self, record: pysam.VariantRecord) -> Iterator[Allele]:
        """Yield each ALT with a sequence; count the others."""
        self.records += 1
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


def _sample_twice(path: Path) -> str | None:
    """Return the name of a sample that the header of a VCF has twice, None where it has none."""
    with suppress(VariantError):
        for _, line in read_lines(path, "a VCF", VariantError):
            if line.startswith("#CHROM"):
                counts = Counter(line.split("\t")[9:])
                return next((name for name, n in counts.items() if n > 1), None)
            if not line.startswith("#"):
                return None
    return None


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

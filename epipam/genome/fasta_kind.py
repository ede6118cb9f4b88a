"""Refusing what is given as a genome and is no FASTA, or one that allows no random access."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from shlex import quote

from epipam.errors import GenomeError

_GZIP_MAGIC = b"\x1f\x8b"
_BGZIP_EXTRA = b"BC\x02\x00"
# The empty block that ends every bgzip file (SAM specification, section 4.1.2).
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_UTF8_MARK = b"\xef\xbb\xbf"

# First bytes of what else people have, and what makes a FASTA of it.
_KINDS = {
    b"BZh": ("bzip2", "bunzip2 -k {path}"),
    b"\xfd7zXZ": ("xz", "xz -dk {path}"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -d {path}"),
    b"PK\x03\x04": ("zip", "unzip {path}"),
    b"\x1a\x41\x27\x43": ("2bit", "twoBitToFa {path} {plain}.fa"),
    b"\x43\x27\x41\x1a": ("2bit", "twoBitToFa {path} {plain}.fa"),
    b"\xff\xfe": ("UTF-16 text", "iconv -f utf-16 -t utf-8 {path} > {plain}.utf8.fa"),
    b"\xfe\xff": ("UTF-16 text", "iconv -f utf-16 -t utf-8 {path} > {plain}.utf8.fa"),
}


def is_bgzip(path: Path) -> bool:
    """Whether a FASTA is compressed."""
    with path.open("rb") as handle:
        return handle.read(2) == _GZIP_MAGIC


def refuse_non_fasta(path: Path) -> None:
    """Raise a GenomeError, which names the way out, where a file cannot be a FASTA."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise GenomeError(
            f"{path}: is a pipe or a device: a genome is read here and there, so write it to a "
            "file first"
        )
    if not path.is_file():
        raise GenomeError(f"{path}: no such FASTA file")
    compressed = is_bgzip(path)
    if compressed:
        _refuse_plain_gzip(path)
    _refuse_other_kinds(path, compressed)
    if compressed:
        _refuse_cut_bgzip(path)


def _refuse_plain_gzip(path: Path) -> None:
    with path.open("rb") as handle:
        header = handle.read(18)
    if _BGZIP_EXTRA not in header:
        raise GenomeError(
            f"{path}: is gzip, which allows no random access; convert it to bgzip: "
            f"gunzip -c {quote(str(path))} | bgzip > {quote(f'{_without_ending(path)}.bgz')}"
        )


def _refuse_other_kinds(path: Path, compressed: bool) -> None:
    try:
        with gzip.open(path) if compressed else path.open("rb") as handle:
            start = handle.read(1 << 12)
    except (EOFError, OSError, zlib.error) as error:
        raise GenomeError(f"{path}: cannot be read: {error}") from None
    for magic, (kind, command) in _KINDS.items():
        if start.startswith(magic):
            names = {"path": quote(str(path)), "plain": quote(str(_without_ending(path)))}
            raise GenomeError(f"{path}: is {kind}, no FASTA; try: {command.format(**names)}")
    if start.startswith(_UTF8_MARK):
        raise GenomeError(
            f"{path}: begins with a byte order mark; take it off: "
            f"tail -c +4 {quote(str(path))} > {quote(f'{_without_ending(path)}.plain.fa')}"
        )
    first = start.lstrip()[:1]
    if first != b">":
        what = "does not start with" if first else "the file is empty; a FASTA starts with"
        raise GenomeError(f"{path}: is no FASTA: {what} a '>' line")


def _refuse_cut_bgzip(path: Path) -> None:
    """Refuse a file that ends between two blocks, as htslib does not."""
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - len(_BGZIP_END)))
        end = handle.read()
    if end != _BGZIP_END:
        raise GenomeError(
            f"{path}: is truncated: bgzip's last block is missing; copy or download it again"
        )


def _without_ending(path: Path) -> Path:
    return path.with_suffix("") if path.suffix in (".gz", ".fa", ".fasta", ".2bit") else path

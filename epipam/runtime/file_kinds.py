"""What a file is that holds no table: told by its first bytes, with the way to make a table of it.

Magic numbers are those of the formats' own specifications, as `file(1)` knows them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# How many bytes are enough to tell; a tar archive names itself at byte 257.
HEAD_BYTES = 4096

_CALL_LOOPS = (
    "contacts, not loops: call loops first (HiCCUPS, mustache, cooltools dots) and give their list"
)
_WRITE_TABLE = "write the table it holds as TSV and give that"
_UNPACK = "unpack it and give the file inside"


class Kind(NamedTuple):
    """A kind of file: a word for code, what it is called, and what to do instead of giving it."""

    key: str
    name: str
    way_out: str


PARQUET = Kind("parquet", "a Parquet file", "pandas.read_parquet(FILE).to_csv(...) writes a table")
BIGBED = Kind("bigbed", "a bigBed file", "bigBedToBed FILE OUT writes a table")
UTF16 = Kind("utf-16", "text in UTF-16", "iconv -f UTF-16 -t UTF-8 FILE >NEW makes UTF-8 of it")
HDF5 = Kind(
    "hdf5", "an HDF5 file", f"a .cool or .mcool holds {_CALL_LOOPS}; of any other, {_WRITE_TABLE}"
)
XLSX = Kind("xlsx", "an Excel workbook", "save the sheet as CSV or as tab-delimited text")
NUMPY = Kind("numpy", "a NumPy file", _WRITE_TABLE)
BINARY = Kind("binary", "binary data of no known kind", "give text: TSV, CSV or BEDPE")
ANNOTATION = Kind(
    "annotation",
    "a gene annotation (GTF or GFF3)",
    "epipam candidates makes pairs of enhancers and its genes",
)
FASTA = Kind("fasta", "a FASTA", "the genome comes before the table; were the two swapped?")

_R_OBJECT = Kind(
    "r",
    "an R object",
    'in R, write.table(readRDS(FILE), sep="\\t", quote=FALSE, row.names=FALSE) writes a table',
)
_BAM = Kind("bam", "a BAM file of reads", "call peaks or loops first and give their list")
_BIGWIG = Kind("bigwig", "a bigWig signal track", "call peaks first and give their list")
_TAR = Kind("tar", "a tar archive", _UNPACK)

# First bytes, in the order in which they are tried.
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PAR1", PARQUET),
    (b"\x87\x89\xf2\xeb", BIGBED),
    (b"\xeb\xf2\x89\x87", BIGBED),
    (b"\x26\xfc\x8f\x88", _BIGWIG),
    (b"\x88\x8f\xfc\x26", _BIGWIG),
    (b"\xff\xfe", UTF16),
    (b"\xfe\xff", UTF16),
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"HIC\0", Kind("hic", "a .hic matrix", f"it holds {_CALL_LOOPS}")),
    (b"\xd0\xcf\x11\xe0", XLSX),
    (b"\x43\x27\x41\x1a", Kind("2bit", "a 2bit genome", "twoBitToFa FILE OUT makes a FASTA")),
    (b"\x1a\x41\x27\x43", Kind("2bit", "a 2bit genome", "twoBitToFa FILE OUT makes a FASTA")),
    (b"SQLite format 3\0", Kind("sqlite", "an SQLite database", _WRITE_TABLE)),
    (b"%PDF", Kind("pdf", "a PDF", "give the table itself, not the page it is printed on")),
    (b"ARROW1", Kind("arrow", "an Arrow (Feather) file", _WRITE_TABLE)),
    (b"FEA1", Kind("arrow", "an Arrow (Feather) file", _WRITE_TABLE)),
    (b"\x93NUMPY", NUMPY),
    (b"BAM\x01", _BAM),
    (b"CRAM", _BAM),
    (b"BCF\x02", Kind("bcf", "a BCF file of variants", "bcftools view FILE writes a VCF")),
    (b"\x89PNG", Kind("image", "a picture", "give the table itself")),
    (b"\xff\xd8\xff", Kind("image", "a picture", "give the table itself")),
    (b"\x28\xb5\x2f\xfd", Kind("zstd", "compressed by zstd", "zstd -d FILE decompresses it")),
    (b"\x04\x22\x4d\x18", Kind("lz4", "compressed by lz4", "lz4 -d FILE decompresses it")),
    (b"7z\xbc\xaf\x27\x1c", Kind("7z", "a 7z archive", _UNPACK)),
    (b"Rar!\x1a\x07", Kind("rar", "a rar archive", _UNPACK)),
    (b"X\n\0\0", _R_OBJECT),
    (b"RDX2\n", _R_OBJECT),
    (b"RDX3\n", _R_OBJECT),
    (b"\x80\x03", Kind("pickle", "a Python pickle", _WRITE_TABLE)),
    (b"\x80\x04\x95", Kind("pickle", "a Python pickle", _WRITE_TABLE)),
    (b"\x80\x05\x95", Kind("pickle", "a Python pickle", _WRITE_TABLE)),
    (b"px\0\0", Kind("pairs-4dn", "a pairix index", "give the list of loops, not an index")),
)
_TEXT: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (
        re.compile(r"version https://git-lfs"),
        Kind("git-lfs", "a Git LFS pointer", "git lfs pull fetches the file it stands for"),
    ),
    (
        re.compile(r"\s*<(!doctype|\?xml|html|head|body)\b", re.IGNORECASE),
        Kind("html", "an HTML or XML page", "if it was downloaded, the download went wrong"),
    ),
    (
        re.compile(r"\s*(\{\s*[\"}]|\[\s*[\[{\]\"])"),
        Kind("json", "JSON", "pandas.read_json(FILE).to_csv(NEW, sep='\\t', index=False) helps"),
    ),
    (
        re.compile(r"## ?pairs format|#columns:\s*readID\b"),
        Kind("pairs-4dn", "a 4DN list of read pairs", f"it holds {_CALL_LOOPS}"),
    ),
    (re.compile(r"##gff-version|#gtf-version|##gtf|#!genome-build"), ANNOTATION),
    (
        re.compile(r"##fileformat=VCF"),
        Kind("vcf", "a VCF of variants", "epipam variants scores what they change"),
    ),
    (re.compile(r"@(HD|SQ|RG|PG)\t"), _BAM),
    (re.compile(r"\s*>[^\t,]*\n"), FASTA),
)
_TAR_AT, _TAR_MAGIC = 257, b"ustar"
_ANNOTATION_ROW = re.compile(r"[^\t]+\t[^\t]*\t[^\t]+\t[0-9]+\t[0-9]+\t[^\t]+\t[-+.?]\t[0-2.]\t")
_ANNOTATION_KEYS = re.compile(r'\b(gene_id|transcript_id|ID|Parent|gene_name)[ =]"?')


def binary_kind(head: bytes) -> Kind | None:
    """Return what a file is that begins with these bytes and holds no UTF-8 text; None for text.

    Parameters
    ----------
    head
        The first bytes, decompressed; `HEAD_BYTES` of them where there are so many.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[_TAR_AT : _TAR_AT + len(_TAR_MAGIC)] == _TAR_MAGIC:
        return _TAR
    if b"\0" in head:
        pairs = max(len(head) // 2, 1)
        # Latin letters in UTF-16 without its mark: every second byte is 0.
        share = max(head[::2].count(0), head[1::2].count(0)) / pairs
        return (
            UTF16 if share > 0.6 and min(head[::2].count(0), head[1::2].count(0)) == 0 else BINARY
        )
    return None


def text_kind(head: str) -> Kind | None:
    """Return what a text is that is no table of pairs or regions; None where nothing says so.

    Parameters
    ----------
    head
        Its first characters, some whole lines.
    """
    for pattern, kind in _TEXT:
        if pattern.match(head):
            return kind
    for line in head.splitlines():
        if line.strip() and not line.startswith("#"):
            is_row = _ANNOTATION_ROW.match(line) and _ANNOTATION_KEYS.search(line)
            return ANNOTATION if is_row else None
    return None


def office_kind(members: list[str]) -> Kind | None:
    """Return what a zip archive is by the names of its members; None for an ordinary one."""
    if any(name.startswith("xl/") for name in members) or "mimetype" in members:
        return XLSX
    if any(name.startswith(("word/", "ppt/")) for name in members):
        return Kind("docx", "an Office document", "give the table itself as CSV or TSV")
    if members and all(name.endswith(".npy") for name in members):
        return NUMPY
    return None
